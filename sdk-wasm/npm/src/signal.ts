/** What is said to authenticators besides prompts. */

/**
 * Tells this device's authenticator that the server does not know a credential, so that it stops offering it. That deletes the
 * credential for good, so it is said of what was removed just now, and never because something failed.
 */
export async function signalUnknown(rpID: string, credentialID: string): Promise<void> {
  const signals = globalThis.PublicKeyCredential as unknown as {
    signalUnknownCredential?(options: { rpId: string; credentialId: string }): Promise<void>;
  };
  try {
    await signals.signalUnknownCredential?.({ rpId: rpID, credentialId: credentialID });
  } catch {
    // Help for the person, not part of the call.
  }
}

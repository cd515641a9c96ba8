/** The browser's passkey prompt, with options and answers in the JSON form of WebAuthn Level 3. */

import type { Code } from './error.js';

/**
 * Shows the prompt. Up to the call of `navigator.credentials` it runs at once, so within the click that it is called in.
 * `options` were checked by the core: their challenge is bound to this page's key and origin.
 */
export async function showPrompt(create: boolean, options: string, signal: AbortSignal): Promise<string> {
  const json = JSON.parse(options);
  const credential = await (create
    ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json), signal })
    : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json), signal }));
  return JSON.stringify((credential as PublicKeyCredential).toJSON());
}

/** The code for what `showPrompt` threw. */
export function codeOf(thrown: unknown, create: boolean): Code {
  switch (thrown instanceof Error || thrown instanceof DOMException ? thrown.name : '') {
    case 'InvalidStateError':
      return create ? 'passkeyExists' : 'cancelled';
    // A missing function or object is a TypeError: an old browser, or a page without TLS.
    case 'SecurityError':
    case 'NotSupportedError':
    case 'ConstraintError':
    case 'TypeError':
    case 'ReferenceError':
      return 'notSupported';
    // Browsers say NotAllowedError for "no", "too late" and "no such passkey" alike, on purpose.
    default:
      return 'cancelled';
  }
}

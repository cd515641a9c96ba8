/** A software authenticator: `navigator.credentials` as a platform authenticator answers it, with real P-256 keys. */

import { bytesOf, decode, encode, makeBytes, type Bytes } from './bytes.js';
import { attestationObject, authenticatorData, clientData, Flag, P256, pointOf, sign } from './webauthn.js';

export interface AuthenticatorOptions {
  /** Whether it verifies the person (UV). Default `true`; `false` is a device without fingerprint, face and PIN. */
  verifiesUser?: boolean;
  /** Whether its passkeys are synced: BE and BS set, no counter. Default `true`; `false`: bound to the device, it counts. */
  isSynced?: boolean;
  /** Its model, as a UUID. Default all zero, as most platforms say. */
  aaguid?: string;
}

/** A passkey in a {@link SoftwareAuthenticator}. */
export interface SoftwarePasskey {
  /** Unpadded base64url. */
  readonly credentialID: string;
  readonly rpID: string;
  readonly userName: string;
  /** How often it signed; 0 for ever when it is synced. */
  readonly signCount: number;
}

interface Held extends SoftwarePasskey {
  signCount: number;
  readonly id: Bytes;
  readonly userID: Bytes;
  readonly isDiscoverable: boolean;
  readonly privateKey: CryptoKey;
}

/**
 * An authenticator in memory. `install` puts it behind `navigator.credentials`.
 *
 * Prompts are answered at once, unless `answer` says otherwise. As in browsers, a closed prompt, a missing passkey and a
 * person who cannot be verified are the same `NotAllowedError`.
 */
export class SoftwareAuthenticator {
  /** Whether it verifies the person (UV). */
  verifiesUser: boolean;
  readonly #isSynced: boolean;
  readonly #aaguid: Bytes;
  readonly #passkeys = new Map<string, Held>();
  #answer: 'accept' | 'refuse' | 'wait' = 'accept';
  #promptCount = 0;
  #isPrompting = false;
  readonly #bell = new EventTarget();

  constructor({ verifiesUser = true, isSynced = true, aaguid = '00000000-0000-0000-0000-000000000000' }: AuthenticatorOptions = {}) {
    this.verifiesUser = verifiesUser;
    this.#isSynced = isSynced;
    const digits = aaguid.replaceAll('-', '');
    if (!/^[\da-f]{32}$/i.test(digits)) throw new TypeError('an aaguid is a UUID');
    this.#aaguid = Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  }

  /** What the person does with a prompt. Setting it settles a prompt that waits. */
  get answer(): 'accept' | 'refuse' | 'wait' {
    return this.#answer;
  }

  set answer(answer: 'accept' | 'refuse' | 'wait') {
    this.#answer = answer;
    this.#bell.dispatchEvent(new Event('answer'));
  }

  /** How many prompts were shown. */
  get promptCount(): number {
    return this.#promptCount;
  }

  /** Its passkeys, oldest first. */
  get passkeys(): readonly SoftwarePasskey[] {
    return [...this.#passkeys.values()].map(({ credentialID, rpID, userName, signCount }) =>
      Object.freeze({ credentialID, rpID, userName, signCount }),
    );
  }

  /** Resolves when a prompt is shown; at once when one is. */
  async prompted(): Promise<void> {
    while (!this.#isPrompting) await this.#rings('prompt');
  }

  /** Deletes a passkey, or all of them. */
  forget(credentialID?: string): void {
    if (credentialID === undefined) this.#passkeys.clear();
    else this.#passkeys.delete(credentialID);
  }

  /** `navigator.credentials.create`. */
  async create(options: CredentialCreationOptions = {}): Promise<PublicKeyCredential> {
    const { publicKey, signal } = options;
    if (!publicKey) throw notSupported();
    const { origin, rpID } = place(publicKey.rp.id);
    if (!publicKey.pubKeyCredParams.some(({ alg }) => alg === -7)) throw notSupported();
    return this.#prompt(signal, publicKey.authenticatorSelection?.userVerification, async () => {
      const isKnown = publicKey.excludeCredentials?.some(({ id }) => this.#passkeys.has(encode(bytesOf(id))));
      if (isKnown) throw new DOMException('The authenticator was previously registered', 'InvalidStateError');
      const { privateKey, publicKey: key } = await crypto.subtle.generateKey(P256, false, ['sign', 'verify']);
      const id = makeBytes(20);
      const residentKey = publicKey.authenticatorSelection?.residentKey;
      const held: Held = {
        credentialID: encode(id),
        rpID,
        userName: publicKey.user.name,
        signCount: 0,
        id,
        userID: bytesOf(publicKey.user.id),
        isDiscoverable: residentKey === 'required' || residentKey === 'preferred',
        privateKey,
      };
      this.#passkeys.set(held.credentialID, held);
      const made = { aaguid: this.#aaguid, credentialID: id, publicKey: await pointOf(key) };
      const data = await authenticatorData(rpID, this.#flags() | Flag.attested, this.#count(held), made);
      const spki = bytesOf(await crypto.subtle.exportKey('spki', key));
      const response = {
        clientDataJSON: clientData('webauthn.create', bytesOf(publicKey.challenge), origin),
        attestationObject: attestationObject(data),
        authenticatorData: data,
        publicKey: spki,
      };
      const more = { transports: ['hybrid', 'internal'], publicKeyAlgorithm: -7 };
      return credential(id, response, more, { credProps: { rk: held.isDiscoverable } });
    });
  }

  /** `navigator.credentials.get`. */
  async get(options: CredentialRequestOptions = {}): Promise<PublicKeyCredential> {
    const { publicKey, signal } = options;
    if (!publicKey) throw notSupported();
    const { origin, rpID } = place(publicKey.rpId);
    return this.#prompt(signal, publicKey.userVerification, async () => {
      const allowed = publicKey.allowCredentials?.map(({ id }) => encode(bytesOf(id))) ?? [];
      const held = [...this.#passkeys.values()].find(
        (passkey) =>
          passkey.rpID === rpID &&
          (allowed.length === 0 ? passkey.isDiscoverable : allowed.includes(passkey.credentialID)),
      );
      if (!held) throw notAllowed();
      const data = await authenticatorData(rpID, this.#flags(), this.#count(held));
      const client = clientData('webauthn.get', bytesOf(publicKey.challenge), origin);
      const signature = await sign(held.privateKey, data, client);
      const response = {
        clientDataJSON: client,
        authenticatorData: data,
        signature,
        ...(held.isDiscoverable && { userHandle: held.userID }),
      };
      return credential(held.id, response, {}, {});
    });
  }

  #flags(): number {
    const backup = this.#isSynced ? Flag.backupEligible | Flag.backedUp : 0;
    return Flag.present | (this.verifiesUser ? Flag.verified : 0) | backup;
  }

  #count(held: Held): number {
    return this.#isSynced ? 0 : ++held.signCount;
  }

  async #prompt<T>(signal: AbortSignal | undefined, verification: string | undefined, use: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    if (this.#isPrompting) throw new DOMException('A request is already pending.', 'NotAllowedError');
    this.#isPrompting = true;
    this.#promptCount += 1;
    this.#bell.dispatchEvent(new Event('prompt'));
    try {
      while (this.#answer === 'wait') await this.#rings('answer', signal);
      if (this.#answer === 'refuse' || (verification === 'required' && !this.verifiesUser)) throw notAllowed();
      const result = await use();
      signal?.throwIfAborted();
      return result;
    } finally {
      this.#isPrompting = false;
    }
  }

  #rings(name: 'prompt' | 'answer', signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      const ring = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      this.#bell.addEventListener(name, ring, { once: true });
    });
  }
}

/** The page's origin, and the RP ID if it may be used there (WebAuthn Level 3 section 5.1.3, step 8). */
function place(wanted: string | undefined): { origin: string; rpID: string } {
  const { origin } = globalThis;
  const host = new URL(origin).hostname;
  const rpID = wanted ?? host;
  if (host === rpID || host.endsWith(`.${rpID}`)) return { origin, rpID };
  throw new DOMException(`The RP ID ${rpID} is not a suffix of this page's domain, ${host}.`, 'SecurityError');
}

function credential(
  id: Bytes,
  response: Record<string, Bytes>,
  more: { transports?: string[]; publicKeyAlgorithm?: number },
  extensions: AuthenticationExtensionsClientOutputs,
): PublicKeyCredential {
  const entries = Object.entries(response);
  const json = {
    id: encode(id),
    rawId: encode(id),
    type: 'public-key',
    authenticatorAttachment: 'platform',
    response: { ...Object.fromEntries(entries.map(([name, bytes]) => [name, encode(bytes)])), ...more },
    clientExtensionResults: extensions,
  };
  const made = Object.create(FakePublicKeyCredential.prototype) as PublicKeyCredential;
  return Object.assign(made, {
    id: json.id,
    rawId: id.buffer,
    type: json.type,
    authenticatorAttachment: json.authenticatorAttachment,
    response: {
      ...Object.fromEntries(entries.map(([name, bytes]) => [name, bytes.buffer])),
      ...(more.transports && {
        getTransports: () => more.transports,
        getPublicKeyAlgorithm: () => more.publicKeyAlgorithm,
        getPublicKey: () => response.publicKey?.buffer ?? null,
        getAuthenticatorData: () => response.authenticatorData?.buffer,
      }),
    },
    getClientExtensionResults: () => extensions,
    toJSON: () => structuredClone(json),
  });
}

/** What a page calls on `PublicKeyCredential` itself. */
export class FakePublicKeyCredential {
  static parseCreationOptionsFromJSON(json: PublicKeyCredentialCreationOptionsJSON): object {
    const { user, challenge, excludeCredentials = [] } = json;
    const parsed = { user: { ...user, id: parsed64(user.id) }, challenge: parsed64(challenge) };
    return { ...json, ...parsed, excludeCredentials: excludeCredentials.map(descriptor) };
  }

  static parseRequestOptionsFromJSON(json: PublicKeyCredentialRequestOptionsJSON): object {
    const { challenge, allowCredentials = [] } = json;
    return { ...json, challenge: parsed64(challenge), allowCredentials: allowCredentials.map(descriptor) };
  }

  static isUserVerifyingPlatformAuthenticatorAvailable(): Promise<boolean> {
    return Promise.resolve(true);
  }

  static isConditionalMediationAvailable(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

function descriptor({ id, type, transports }: PublicKeyCredentialDescriptorJSON): object {
  return { id: parsed64(id), type, ...(transports && { transports }) };
}

function parsed64(text: string): ArrayBuffer {
  const bytes = decode(text);
  if (!bytes) throw new DOMException('The JSON value contains a malformed base64url string.', 'EncodingError');
  return bytes.buffer;
}

function notAllowed(): DOMException {
  return new DOMException('The operation either timed out or was not allowed.', 'NotAllowedError');
}

function notSupported(): DOMException {
  return new DOMException('Only publicKey credentials of ES256 are supported.', 'NotSupportedError');
}

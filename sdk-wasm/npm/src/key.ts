/** Session keys, and the base64url that goes with them. */

import type { KeyPair } from './core.js';
import { notSupported } from './port.js';

/** Makes a P-256 key pair that no script can read, in memory only. */
export async function makeKeyPair(): Promise<KeyPair> {
  try {
    const { subtle } = crypto;
    const pair = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
    const { x = '', y = '' } = await subtle.exportKey('jwk', pair.publicKey);
    return Object.freeze({
      x,
      y,
      sign: async (input: Uint8Array<ArrayBuffer>) =>
        new Uint8Array(await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, input)),
    });
  } catch (cause) {
    throw notSupported('this page has no WebCrypto with P-256; pages need TLS', cause);
  }
}

export function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

export function base64url(bytes: Uint8Array): string {
  return base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

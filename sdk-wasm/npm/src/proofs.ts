/**
 * Which account sent this? What the session key signs for a page (docs/protocol.md section 5). The texts are made here from
 * their parts, never taken from a page: nobody can have the key sign something else under the name of a proof.
 */

import type { KeyPair } from './core.js';
import { PasskeyError } from './error.js';
import { base64, base64url } from './key.js';
import type { ProofFields } from './port.js';

/** What a proof says besides what it is about. */
export interface Stamp {
  readonly sessionID: string;
  /** Seconds since 1970, by the server's clock. */
  readonly createdS: number;
  /** 16 random bytes. */
  readonly random: Uint8Array;
}

/** The longest audience and the longest nonce that a proof for a socket takes, in characters. */
export const MAX_CLAIM_CHARS = 256;

/** A method as HTTP has it (RFC 9110 section 5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}$/;

/** An RFC 9421 signature over method, address and, if there is a body, its digest (RFC 9530). */
export async function signRequest(
  key: KeyPair,
  stamp: Stamp,
  method: string,
  url: string,
  digest: Uint8Array | undefined,
): Promise<ProofFields> {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  const isHttp = address?.protocol === 'https:' || address?.protocol === 'http:';
  if (!TOKEN.test(method) || !address || !isHttp || (digest && digest.length !== 32)) {
    throw new PasskeyError('badMessage', 'a proof needs a method, an http(s) address, and the SHA-256 of the body', false);
  }
  address.hash = '';
  const covered = [
    ['@method', method],
    ['@target-uri', address.href],
  ];
  const contentDigest = digest && `sha-256=:${base64(digest)}:`;
  if (contentDigest) covered.push(['content-digest', contentDigest]);
  const names = covered.map(([name]) => `"${name}"`).join(' ');
  const { sessionID, createdS, random } = stamp;
  const parameters = `(${names});created=${createdS};keyid="${sessionID}";nonce="${base64url(random)}";tag="passkey-accounts"`;
  const base = [...covered, ['@signature-params', parameters]].map(([name, value]) => `"${name}": ${value}`).join('\n');
  const signature = await key.sign(new TextEncoder().encode(base));
  return {
    ...(contentDigest && { 'content-digest': contentDigest }),
    'signature-input': `pa=${parameters}`,
    signature: `pa=:${base64(signature)}:`,
  };
}

/** A compact JWS (RFC 7515) for whoever gave the nonce. */
export async function signNonce(key: KeyPair, stamp: Stamp, audience: string, nonce: string): Promise<string> {
  if (![audience, nonce].every((text) => text.length > 0 && text.length <= MAX_CLAIM_CHARS)) {
    throw new PasskeyError('badMessage', `audience and nonce have 1 to ${MAX_CLAIM_CHARS} characters`, false);
  }
  const encoder = new TextEncoder();
  const part = (value: object): string => base64url(encoder.encode(JSON.stringify(value)));
  const header = part({ alg: 'ES256', kid: stamp.sessionID, typ: 'session-proof+jwt' });
  const claims = part({ aud: audience, nonce, iat: stamp.createdS, jti: base64url(stamp.random) });
  const signature = await key.sign(encoder.encode(`${header}.${claims}`));
  return `${header}.${claims}.${base64url(signature)}`;
}

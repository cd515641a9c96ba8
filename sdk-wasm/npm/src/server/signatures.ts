/**
 * Signatures of passkeys, checked by the platform: `node:crypto`, which Node, Bun and Deno have, and workerd where its flag
 * `nodejs_compat` is set. The core calls this, and waits for nothing: WebCrypto would have it wait.
 */

let platform: Platform | undefined;

/** Finds the platform's own. `false` where there is none that tells good signatures from bad ones. */
export async function findSignatures(): Promise<boolean> {
  if (platform !== undefined) return true;
  try {
    // By a name that bundlers do not follow.
    const name = 'node:crypto';
    platform = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as Platform;
  } catch {
    return false;
  }
  // What only bears the name, such as a bundler's stand-in, must not decide.
  const isSound = KNOWN.every(({ jwk, signature }) => {
    const bytes = unhex(signature);
    return isSigned(jwk, MESSAGE, bytes) && !isSigned(jwk, OTHER_MESSAGE, bytes);
  });
  if (!isSound) platform = undefined;
  return isSound;
}

/** Whether there is such a key. Takes a public JWK. */
export function isKey(jwk: string): boolean {
  return read(jwk) !== undefined;
}

/** Whether the key has signed the message: ECDSA in DER over SHA-256, Ed25519, or RSASSA-PKCS1-v1_5 over SHA-256. */
export function isSigned(jwk: string, message: Uint8Array, signature: Uint8Array): boolean {
  const key = read(jwk);
  if (platform === undefined || key === undefined) return false;
  try {
    return platform.verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', message, key, signature) === true;
  } catch {
    return false;
  }
}

function read(jwk: string): KeyObject | undefined {
  try {
    return platform?.createPublicKey({ key: JSON.parse(jwk) as object, format: 'jwk' });
  } catch {
    return undefined;
  }
}

/** What is used of `node:crypto`. */
interface Platform {
  createPublicKey(jwk: { key: object; format: 'jwk' }): KeyObject;
  verify(hash: string | null, message: Uint8Array, key: KeyObject, signature: Uint8Array): boolean;
}

interface KeyObject {
  asymmetricKeyType?: string;
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

const MESSAGE = unhex('af82');

const OTHER_MESSAGE = unhex('af83');

/** RFC 8032 section 7.1, TEST 3; and the same message signed with the key of RFC 6979 section A.2.5. */
const KNOWN = [
  {
    jwk: '{"kty":"OKP","crv":"Ed25519","x":"_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU"}',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
  {
    jwk: '{"kty":"EC","crv":"P-256","x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y","y":"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"}',
    signature:
      '3044022019fca367c6f766c993e68f6aa45d42584c5c73be072306327d3eaa9a5c95ba31022020c40178d06084ef93f0e1e3552fb1700749f33e894397f014d5bcf3642ced07',
  },
];

/**
 * What an ES256 authenticator writes, and how a server checks it (WebAuthn Level 3 sections 6.1, 6.5, 7.1, 7.2).
 * Nothing here is a parser: the fake server takes parts from where they must be, writes the whole anew, and compares.
 */

import { bytesOf, concat, decode, encode, equal, sha256, uint, utf8, type Bytes } from './bytes.js';

export const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;
export const ES256 = { name: 'ECDSA', hash: 'SHA-256' } as const;

export const Flag = { present: 0x01, verified: 0x04, backupEligible: 0x08, backedUp: 0x10, attested: 0x40 } as const;

/** A point of P-256, 32 bytes each. */
export interface Point {
  readonly x: Bytes;
  readonly y: Bytes;
}

/** A new credential inside the authenticator data of a registration. */
export interface Attested {
  readonly aaguid: Bytes;
  readonly credentialID: Bytes;
  readonly publicKey: Point;
}

/** A credential as a server keeps it. */
export interface Registered {
  readonly credentialID: Bytes;
  readonly aaguid: Bytes;
  /** `COSE_Key` bytes as the authenticator made them. */
  readonly publicKeyCose: Bytes;
  readonly key: CryptoKey;
  readonly signCount: number;
  readonly backupEligible: boolean;
  readonly backedUp: boolean;
  readonly transports: readonly string[];
}

/** What an answer must fit. */
export interface Expected {
  readonly challenge: Bytes;
  readonly origin: string;
  readonly rpID: string;
}

/** `COSE_Key` of ES256: {1: 2, 3: -7, -1: 1, -2: x, -3: y} in canonical CBOR. */
export function coseKey({ x, y }: Point): Bytes {
  return concat(Uint8Array.of(0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32), x, Uint8Array.of(0x22, 0x58, 32), y);
}

export async function authenticatorData(rpID: string, flags: number, count: number, made?: Attested): Promise<Bytes> {
  const head = concat(await sha256(utf8(rpID)), Uint8Array.of(flags), uint(count, 4));
  if (!made) return head;
  return concat(head, made.aaguid, uint(made.credentialID.length, 2), made.credentialID, coseKey(made.publicKey));
}

/** `{"fmt": "none", "attStmt": {}, "authData": ...}` in canonical CBOR. */
export function attestationObject(data: Bytes): Bytes {
  const text = (word: string): Bytes => concat(Uint8Array.of(0x60 + word.length), utf8(word));
  const length = data.length < 256 ? Uint8Array.of(0x58, data.length) : concat(Uint8Array.of(0x59), uint(data.length, 2));
  return concat(Uint8Array.of(0xa3), text('fmt'), text('none'), text('attStmt'), Uint8Array.of(0xa0), text('authData'), length, data);
}

export function clientData(type: 'webauthn.create' | 'webauthn.get', challenge: Bytes, origin: string): Bytes {
  return utf8(JSON.stringify({ type, challenge: encode(challenge), origin, crossOrigin: false }));
}

/** Signs as an authenticator does: over its data and the hash of the client data, in DER. */
export async function sign(key: CryptoKey, data: Bytes, client: Bytes): Promise<Bytes> {
  const signature = await crypto.subtle.sign(ES256, key, concat(data, await sha256(client)));
  return derSignature(new Uint8Array(signature));
}

/** Checks a `RegistrationResponseJSON`; `undefined` when it does not hold. */
export async function checkRegistration(answer: unknown, expected: Expected): Promise<Registered | undefined> {
  const { id, type, response } = (answer ?? {}) as Partial<CredentialJSON>;
  const [client, data, object] = [response?.clientDataJSON, response?.authenticatorData, response?.attestationObject].map(decode);
  if (type !== 'public-key' || !client || !data || !object) return undefined;
  if (!isClientData(client, 'webauthn.create', expected) || !equal(object, attestationObject(data))) return undefined;
  if (!(await isFor(data, expected.rpID)) || !has(data, Flag.attested)) return undefined;
  const length = (data[53] ?? 0) * 256 + (data[54] ?? 0);
  const [credentialID, publicKeyCose] = [data.slice(55, 55 + length), data.slice(55 + length)];
  const publicKey = { x: publicKeyCose.slice(10, 42), y: publicKeyCose.slice(45, 77) };
  if (length === 0 || encode(credentialID) !== id || !equal(publicKeyCose, coseKey(publicKey))) return undefined;
  const key = await importPoint(publicKey);
  if (!key) return undefined;
  return {
    credentialID,
    aaguid: data.slice(37, 53),
    publicKeyCose,
    key,
    signCount: countOf(data),
    backupEligible: has(data, Flag.backupEligible),
    backedUp: has(data, Flag.backedUp),
    transports: response?.transports ?? [],
  };
}

/** Checks an `AuthenticationResponseJSON` by `passkey`; `undefined` when it does not hold. */
export async function checkAssertion(
  answer: unknown,
  passkey: Registered,
  userID: Bytes,
  expected: Expected,
): Promise<{ signCount: number; backedUp: boolean } | undefined> {
  const { id, type, response } = (answer ?? {}) as Partial<CredentialJSON>;
  const [client, data, der] = [response?.clientDataJSON, response?.authenticatorData, response?.signature].map(decode);
  if (type !== 'public-key' || id !== encode(passkey.credentialID) || !client || !data || !der) return undefined;
  if (response?.userHandle !== undefined && response.userHandle !== encode(userID)) return undefined;
  if (!isClientData(client, 'webauthn.get', expected) || !(await isFor(data, expected.rpID))) return undefined;
  if (data.length !== 37 || has(data, Flag.attested) || has(data, Flag.backupEligible) !== passkey.backupEligible) return undefined;
  const signature = plainSignature(der);
  const signed = concat(data, await sha256(client));
  if (!signature || !(await crypto.subtle.verify(ES256, passkey.key, signature, signed))) return undefined;
  return { signCount: countOf(data), backedUp: has(data, Flag.backedUp) };
}

/** A public key that WebCrypto takes, so one on the curve. */
export async function importPoint({ x, y }: Point): Promise<CryptoKey | undefined> {
  if (x.length !== 32 || y.length !== 32) return undefined;
  const point = concat(Uint8Array.of(4), x, y);
  return crypto.subtle.importKey('raw', point, P256, true, ['verify']).catch(() => undefined);
}

export async function pointOf(key: CryptoKey): Promise<Point> {
  const raw = bytesOf(await crypto.subtle.exportKey('raw', key));
  return { x: raw.slice(1, 33), y: raw.slice(33) };
}

function isClientData(bytes: Bytes, type: string, expected: Expected): boolean {
  try {
    const client = JSON.parse(new TextDecoder().decode(bytes)) as CollectedClientData & { topOrigin?: string };
    return (
      client.type === type &&
      client.challenge === encode(expected.challenge) &&
      client.origin === expected.origin &&
      client.crossOrigin !== true &&
      client.topOrigin === undefined
    );
  } catch {
    return false;
  }
}

/** The members that are read of `RegistrationResponseJSON` and `AuthenticationResponseJSON`. */
interface CredentialJSON {
  id: string;
  type: string;
  response: {
    clientDataJSON: string;
    authenticatorData: string;
    attestationObject?: string;
    transports?: string[];
    signature?: string;
    userHandle?: string;
  };
}

interface CollectedClientData {
  type: string;
  challenge: string;
  origin: string;
  crossOrigin?: boolean;
}

/** The RP ID, a person who was there and was verified, and a backup only of what may be backed up. */
async function isFor(data: Bytes, rpID: string): Promise<boolean> {
  return (
    equal(data.slice(0, 32), await sha256(utf8(rpID))) &&
    has(data, Flag.present) &&
    has(data, Flag.verified) &&
    (has(data, Flag.backupEligible) || !has(data, Flag.backedUp))
  );
}

const has = (data: Bytes, flag: number): boolean => ((data[32] ?? 0) & flag) !== 0;

const countOf = (data: Bytes): number => data.slice(33, 37).reduce((count, byte) => count * 256 + byte, 0);

/** r and s, 32 bytes each, as a DER SEQUENCE of two INTEGERs. */
function derSignature(plain: Bytes): Bytes {
  const integer = (part: Bytes): Bytes => {
    const first = part.findIndex((byte) => byte !== 0);
    const digits = part.slice(first < 0 ? part.length - 1 : first);
    const value = (digits[0] ?? 0) < 0x80 ? digits : concat(Uint8Array.of(0), digits);
    return concat(Uint8Array.of(0x02, value.length), value);
  };
  const both = concat(integer(plain.slice(0, 32)), integer(plain.slice(32)));
  return concat(Uint8Array.of(0x30, both.length), both);
}

/** The reverse; what `derSignature` would write otherwise is `undefined`. */
function plainSignature(der: Bytes): Bytes | undefined {
  const rLength = der[3] ?? 0;
  const [r, s] = [der.slice(4, 4 + rLength), der.slice(6 + rLength)];
  const fixed = (part: Bytes): Bytes => {
    const digits = part.slice(Math.max(0, part.length - 32));
    return concat(new Uint8Array(32 - digits.length), digits);
  };
  const plain = concat(fixed(r), fixed(s));
  return equal(derSignature(plain), der) ? plain : undefined;
}

/** What is read from requests, and what passkeys and sessions look like in answers. */

import type { SessionKey } from './binding.js';
import { decode, encode, utf8, type Bytes } from './bytes.js';
import { Failure } from './failure.js';
import type { Account, KeptPasskey, KeptSession } from './records.js';
import { importPoint } from './webauthn.js';

export type Data = Readonly<Record<string, unknown>>;

export interface Descriptor {
  readonly credentialID: Bytes;
  readonly transports: readonly string[];
}

export async function checkBegin(data: Data): Promise<{ email: string; sessionKey: SessionKey }> {
  const email = text(data['email']).trim();
  if (utf8(email).length > 254 || !/^[^\s@"<>[\]]+@[^\s@"<>[\]]+$/.test(email)) throw new Failure('invalidEmail');
  const sessionKey = isObject(data['sessionKey']) ? (data['sessionKey'] as unknown as SessionKey) : undefined;
  if (!sessionKey) throw new Failure('badMessage');
  await verifierOf(sessionKey);
  return { email, sessionKey };
}

export async function verifierOf({ kty, crv, x, y }: SessionKey): Promise<CryptoKey> {
  const [left, right] = [decode(x), decode(y)];
  const isP256 = kty === 'EC' && crv === 'P-256' && left && right;
  const key = isP256 ? await importPoint({ x: left, y: right }) : undefined;
  if (!key) throw new Failure('invalidSessionKey');
  return key;
}

export function found({ passkeys }: Account, passkeyID: unknown): KeptPasskey {
  const passkey = passkeys.find((passkey) => passkey.passkeyID === text(passkeyID));
  if (!passkey) throw new Failure('notFound');
  return passkey;
}

export function onWire({ passkeyID, credentialID, name, aaguid, createdAt, lastUsedAt, backupEligible, backedUp }: KeptPasskey): object {
  return {
    passkeyID,
    credentialID: encode(credentialID),
    ...(name !== undefined && { name }),
    aaguid: encode(aaguid),
    createdAt: time(createdAt),
    ...(lastUsedAt !== undefined && { lastUsedAt: time(lastUsedAt) }),
    backupEligible,
    backedUp,
  };
}

export function listed({ sessionID, passkeyID, startedAt, expiresAt, origin, userAgent }: KeptSession, isCurrent: boolean): object {
  const times = { startedAt: time(startedAt), expiresAt: time(expiresAt) };
  return { sessionID, passkeyID, ...times, origin, userAgent, isCurrent };
}

export const descriptor = ({ credentialID, transports }: Descriptor): object => ({ type: 'public-key', id: encode(credentialID), transports });

export const time = (ms: number): string => new Date(ms).toISOString();

export const isObject = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value);

export function text(value: unknown): string {
  if (typeof value !== 'string') throw new Failure('badMessage');
  return value;
}

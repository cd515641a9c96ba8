/** What keys sign: challenges, resumed sessions, actions (docs/protocol.md, "Challenge binding"). */

import { encode, labelled, sha256, utf8, type Bytes } from './bytes.js';

export type Kind = 'signUp' | 'signIn' | 'confirm' | 'addPasskey' | 'removePasskey' | 'makeRecoveryCode' | 'recover';

/** The public half of a session key, as on the wire. */
export interface SessionKey {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
}

export interface Binding {
  readonly random: Bytes;
  readonly kind: Kind;
  readonly app: string;
  readonly origin: string;
  readonly sessionKey: SessionKey;
  /** RFC 8785 text. */
  readonly action?: string | undefined;
}

export async function challengeOf({ random, kind, app, origin, sessionKey, action }: Binding): Promise<Bytes> {
  const thumbprint = await sha256(
    utf8(JSON.stringify({ crv: sessionKey.crv, kty: sessionKey.kty, x: sessionKey.x, y: sessionKey.y })),
  );
  const last = action === undefined ? new Uint8Array() : await sha256(utf8(action));
  return sha256(
    labelled('passkey-accounts/challenge/v1', random, utf8(kind), utf8(app), utf8(origin), thumbprint, last),
  );
}

export function resumeInput(sessionID: string, origin: string, nonce: Bytes): Bytes {
  return labelled('passkey-accounts/resume/v1', utf8(sessionID), utf8(origin), nonce);
}

export const addPasskey = (passkeyID: string, publicKey: Bytes): string =>
  JSON.stringify({ passkeyID, publicKey: encode(publicKey), type: 'addPasskey' });

export const removePasskey = (passkeyID: string): string => JSON.stringify({ passkeyID, type: 'removePasskey' });

/** RFC 8785 text of parsed JSON: `JSON.stringify` writes numbers and strings as it says, and names sort by UTF-16 units. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}

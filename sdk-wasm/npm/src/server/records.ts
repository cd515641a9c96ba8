/** What the HTTP API answers with, and how its JSON is read. */

import type { Event, Gap, OpenSession, SignedHead } from './items.js';

/** What an API key may be used for. */
export type Scope =
  | 'events:read'
  /** The events about keys and operators too. */
  | 'audit:read'
  | 'sessions:read'
  | 'sessions:write'
  | 'accounts:read'
  | 'accounts:write'
  | 'recovery:approve'
  | 'keys:write';

/** The app that an API key speaks for. */
export interface AppInfo {
  readonly appID: string;
  /** For people. */
  readonly name: string;
  /** The domain that its passkeys belong to. */
  readonly rpID: string;
  /** Where its pages are. */
  readonly origins: readonly string[];
  /**
   * How passkeys are asked for: only an address brings one up, they show up in the platform's list and backups, or they are on
   * security keys of models that the server lists.
   */
  readonly policy: 'strict' | 'recoverable' | 'hardware';
}

/** Open sessions, oldest first. */
export interface SessionsPage {
  readonly sessions: readonly OpenSession[];
  /** Give it as `after` for the next page; absent on the last one. */
  readonly next?: string;
  /** The position in the log that this page is exact at. */
  readonly head: string;
}

/** An account. Its address is not said: a back end never needs it, and it is nobody's business. */
export interface AccountInfo {
  readonly accountID: string;
  readonly createdAt: Date;
  /** How many passkeys it has. */
  readonly passkeys: number;
  /** How many sessions of it are open. */
  readonly sessions: number;
}

/** A passkey. */
export interface PasskeyInfo {
  readonly passkeyID: string;
  /** What the person calls it; absent until they do. */
  readonly name?: string;
  readonly createdAt: Date;
  /** When it was last used, to the day; absent when it was never used since it was made. */
  readonly lastUsedAt?: Date;
  /** The authenticator's model, 16 bytes in base64url; all zero when it does not say. */
  readonly aaguid: string;
  /** It may be in a backup; this never changes. */
  readonly backupEligible: boolean;
  /** It was in a backup when it was last used. */
  readonly backedUp: boolean;
}

/** A stretch of the log. */
export interface EventsPage {
  /** Those of the types asked for, in the order of the log. */
  readonly events: readonly Event[];
  /** Give it as `after` for what follows. It moves on also where no event was of the types asked for. */
  readonly next: string;
  /** More is in the log already; otherwise `next` is its end. */
  readonly more: boolean;
  /** The position before the oldest event that is kept. */
  readonly oldest: string;
  /** The hash chain up to `oldest`, 32 bytes in base64url. */
  readonly oldestHash: string;
  /** The position of the newest event. */
  readonly head: string;
}

/** The newest signed head of an app's log. */
export interface Checkpoint {
  readonly appID: string;
  readonly head: SignedHead;
}

/** What is known of an API key. */
export interface KeyInfo {
  /** Its public name: the third part of the key itself. */
  readonly keyID: string;
  /** Of a key pair: the public half, 43 characters of base64url. Absent: it is an API key. */
  readonly publicKey?: string;
  /** For people. */
  readonly name: string;
  readonly scopes: readonly (Scope | (string & {}))[];
  readonly createdAt: Date;
  /** When it stops working; absent where it does not by itself. */
  readonly expiresAt?: Date;
  /** When it was taken back. */
  readonly revokedAt?: Date;
}

/** A new API key, shown once: only its hash is stored. */
export interface CreatedKey {
  /** The key itself: the secret. */
  readonly apiKey: string;
  /** What is known of it from now on. */
  readonly key: KeyInfo;
}

/** Why a position cannot be continued, and where the log goes on. */
export type GapInfo = Pick<Gap, 'reason' | 'after' | 'next' | 'oldest'>;

/** Makes dates of the members that are times. */
export function dated<T>(record: unknown): T {
  const members = record as Record<string, unknown>;
  for (const name of TIMES) {
    const time = members[name];
    if (typeof time === 'string') members[name] = new Date(time);
  }
  return record as T;
}

const TIMES = ['createdAt', 'lastUsedAt', 'expiresAt', 'revokedAt', 'since'];

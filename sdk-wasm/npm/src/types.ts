/**
 * What a page holds: a client, its state, and the session in it. Types only; every object is frozen and keeps its
 * identity until something changes, so that frameworks can compare by identity.
 */

import type { PasskeyError } from './error.js';

export interface ConnectOptions {
  /** The app's id, `app_...`. It is public. */
  app: string;
  /** The server's browser socket, `wss://host/v1/gateway`. By default that of the page's own origin. */
  url?: string | URL;
  /** Gives up connecting, or closes the client later. */
  signal?: AbortSignal;
  /**
   * Where the session lives. `worker` (default): in a SharedWorker, so that tabs share it and a reload keeps it (in
   * Chromium; elsewhere a reload signs out). `page`: in this page alone, and it ends with it. Without SharedWorker, or
   * where its script cannot be loaded, `worker` falls back to `page`; `client.persistence` says which it is.
   */
  persistence?: 'worker' | 'page';
  /** The script of the worker, of the page's own origin. By default `worker.js` beside this package's other files. */
  worker?: string | URL;
  /** With `worker`: how long the session outlives its last page, in milliseconds; 0 to 60,000, default 10,000. */
  pageGoneMs?: number;
}

export interface CallOptions {
  /** Ends the call, with code `cancelled`. */
  signal?: AbortSignal;
}

export interface EmailOptions extends CallOptions {
  /** The person's address. It is not stored in the browser. */
  email: string;
}

/** A sign-up whose code is on its way by email. */
export interface PendingSignUp {
  /** When the code stops working. */
  readonly expiresAt: Date;
  /** Types the code in, makes a passkey, signs in. After `wrongCode` or `cancelled` it can be called again. */
  verify(code: string, options?: CallOptions): Promise<Session>;
}

/** A recovery whose mailed code is on its way. */
export interface PendingRecovery {
  /** When the mailed code stops working. */
  readonly expiresAt: Date;
  /**
   * Hands in the mailed code and the recovery code. The first time the recovery begins, and it is `held`; after the hold, in
   * a recovery of its own, this makes a passkey: `recovered`, and `signIn` uses it. After `wrongCode`, `wrongRecoveryCode`
   * or `cancelled` it can be called again.
   */
  verify(code: string, recoveryCode: string, options?: CallOptions): Promise<Recovered>;
}

/** How far a recovery is: `until` is the earliest time to come again with both codes. */
export type Recovered = { readonly status: 'held'; readonly until: Date } | { readonly status: 'recovered' };

/** A connection to the server, kept until `close`. One call at a time: a new one cancels the one before. */
export interface Client {
  /** Where the page stands. The same frozen object until it changes; in all tabs the same. */
  readonly state: State;
  /** Where the session lives; see {@link ConnectOptions.persistence}. */
  readonly persistence: 'worker' | 'page';
  /** Whether the app recovers accounts by a recovery code; `false` before the server has greeted. See {@link Client.recover}. */
  readonly canRecover: boolean;
  /** Calls `listener` after each change of `state`. Returns how to stop that. */
  readonly subscribe: (listener: (state: State) => void) => () => void;
  /**
   * Calls `listener` when something happens elsewhere to the account of the open session, in all tabs. Show it: whoever it was
   * not can end that session. What happens while the connection is lost is not told later. Returns how to stop that.
   */
  readonly onNews: (listener: (news: News) => void) => () => void;
  /** Has a code mailed to `email`. The answer is the same for addresses that have an account. */
  signUp(options: EmailOptions): Promise<PendingSignUp>;
  /**
   * Fetches the challenge for `email` ahead of time, while the person types. A `signIn` with the same address then shows
   * the passkey prompt at once, within the click (Safari asks for that). Never rejects: what fails is said by `signIn`.
   */
  prepare(options: EmailOptions): Promise<void>;
  /**
   * Has a code mailed to somebody who has lost every passkey and has a recovery code. The answer is the same for addresses
   * without an account. `recoveryOff` where the app does not want it.
   */
  recover(options: EmailOptions): Promise<PendingRecovery>;
  /** Signs in with a passkey. */
  signIn(options: EmailOptions): Promise<Session>;
  /** Ends the session, everywhere at once. */
  signOut(): Promise<void>;
  /** Lets go of the connection, for good. In the last page, the session ends. */
  close(): void;
}

/** An open session. Its ids are names, not secrets: holding them opens nothing. Calls on one that is over reject (`sessionGone`). */
export interface Session {
  readonly sessionID: string;
  readonly accountID: string;
  readonly passkeyID: string;
  readonly startedAt: Date;
  /** When it ends at the latest. */
  readonly expiresAt: Date;
  /** It ends after this long without a sign of the person, in milliseconds. The client tells the server of those. */
  readonly idleMs: number;
  /** After a dropped connection it is resumed for this long, in milliseconds. */
  readonly graceMs: number;
  /**
   * `fetch` with a proof: an RFC 9421 signature by the session key over method, address and body. Takes what
   * `globalThis.fetch` takes and rejects as it does, besides `sessionGone`; a body is read whole before it is sent. A
   * redirect is an error, because it would carry the proof elsewhere, unless `init.redirect` says otherwise.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /**
   * A proof for a socket, or anything else that is no HTTP request: a compact JWS over `audience` (who is to accept it,
   * for example `wss://app.example/live`) and the `nonce` that it gave, at most 256 characters each.
   */
  prove(audience: string, nonce: string, options?: CallOptions): Promise<string>;
  /**
   * Has the person confirm exactly this with a passkey. `action` is a JSON object of at most 2 KiB; show it before. The
   * back end hears of it by a `confirmed` event with the same `confirmationID`.
   */
  confirm(action: JsonObject, options?: CallOptions): Promise<Confirmation>;
  /**
   * Makes the account's recovery code, after a prompt: 33 characters to be written down, shown this once. The one before no
   * longer works, and a recovery that it began is cancelled. `recoveryOff` where the app does not want it.
   */
  makeRecoveryCode(options?: CallOptions): Promise<string>;
  /** Cancels the recovery of the account (`recoveryUntil` of the state). `notFound` when there is none. */
  cancelRecovery(options?: CallOptions): Promise<void>;
  /** The account's passkeys. */
  readonly passkeys: Passkeys;
  /** The account's open sessions. */
  readonly sessions: Sessions;
}

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** What came of `confirm`. */
export interface Confirmation {
  /** Names the confirmation, here and in the `confirmed` event (`ceremonyID`). */
  readonly confirmationID: string;
}

export interface Passkeys {
  /** All of them, oldest first. */
  list(options?: CallOptions): Promise<readonly Passkey[]>;
  /** Makes one more, on this device or another; then one that the account had before vouches for it. Two prompts. */
  add(options?: CallOptions): Promise<Passkey>;
  /** Gives it a name of 1 to 64 characters. */
  rename(passkeyID: string, name: string, options?: CallOptions): Promise<Passkey>;
  /** Removes it, after a prompt, and tells this device's authenticator. Never the last (`lastPasskey`). */
  remove(passkeyID: string, options?: CallOptions): Promise<void>;
}

/** A passkey of the account. */
export interface Passkey {
  readonly passkeyID: string;
  /** What the person calls it. */
  readonly name?: string;
  /** Who keeps it, from its AAGUID: `iCloud Keychain`, `Windows Hello`, ...; missing when that is not known. */
  readonly provider?: string;
  /** The authenticator's model, as a UUID. */
  readonly aaguid: string;
  readonly createdAt: Date;
  /** To the day. */
  readonly lastUsedAt?: Date;
  readonly backupEligible: boolean;
  readonly backedUp: boolean;
  /** It opened this session. */
  readonly isCurrent: boolean;
}

export interface Sessions {
  /** All of them, oldest first. */
  list(options?: CallOptions): Promise<readonly AccountSession[]>;
  /** Signs out elsewhere. */
  end(sessionID: string, options?: CallOptions): Promise<void>;
  /** Signs out everywhere else. Resolves to how many sessions that ended. */
  endOthers(options?: CallOptions): Promise<number>;
}

/** An open session of the account, on this page or elsewhere. */
export interface AccountSession {
  readonly sessionID: string;
  readonly passkeyID: string;
  readonly startedAt: Date;
  readonly expiresAt: Date;
  readonly origin: string;
  /** What the browser called itself, for example `Firefox on Linux`; empty when it did not. */
  readonly browser: string;
  readonly isCurrent: boolean;
}

/** What has happened to the account elsewhere. */
export type News =
  /** Somebody has signed in, on another page or device. `session.sessions.end` ends it by its `sessionID`. */
  | { readonly type: 'sessionOpened'; readonly session: AccountSession }
  /** Another session has added a passkey. */
  | { readonly type: 'passkeyAdded'; readonly passkey: Passkey };

/** Why a session ended; of a newer server, `other`. Checked against the core's list by a test. */
export type EndReason =
  | 'user'
  | 'pageGone'
  | 'connectionLost'
  | 'idleTimeout'
  | 'absoluteTimeout'
  | 'revoked'
  | 'replaced'
  | 'passkeyRemoved'
  | 'accountErased'
  | 'recovered'
  | 'keyRevoked'
  | 'serverLost'
  | 'other';

export type State =
  /** The first connection is being made. */
  | { readonly status: 'connecting'; readonly session?: never; readonly reason?: never }
  /** Nobody is signed in. `reason` says how the last session ended, if there was one. */
  | { readonly status: 'signedOut'; readonly session?: never; readonly reason?: EndReason }
  /** `recoveryUntil`: somebody is recovering the account, and gets a new passkey for it then unless this is cancelled. */
  | {
      readonly status: 'signedIn';
      readonly session: Session;
      readonly expiringAt?: Date;
      readonly recoveryUntil?: Date;
      readonly reason?: never;
    }
  /** The connection was lost and is being made anew. A `session` will be resumed if that succeeds within its grace time. */
  | { readonly status: 'reconnecting'; readonly session?: Session; readonly reason?: EndReason }
  /** Over for good. `reason` is missing when the page itself closed the client. */
  | { readonly status: 'closed'; readonly session?: never; readonly reason?: PasskeyError };

/** Where a page stands. Every state is frozen, and the same object until something changes. */

import type { PasskeyError } from './error.js';

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
  | 'keyRevoked'
  | 'serverLost'
  | 'other';

/** An open session. Its ids are names, not secrets: holding them opens nothing. */
export interface Session {
  readonly sessionID: string;
  readonly accountID: string;
  readonly passkeyID: string;
  readonly startedAt: Date;
  /** When it ends at the latest. */
  readonly expiresAt: Date;
  /** It ends after this long without a message from the page, in milliseconds. */
  readonly idleMs: number;
  /** After a dropped connection it can be resumed for this long, in milliseconds. */
  readonly graceMs: number;
}

export type State =
  /** The first connection is being made. */
  | { readonly status: 'connecting'; readonly session?: never; readonly reason?: never }
  /** Nobody is signed in. `reason` says how the last session of this page ended, if there was one. */
  | { readonly status: 'signedOut'; readonly session?: never; readonly reason?: EndReason }
  | { readonly status: 'signedIn'; readonly session: Session; readonly reason?: never }
  /** The connection was lost and is being made anew. A `session` will be resumed if that succeeds within its grace time. */
  | { readonly status: 'reconnecting'; readonly session?: Session; readonly reason?: EndReason }
  /** Over for good. `reason` is missing when the page itself closed the client. */
  | { readonly status: 'closed'; readonly session?: never; readonly reason?: PasskeyError };

/** Who sent a request, and what to ask when that is checked. */

import type { LiveSession } from './live.js';

/** Who sent a request: an account, and the session that proved it. */
export interface Account {
  readonly accountID: string;
  /** The session whose key has signed. Whoever holds it is told when it ends. */
  readonly session: LiveSession;
}

export interface FreshnessOptions {
  /**
   * How old the knowledge of who is signed in may be, in milliseconds; from then on everything is refused (`stale`).
   * Default 30,000; less than 25,000 makes it fail now and then, because a quiet server speaks every 20 s.
   */
  freshWithinMs?: number;
  /** Gives up waiting for the session, with `cancelled`. */
  signal?: AbortSignal;
}

export interface VerifyOptions extends FreshnessOptions {
  /** The origins that this back end is reached at, as browsers write them. Default: those that `connect` was told. */
  origins?: readonly string[];
  /** How large a body may be, in bytes; a larger one is refused (`tooLarge`). Default 1 MiB. */
  bodyLimit?: number;
}

export interface VerifySocketOptions extends FreshnessOptions {
  /** What the page was to name as `audience`. */
  audience: string;
  /** What this back end gave the page. */
  nonce: string;
}

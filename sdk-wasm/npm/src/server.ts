/**
 * Passkey Accounts for back ends in Node, Bun and Deno: who is signed in, live.
 *
 * Importing this module does nothing; `Accounts.connect` starts the WebAssembly core that it shares with the other
 * languages.
 */

export { PasskeyError, type Code } from './error.js';
export { Accounts, type AccountsOptions, type KeyProvider } from './server/accounts.js';
export type { Account, VerifyOptions, VerifySocketOptions } from './server/account.js';
export type { Delivery, Events, EventsOptions, Next, Position, PositionStore } from './server/events.js';
export type {
  Bookmark,
  Confirmed,
  CounterRegressed,
  Event,
  EventData,
  EventOf,
  Evidence,
  Gap,
  Item,
  LoggedIn,
  LoggedOut,
  OpenSession,
  PasskeyAdded,
  PasskeyRemoved,
  RemovalReason,
  SessionKey,
  SignedHead,
  Snapshot,
} from './server/items.js';
export type { Ended, LiveSession, LiveSessions, MissedEnds, SessionEnd } from './server/live.js';
export type { Middleware, MiddlewareOptions } from './server/middleware.js';
export { problem } from './server/problem.js';
export type { WebSocketClass } from './server/socket.js';
export type { Status } from './server/status.js';
export type { EndReason } from './types.js';

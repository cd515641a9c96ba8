/**
 * Passkey Accounts for back ends in Node, Bun and Deno: who is signed in, live.
 *
 * Importing this module does nothing; `Accounts.connect` starts the WebAssembly core that it shares with the other
 * languages.
 */

export { PasskeyError, type Code } from '../error.js';
export { Accounts, type AccountsOptions, type KeyProvider } from './accounts.js';
export type { Account, VerifyOptions, VerifySocketOptions } from './account.js';
export { ApiError, type Api, type CallOptions, type EventsQuery, type NewKey, type SessionsQuery } from './api.js';
export { filePins, type EvidenceOptions, type PinStore } from './evidence.js';
export type { Delivery, Events, EventsOptions, Next, Position, PositionStore } from './events.js';
export type {
  Bookmark,
  CancelReason,
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
  RecoveryCancelled,
  RecoveryCompleted,
  RecoveryStarted,
  RemovalReason,
  SessionKey,
  SignedHead,
  Snapshot,
  TamperedRow,
  TamperingDetected,
} from './items.js';
export type { Ended, LiveSession, LiveSessions, MissedEnds, SessionEnd } from './live.js';
export type { Middleware, MiddlewareOptions } from './middleware.js';
export { problem } from './problem.js';
export type {
  AccountInfo,
  AppInfo,
  Checkpoint,
  CreatedKey,
  EventsPage,
  GapInfo,
  KeyInfo,
  PasskeyInfo,
  Scope,
  SessionsPage,
} from './records.js';
export type { WebSocketClass } from './socket.js';
export type { Status } from './status.js';
export { fileCheckpoint, type CheckpointStore, type WitnessOptions } from './witness.js';
export type { EndReason } from '../types.js';

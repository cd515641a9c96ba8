/**
 * What a page and the engine say to each other. Both ends are of one package, but not always of one release: a worker
 * outlives the deployment of a new page. So a change here is a new {@link PORT_VERSION}, which is part of the worker's name.
 */

import type { RawSession } from './core.js';
import { PasskeyError } from './error.js';
import type { EndReason, State } from './types.js';

export const PORT_VERSION = 3;

export interface RawState {
  readonly status: State['status'];
  readonly session?: RawSession | undefined;
  readonly reason?: EndReason | undefined;
  /** With `closed`. */
  readonly error?: RawError | undefined;
  readonly expiringAt?: number | undefined;
  readonly recoveryUntil?: number | undefined;
  readonly canRecover?: boolean | undefined;
}

/** A `PasskeyError`; its cause is reduced to what a clone keeps. */
export interface RawError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: { readonly name: string; readonly message: string } | undefined;
}

/** The three header fields of a request's proof. */
export interface ProofFields {
  readonly 'content-digest'?: string;
  readonly 'signature-input': string;
  readonly signature: string;
}

/** The engine's calls: arguments and result. Calls of a session name it first. */
export interface Calls {
  /** Like `signIn`, but gives way to every other call, and fails rather than to disturb one. */
  prepare: [args: [email: string], result: void];
  signUp: [args: [email: string], result: [signUp: number, expiresAt: number]];
  verify: [args: [signUp: number, code: string], result: void];
  signIn: [args: [email: string], result: void];
  recover: [args: [email: string], result: [recover: number, expiresAt: number]];
  verifyRecovery: [args: [recover: number, code: string, recoveryCode: string], result: string];
  makeRecoveryCode: [args: [sessionID: string], result: string];
  signOut: [args: [], result: void];
  confirm: [args: [sessionID: string, action: string], result: string];
  addPasskey: [args: [sessionID: string], result: string];
  removePasskey: [args: [sessionID: string, passkeyID: string], result: string];
  request: [args: [sessionID: string, type: string, data: string], result: string];
  /** `digest`: SHA-256 of the body, 32 bytes, if there is one. */
  proveRequest: [args: [sessionID: string, method: string, url: string, digest: Uint8Array | undefined], result: ProofFields];
  prove: [args: [sessionID: string, audience: string, nonce: string], result: string];
}

export type Method = keyof Calls;

/** What makes an engine, the same for every page of it, and what is the page's own. */
export interface Attachment {
  readonly app: string;
  /** The socket's address with its `app` parameter. */
  readonly url: string;
  readonly pageGoneMs: number;
  /** The Web Lock that the page holds as long as it lives. Without one it says itself when it goes. */
  readonly lock?: string;
}

export type ToEngine =
  | { readonly type: 'attach'; readonly attachment: Attachment }
  /** The page goes. `isOver`: it does not come back, so that a session in its last page ends now. */
  | { readonly type: 'detach'; readonly isOver: boolean }
  | { readonly type: 'call'; readonly id: number; readonly method: Method; readonly args: readonly unknown[] }
  | { readonly type: 'abort'; readonly id: number }
  /** A prepared call has become a call like any other: the person has clicked. */
  | { readonly type: 'adopt'; readonly id: number }
  /** The prompt of a call: what the authenticator made, as JSON, or the code for what the browser threw. */
  | { readonly type: 'credential'; readonly id: number; readonly credential: string }
  | { readonly type: 'refused'; readonly id: number; readonly code: string };

export type ToPage =
  /** The engine can be attached to. It holds `lock` as long as it lives. */
  | { readonly type: 'ready'; readonly lock: string }
  /** It cannot start here. */
  | { readonly type: 'broken'; readonly error: RawError }
  | { readonly type: 'state'; readonly state: RawState }
  /** The server's message about something that happened elsewhere, as it came. */
  | { readonly type: 'news'; readonly text: string }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: RawError }
  /** Show a passkey prompt. `options`: WebAuthn JSON that the core has checked. */
  | { readonly type: 'prompt'; readonly id: number; readonly create: boolean; readonly options: string }
  | { readonly type: 'dismiss'; readonly id: number };

export function toRaw(thrown: unknown): RawError {
  const error = thrown instanceof PasskeyError ? thrown : unforeseen(thrown);
  const { code, message, retryable, retryAfterMs, cause } = error;
  return {
    code,
    message,
    retryable,
    retryAfterMs,
    cause: cause instanceof Error ? { name: cause.name, message: cause.message } : undefined,
  };
}

/** `cause`: the very object that was thrown, where the page has it. */
export function fromRaw({ code, message, retryable, retryAfterMs, cause: raw }: RawError, cause?: unknown): PasskeyError {
  if (cause === undefined && raw) cause = Object.assign(new Error(raw.message), { name: raw.name });
  return new PasskeyError(code, message, retryable, retryAfterMs, cause);
}

/** A fault of this package or a browser: nothing that the table has a word for. */
function unforeseen(cause: unknown): PasskeyError {
  return new PasskeyError('internal', 'something went wrong in this browser; please try again', true, undefined, cause);
}

/** Errors that several modules throw. */
export function cancelled(reason: unknown, message = 'the call was cancelled'): PasskeyError {
  return new PasskeyError('cancelled', message, false, undefined, reason);
}

export function notSupported(message: string, cause?: unknown): PasskeyError {
  return new PasskeyError('notSupported', message, false, undefined, cause);
}

export function sessionGone(): PasskeyError {
  return new PasskeyError('sessionGone', 'the session has ended; please sign in again', false);
}

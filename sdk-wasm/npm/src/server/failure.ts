/** Errors as the core words them. */

import { PasskeyError, type Code } from '../error.js';
import { load } from './load.js';

/** What the core says of a failure. */
export interface Failure {
  code: Code;
  message: string;
  retryable: boolean;
}

export function errorFrom({ code, message, retryable }: Failure, cause?: unknown): PasskeyError {
  return new PasskeyError(code, message, retryable, undefined, cause);
}

/** What the core has thrown, as an error: it throws JSON of a failure, and strings only. */
export function thrown(caught: unknown): unknown {
  return typeof caught === 'string' ? errorFrom(JSON.parse(caught) as Failure) : caught;
}

/** The error of this code, with the sentence of the one table unless a better one is given. */
export function errorOf(code: Code, message?: string, cause?: unknown): PasskeyError {
  const row = JSON.parse(load().describe(code)) as Failure;
  return errorFrom({ ...row, message: message ?? row.message }, cause);
}

/** The error for a wait that its caller has given up. */
export function cancelled(what: string, signal: AbortSignal): PasskeyError {
  return new PasskeyError('cancelled', `${what} was cancelled`, false, undefined, signal.reason);
}

/** A sentence for people out of whatever was thrown. */
export function sentence(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The answer to a request whose proof does not hold: problem details (RFC 9457) with a code of the one table. */

import { PasskeyError } from '../error.js';
import { load } from './load.js';

/** An answer, for whichever server sends it. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** The answer that refuses for this error. Errors that have nothing to do with proofs are thrown again. */
export function answer(error: unknown): Answer {
  const status = error instanceof PasskeyError ? load().statusOf(error.code) : 500;
  if (!(error instanceof PasskeyError) || status === 500) throw error;
  const retryAfterMs = status === 503 ? RETRY_AFTER_MS : undefined;
  const details = {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    code: error.code,
    detail: error.message,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      // RFC 9110 section 15.5.2 wants a challenge and RFC 9421 names none. Browsers show no dialog for this one.
      ...(status === 401 && { 'www-authenticate': 'passkey-accounts' }),
      ...(retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) }),
    },
    body: JSON.stringify(details),
  };
}

/**
 * The response to a request that `verify` has refused. Errors that have nothing to do with proofs are thrown again.
 *
 * @example
 * try {
 *   const { accountID } = await live.verify(request, { origins: ['https://app.example'] });
 * } catch (error) {
 *   return problem(error);
 * }
 */
export function problem(error: unknown): Response {
  const { status, headers, body } = answer(error);
  return new Response(body, { status, headers });
}

const TITLES: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  413: 'Payload Too Large',
  503: 'Service Unavailable',
};

const RETRY_AFTER_MS = 1_000;

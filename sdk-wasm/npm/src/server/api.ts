/** Commands and questions over HTTP (docs/protocol.md section 4). */

import { PasskeyError, type Code } from '../error.js';
import type { Connection } from './events.js';
import { cancelled, errorOf, sentence } from './failure.js';
import { readPage } from './items.js';
import { load } from './load.js';
import {
  dated,
  type AccountInfo,
  type AppInfo,
  type Checkpoint,
  type CreatedKey,
  type EventsPage,
  type GapInfo,
  type KeyInfo,
  type PasskeyInfo,
  type Scope,
  type SessionsPage,
} from './records.js';

/** Why a call of the HTTP API did not work, after what can pass by itself was tried again. */
export class ApiError extends PasskeyError {
  /** The HTTP status, if there was an answer. */
  readonly status?: number;
  /** With `gone`: why the position cannot be continued, and where the log goes on. */
  readonly gap?: GapInfo;

  /** @internal */
  constructor(error: PasskeyError, answer: { status?: number; retryAfterMs?: number | undefined; gap?: GapInfo | undefined }) {
    super(error.code, error.message, error.retryable, answer.retryAfterMs, error.cause);
    if (answer.status !== undefined) this.status = answer.status;
    if (answer.gap) this.gap = answer.gap;
  }
}

/** What every call takes. */
export interface CallOptions {
  /** Gives up, with `cancelled`. A command may have been carried out all the same. */
  signal?: AbortSignal;
}

/** Which sessions to list. */
export interface SessionsQuery extends CallOptions {
  /** Those after this one: `next` of the page before. */
  after?: string;
  /** At most this many, 1 to 500. Default 100. */
  limit?: number;
  /** Those of this account only. */
  accountID?: string;
}

/** Which events to read. */
export interface EventsQuery extends CallOptions {
  /** Those after this position: `next` of the page before, or any event's id. */
  after?: string;
  /** At most this many, 1 to 500. Default 100. */
  limit?: number;
  /** Those of these types; `['*']` for all that the key may read. Default: sign-ins and sign-outs. */
  types?: readonly string[];
}

/** What a new API key is for. */
export interface NewKey extends CallOptions {
  /** For people, at most 100 bytes. */
  name?: string;
  /** What it may be used for: nothing that the key that asks may not. Default: what that key may. */
  scopes?: readonly Scope[];
  /** When it stops working. Default: never. */
  expiresAt?: Date;
}

/**
 * Commands and questions of a back end. Rejects with an `ApiError`.
 *
 * What can pass by itself is tried again inside: four times in all, with growing waits and as the server wishes. A command
 * carries an `Idempotency-Key`, so that it is carried out once however often it is sent.
 *
 * @example
 * let after: string | undefined;
 * do {
 *   const page = await accounts.api.sessions(after === undefined ? {} : { after });
 *   for (const session of page.sessions) console.log(session.accountID, session.since);
 *   after = page.next;
 * } while (after !== undefined);
 */
export class Api {
  #base: string;
  #key: () => string | Promise<string>;

  /** @internal */
  constructor({ address, key }: Connection) {
    // Both lie beside each other; where the key may go was checked with the one.
    this.#base = address.replace(/^ws/, 'http').replace(/events$/, '');
    this.#key = key;
  }

  /** The app that the key speaks for. A good first call: it needs no scope. */
  async app(options: CallOptions = {}): Promise<AppInfo> {
    return this.#read(['app'], {}, options);
  }

  /** Lists the open sessions, oldest first. Needs `sessions:read`. */
  async sessions({ signal, ...query }: SessionsQuery = {}): Promise<SessionsPage> {
    const page = await this.#read<SessionsPage>(['sessions'], query, { signal });
    page.sessions.forEach(dated);
    return page;
  }

  /** Ends a session: its page is told, its socket is closed. `notFound` when it is not open. Needs `sessions:write`. */
  async endSession(sessionID: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(['sessions', sessionID], options);
  }

  /** What is known of an account; `notFound` when there is none. Needs `accounts:read`. */
  async account(accountID: string, options: CallOptions = {}): Promise<AccountInfo> {
    return dated(await this.#read(['accounts', accountID], {}, options));
  }

  /** Erases an account for ever: its address, its passkeys and its sessions. Needs `accounts:write`. */
  async eraseAccount(accountID: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(['accounts', accountID], options);
  }

  /** Cancels the recovery of an account; `notFound` when there is none. Needs `accounts:write`. */
  async cancelRecovery(accountID: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(['accounts', accountID, 'recovery'], options);
  }

  /** The passkeys of an account, oldest first. Needs `accounts:read`. */
  async passkeys(accountID: string, options: CallOptions = {}): Promise<readonly PasskeyInfo[]> {
    const path = ['accounts', accountID, 'passkeys'];
    const { passkeys } = await this.#read<{ passkeys: unknown[] }>(path, {}, options);
    return passkeys.map((passkey) => dated<PasskeyInfo>(passkey));
  }

  /**
   * Removes a passkey and ends the sessions that it opened. `notFound` when there is none, `lastPasskey` when it is the
   * account's last. Needs `accounts:write`.
   */
  async removePasskey(accountID: string, passkeyID: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(['accounts', accountID, 'passkeys', passkeyID], options);
  }

  /**
   * Reads the log from a position on. `gone`, with `gap`, when the position cannot be continued. Needs `events:read`, and
   * `audit:read` for events about keys. For what happens from now on, `accounts.events()` is faster and cheaper.
   */
  async events({ signal, types, ...query }: EventsQuery = {}): Promise<EventsPage> {
    const response = await this.#call('GET', ['events'], { query: { ...query, types: types?.join(',') }, signal });
    return read(response, (text) => readPage(load().readPage(text)));
  }

  /** The newest signed head of the log: who keeps it can prove later that history was changed. Needs `events:read`. */
  async checkpoint(options: CallOptions = {}): Promise<Checkpoint> {
    return this.#read(['checkpoint'], {}, options);
  }

  /** The app's keys, oldest first, without their secrets. Needs `keys:write`. */
  async keys(options: CallOptions = {}): Promise<readonly KeyInfo[]> {
    const { keys } = await this.#read<{ keys: unknown[] }>(['keys'], {}, options);
    return keys.map((key) => dated<KeyInfo>(key));
  }

  /** Makes a key. `tooManyKeys` when the app has as many as it may, `forbidden` for a scope that this key lacks. */
  async createKey({ signal, ...key }: NewKey = {}): Promise<CreatedKey> {
    return this.#command<CreatedKey>(['keys'], key, { signal }, created);
  }

  /**
   * Registers the public half of a key pair (43 characters of base64url), which works from now on like a key. Rejects with
   * `unexpected` when it is registered already.
   */
  async registerKeyPair(publicKey: string, { signal, ...key }: NewKey = {}): Promise<KeyInfo> {
    return this.#command<KeyInfo>(['key-pairs'], { publicKey, ...key }, { signal }, dated);
  }

  /** Makes a key like this one, which still works for `overlapMs` (at most 30 days, default 24 hours), and expires then. */
  async rotateKey(keyID: string, { signal, ...rotation }: CallOptions & { overlapMs?: number } = {}): Promise<CreatedKey> {
    return this.#command<CreatedKey>(['keys', keyID, 'rotate'], rotation, { signal }, created);
  }

  /** Takes a key back; its event sockets are closed at once. `notFound` when the app has no such key. */
  async revokeKey(keyID: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(['keys', keyID], options);
  }

  async #read<T>(path: string[], query: Query, { signal }: Signal): Promise<T> {
    return read(await this.#call('GET', path, { query, signal }), JSON.parse);
  }

  async #command<T>(path: string[], body: object, { signal }: Signal, finish: (answer: T) => T): Promise<T> {
    const response = await this.#call('POST', path, { body: JSON.stringify(body), signal });
    return finish(await read<T>(response, JSON.parse));
  }

  async #delete(path: string[], { signal }: Signal): Promise<void> {
    await this.#call('DELETE', path, { signal });
  }

  /** One call: sent, and tried again where that can help. */
  async #call(method: string, path: string[], { query = {}, body, signal }: Call): Promise<Answer> {
    const url = new URL(this.#base + path.map(encodeURIComponent).join('/'));
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers();
    if (body !== undefined) headers.set('content-type', 'application/json');
    if (method !== 'GET') headers.set('idempotency-key', makeIdempotencyKey());
    let refused: { key: string; error: ApiError } | undefined;
    for (let attempt = 1; ; attempt++) {
      const key = await this.#key();
      // The same key once more would be refused once more.
      if (refused?.key === key) throw refused.error;
      if (!load().isKeyPair(key)) headers.set('authorization', `Bearer ${checkedKey(key)}`);
      // Every try has its own: a proof passes once.
      else for (const [name, value] of sign(key, method, url, body)) headers.set(name, value);
      try {
        return await send(url, { method, headers, body, signal });
      } catch (error) {
        if (!(error instanceof ApiError) || attempt === TRIES) throw error;
        if (error.status === 401 && refused === undefined && !error.retryable) {
          refused = { key, error };
          continue;
        }
        const wishMs = error.retryAfterMs ?? 0;
        if (!error.retryable || wishMs > LONGEST_WAIT_MS) throw error;
        await pause(Math.max(wishMs, makeWait(attempt)), signal);
      }
    }
  }
}

type Query = Record<string, string | number | undefined>;

interface Signal {
  signal?: AbortSignal | undefined;
}

interface Call extends Signal {
  query?: Query;
  body?: string | undefined;
}

/** An answer that says that it worked. */
interface Answer {
  status: number;
  text: string;
}

async function send(url: URL, { signal, body, ...rest }: Call & { method: string; headers: Headers }): Promise<Answer> {
  const late = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      ...rest,
      ...(body !== undefined && { body }),
      // The API has no redirects: following one would take the key to wherever somebody says.
      redirect: 'manual',
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
    text = await response.text();
  } catch (cause) {
    if (signal?.aborted) throw cancelled('the call', signal);
    const why = late.aborted ? 'it did not answer in time' : sentence((cause as Error).cause ?? cause);
    throw new ApiError(errorOf('connectionLost', `the server cannot be reached: ${why}`, cause), {});
  }
  const { status } = response;
  if (response.ok) return { status, text };
  let problem: Partial<Problem> | undefined;
  try {
    problem = JSON.parse(text) as Partial<Problem>;
  } catch {
    // What answered is not this API.
  }
  if (typeof problem?.code !== 'string') {
    const retryAfter = Number(response.headers.get('retry-after') || Number.NaN);
    throw unreadable(status, 'it is no problem of this API', Number.isFinite(retryAfter) ? retryAfter * 1_000 : undefined);
  }
  const { code, detail = code, retryAfterMs, gap } = problem;
  const row = errorOf(code as Code);
  const retryable = row.code === code ? row.retryable : PASSING.has(status);
  throw new ApiError(new PasskeyError(code, detail, retryable), { status, retryAfterMs, gap });
}

async function read<T>({ status, text }: Answer, reader: (text: string) => T): Promise<T> {
  try {
    return reader(text);
  } catch (error) {
    throw unreadable(status, `${sentence(error)}; update this client`);
  }
}

function unreadable(status: number, why: string, retryAfterMs?: number): ApiError {
  const message = `the server's answer cannot be read (HTTP status ${status}): ${why}`;
  return new ApiError(new PasskeyError('internal', message, PASSING.has(status)), { status, retryAfterMs });
}

/** The members of RFC 9457 problem details that are looked at. */
interface Problem {
  code: string;
  detail: string;
  retryAfterMs: number;
  gap: GapInfo;
}

function checkedKey(key: string): string {
  if (/^pa_[\x21-\x7e]+$/.test(key)) return key;
  throw new ApiError(errorOf('badKey', 'the API key cannot be one; it looks like pa_live_...'), {});
}

function sign(keyPair: string, method: string, url: URL, body: string | undefined): [string, string][] {
  const nonce = crypto.getRandomValues(new Uint8Array(16));
  const bytes = body === undefined ? undefined : new TextEncoder().encode(body);
  try {
    const fields = load().signRequest(keyPair, method, url.href, bytes, Math.floor(Date.now() / 1_000), nonce);
    return JSON.parse(fields) as [string, string][];
  } catch (error) {
    throw new ApiError(errorOf('badKey', String(error)), {});
  }
}

function created(answer: CreatedKey): CreatedKey {
  dated(answer.key);
  return answer;
}

async function pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wake = (): void => {};
  await new Promise<void>((resolve) => {
    wake = resolve;
    timer = setTimeout(resolve, waitMs);
    signal?.addEventListener('abort', wake, { once: true });
  });
  clearTimeout(timer);
  signal?.removeEventListener('abort', wake);
  if (signal?.aborted) throw cancelled('the call', signal);
}

/** Twice as long each time, and up to as much again by chance. */
function makeWait(attempt: number): number {
  return Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_OWN_WAIT_MS) * (1 + Math.random());
}

/** One that is not unique would get the answer to another command. */
function makeIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// As sdk-core/src/api has them.
const TRIES = 4;
const FIRST_WAIT_MS = 200;
const LONGEST_OWN_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 30_000;

/** What proxies say while the server behind them is away. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

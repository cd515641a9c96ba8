/** Who is signed in, answered from memory and kept exact by a connection of its own. */

import type { PasskeyError } from '../error.js';
import type { EndReason } from '../types.js';
import type { Account, VerifyOptions, VerifySocketOptions } from './account.js';
import { Check } from './check.js';
import type { Live, Stream } from './core.js';
import { Driver, now } from './driver.js';
import type { Connection } from './events.js';
import type { EvidenceOptions } from './evidence.js';
import { cancelled, errorOf, thrown } from './failure.js';
import { load } from './load.js';
import {
  DEFAULT_BODY_LIMIT,
  NOTHING,
  checkHead,
  checkSocket,
  headOf,
  readBody,
  type CheckedHead,
  type Head,
} from './proof.js';
import type { Status } from './status.js';

/**
 * How a session ended, as far as this process knows: as the log says; or its time is over (`expired`); or it was open
 * before events were missed and is not after it (`vanished`); or nobody would learn of its end any more (`unfollowed`).
 */
export type Ended = EndReason | 'expired' | 'vanished' | 'unfollowed';

/** An open session. The same object until it ends; whoever holds it is told then. */
export class LiveSession {
  readonly sessionID: string;
  /** Whose session. */
  readonly accountID: string;
  /** The passkey that opened it. */
  readonly passkeyID: string;
  /** When it was opened, by the server's clock. */
  readonly since: Date;
  /** When it ends at the latest, by the server's clock. */
  readonly expiresAt: Date;
  /** How it ended; `undefined` while it is open. */
  end: Ended | undefined;
  #keyPoint: string | undefined;
  #key: Promise<CryptoKey> | undefined;
  #watchers: ((ended: Ended) => void)[] = [];

  /** @internal */
  constructor(open: Open) {
    this.sessionID = open.sessionID;
    this.accountID = open.accountID;
    this.passkeyID = open.passkeyID;
    this.since = new Date(open.since);
    this.expiresAt = new Date(open.expiresAt);
    this.#keyPoint = open.keyPoint ?? undefined;
  }

  /** Resolves when it ends: the moment to close sockets that were opened in its name. */
  ended(): Promise<Ended> {
    if (this.end !== undefined) return Promise.resolve(this.end);
    return new Promise((resolve) => this.#watchers.push(resolve));
  }

  /** @internal The public key that its proofs are checked with; `undefined` when this version does not know its kind. */
  key(): Promise<CryptoKey> | undefined {
    if (this.#keyPoint === undefined) return undefined;
    this.#key ??= crypto.subtle.importKey('raw', bytes(this.#keyPoint), P256, false, ['verify']);
    return this.#key;
  }

  /** @internal */
  finish(ended: Ended): void {
    if (this.end !== undefined) return;
    this.end = ended;
    for (const watcher of this.#watchers) watcher(ended);
    this.#watchers = [];
  }
}

/** A session has ended. */
export interface SessionEnd {
  readonly sessionID: string;
  readonly accountID: string;
  readonly ended: Ended;
  /** It was the account's last: nobody is signed in to it now. */
  readonly accountIsGone: boolean;
}

/** This reader was too slow: look up every session that you hold anything for. */
export interface MissedEnds {
  readonly missed: number;
}

/**
 * The sessions that are open now. Look-ups are answered from memory and say what was known last, also while the
 * connection is interrupted. Whoever decides by them asks `freshWithin` first, which fails closed.
 */
export class LiveSessions {
  #live: Live;
  #driver: Driver;
  /** Sessions that were looked up and are open. */
  #known = new Map<string, LiveSession>();
  #endings = new Set<Endings>();
  /** Who waits for which session to appear. */
  #waiting = new Map<string, Set<() => void>>();
  #awaited = 0;
  /** Who waits for the state. */
  #syncing: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #origins: readonly string[] | undefined;
  #onEnd: (live: LiveSessions) => void;
  #isClosed = false;

  /** @internal */
  constructor(connection: Connection, { origins, evidence }: SessionsOptions, onEnd: (live: LiveSessions) => void) {
    this.#live = new (load().Live)(evidence !== undefined);
    this.#origins = origins;
    this.#onEnd = onEnd;
    // Nothing is acknowledged: applying an item cannot fail.
    const asked = { ...connection, wish: { window: 0 }, position: async () => undefined };
    if (evidence) {
      const check = new Check(() => this.#driver.stream, { evidence });
      this.#check = check;
      this.#driver = new Driver({ ...asked, prepare: () => check.prepare(), onChange: () => this.#pump() });
      this.#state = new Driver({ ...asked, onChange: () => this.#look() });
      this.#look();
    } else {
      this.#driver = new Driver({ ...asked, onChange: () => this.#pump() });
    }
  }

  #check: Check | undefined;
  /** Where there are pins: says where the state is, until that is known. */
  #state: Driver | undefined;

  /** Resolves when the state has arrived: at the start, and after events were missed. Rejects when the stream is over. */
  async inSync(options: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options;
    const arrived = new Promise<void>((resolve) => this.#syncing.push(resolve));
    this.#tellSynced();
    await orAborted(arrived, 'waiting for the live sessions', signal);
    if (this.#isClosed) throw this.failure ?? errorOf('connectionLost', 'the live sessions were closed');
  }

  /** The session, if it is open. */
  get(sessionID: string): LiveSession | undefined {
    const known = this.#known.get(sessionID);
    if (known) return this.#live.isOpen(sessionID, now(), Date.now()) ? known : undefined;
    const found = this.#live.find(sessionID, now(), Date.now());
    if (found === undefined) return undefined;
    const session = new LiveSession(JSON.parse(found) as Open);
    this.#known.set(session.sessionID, session);
    return session;
  }

  /** The open sessions of the account, in no order. */
  ofAccount(accountID: string): LiveSession[] {
    const ids = this.#live.ofAccount(accountID, now(), Date.now());
    return ids.map((id) => this.get(id)).filter((session) => session !== undefined);
  }

  /** Whether the account has an open session; `undefined` while that is not known. */
  isLoggedIn(accountID: string): boolean | undefined {
    return this.#live.isLoggedIn(accountID, now(), Date.now());
  }

  /** How many sessions are open, those included whose time has just run out. */
  get count(): number {
    return this.#live.size();
  }

  /** The same as `count`. */
  get size(): number {
    return this.count;
  }

  /** The server's clock, as far as it is known; before the first word of it, this machine's. */
  get serverTime(): Date {
    return new Date(this.#live.serverTime(now(), Date.now()));
  }

  /**
   * These live sessions, if they have everything that the server had not longer ago than this. A quiet server says so
   * every 20 s: less than 25,000 makes it fail now and then. Throws `stale` otherwise: refuse, or answer 503.
   */
  freshWithin(maxAgeMs: number): this {
    if (this.#live.staleFor(maxAgeMs, now(), Date.now()) !== undefined) throw errorOf('stale');
    return this;
  }

  /**
   * The session as soon as it is open, waiting two seconds for it unless told otherwise: a request may overtake the
   * `loggedIn` that it belongs to. Rejects with `sessionGone` when it has not appeared in time, `overCapacity` beside
   * 10,000 others, `stale` when the stream is over.
   */
  async waitFor(sessionID: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<LiveSession> {
    const { timeoutMs = 2_000, signal } = options;
    const found = this.get(sessionID);
    if (found) return found;
    if (this.#isClosed) throw errorOf('stale');
    // Whoever makes up session ids must not be able to fill the memory.
    if (this.#awaited >= MAX_WAITERS) throw errorOf('overCapacity');
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    const waiters = this.#waiting.get(sessionID) ?? new Set();
    this.#waiting.set(sessionID, waiters.add(wake));
    this.#awaited += 1;
    try {
      await orAborted(woken, 'waiting for the session', signal);
    } finally {
      clearTimeout(timer);
      this.#awaited -= 1;
      waiters.delete(wake);
      if (waiters.size === 0 && this.#waiting.get(sessionID) === waiters) this.#waiting.delete(sessionID);
    }
    const session = this.get(sessionID);
    if (!session) throw errorOf(this.#isClosed ? 'stale' : 'sessionGone');
    return session;
  }

  /**
   * The ends of all sessions from now on, for an application that keeps sockets of many. So: ask for this first, look
   * sessions up then. A reader that leaves more than 4,096 unread is told how many it has missed.
   */
  endings(options: { signal?: AbortSignal } = {}): AsyncIterableIterator<SessionEnd | MissedEnds, undefined> {
    const endings = new Endings(options.signal, (leaving) => this.#endings.delete(leaving));
    if (this.#isClosed) endings.finish();
    else this.#endings.add(endings);
    return endings;
  }

  /**
   * Who sent this request? Reads a copy of the body, so that the request's own stays as it is; a request whose body was
   * read before is refused with a TypeError. Rejects with a `PasskeyError`, for which `problem` makes the answer.
   */
  async verify(request: Request, options: VerifyOptions = {}): Promise<Account> {
    const { bodyLimit = DEFAULT_BODY_LIMIT } = options;
    const checked = await this.checkHead(headOf(request), options);
    return checked.withBody(request.body === null ? NOTHING : await readBody(request.clone(), bodyLimit));
  }

  /**
   * Who opened this socket? `token` is what a page made for this `audience` and the `nonce` that the back end gave it, at
   * most 256 characters each. Make the nonce random, and forget it after the first try. What it proves holds until the
   * session ends: close the socket then.
   */
  async verifySocket(token: string, options: VerifySocketOptions): Promise<Account> {
    return checkSocket(this, this.#live, token, options);
  }

  /** @internal What the call says goes before what `connect` was told. */
  originsFor({ origins = this.#origins }: VerifyOptions): readonly string[] {
    if (origins) return origins;
    throw new TypeError(
      "origins: say where this back end is reached, Accounts.connect(url, apiKey, { origins: ['https://app.example'] })",
    );
  }

  /** @internal Everything but the body: what strangers send is not read before it is known who they are. */
  checkHead(head: Head, options: VerifyOptions): Promise<CheckedHead> {
    return checkHead(this, this.#live, head, { ...options, origins: this.originsFor(options) });
  }

  /** How the connection is doing. The same frozen object until it changes. */
  get status(): Status {
    return this.#driver.status;
  }

  /** Calls `listener` after each change of `status`. Returns how to stop that. */
  readonly subscribe = (listener: (status: Status) => void): (() => void) => this.#driver.subscribe(listener);

  /** Why the stream is over for good, if it is. */
  get failure(): PasskeyError | undefined {
    return this.#driver.failure;
  }

  /** Ends the connection. From here on no session is known, and those who hold one are told so. */
  async close(): Promise<void> {
    await Promise.all([this.#driver.stop(), this.#state?.stop()]);
    this.#finish();
    await this.#check?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What the pins say is shown as soon as the log is read up to where the state is. */
  #look(): void {
    const state = this.#state;
    if (!state) return;
    let hasLooked = false;
    try {
      hasLooked = this.#live.look(state.stream, now(), Date.now());
    } catch (found) {
      this.#driver.fail(thrown(found) as PasskeyError);
    }
    if (!hasLooked && state.failure) this.#driver.fail(state.failure);
    if (!hasLooked && !state.isOver) return;
    this.#state = undefined;
    void state.stop();
    this.#pump();
  }

  #pump(): void {
    // The driver's first step comes before it is ours.
    if (this.#isClosed || !this.#driver) return;
    const { stream } = this.#driver;
    let hasMore = true;
    while (hasMore) {
      hasMore = this.#take(stream);
      this.#tellEnds();
    }
    this.#check?.look();
    this.#tellOpened();
    this.#tellSynced();
    if (this.#driver.isOver) this.#finish();
    else this.#schedule();
  }

  /** Whether there may be more. */
  #take(stream: Stream): boolean {
    try {
      return this.#live.pump(stream, ITEMS_AT_ONCE, this.#awaited > 0, now(), Date.now());
    } catch (found) {
      const error = thrown(found) as PasskeyError;
      console.error(`passkey-accounts: nobody is known to be signed in any more: ${error.message}`);
      this.#driver.fail(error);
      return false;
    }
  }

  #tellOpened(): void {
    const opened = this.#live.takeOpened();
    if (opened === undefined) return;
    for (const id of JSON.parse(opened) as string[]) {
      const waiting = id === '*' ? this.#waiting.keys() : [id];
      for (const awaited of waiting) if (this.get(awaited)) this.#wake(awaited);
    }
  }

  #wake(sessionID: string): void {
    for (const wake of this.#waiting.get(sessionID) ?? []) wake();
  }

  #tellSynced(): void {
    if (this.#syncing.length === 0) return;
    if (!this.#isClosed && !this.#live.isInSync(now(), Date.now())) return;
    for (const wake of this.#syncing) wake();
    this.#syncing = [];
  }

  #tellEnds(): void {
    for (let text = this.#live.takeEnds(); text !== undefined; text = this.#live.takeEnds()) {
      const said = JSON.parse(text) as SessionEnd[] | number;
      if (typeof said === 'number') this.#tellMissed(said);
      else for (const end of said) this.#tellEnd(end);
    }
  }

  #tellEnd(end: SessionEnd): void {
    this.#known.get(end.sessionID)?.finish(end.ended);
    this.#known.delete(end.sessionID);
    for (const endings of this.#endings) endings.push(end);
  }

  /** A new state has ended more sessions at once than the core keeps the ends of. */
  #tellMissed(missed: number): void {
    for (const [id, session] of this.#known) {
      if (this.#live.isOpen(id, now(), Date.now())) continue;
      this.#known.delete(id);
      session.finish('vanished');
    }
    for (const endings of this.#endings) endings.miss(missed);
  }

  #finish(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#live.close();
    for (const session of this.#known.values()) session.finish('unfollowed');
    this.#known.clear();
    for (const endings of [...this.#endings]) endings.finish();
    for (const id of this.#waiting.keys()) this.#wake(id);
    this.#tellSynced();
    this.#onEnd(this);
  }

  /** Sessions expire. */
  #schedule(): void {
    const wait = this.#live.pollTimeout(now(), Date.now());
    if (wait === undefined) return;
    // Timers do not hear of a clock that was set.
    const at = now() + Math.min(wait, LONGEST_SLEEP_MS);
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Infinity;
        this.#live.tick(now(), Date.now());
        this.#tellEnds();
        this.#schedule();
      },
      Math.ceil(at - now()),
    );
  }
}

/** What live sessions take of the options of `connect`. */
interface SessionsOptions {
  origins?: readonly string[];
  evidence?: EvidenceOptions;
}

/** The ends of sessions, for one reader. */
class Endings implements AsyncIterableIterator<SessionEnd | MissedEnds, undefined> {
  #unread: (SessionEnd | MissedEnds)[] = [];
  #missed = 0;
  #waiting: (() => void)[] = [];
  #isOver = false;
  #signal: AbortSignal | undefined;
  #leave: (endings: Endings) => void;

  constructor(signal: AbortSignal | undefined, leave: (endings: Endings) => void) {
    this.#signal = signal;
    this.#leave = leave;
    signal?.addEventListener('abort', () => this.finish(), { once: true });
    if (signal?.aborted) this.#isOver = true;
  }

  push(end: SessionEnd): void {
    this.#unread.push(end);
    if (this.#unread.length > MAX_UNREAD) {
      this.#unread.shift();
      this.#missed += 1;
    }
    this.#wake();
  }

  miss(missed: number): void {
    this.#missed += missed;
    this.#wake();
  }

  finish(): void {
    this.#isOver = true;
    this.#leave(this);
    this.#wake();
  }

  async next(): Promise<IteratorResult<SessionEnd | MissedEnds, undefined>> {
    for (;;) {
      if (this.#signal?.aborted) throw cancelled('waiting for ends of sessions', this.#signal);
      if (this.#missed > 0) {
        const value = { missed: this.#missed };
        this.#missed = 0;
        return { done: false, value };
      }
      const value = this.#unread.shift();
      if (value) return { done: false, value };
      if (this.#isOver) return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async return(): Promise<{ done: true; value: undefined }> {
    this.finish();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** A session as the core tells of it. Times are milliseconds since 1970. */
interface Open {
  sessionID: string;
  accountID: string;
  passkeyID: string;
  since: number;
  expiresAt: number;
  keyPoint: string | null;
}

async function orAborted<T>(promise: Promise<T>, what: string, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(cancelled(what, signal));
  });
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const P256 = { name: 'ECDSA', namedCurve: 'P-256' };

/** Each can end one session; the core keeps 4,096 ends. */
const ITEMS_AT_ONCE = 1_024;

/** Ends that a slow reader may leave unread. */
const MAX_UNREAD = 4_096;

const LONGEST_SLEEP_MS = 10_000;

/** At two seconds each, room for 5,000 such requests a second. */
const MAX_WAITERS = 10_000;

/** The client of a page. Loaded by `connect`, never before. */

import { watchActivity } from './activity.js';
import { Caller, type Call } from './caller.js';
import { PasskeyError } from './error.js';
import { link, type Link, type LinkOptions } from './link.js';
import { cancelled, fromRaw, notSupported, sessionGone, toRaw, type RawState, type ToPage } from './port.js';
import { Preparation } from './prepared.js';
import { loadManaging, makeSession, readAnswer, type Ask } from './session.js';
import type { CallOptions, Client, ConnectOptions, EmailOptions, News, PendingRecovery, PendingSignUp, Recovered, Session, State } from './types.js';

const PAGE_GONE_MS = 10_000;

export async function open(options: ConnectOptions): Promise<Client> {
  if (typeof WebSocket === 'undefined' || !globalThis.origin) {
    throw notSupported('passkeys need a browser: call connect in the page, not on a server');
  }
  const client = new PasskeyClient(options);
  await client.greeted(options.signal);
  return client;
}

function socketAddress(app: string, url: string | URL | undefined): string {
  const address = new URL(url ?? '/v1/gateway', globalThis.location?.href);
  if (address.protocol === 'http:') address.protocol = 'ws:';
  if (address.protocol === 'https:') address.protocol = 'wss:';
  address.searchParams.set('app', app);
  return address.href;
}

class PasskeyClient implements Client {
  readonly #caller = new Caller();
  readonly #prepared = new Preparation(this.#caller);
  readonly #states = new Listeners<State>();
  readonly #news = new Listeners<News>();
  readonly #linkOptions: LinkOptions;
  #link: Link | undefined;
  #persistence: 'worker' | 'page' = 'page';
  #canRecover = false;
  /** Counts the links: what an earlier one still brings is dropped. */
  #linkNumber = 0;
  #state: State = Object.freeze({ status: 'connecting' });
  /** What the engine said last, as text: it repeats itself to a page that comes back. */
  #said = '';
  #session: Session | undefined;
  #stopWatching = (): void => undefined;
  /** The worker died with a session in it. */
  #isSessionLost = false;

  constructor({ app, url, persistence = 'worker', worker, pageGoneMs = PAGE_GONE_MS }: ConnectOptions) {
    this.#linkOptions = {
      app,
      url: socketAddress(app, url),
      persistence,
      ...(worker !== undefined && { worker }),
      pageGoneMs,
      kept: {},
      hear: () => undefined,
      onLost: () => undefined,
    };
  }

  get state(): State {
    return this.#state;
  }

  get persistence(): 'worker' | 'page' {
    return this.#persistence;
  }

  get canRecover(): boolean {
    return this.#canRecover;
  }

  readonly subscribe = this.#states.add;
  readonly onNews = this.#news.add;

  // Calls

  async signUp({ email, signal }: EmailOptions): Promise<PendingSignUp> {
    this.#prepared.drop();
    const [id, expiresAt] = await this.#ask('signUp', [email], signal).result;
    return Object.freeze({
      expiresAt: new Date(expiresAt),
      verify: (code: string, options?: CallOptions): Promise<Session> => {
        this.#prepared.drop();
        return this.#signedIn(this.#ask('verify', [id, code], options?.signal));
      },
    });
  }

  async recover({ email, signal }: EmailOptions): Promise<PendingRecovery> {
    this.#prepared.drop();
    const [id, expiresAt] = await this.#ask('recover', [email], signal).result;
    return Object.freeze({
      expiresAt: new Date(expiresAt),
      verify: async (code: string, recoveryCode: string, options?: CallOptions): Promise<Recovered> => {
        this.#prepared.drop();
        const answer = await this.#ask('verifyRecovery', [id, code, recoveryCode], options?.signal).result;
        return readAnswer(answer, ({ until }) =>
          until === undefined ? { status: 'recovered' } : { status: 'held', until: new Date(String(until)) },
        );
      },
    });
  }

  prepare({ email, signal }: EmailOptions): Promise<void> {
    return this.#prepared.start(email, signal);
  }

  // Not async, and nothing awaited before `show`: Safari shows a prompt only within the click.
  signIn({ email, signal }: EmailOptions): Promise<Session> {
    const prepared = signal?.aborted ? undefined : this.#prepared.take(email);
    if (!prepared) return this.#signedIn(this.#ask('signIn', [email], signal));
    prepared.show();
    prepared.follow(signal);
    return this.#signedIn(prepared).catch((error: unknown) => {
      // Nobody has seen anything yet: what became of the preparation is not this call's business.
      if (prepared.isShown || signal?.aborted) throw error;
      return this.#signedIn(this.#ask('signIn', [email], signal));
    });
  }

  async signOut(): Promise<void> {
    this.#prepared.drop();
    await this.#ask('signOut', []).result;
  }

  close(): void {
    if (this.#state.status !== 'closed') this.#close({ status: 'closed' });
  }

  readonly #ask: Ask = (method, args, signal) => this.#caller.call(method, args, signal);

  /** The engine says the state before it answers. */
  async #signedIn(call: Call<void>): Promise<Session> {
    await call.result;
    if (!this.#state.session) throw sessionGone();
    return this.#state.session;
  }

  // Connection

  /** Settles when the first attempt to connect does; from then on `signal` closes the client. */
  async greeted(signal: AbortSignal | undefined): Promise<void> {
    const close = (): void => this.close();
    if (signal?.aborted) close();
    else signal?.addEventListener('abort', close, { once: true });
    globalThis.addEventListener?.('pagehide', this.#leave);
    globalThis.addEventListener?.('pageshow', this.#return);
    const first = this.#left('connecting');
    if (this.#state.status !== 'closed') await this.#attach().catch((error: unknown) => this.#fail(error));
    const { status, session, reason } = await first;
    if (status !== 'closed' && (status !== 'reconnecting' || session)) return;
    signal?.removeEventListener('abort', close);
    close();
    if (signal?.aborted) throw cancelled(signal.reason, 'connecting was cancelled');
    if (reason instanceof PasskeyError) throw reason;
    throw new PasskeyError(
      'connectionLost',
      `no connection to ${this.#linkOptions.url}: is the server running, is the app's id right, and is ${globalThis.origin} one of the app's origins?`,
      true,
    );
  }

  async #attach(): Promise<void> {
    const number = (this.#linkNumber += 1);
    const isCurrent = (): boolean => number === this.#linkNumber;
    const early: ToPage[] = [];
    const opened = await link({
      ...this.#linkOptions,
      hear: (message) => {
        if (!isCurrent()) return;
        if (this.#link) this.#hear(message);
        else early.push(message);
      },
      onLost: () => isCurrent() && this.#lost(),
    });
    if (!isCurrent()) return opened.close(true);
    this.#link = opened;
    this.#persistence = opened.persistence;
    this.#caller.use(opened.post, lostConnection);
    for (const message of early) this.#hear(message);
  }

  #detach(isOver: boolean, why: () => PasskeyError): void {
    const link = this.#link;
    this.#linkNumber += 1;
    this.#link = undefined;
    link?.close(isOver);
    this.#caller.use(undefined, why);
  }

  /** The page is put away. Browsers may keep it, with all that it holds, and show it again later. */
  readonly #leave = (): void => this.#detach(false, () => cancelled(undefined, 'the page was left'));

  readonly #return = (event: PageTransitionEvent): void => {
    if (event.persisted) this.#attach().catch((error: unknown) => this.#fail(error));
  };

  #lost(): void {
    this.#isSessionLost = this.#session !== undefined;
    this.#detach(false, lostConnection);
    this.#show({ status: 'reconnecting' });
    this.#attach().catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#close({ status: 'closed', reason: error instanceof PasskeyError ? error : fromRaw(toRaw(error)) });
  }

  #close(state: State, why = (): PasskeyError => cancelled(undefined, 'the client was closed')): void {
    this.#prepared.drop();
    this.#watch(undefined);
    this.#detach(true, why);
    globalThis.removeEventListener?.('pagehide', this.#leave);
    globalThis.removeEventListener?.('pageshow', this.#return);
    this.#set(state);
  }

  // State

  #hear(message: ToPage): void {
    if (message.type === 'state') this.#show(message.state);
    else if (message.type === 'news') this.#hearNews(message.text).catch(reportError);
    else if (message.type !== 'ready' && message.type !== 'broken') this.#caller.hear(message);
  }

  /** What reads it is loaded when somebody listens. */
  async #hearNews(text: string): Promise<void> {
    const session = this.#session;
    if (!session || this.#news.isEmpty) return;
    const { readNews } = await loadManaging();
    const news = readAnswer(text, (message) => readNews(message, session.passkeyID));
    // It may be somebody else's session by now.
    if (session === this.#session) this.#news.tell(news);
  }

  #show(state: RawState): void {
    const said = JSON.stringify(state);
    if (said === this.#said) return;
    this.#said = said;
    const { status, session: raw, reason, error, expiringAt, recoveryUntil, canRecover } = state;
    if (canRecover !== undefined) this.#canRecover = canRecover;
    if (status === 'closed') return this.#close({ status, ...(error && { reason: fromRaw(error) }) }, lostConnection);
    if (raw?.sessionID !== this.#session?.sessionID) {
      this.#session = raw && makeSession(raw, this.#ask);
      this.#watch(this.#session);
    }
    if (status === 'signedIn') this.#isSessionLost = false;
    const ended = reason ?? (this.#isSessionLost ? 'connectionLost' : undefined);
    const shown = {
      status,
      ...(this.#session && { session: this.#session }),
      ...(ended && status !== 'connecting' && { reason: ended }),
      ...(expiringAt !== undefined && { expiringAt: new Date(expiringAt) }),
      ...(recoveryUntil !== undefined && { recoveryUntil: new Date(recoveryUntil) }),
    };
    this.#set(shown as State);
    if (status === 'signedOut') this.#prepared.handleConnected();
    if (status === 'signedIn') this.#prepared.drop();
  }

  /** A session that ends for want of activity before its time is told of it. Any request is a sign of life. */
  #watch(session: Session | undefined): void {
    this.#stopWatching();
    this.#stopWatching = (): void => undefined;
    if (!session || session.idleMs >= session.expiresAt.getTime() - session.startedAt.getTime()) return;
    this.#stopWatching = watchActivity(session.idleMs, () => {
      // Without a connection nobody can be told; what then becomes of the session is known soon enough.
      this.#ask('request', [session.sessionID, 'sessions.list', '{}']).result.catch(() => undefined);
    });
  }

  #set(state: State): void {
    this.#state = Object.freeze(state);
    this.#states.tell(this.#state);
  }

  #left(status: State['status']): Promise<State> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#state.status === status) return;
        leave();
        resolve(this.#state);
      };
      const leave = this.subscribe(look);
      look();
    });
  }
}

class Listeners<T> {
  readonly #entries = new Set<(value: T) => void>();

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  readonly add = (listener: (value: T) => void): (() => void) => {
    // Its own function each time: a listener that is added twice is told twice and can leave once.
    const entry = (value: T): void => listener(value);
    this.#entries.add(entry);
    return () => void this.#entries.delete(entry);
  };

  tell(value: T): void {
    for (const listener of [...this.#entries]) {
      try {
        listener(value);
      } catch (error) {
        // One listener's fault must reach neither the others nor the engine.
        reportError(error);
      }
    }
  }
}

function lostConnection(): PasskeyError {
  return new PasskeyError('connectionLost', 'the connection to the server was lost; please try again', true);
}

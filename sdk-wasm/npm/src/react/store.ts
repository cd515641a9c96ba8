/** The state of one client as an external store: what is shown changes only when the client's state does. */

import type { PasskeyError } from '../error.js';
import type { Client, EmailOptions, News, PendingSignUp, Session, State } from '../types.js';

/** What can be done at any time. They are the same functions for as long as the provider has the same client. */
export interface AccountActions {
  /** Has a code mailed. See `Client.signUp`. */
  readonly signUp: (options: EmailOptions) => Promise<PendingSignUp>;
  /** Fetches the challenge while the person types. See `Client.prepare`. */
  readonly prepare: (options: EmailOptions) => Promise<void>;
  /** Signs in with a passkey. See `Client.signIn`. */
  readonly signIn: (options: EmailOptions) => Promise<Session>;
  /** Ends the session. */
  readonly signOut: () => Promise<void>;
  /** Tries again after `closed`. Does nothing in any other state. */
  readonly retry: () => void;
}

export type Accounts = State & AccountActions;

const CONNECTING: State = Object.freeze({ status: 'connecting' });

/** A client, or how to get one; the signal closes it, now or as soon as it is there. */
export type Source = Client | ((signal: AbortSignal) => Promise<Client>);

export class Store {
  readonly #source: Source;
  readonly #listeners = new Set<() => void>();
  readonly #newsListeners = new Set<(news: News) => void>();
  readonly #actions: AccountActions;
  readonly #onServer: Accounts;
  #state: State;
  #shown: Accounts;
  #attached = 0;
  #client: Client | undefined;
  #connecting: Promise<Client> | undefined;
  #controller: AbortController | undefined;

  constructor(source: Source) {
    this.#source = source;
    const actions: AccountActions = {
      signUp: (options) => this.#with((client) => client.signUp(options)),
      prepare: (options) => this.#with((client) => client.prepare(options)),
      signIn: (options) => this.#with((client) => client.signIn(options)),
      signOut: () => this.#with((client) => client.signOut()),
      retry: () => {
        if (this.#shown.status !== 'closed' || this.#attached === 0) return;
        this.#stop();
        this.#start();
      },
    };
    this.#actions = actions;
    this.#onServer = this.#merge(CONNECTING);
    this.#state = typeof source === 'function' ? CONNECTING : source.state;
    this.#shown = typeof source === 'function' ? this.#onServer : this.#merge(source.state);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };

  /** News of whichever client there is. */
  onNews(listener: (news: News) => void): () => void {
    this.#newsListeners.add(listener);
    return () => void this.#newsListeners.delete(listener);
  }

  readonly snapshot = (): Accounts => this.#shown;

  /** What a server shows, and a browser while it takes over what a server rendered. */
  readonly serverSnapshot = (): Accounts => this.#onServer;

  /** A provider is mounted. Returns what to do when it is gone. */
  attach(): () => void {
    this.#attached += 1;
    if (!this.#controller) this.#start();
    return () => {
      this.#attached -= 1;
      // StrictMode takes every component away and puts it back at once: that must not end a session.
      queueMicrotask(() => {
        if (this.#attached === 0) this.#stop();
      });
    };
  }

  #start(): void {
    const controller = new AbortController();
    this.#controller = controller;
    if (typeof this.#source !== 'function') return this.#follow(this.#source, controller.signal);
    this.#show(CONNECTING);
    this.#connecting = this.#source(controller.signal);
    this.#connecting.then(
      (client) => this.#follow(client, controller.signal),
      (reason: PasskeyError) => {
        if (!controller.signal.aborted) this.#show(Object.freeze({ status: 'closed', reason }));
      },
    );
  }

  #follow(client: Client, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#client = client;
    const show = (): void => this.#show(client.state);
    const tell = (news: News): void => [...this.#newsListeners].forEach((listener) => listener(news));
    for (const stop of [client.subscribe(show), client.onNews(tell)]) signal.addEventListener('abort', stop, { once: true });
    show();
  }

  #stop(): void {
    this.#controller?.abort();
    this.#controller = this.#client = this.#connecting = undefined;
    if (typeof this.#source === 'function') this.#show(CONNECTING);
  }

  /** At once when there is a client: a passkey prompt has to follow the click without a pause. */
  #with<T>(use: (client: Client) => Promise<T>): Promise<T> {
    if (this.#client) return use(this.#client);
    if (this.#connecting) return this.#connecting.then(use);
    return Promise.reject(new Error('nothing is connected: <PasskeyProvider> is not mounted'));
  }

  #show(state: State): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#shown = state === CONNECTING ? this.#onServer : this.#merge(state);
    for (const listener of [...this.#listeners]) listener();
  }

  #merge(state: State): Accounts {
    return Object.freeze({ ...state, ...this.#actions });
  }
}

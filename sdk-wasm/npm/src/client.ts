/** The client over the WebAssembly core. Loaded by `connect`, never before. */

import init, { Core } from './core.js';
import { PasskeyError } from './error.js';
import type { Client, ConnectOptions, PendingSignUp } from './index.js';
import type { EndReason, Session, State } from './state.js';
import { wasm } from './wasm.js';

export async function open({ app, url, signal }: ConnectOptions): Promise<Client> {
  const { origin } = globalThis;
  if (typeof WebSocket === 'undefined' || !origin) {
    throw notSupported('passkeys need a browser: call connect in the page, not on a server');
  }
  const address = socketAddress(app, url);
  await load();
  const client = new PasskeyClient(app, address, origin);
  await client.greeted(signal);
  return client;
}

let loading: Promise<unknown> | undefined;

function load(): Promise<unknown> {
  loading ??= instantiate().catch((cause: unknown) => {
    loading = undefined;
    throw notSupported(
      "WebAssembly could not be started; a Content-Security-Policy needs script-src 'wasm-unsafe-eval'",
      cause,
    );
  });
  return loading;
}

async function instantiate(): Promise<unknown> {
  return init({ module_or_path: await WebAssembly.compile(wasm()) });
}

function socketAddress(app: string, url: string | URL | undefined): string {
  const address = new URL(url ?? '/v1/gateway', location.href);
  if (address.protocol === 'http:') address.protocol = 'ws:';
  if (address.protocol === 'https:') address.protocol = 'wss:';
  address.searchParams.set('app', app);
  return address.href;
}

class PasskeyClient implements Client {
  #core: Core;
  #state: State = Object.freeze({ status: 'connecting' });
  #listeners = new Set<(state: State) => void>();
  #address: string;

  constructor(app: string, address: string, origin: string) {
    this.#address = address;
    this.#core = new Core(app, address, origin, this.#show, makeError);
    // Browsers keep a page that was left, with its socket: without this the person would stay signed in unseen.
    globalThis.addEventListener('pagehide', this.#leave);
  }

  get state(): State {
    return this.#state;
  }

  readonly subscribe = (listener: (state: State) => void): (() => void) => {
    // Its own function each time: a listener that subscribes twice is told twice and can leave once.
    const entry = (state: State): void => listener(state);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };

  async signUp({ email, signal }: { email: string; signal?: AbortSignal }): Promise<PendingSignUp> {
    const [id, expiresAt] = await this.#core.signUp(email, signal);
    return Object.freeze({
      expiresAt: new Date(expiresAt),
      verify: (code: string, options?: { signal?: AbortSignal }): Promise<Session> =>
        this.#core.verify(id, code, options?.signal),
    });
  }

  signIn({ email, signal }: { email: string; signal?: AbortSignal }): Promise<Session> {
    return this.#core.signIn(email, signal);
  }

  async signOut(): Promise<void> {
    await this.#core.signOut();
  }

  close(): void {
    this.#core.close();
  }

  /** Settles when the first attempt to connect does; from then on `signal` closes the client. */
  async greeted(signal: AbortSignal | undefined): Promise<void> {
    const close = (): void => this.close();
    if (signal?.aborted) close();
    else signal?.addEventListener('abort', close, { once: true });
    const { status, reason } = await this.#left('connecting');
    if (status === 'signedOut') return;
    signal?.removeEventListener('abort', close);
    close();
    if (signal?.aborted) throw new PasskeyError('cancelled', 'connecting was cancelled', false, undefined, signal.reason);
    if (reason instanceof PasskeyError) throw reason;
    throw new PasskeyError(
      'connectionLost',
      `no connection to ${this.#address}: is the server running, is the app's id right, and is ${globalThis.origin} one of the app's origins?`,
      true,
    );
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

  readonly #leave = (): void => this.#core.leave();

  readonly #show = (status: State['status'], session?: Session, reason?: EndReason | PasskeyError): void => {
    const state = { status, ...(session && { session }), ...(reason && { reason }) };
    this.#state = Object.freeze(state) as State;
    if (status === 'closed') globalThis.removeEventListener('pagehide', this.#leave);
    for (const listener of [...this.#listeners]) {
      try {
        listener(this.#state);
      } catch (error) {
        // One listener's fault must reach neither the others nor the core.
        reportError(error);
      }
    }
  };
}

function makeError(...parts: ConstructorParameters<typeof PasskeyError>): PasskeyError {
  return new PasskeyError(...parts);
}

function notSupported(message: string, cause?: unknown): PasskeyError {
  return new PasskeyError('notSupported', message, false, undefined, cause);
}

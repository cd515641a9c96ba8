/** The client over the WebAssembly core. Loaded by `connect`, never before. */

import init, { Core, type Host, type KeyPair, type RawSession } from './core.js';
import { PasskeyError, type Code } from './error.js';
import type { Client, ConnectOptions, PendingSignUp } from './index.js';
import type { Session, State } from './state.js';
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
    this.#core = new Core(app, address, origin, { onState: this.#show, prompt, makeError });
    // Browsers keep a page that was left, with its socket: without this the person would stay signed in unseen.
    globalThis.addEventListener('pagehide', this.#leave);
    globalThis.addEventListener('pageshow', this.#wake);
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
    const [id, expiresAt] = await this.#core.signUp(email, await makeKey(), signal);
    return Object.freeze({
      expiresAt: new Date(expiresAt),
      verify: async (code: string, options?: { signal?: AbortSignal }): Promise<Session> => {
        await this.#core.verify(id, code, undefined, options?.signal);
        return this.#session();
      },
    });
  }

  async signIn({ email, signal }: { email: string; signal?: AbortSignal }): Promise<Session> {
    await this.#core.signIn(email, await makeKey(), undefined, signal);
    return this.#session();
  }

  #session(): Session {
    if (!this.#state.session) throw new PasskeyError('sessionGone', 'the session has ended; please sign in again', false);
    return this.#state.session;
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
  readonly #wake = ({ persisted }: PageTransitionEvent): void => {
    if (persisted) this.#core.wake();
  };

  readonly #show: Host['onState'] = (status, raw, reason) => {
    const session = raw && sessionOf(raw);
    const state = { status, ...(session && { session }), ...(reason ? { reason } : {}) };
    this.#state = Object.freeze(state) as State;
    if (status === 'closed') {
      globalThis.removeEventListener('pagehide', this.#leave);
      globalThis.removeEventListener('pageshow', this.#wake);
    }
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

function sessionOf(raw: RawSession): Session {
  return Object.freeze({ ...raw, startedAt: new Date(raw.startedAt), expiresAt: new Date(raw.expiresAt) });
}

/** A session key. Not extractable: a script that got into the page cannot read the private half. */
async function makeKey(): Promise<KeyPair> {
  try {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
    const { x = '', y = '' } = await crypto.subtle.exportKey('jwk', pair.publicKey);
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
    const sign = async (input: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
      new Uint8Array(await crypto.subtle.sign(algorithm, pair.privateKey, input));
    return { x, y, sign };
  } catch (cause) {
    throw notSupported('this page has no WebCrypto: it needs https, or localhost', cause);
  }
}

async function prompt(_page: unknown, create: boolean, options: string, signal: AbortSignal): Promise<string> {
  try {
    const json: unknown = JSON.parse(options);
    const credential = create
      ? await navigator.credentials.create({
          publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json as PublicKeyCredentialCreationOptionsJSON),
          signal,
        })
      : await navigator.credentials.get({
          publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json as PublicKeyCredentialRequestOptionsJSON),
          signal,
        });
    return JSON.stringify((credential as PublicKeyCredential).toJSON());
  } catch (cause) {
    throw { code: codeOf(cause, create), cause };
  }
}

function codeOf(thrown: unknown, create: boolean): Code {
  switch (thrown instanceof Error ? thrown.name : undefined) {
    case 'InvalidStateError':
      return create ? 'passkeyExists' : 'cancelled';
    // A missing function or object is a TypeError: an old browser, or a page without TLS.
    case 'SecurityError':
    case 'NotSupportedError':
    case 'ConstraintError':
    case 'TypeError':
      return 'notSupported';
    default:
      // Browsers say NotAllowedError for "no", "too late" and "no such passkey" alike, on purpose.
      return 'cancelled';
  }
}

function makeError(...parts: ConstructorParameters<typeof PasskeyError>): PasskeyError {
  return new PasskeyError(...parts);
}

function notSupported(message: string, cause?: unknown): PasskeyError {
  return new PasskeyError('notSupported', message, false, undefined, cause);
}

/** The machine's driver: a socket, a timer, keys and promises. What to do with them is decided in WebAssembly. */

import { base64url } from './key.js';
import { Machine, type Driver, type Event } from './machine.js';
import type { EndReason, State } from './types.js';

/** Starts the compiled WebAssembly module. Once, before the first `Core`. */
export { initSync as init } from './machine.js';

/** The session key of one call: WebCrypto P-256, `extractable: false`. */
export interface KeyPair {
  /** base64url, 32 bytes. */
  readonly x: string;
  /** base64url, 32 bytes. */
  readonly y: string;
  /** ECDSA with SHA-256; 64 bytes, r and s. */
  sign(input: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** A session as on the wire, with milliseconds since 1970 for times. */
export interface RawSession {
  readonly sessionID: string;
  readonly accountID: string;
  readonly passkeyID: string;
  readonly startedAt: number;
  readonly expiresAt: number;
  readonly idleMs: number;
  readonly graceMs: number;
}

export interface Host {
  /**
   * The state changed. `key` is that session's (also while reconnecting), `reason` why the last one ended, or
   * `makeError`'s result when the state is `closed`.
   */
  onState(
    status: State['status'],
    session: RawSession | undefined,
    reason: EndReason | unknown,
    key: KeyPair | undefined,
    expiringAt: number | undefined,
    recoveryUntil: number | undefined,
  ): void;
  /** The server says by itself what happened elsewhere to the session's account: the frame, as it came. */
  onNews(text: string): void;
  /**
   * Shows the passkey prompt in `page`, the opaque value given with the call. `options` is WebAuthn JSON text that the
   * machine has checked. Resolves to the credential's JSON text; rejects with `{ code, cause }`.
   */
  prompt(page: unknown, create: boolean, options: string, signal: AbortSignal): Promise<string>;
  makeError(
    code: string,
    message: string,
    retryable: boolean,
    retryAfterMs: number | undefined,
    cause: unknown,
  ): unknown;
}

/** The subprotocol of docs/protocol.md section 1. */
const SUBPROTOCOL = 'passkey-accounts.v1';
/** The longest wait that `setTimeout` knows; the machine is asked again after it. */
const LONGEST_TIMER_MS = 0x7fffffff;

const NEWS = ['session.opened', 'passkeyAdded'];

type Value = number | string | undefined;
type Failure = Parameters<Driver['failure']>;

interface Call {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
  readonly page: unknown;
}

/** One call of the machine; which of these it takes says the table at `call` in `sdk-wasm/src/machine.rs`. */
export interface Asked {
  readonly name: string;
  /** The number of the sign-up or recovery that is verified. */
  readonly of?: number;
  readonly text?: string;
  /** The recovery code of `verifyRecovery`. */
  readonly second?: string;
  readonly key?: KeyPair;
  /** Where its prompts are shown: handed back to `prompt`. */
  readonly page?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export class Core {
  readonly #host: Host;
  readonly #url: string;
  readonly #machine: Machine;
  /** What the output just polled asks for. It runs when the machine has returned and can be called again. */
  #task: (() => void) | undefined;
  #socket: WebSocket | undefined;
  #abandoned: WebSocket[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #calls = new Map<number, Call>();
  /** The keys of open calls and of the session, by the call that brought them. */
  readonly #keys = new Map<number, KeyPair>();
  #prompt: AbortController | undefined;
  /** What makes the rejection that follows. */
  #cause: unknown;
  #failure: Failure | undefined;
  #session: { readonly session: RawSession; readonly key: KeyPair | undefined } | undefined;
  #clockOffsetMs = 0;
  /** The app recovers accounts by a recovery code, as the last greeting said. */
  canRecover = false;

  /** Starts to connect to `url`, which has its `app` parameter. `origin` is the page's own. */
  constructor(app: string, url: string, origin: string, host: Host) {
    const machine = Machine.make(app, origin, now());
    if (!machine) throw host.makeError('unknownApp', `${app} is not the id of an app`, false, undefined, undefined);
    this.#machine = machine;
    this.#host = host;
    this.#url = url;
    this.#pump();
  }

  /** The server's clock minus this one's at the last greeting, in milliseconds. */
  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  /**
   * Begins a call. Returns its number, and what it resolves to: `signUp` and `recover` to when the code expires, `verify`,
   * `signIn` and `signOut` to nothing (the session comes by `onState` before), all others to the JSON text of the answer's data.
   */
  call({ name, of = 0, text, second, key, page, signal }: Asked): [call: number, result: Promise<Value>] {
    if (signal?.aborted) throw this.#error(['cancelled', CANCELLED, false, undefined], signal.reason);
    const call = this.#machine.call(now(), name, of, text, key?.x ?? second, key?.y);
    if (call === undefined) throw this.#error(['notFound', NOT_FOUND, false, undefined], undefined);
    if (key) this.#keys.set(call, key);
    const abort = (): void => this.#because(signal?.reason, () => this.tell('cancel', call));
    signal?.addEventListener('abort', abort);
    const result = new Promise<Value>((resolve, reject) => {
      this.#calls.set(call, { resolve, reject, page });
      this.#pump();
    });
    return [call, result.finally(() => signal?.removeEventListener('abort', abort))];
  }

  /**
   * Tells the machine what happened, then does what it says. `leave`: the last page is gone, which ends the session and the
   * connection, until a call asks for another. `close`: ends everything, for good.
   */
  tell(event: Event, number = 0): void {
    this.#machine.event(now(), event, number, random());
    this.#pump();
  }

  /** What is rejected by `step` has this cause. */
  #because(cause: unknown, step: () => void): void {
    this.#cause = cause;
    step();
    this.#cause = undefined;
  }

  #pump(): void {
    while (this.#machine.poll(this.#driver)) {
      const task = this.#task;
      this.#task = undefined;
      task?.();
    }
    for (const call of this.#keys.keys()) if (!this.#machine.holdsKey(call)) this.#keys.delete(call);
    clearTimeout(this.#timer);
    const wait = Math.max(this.#machine.deadline() - now(), 0);
    this.#timer =
      wait === Infinity ? undefined : setTimeout(() => this.tell('timeout'), Math.min(wait, LONGEST_TIMER_MS));
  }

  readonly #driver: Driver = {
    connect: () => (this.#task = () => this.#connect()),
    close: () =>
      (this.#task = () => {
        shut(this.#socket);
        this.#socket = undefined;
      }),
    abandon: () =>
      (this.#task = () => {
        if (this.#socket) this.#abandoned.push(deafened(this.#socket));
        this.#socket = undefined;
      }),
    closeAbandoned: () =>
      (this.#task = () => {
        this.#abandoned.forEach(shut);
        this.#abandoned = [];
      }),
    // A socket that is closing takes nothing more; its close event is on the way.
    send: (id, name, data) =>
      (this.#task = () => this.#socket?.send(`{"type":"${name}","id":${id}${data && `,"data":${data}`}}`)),
    sign: (request, key, input) => (this.#task = () => this.#sign(request, key, input)),
    prompt: (call, create, options) => (this.#task = () => this.#show(call, create, options)),
    abortPrompt: () => (this.#task = () => this.#prompt?.abort()),
    resolve: (call, value) => (this.#task = () => this.#settled(call)?.resolve(value)),
    reject: (call) => {
      const error = this.#said(this.#cause);
      this.#task = () => this.#settled(call)?.reject(error);
    },
    greeted: (time) => (this.#clockOffsetMs = time - Date.now()),
    failure: (...failure) => (this.#failure = failure),
    session: (sessionID, accountID, passkeyID, startedAt, expiresAt, idleMs, graceMs, key) => {
      const session = { sessionID, accountID, passkeyID, startedAt, expiresAt, idleMs, graceMs };
      this.#session = { session: Object.freeze(session), key: this.#keys.get(key) };
    },
    state: (status, reason, expiringAt, recoveryUntil) => {
      const { session, key } = this.#session ?? {};
      this.#session = undefined;
      const why = reason ?? this.#said(undefined);
      this.#task = () => this.#host.onState(status as State['status'], session, why, key, expiringAt, recoveryUntil);
    },
  };

  #connect(): void {
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#url, SUBPROTOCOL);
    } catch {
      // The browser does not even try: an insecure address on a secure page.
      this.#machine.event(now(), 'lost', 0, random());
      return;
    }
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const message = parse(data);
      if (message?.type === 'hello') this.canRecover = message.data?.recovery === 'recoveryCode';
      this.#machine.frame(now(), message);
      this.#pump();
      // News concern no call and change no state, so the machine has no part in them. An answer has a number.
      if (message?.id === undefined && NEWS.includes(message?.type)) this.#host.onNews(data);
    };
    socket.onclose = ({ code }) => {
      this.#socket = undefined;
      this.tell('lost', code);
    };
  }

  async #sign(request: number, key: number, input: Uint8Array<ArrayBuffer>): Promise<void> {
    let signature: string | undefined;
    try {
      const bytes = await this.#keys.get(key)?.sign(input);
      signature = bytes && base64url(bytes);
    } catch {
      // A key that does not sign any more: the session cannot be resumed.
    }
    this.#machine.signed(now(), request, signature);
    this.#pump();
  }

  async #show(call: number, create: boolean, options: string): Promise<void> {
    const abort = new AbortController();
    this.#prompt = abort;
    let credential: string;
    try {
      credential = await this.#host.prompt(this.#calls.get(call)?.page, create, options, abort.signal);
    } catch (error) {
      const { code, cause } = error as { code?: unknown; cause?: unknown };
      this.#because(cause, () => this.#prompted(call, String(code)));
      return;
    }
    const { response } = JSON.parse(credential) as { response?: { authenticatorData?: string } };
    this.#prompted(call, '', credential, response?.authenticatorData);
  }

  #prompted(call: number, code: string, credential?: string, authenticatorData?: string): void {
    this.#machine.prompted(now(), call, code, credential, authenticatorData);
    this.#pump();
  }

  #settled(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }

  #said(cause: unknown): unknown {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure && this.#error(failure, cause);
  }

  #error(failure: Failure, cause: unknown): unknown {
    return this.#host.makeError(...failure, cause);
  }
}

const CANCELLED = 'the call was cancelled';
const NOT_FOUND = 'there is no such thing; check its id';

/** Nothing of this socket is heard any more. */
function deafened(socket: WebSocket): WebSocket {
  socket.onmessage = null;
  socket.onclose = null;
  return socket;
}

function shut(socket: WebSocket | undefined): void {
  // 1000: the page left in an orderly way.
  if (socket) deafened(socket).close(1000);
}

/** Binary frames, and what is no JSON, do not exist in this protocol. */
function parse(data: unknown): any {
  try {
    return typeof data === 'string' ? JSON.parse(data) : undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds of a clock that never goes back; rounded up, so that a timer that fires early finds its deadline reached. */
function now(): number {
  return Math.ceil(performance.now());
}

/** 53 random bits, for jitter only. */
function random(): number {
  return Math.floor(Math.random() * 2 ** 53);
}

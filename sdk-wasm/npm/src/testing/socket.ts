/** The browser socket without a network: a `WebSocket` stand-in whose other end is a fake server. */

import { encode, identifier, makeBytes } from './bytes.js';
import { Conversation, type Answer, type App } from './conversation.js';
import { Failure, FAILURES, type FailureCode } from './failure.js';
import type { Records } from './records.js';
import { isObject } from './wire.js';

/** What a socket asks of its server. */
export interface Host {
  readonly app: App;
  readonly records: Records;
  readonly origins: readonly string[];
  readonly connections: Set<FakeSocket>;
  readonly isUp: boolean;
  /** Resolves when the server is not paused. */
  resumed(): Promise<void>;
  /** Takes the failure that a test planted for the next request of this type, if there is one. */
  planted(type: string): Failure | undefined;
}

type Handler = ((event: Event) => void) | null;

export class FakeSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  readonly url: string;
  readonly extensions = '';
  readonly bufferedAmount = 0;
  binaryType: BinaryType = 'blob';
  onopen: Handler = null;
  onmessage: Handler = null;
  onerror: Handler = null;
  onclose: Handler = null;

  readonly #host: Host;
  readonly #nonce = makeBytes(32);
  readonly #conversation: Conversation;
  #protocol = '';
  #readyState: 0 | 1 | 2 | 3 = 0;
  /** Requests are answered one after the other, as they came. */
  #queue: Promise<void> = Promise.resolve();
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #hasSpoken = false;
  #outOfTurn = 0;

  constructor(host: Host, url: string | URL, protocols: string | string[] = []) {
    super();
    this.url = new URL(url).href;
    this.#host = host;
    const { origin } = globalThis;
    const userAgent = globalThis.navigator?.userAgent?.slice(0, 256) ?? '';
    this.#conversation = new Conversation(host.app, host.records, {
      origin,
      userAgent,
      nonce: this.#nonce,
      push: (answer) => this.#say(answer),
      close: (code, reason) => this.#closed(code, JSON.stringify(reason), true),
    });
    const offered = [protocols].flat();
    this.#queue = host.resumed().then(() => this.#open(origin, offered));
  }

  get protocol(): string {
    return this.#protocol;
  }

  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState;
  }

  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void {
    if (this.#readyState === 0) throw new DOMException('Still in CONNECTING state.', 'InvalidStateError');
    if (this.#readyState !== 1) return;
    this.#queue = this.#queue.then(async () => {
      await this.#host.resumed();
      if (this.#readyState === 1) await this.#hear(data);
    });
  }

  close(code = 1005, reason = ''): void {
    if (this.#readyState > 1) return;
    this.#readyState = 2;
    const how = code === PAGE_LOST ? 'lost' : 'closed';
    void Promise.resolve().then(() => this.#closed(code, reason, true, how));
  }

  /** The network is gone: no close frame. */
  drop(): void {
    this.#closed(1006, '', false);
  }

  /** The server stops, and says so. */
  restart(): void {
    this.#say({ type: 'drain', data: { reconnectAfterMs: 5000 } });
    this.#closed(1012, JSON.stringify({ error: 'restart' }), true);
  }

  #open(origin: string, offered: readonly string[]): void {
    if (this.#readyState !== 0) return;
    const { app, isUp, origins, records, connections } = this.#host;
    const { pathname, searchParams } = new URL(this.url);
    const isWelcome =
      isUp &&
      pathname === '/v1/gateway' &&
      searchParams.get('app') === app.app &&
      origins.includes(origin) &&
      offered.includes(SUBPROTOCOL);
    // A browser does not say why an upgrade failed, so neither do we.
    if (!isWelcome) return this.#closed(1006, '', false);
    this.#protocol = SUBPROTOCOL;
    this.#readyState = 1;
    connections.add(this);
    this.#fire('open', new Event('open'));
    this.#heartbeat = setInterval(() => this.#say({ type: 'heartbeat' }), HEARTBEAT_MS);
    // A test runner must be able to end with a client left open.
    (this.#heartbeat as { unref?: () => void }).unref?.();
    this.#say({
      type: 'hello',
      data: {
        connectionID: identifier('con', makeBytes(16)),
        nonce: encode(this.#nonce),
        heartbeatMs: HEARTBEAT_MS,
        rpID: app.rpID,
        app: { name: app.name },
        policy: app.policy,
        recovery: app.recoveryHoldMs === undefined ? 'passkeyOnly' : 'recoveryCode',
        time: new Date(records.now()).toISOString(),
      },
    });
  }

  async #hear(frame: unknown): Promise<void> {
    if (typeof frame !== 'string') return this.#refuse('badMessage');
    const bytes = new TextEncoder().encode(frame).length;
    if (bytes > (this.#hasSpoken ? MAX_FRAME_BYTES : MAX_FIRST_FRAME_BYTES)) return this.#refuse('tooLarge');
    this.#host.records.sweep();
    let id: unknown;
    try {
      const message = read(frame);
      ({ id } = message);
      const { type, data = {} } = message;
      if (typeof type !== 'string' || !isObject(data)) throw new Failure('badMessage');
      this.#hasSpoken = true;
      const planted = this.#host.planted(type);
      if (planted) throw planted;
      const { after, ...answer } = await this.#conversation.handle(type, data);
      this.#say({ ...answer, ...(id !== undefined && { id }) });
      after?.();
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure('internal');
      const { code, message, retryAfterMs } = failure;
      const data = { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
      this.#say({ type: 'error', data, ...(id !== undefined && { id }) });
      if (!(error instanceof Failure)) throw error;
      if (OUT_OF_TURN.includes(code) && ++this.#outOfTurn === MAX_OUT_OF_TURN) this.#refuse(code);
    }
  }

  #refuse(code: FailureCode): void {
    this.#closed(FAILURES[code][0], JSON.stringify({ error: code }), true);
  }

  #say(answer: Answer & { id?: unknown }): void {
    if (this.#readyState === 1) this.#fire('message', new MessageEvent('message', { data: JSON.stringify(answer) }));
  }

  #closed(code: number, reason: string, wasClean: boolean, how: 'closed' | 'lost' = 'lost'): void {
    if (this.#readyState === 3) return;
    this.#readyState = 3;
    clearInterval(this.#heartbeat);
    this.#host.connections.delete(this);
    this.#conversation.ended(how);
    if (!wasClean) this.#fire('error', new Event('error'));
    this.#fire('close', Object.assign(new Event('close'), { code, reason, wasClean }));
  }

  /** Events come when the caller is done, as they do in browsers, and in order. */
  #fire(name: 'open' | 'message' | 'error' | 'close', event: Event): void {
    void Promise.resolve().then(() => {
      this[`on${name}`]?.(event);
      this.dispatchEvent(event);
    });
  }
}

function read(frame: string): Readonly<Record<string, unknown>> {
  let message: unknown;
  try {
    message = JSON.parse(frame);
  } catch {
    throw new Failure('badMessage');
  }
  if (!isObject(message)) throw new Failure('badMessage');
  return message;
}

const SUBPROTOCOL = 'passkey-accounts.v1';

/** The server says something at least this often, in milliseconds. */
const HEARTBEAT_MS = 20_000;

/** Close code of a page that takes the connection for lost, and is about to come back for its session. */
const PAGE_LOST = 4000;

const MAX_FIRST_FRAME_BYTES = 4 * 1024;

const MAX_FRAME_BYTES = 16 * 1024;

/** Failures of which a connection may cause two. */
const OUT_OF_TURN: readonly FailureCode[] = ['unexpected', 'unknownType', 'badMessage', 'unknownCeremony'];

const MAX_OUT_OF_TURN = 3;

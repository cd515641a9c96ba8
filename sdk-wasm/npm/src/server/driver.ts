/** Carries out what the stream's machine asks for, and tells it what happens. */

import { PasskeyError } from '../error.js';
import type { Stream } from './core.js';
import { errorFrom, errorOf, sentence, type Failure } from './failure.js';
import { load } from './load.js';
import { connect, platformSocket, type Link, type WebSocketClass } from './socket.js';
import type { Status } from './status.js';

/** What is to be carried out, as the core says it. */
type Wanted =
  | { want: 'key' }
  | { want: 'connect'; url: string | null }
  | { want: 'send'; text: string }
  | { want: 'close'; code: number; reason: string }
  | { want: 'start'; lane: number; lease: number }
  | ({ want: 'status' } & Status)
  | ({ want: 'end' } & Failure);

export interface DriverOptions {
  address: string;
  /** The members of the first message that the application chooses. */
  wish: object;
  key: () => string | Promise<string>;
  /** The application's own position in a lane that begins under a lease. */
  position: (lane: number, lease: number) => Promise<string | null | undefined>;
  WebSocket: WebSocketClass | undefined;
  /** What is to be waited for, and done to the stream then, before anything else is. Either may throw a `PasskeyError`. */
  prepare?: (() => Promise<(stream: Stream) => void>) | undefined;
  /** Something has changed: there may be items, or the end. */
  onChange: () => void;
}

export class Driver {
  readonly stream: Stream;
  /** Why it is over, once it is; never when it was stopped. */
  failure: PasskeyError | undefined;

  #options: DriverOptions;
  #link: Link | undefined;
  /** Received and not yet told. */
  #frames: Uint8Array[] = [];
  #isReading = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #status: Status = Object.freeze({ status: 'connecting' });
  #listeners = new Set<(status: Status) => void>();
  /** What was said of the lost connection already. */
  #complained: string | undefined;
  /** Which question for the key is the last: an answer to an earlier one comes too late. */
  #asked = 0;
  #gone: Promise<unknown> = Promise.resolve();
  #isRunning = false;

  constructor(options: DriverOptions) {
    this.#options = options;
    const { Stream } = load();
    // The seed is for the jitter of delays only.
    this.stream = new Stream(JSON.stringify(options.wish), Math.random(), now());
    if (options.prepare) void this.#prepare(options.prepare);
    else this.tell((stream) => stream.tick(now()));
  }

  get status(): Status {
    return this.#status;
  }

  get isOver(): boolean {
    return this.#status.status === 'closed';
  }

  subscribe(listener: (status: Status) => void): () => void {
    const entry = (status: Status): void => listener(status);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Ends the connection, acknowledging what was handled. Resolves when the socket is gone. */
  async stop(): Promise<void> {
    if (!this.isOver) this.tell((stream) => stream.stop(now()));
    await this.#gone;
  }

  /** Ends it because of this. */
  fail(error: PasskeyError): void {
    this.failure ??= error;
    this.tell((stream) => stream.stop(now()));
  }

  /** Tells the machine something, and carries out what it wants then. */
  tell(something: (stream: Stream) => void): void {
    something(this.stream);
    // Carrying out can tell something again; one loop is enough for both.
    if (this.#isRunning) return;
    this.#isRunning = true;
    let isTold = false;
    for (;;) {
      const output = this.stream.pollOutput();
      if (output !== undefined) {
        isTold = false;
        this.#carryOut(JSON.parse(output) as Wanted);
      } else if (!isTold) {
        // What the application does with the change may bring more to carry out.
        isTold = true;
        this.#options.onChange();
      } else {
        break;
      }
    }
    this.#isRunning = false;
    this.#schedule();
    this.#read();
  }

  async #prepare(prepare: () => Promise<(stream: Stream) => void>): Promise<void> {
    try {
      const begin = await prepare();
      // It was stopped meanwhile.
      if (this.isOver) return;
      begin(this.stream);
    } catch (error) {
      this.fail(error as PasskeyError);
      return;
    }
    this.tell((stream) => stream.tick(now()));
  }

  #carryOut(wanted: Wanted): void {
    switch (wanted.want) {
      case 'key':
        void this.#askKey();
        break;
      case 'connect':
        void this.#connect(wanted.url);
        break;
      case 'send':
        this.#link?.send(wanted.text);
        break;
      case 'close':
        this.#leave(wanted.code, wanted.reason);
        break;
      case 'start':
        void this.#askPosition(wanted.lane, wanted.lease);
        break;
      case 'status': {
        const { want: _, ...status } = wanted;
        this.#show(Object.freeze(status));
        break;
      }
      case 'end':
        this.failure = errorFrom(wanted);
        break;
    }
  }

  async #askKey(): Promise<void> {
    const question = ++this.#asked;
    const answer = (answered: (stream: Stream) => void): void => {
      if (question === this.#asked && !this.isOver) this.tell(answered);
    };
    try {
      const key = await inTime(async () => this.#options.key());
      answer((stream) => stream.key(now(), key));
    } catch (error) {
      answer((stream) => stream.keyFailed(now(), sentence(error)));
    }
  }

  async #askPosition(lane: number, lease: number): Promise<void> {
    try {
      const id = await inTime(() => this.#options.position(lane, lease));
      this.tell((stream) => stream.position(now(), lane, id ?? undefined));
    } catch (error) {
      this.tell((stream) => stream.positionFailed(now(), lane, sentence(error)));
    }
  }

  async #connect(elsewhere: string | null): Promise<void> {
    const { address } = this.#options;
    const to = elsewhere === null ? address : load().elsewhere(address, elsewhere);
    // A link that is left before it exists: the attempt ends when the class has been found.
    let isLeft = false;
    const placeholder: Link = {
      send: () => {},
      close: async () => {
        isLeft = true;
      },
      read: () => true,
    };
    this.#link = placeholder;
    try {
      const WebSocket = this.#options.WebSocket ?? (await platformSocket());
      if (isLeft) return;
      this.#isReading = true;
      this.#link = connect(WebSocket, to, {
        opened: () => this.tell((stream) => stream.opened(now(), to)),
        message: (frame) => this.#hear(frame),
        heard: () => this.tell((stream) => stream.heard(now())),
        closed: (code, reason) => this.#lost((stream) => stream.closed(now(), code, reason)),
        refused: (status, retryAfterMs) => this.#lost((stream) => stream.refused(now(), status, retryAfterMs)),
        broken: (why) => this.#lost((stream) => stream.broken(now(), why)),
      });
    } catch (error) {
      if (isLeft) return;
      // Trying again would not bring a class for sockets.
      if (error instanceof PasskeyError && error.code === 'notSupported') this.fail(error);
      else this.#lost((stream) => stream.broken(now(), sentence(error)));
    }
  }

  /**
   * What arrives together is taken together: a call across the boundary for each would cost more than its message. The
   * package `ws` hands over whatever it has read; the platform's sockets come back later for the next.
   */
  #hear(frame: string | Uint8Array): void {
    if (typeof frame === 'string') this.tell((stream) => stream.message(now(), frame));
    else if (this.#frames.push(frame) === 1) queueMicrotask(() => this.#tellFrames());
  }

  #tellFrames(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    const ends = new Uint32Array(frames.length);
    let end = 0;
    frames.forEach((frame, index) => (ends[index] = end += frame.length));
    if (together.length < end) together = new Uint8Array(end);
    frames.forEach((frame, index) => together.set(frame, ends[index]! - frame.length));
    this.tell((stream) => stream.messages(now(), together.subarray(0, end), ends));
  }

  #lost(how: (stream: Stream) => void): void {
    // What came before the end.
    this.#tellFrames();
    this.#link = undefined;
    this.tell(how);
  }

  #leave(code: number, reason: string): void {
    const link = this.#link;
    this.#link = undefined;
    this.#frames = [];
    if (link) this.#gone = link.close(code, reason);
  }

  /** A socket that cannot be held back is given up before what it sends fills the memory. */
  #read(): void {
    const isReading = !this.stream.isFull();
    if (isReading === this.#isReading || !this.#link) return;
    this.#isReading = isReading;
    if (this.#link.read(isReading)) return;
    this.#leave(SLOW_CONSUMER, 'slowConsumer');
    this.tell((stream) => stream.broken(now(), 'the server sends more than it was asked for'));
  }

  #schedule(): void {
    const deadline = this.isOver ? undefined : this.stream.pollTimeout();
    if (deadline === undefined) {
      clearTimeout(this.#timer);
      this.#timerAt = Infinity;
      return;
    }
    // Deadlines move away with every message. A timer that is early looks again; one that is late is set anew.
    if (deadline >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    const wait = Math.min(Math.max(Math.ceil(deadline - now()), 0), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity;
      this.tell((stream) => stream.tick(now()));
    }, wait);
  }

  #show(status: Status): void {
    this.#status = status;
    if (status.status === 'live') this.#complained = undefined;
    // Who does not watch would see nothing at all, for as long as the server cannot be reached.
    if (status.status === 'waiting' && this.#listeners.size === 0 && status.why !== this.#complained) {
      this.#complained = status.why;
      console.warn(`passkey-accounts: no connection to the server, trying again: ${status.why}`);
    }
    for (const listener of [...this.#listeners]) {
      try {
        listener(status);
      } catch (error) {
        // One listener's fault must reach neither the others nor the stream.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Milliseconds of a clock that never goes back. */
export function now(): number {
  return performance.now();
}

/** Made once: what a socket gives at a time is about as long each time. */
let together = new Uint8Array(64 * 1024);

/** The application's answer, if it comes in time. */
async function inTime<T>(ask: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(errorOf('internal', 'there was no answer within 10 seconds')), ANSWER_TIMEOUT_MS);
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** For a key or a position. */
const ANSWER_TIMEOUT_MS = 10_000;

/** `setTimeout` takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** `slowConsumer` (docs/protocol.md section 3). */
const SLOW_CONSUMER = 4002;

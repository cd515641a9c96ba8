/** The event stream: items to handle, one after the other or lane by lane. */

import type { PasskeyError } from '../error.js';
import { Check } from './check.js';
import { Driver } from './driver.js';
import type { EvidenceOptions } from './evidence.js';
import { cancelled, thrown } from './failure.js';
import { FETCHED_ITEMS, Fetched } from './fetched.js';
import { positionOf, type HandedOver, type Item } from './items.js';
import type { WebSocketClass } from './socket.js';
import type { Status } from './status.js';
import type { WitnessOptions } from './witness.js';

/** What to ask the stream for. */
export interface EventsOptions {
  /** Event types to get, at most 64; `['*']` for all, also those of later versions. Default: `loggedIn`, `loggedOut`. */
  types?: readonly string[];
  /** Resume strictly after this position instead of starting with the open sessions. For views, not for workers. */
  after?: string;
  /** Where to begin without a position. Default: with the open sessions (`state`). */
  start?: 'state' | 'now' | 'earliest';
  /** `false`: never get the open sessions; a gap goes on at the oldest event that is kept. For log shippers. */
  snapshot?: boolean;
  /** `false`, with `snapshot: false`: a gap ends the stream with `gone` instead of going on behind it. */
  skip?: boolean;
  /** Be a worker of this name, 1 to 64 of `A-Z a-z 0-9 . _ -`: the server keeps the position, processes share the work. */
  consumer?: string;
  /** How many lanes the consumer is made with, 1 to 64; later wishes are not heard. Default 1. */
  lanes?: number;
  /** Items that may be on their way or unhandled here, 1 to 4,096: the bound of the stream's memory. Default 256. */
  window?: number;
  /** How many items of one lane may be in your hands at once; they are acknowledged in their order. Default 1. */
  inHand?: number;
  /** Workers: how long an item may wait in a process that does not get to it, while others wait. Default 60,000. */
  ackTimeoutMs?: number;
  /** Ask this where each lane begins, so that what was done counts and not what was acknowledged. For workers. */
  positions?: PositionStore;
  /** Believe nothing that a passkey should have signed and did not. A forged event ends the stream (`evidenceForged`). */
  evidence?: EvidenceOptions;
  /** Check that the log only grows, and is what it was. A log that contradicts itself ends the stream (`logRewritten`). */
  witness?: WitnessOptions;
  /** Ends the stream; whoever waits for an item then gets `cancelled`. */
  signal?: AbortSignal;
}

/** Where an application keeps its positions, so that effects happen once (docs/effects-once.md). */
export interface PositionStore {
  /**
   * Records the new owner of a lane and gives the id stored for it, in one step; nothing if there is none. A newer owner
   * that is recorded already, or a fault, is thrown: the lane is given up for others, and tried again later.
   */
  claim(consumer: string, lane: number, lease: number): Promise<string | null | undefined>;
}

/** How far a lane of a consumer was handled, and under which ownership. */
export interface Position {
  /** The consumer's name; empty for a view. */
  readonly consumer: string;
  /** The lane; 0 where there is one only. */
  readonly lane: number;
  /** Everything up to this id is handled. Opaque. */
  readonly id: string;
  /** The fencing token: higher for every later owner of the lane. 0 for a view. */
  readonly lease: number;
}

/**
 * One item to handle. `ack` it when that is done. One that is neither acknowledged nor kept when the next is asked for
 * counts as not handled. What was not handled comes again: the connection is made anew and resumes before it.
 */
export class Delivery {
  /** What to handle. */
  readonly item: Item;
  /** What to store together with the item's effect; `undefined` for what is no position. */
  readonly position: Position | undefined;
  #settle: ((isHandled: boolean) => void) | undefined;
  #isKept = false;

  /** @internal */
  constructor(item: Item, position: Position | undefined, settle: (isHandled: boolean) => void) {
    this.item = item;
    this.position = position;
    this.#settle = settle;
  }

  /** It is handled. Only the first of `ack` and `fail` counts. */
  ack(): void {
    this.#end(true);
  }

  /** It is not handled and is to come again. */
  fail(): void {
    this.#end(false);
  }

  /** It will be settled later: the next one may be asked for. Lost without a word, it comes again. */
  keep(): void {
    if (this.#settle === undefined || this.#isKept) return;
    this.#isKept = true;
    FORGOTTEN.register(this, this.#settle, this);
  }

  /** @internal Whoever has it asks for the next. */
  pass(): void {
    if (!this.#isKept) this.fail();
  }

  #end(isHandled: boolean): void {
    const settle = this.#settle;
    this.#settle = undefined;
    if (this.#isKept) FORGOTTEN.unregister(this);
    settle?.(isHandled);
  }
}

/** Deliveries that were kept, and then dropped. */
const FORGOTTEN = new FinalizationRegistry((settle: (isHandled: boolean) => void) => settle(false));

/** What `next` gives: as every async iterator does. */
export type Next = IteratorResult<Delivery, undefined>;

/**
 * A live, gapless stream of an app's auth events. Lost connections are made again and resumed where they were; what
 * trying again cannot mend is thrown, and is the last thing. Leaving a `for await` loop ends the stream.
 */
export class Events implements AsyncIterableIterator<Delivery, undefined> {
  #driver: Driver;
  #fetched: Fetched;
  #consumer: string;
  #waiting: (() => void)[] = [];
  #last: Delivery | undefined;
  /** `aborted`: to be said once. */
  #end: 'none' | 'aborted' | 'over' = 'none';
  #unlisten: () => void = () => {};
  #onEnd: (events: Events) => void;

  /** @internal */
  constructor(connection: Connection, options: EventsOptions, onEnd: (events: Events) => void) {
    const { positions, evidence, witness, signal, ...wish } = options;
    const { consumer = '', inHand = 1 } = wish;
    this.#consumer = consumer;
    const fetchesMany = consumer === '' && !evidence && !witness;
    this.#onEnd = onEnd;
    if (wish.window !== undefined && !(wish.window >= 1)) throw new RangeError('window is 1 to 4096');
    if (evidence || witness) this.#check = new Check(() => this.#driver.stream, { evidence, witness });
    this.#driver = new Driver({
      ...connection,
      prepare: this.#check && (() => this.#check!.prepare()),
      wish: { ...wish, inHand: fetchesMany ? inHand + FETCHED_ITEMS : inHand },
      position: async (lane, lease) => positions?.claim(this.#consumer, lane, lease),
      onChange: () => this.#look(),
    });
    this.#fetched = new Fetched(this.#driver, fetchesMany ? Math.max(inHand, 1) : undefined, () => this.#look());
    const abort = (): void => {
      if (this.#end === 'none') this.#end = 'aborted';
      void this.close();
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    this.#unlisten = () => signal?.removeEventListener('abort', abort);
    this.#signal = signal;
  }

  #check: Check | undefined;
  #signal: AbortSignal | undefined;

  /**
   * The next item. Giving up the wait by `signal` loses nothing: an item is either returned or still there. The delivery
   * before must be settled or kept.
   */
  async next(options?: { signal?: AbortSignal }): Promise<Next> {
    const signal = options?.signal;
    this.#last?.pass();
    this.#last = undefined;
    for (;;) {
      if (signal?.aborted) throw cancelled('waiting for an item', signal);
      const next = this.#take();
      if (next) return next;
      await this.#changed(signal);
    }
  }

  /** Ends the stream: what was acknowledged is told to the server, what was not comes again. */
  async return(): Promise<Next> {
    await this.close();
    return OVER;
  }

  /** The same as `return`. */
  async close(): Promise<void> {
    if (this.#end === 'none') this.#end = 'over';
    this.#fetched.tell();
    await this.#driver.stop();
    await this.#check?.close();
  }

  /** These deliveries; the same as the stream itself. */
  deliveries(): this {
    return this;
  }

  /**
   * The items alone: one counts as handled when the next is asked for, which a `for await` loop does after its body. An
   * item whose loop body throws, or that the loop was left with, comes again.
   *
   * @example
   * for await (const item of accounts.events({ consumer: 'billing' }).items()) {
   *   if (item.kind === 'event' && item.type === 'loggedIn') await greet(item.data.accountID);
   * }
   */
  async *items(): AsyncGenerator<Item, undefined> {
    for await (const delivery of this) {
      yield delivery.item;
      delivery.ack();
    }
    return undefined;
  }

  /**
   * Handles items until the stream ends: up to `concurrency` lanes at a time, the items of a lane one after the other. An
   * item is acknowledged when its handler is through; if it throws, the item comes again and `onError` hears of it.
   */
  async run(
    handler: (item: Item, position: Position | undefined) => unknown,
    options: { concurrency?: number; signal?: AbortSignal; onError?: (error: unknown, item: Item) => void } = {},
  ): Promise<void> {
    const { concurrency = 1, signal, onError = report } = options;
    const handling = new Set<Promise<void>>();
    const handle = async (delivery: Delivery): Promise<void> => {
      try {
        await handler(delivery.item, delivery.position);
        delivery.ack();
      } catch (error) {
        delivery.fail();
        onError(error, delivery.item);
      }
    };
    try {
      for (;;) {
        const { value: delivery } = await this.next(signal && { signal });
        if (!delivery) return;
        delivery.keep();
        const handled: Promise<void> = handle(delivery).finally(() => handling.delete(handled));
        handling.add(handled);
        if (handling.size >= concurrency) await Promise.race(handling);
      }
    } finally {
      await Promise.all(handling);
    }
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

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #take(): Next | undefined {
    if (this.#end === 'aborted' && this.#signal) {
      this.#end = 'over';
      throw cancelled('the stream', this.#signal);
    }
    if (this.#end === 'over') return OVER;
    const handedOver = this.#poll();
    if (handedOver) {
      this.#last = this.#deliver(handedOver);
      return { done: false, value: this.#last };
    }
    // What is left is handed out before the end is said.
    if (!this.#driver.isOver || this.#driver.stream.queuedItems() > 0 || !this.#fetched.isEmpty) return undefined;
    this.#end = 'over';
    if (this.#driver.failure) throw this.#driver.failure;
    return OVER;
  }

  #deliver({ token, lane, lease, item }: HandedOver): Delivery {
    const id = positionOf(item);
    const position = id === undefined ? undefined : { consumer: this.#consumer, lane, id, lease };
    const [fetched, check] = [this.#fetched, this.#check];
    check?.look();
    return new Delivery(item, position, (isHandled) => {
      fetched.settle(token, isHandled);
      check?.look();
    });
  }

  #poll(): HandedOver | undefined {
    try {
      return this.#fetched.take();
    } catch (found) {
      this.#driver.fail(thrown(found) as PasskeyError);
      return undefined;
    }
  }

  #changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      signal?.addEventListener('abort', wake, { once: true });
      this.#waiting.push(wake);
    });
  }

  #look(): void {
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      this.#waiting = [];
      for (const wake of waiting) wake();
    }
    if (this.#driver?.isOver) {
      this.#unlisten();
      this.#onEnd(this);
    }
  }
}

/** Where streams of one server connect to, and with what. */
export interface Connection {
  address: string;
  key: () => string | Promise<string>;
  WebSocket: WebSocketClass | undefined;
}

const OVER: Next = Object.freeze({ done: true, value: undefined });

function report(error: unknown): void {
  console.error('an event was not handled, it will come again:', error);
}

/** Between the machine and the application: what waits to be handed out, and what is handled and not told yet. */

import { now, type Driver } from './driver.js';
import { Batch, type HandedOver } from './items.js';

/**
 * Many at a time in both directions, because each call across the boundary costs more than an item. Workers fetch one by
 * one, because others may want their lanes, and so does whoever reads along.
 */
export class Fetched {
  #driver: Driver;
  /** Items of a view that may be in the application's hands; `undefined`: the machine counts. */
  #inHand: number | undefined;
  #onRoom: () => void;
  #batch: Batch | undefined;
  /** In the application's hands, in their order. */
  #held: number[] = [];
  #handled: number[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(driver: Driver, inHand: number | undefined, onRoom: () => void) {
    this.#driver = driver;
    this.#inHand = inHand;
    this.#onRoom = onRoom;
  }

  /** Whether something waits here. */
  get isEmpty(): boolean {
    return this.#batch?.isEmpty ?? true;
  }

  /** The next item. Throws JSON of a failure. */
  take(): HandedOver | undefined {
    if (this.#inHand === undefined) {
      const text = this.#driver.stream.pollItems(now(), 1);
      return text === undefined ? undefined : new Batch(text).take();
    }
    if (this.#held.length >= this.#inHand) return undefined;
    if (this.isEmpty) this.#fetch();
    const next = this.#batch?.take();
    if (next) this.#held.push(next.token);
    return next;
  }

  settle(token: number, isHandled: boolean): void {
    if (this.#inHand === undefined) {
      this.#driver.tell((stream) => stream.settle(now(), token, isHandled));
      return;
    }
    const index = this.#held.indexOf(token);
    // It was handed out after one that has failed, and comes again.
    if (index < 0) return;
    if (isHandled) {
      this.#held.splice(index, 1);
      this.#handled.push(token);
      this.#timer ??= setTimeout(() => this.tell(), LONGEST_DELAY_MS);
    } else {
      this.#held.length = index;
      this.#batch = undefined;
      this.tell();
      this.#driver.tell((stream) => stream.settle(now(), token, false));
    }
    this.#onRoom();
  }

  /** Tells what is handled. */
  tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const handled = this.#handled;
    if (handled.length === 0) return;
    this.#handled = [];
    this.#driver.tell((stream) => stream.handled(now(), Uint32Array.from(handled)));
  }

  #fetch(): void {
    const handled = this.#handled;
    this.#handled = [];
    this.#driver.tell((stream) => {
      if (handled.length > 0) stream.handled(now(), Uint32Array.from(handled));
      const text = stream.pollItems(now(), FETCHED_ITEMS);
      this.#batch = text === undefined ? undefined : new Batch(text);
    });
  }
}

/** What the machine may hand over beside what the application has in hand. */
export const FETCHED_ITEMS = 64;

/** How long something handled may wait to be told: short beside the tenth of a second that the machine gathers for. */
const LONGEST_DELAY_MS = 20;

/** Carries what a stream is to remember between its machine and where that is kept. */

import { errorOf, sentence } from './failure.js';
import type { TextStore } from './file.js';

export class Keeper {
  #store: TextStore;
  /** What is kept, and what it means when it cannot be. */
  #what: string;
  #loss: string;
  /** The shortest time between two copies. */
  #everyMs: number;
  #take: () => string | undefined;
  #saving: Promise<void> | undefined;
  #isClosing = false;
  #hurry = (): void => {};

  /** `take` gives what there is to keep, if that has changed since it was asked last. */
  constructor(store: TextStore, { what, loss, everyMs = 0 }: { what: string; loss: string; everyMs?: number }, take: () => string | undefined) {
    this.#store = store;
    this.#what = what;
    this.#loss = loss;
    this.#everyMs = everyMs;
    this.#take = take;
  }

  /** What was kept last. Throws a `PasskeyError` when that cannot be read. */
  async load(): Promise<string | undefined> {
    try {
      return (await this.#store.load()) ?? undefined;
    } catch (cause) {
      throw errorOf('internal', `the ${this.#what} cannot be read: ${sentence(cause)}`, cause);
    }
  }

  /** There may be something to keep; what comes while another is being saved is saved after it. */
  keep(): void {
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Resolves when everything is saved. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#hurry();
    await this.#saving;
    this.keep();
    await this.#saving;
  }

  async #save(): Promise<void> {
    try {
      for (let text = this.#take(); text !== undefined; text = this.#take()) {
        await this.#store.save(text);
        if (this.#everyMs > 0 && !this.#isClosing) await this.#pause();
      }
    } catch (error) {
      console.error(`the ${this.#what} cannot be saved; ${this.#loss}:`, error);
    }
  }

  async #pause(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#hurry = resolve;
      timer = setTimeout(resolve, this.#everyMs);
    });
    clearTimeout(timer);
  }
}

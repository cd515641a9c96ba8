/** Prepared sign-in: the challenge is there before the click, so that the click can show the prompt without waiting. */

import type { Call, Caller } from './caller.js';

/** How long options are good for, in milliseconds. The server's challenge works for five minutes. */
const FRESH_MS = 270_000;
/** How often options are replaced for a person who does not click: a forgotten page falls silent. */
const MAX_RENEWALS = 2;

export class Preparation {
  readonly #caller: Caller;
  #email: string | undefined;
  #call: Call<void> | undefined;
  /** Settles when options are there, or will not be. */
  #done: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #renewals = 0;
  /** The connection was lost; the next one makes it anew. */
  #isLost = false;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Prepares for `email`, in place of what was prepared before. */
  start(email: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#call && this.#email === email && !isStale(this.#call)) return this.#done;
    this.drop();
    this.#renewals = 0;
    return this.#begin(email, signal);
  }

  /** Hands the prepared call for `email` over, if there is one that is still good. */
  take(email: string): Call<void> | undefined {
    const call = this.#call;
    if (!call || this.#email !== email || isStale(call)) {
      this.drop();
      return undefined;
    }
    this.#forget();
    call.post({ type: 'adopt', id: call.id });
    return call;
  }

  /** The page is connected, and nobody is signed in. */
  handleConnected(): void {
    if (this.#isLost) this.#renew();
  }

  drop(): void {
    const call = this.#call;
    this.#forget();
    call?.cancel(undefined);
  }

  #begin(email: string, signal?: AbortSignal): Promise<void> {
    this.#email = email;
    const call = this.#caller.call('prepare', [email], signal, true);
    this.#call = call;
    this.#done = new Promise((resolve) => {
      call.onAsked = () => {
        if (this.#call === call) this.#timer = setTimeout(() => this.#renew(), FRESH_MS);
        resolve();
      };
      call.result.catch((error: unknown) => {
        if (this.#call === call) {
          const isLost = (error as { code?: string }).code === 'connectionLost';
          this.#forget();
          if (isLost) [this.#email, this.#isLost] = [email, true];
        }
        resolve();
      });
    });
    return this.#done;
  }

  #renew(): void {
    const email = this.#email;
    this.drop();
    if (email !== undefined && this.#renewals < MAX_RENEWALS) {
      this.#renewals += 1;
      void this.#begin(email);
    }
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#call = this.#email = undefined;
    this.#isLost = false;
  }
}

function isStale({ asked }: Call<void>): boolean {
  const atMs = asked.at(-1)?.atMs;
  return atMs !== undefined && Date.now() - atMs >= FRESH_MS;
}

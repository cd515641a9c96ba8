/** The page's end of the port: calls with their answers, prompts and cancellations. */

import { PasskeyError } from './error.js';
import { cancelled, fromRaw, type Calls, type Method, type RawError, type ToEngine, type ToPage } from './port.js';
import { codeOf, showPrompt } from './prompt.js';

/** A prompt that the engine asked for. */
export interface Asked {
  readonly create: boolean;
  /** WebAuthn options, JSON text. */
  readonly options: string;
  readonly atMs: number;
  /** What became of it: the credential's JSON text, or that there is none. */
  credential?: string;
  isRefused?: boolean;
}

/** A call of this page that is under way. */
export class Call<T = unknown> {
  readonly result: Promise<T>;
  /** The prompts of this call, in their order. */
  readonly asked: Asked[] = [];
  /** Prompts wait for `show`. */
  isHeld = false;
  /** Whether the person was shown one. */
  isShown = false;
  /** Runs when a prompt was asked for. */
  onAsked?: () => void;
  #settle!: { resolve: (value: T) => void; reject: (error: PasskeyError) => void };
  #dialog: AbortController | undefined;
  /** What the browser or the caller threw, and the code that it led to: the cause of the error that follows. */
  #thrown: { code: string; cause: unknown } | undefined;
  #signal: AbortSignal | undefined;

  constructor(
    readonly id: number,
    readonly post: (message: ToEngine) => void,
  ) {
    this.result = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  /** Lets `signal` cancel the call, instead of the one before. */
  follow(signal: AbortSignal | undefined): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#signal = signal;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  readonly #abort = (): void => this.cancel(this.#signal?.reason);

  cancel(reason: unknown): void {
    this.#thrown = { code: 'cancelled', cause: reason };
    this.#dialog?.abort();
    this.post({ type: 'abort', id: this.id });
  }

  ask(create: boolean, options: string): void {
    this.asked.push({ create, options, atMs: Date.now() });
    this.onAsked?.();
    if (!this.isHeld) this.show();
  }

  /** Shows the prompt that was asked for last, at once; without one, as soon as there is one. */
  show(): void {
    this.isHeld = false;
    const asked = this.asked.at(-1);
    if (!asked) return;
    this.isShown = true;
    const dialog = (this.#dialog = new AbortController());
    showPrompt(asked.create, asked.options, dialog.signal).then(
      (credential) => {
        asked.credential = credential;
        this.post({ type: 'credential', id: this.id, credential });
      },
      (cause: unknown) => {
        asked.isRefused = true;
        const code = codeOf(cause, asked.create);
        this.#thrown ??= { code, cause };
        this.post({ type: 'refused', id: this.id, code });
      },
    );
  }

  dismiss(): void {
    this.#dialog?.abort();
  }

  resolve(value: T): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#settle.resolve(value);
  }

  fail(error: RawError): void {
    this.reject(fromRaw(error, this.#thrown?.code === error.code ? this.#thrown.cause : undefined));
  }

  reject(error: PasskeyError): void {
    this.#dialog?.abort();
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#settle.reject(error);
  }
}

export class Caller {
  readonly #calls = new Map<number, Call>();
  #lastID = 0;
  #post: ((message: ToEngine) => void) | undefined;

  /** Where calls go from now on; `undefined`: nowhere. Those under way are rejected. */
  use(post: ((message: ToEngine) => void) | undefined, why: () => PasskeyError): void {
    this.#post = post;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.reject(why());
  }

  call<M extends Method>(method: M, args: Calls[M][0], signal?: AbortSignal, isHeld = false): Call<Calls[M][1]> {
    const post = this.#post ?? ((): void => undefined);
    const call = new Call<Calls[M][1]>((this.#lastID += 1), post);
    call.isHeld = isHeld;
    if (signal?.aborted) {
      call.reject(cancelled(signal.reason));
    } else if (!this.#post) {
      call.reject(new PasskeyError('unexpected', 'this client is closed; connect again', false));
    } else {
      this.#calls.set(call.id, call as Call);
      post({ type: 'call', id: call.id, method, args });
      call.follow(signal);
    }
    return call;
  }

  /** An answer, or something about a prompt. */
  hear(message: Exclude<ToPage, { type: 'ready' | 'broken' | 'state' | 'news' }>): void {
    const call = this.#calls.get(message.id);
    if (!call) return;
    switch (message.type) {
      case 'prompt':
        return call.ask(message.create, message.options);
      case 'dismiss':
        return call.dismiss();
    }
    this.#calls.delete(message.id);
    if (message.type === 'answer') call.resolve(message.value);
    else call.fail(message.error);
  }
}

/** One element at work: it follows a client, makes the calls that a person asks for, and keeps the model of what is shown. */

import type { Client, News, PendingRecovery, PendingSignUp, State } from '../types.js';
import { begin, nextTickMs, reduce, type Failure, type Happening, type Mode, type Model } from './flow.js';
import type { Actions } from './screens.js';

/** Who is told of what happens. */
export interface Host {
  /** `takesFocus`: the person has just submitted something, so what is shown about it may take the focus. */
  show(model: Model, takesFocus: boolean): void;
  /** An error of a call, as it was thrown. */
  fail(error: unknown): void;
  changed(state: State): void;
  /** Something happened to the account elsewhere. */
  told(news: News): void;
  /** Connects anew. */
  retry(): void;
}

/** While a person types, a challenge is asked for after this long without a key, in milliseconds. */
const PREPARE_AFTER_MS = 350;

export class Visit implements Actions {
  #model: Model;
  readonly #host: Host;
  #client: Client | undefined;
  #stopFollowing: (() => void) | undefined;
  #signUp: PendingSignUp | undefined;
  #recovery: PendingRecovery | undefined;
  /** Ends the call that is under way. */
  #call: AbortController | undefined;
  #typing: ReturnType<typeof setTimeout> | undefined;
  #tick: ReturnType<typeof setTimeout> | undefined;

  constructor(host: Host, mode: Mode) {
    this.#host = host;
    this.#model = begin(mode);
  }

  get model(): Model {
    return this.#model;
  }

  get client(): Client | undefined {
    return this.#client;
  }

  /** Begins to connect. */
  connect(): void {
    this.leave();
    this.#happen({ type: 'connect' });
  }

  /** Follows `client` from now on, instead of the one before. */
  follow(client: Client): void {
    this.connect();
    this.#client = client;
    const stops = [client.subscribe((state) => this.#follow(state)), client.onNews((news) => this.#host.told(news))];
    this.#stopFollowing = () => stops.forEach((stop) => stop());
    this.#follow(client.state);
  }

  /** Lets go of the client without closing it, and of the call that is under way. */
  leave(): void {
    this.#stopFollowing?.();
    this.#stopFollowing = undefined;
    this.#client = undefined;
    this.#forget();
    this.#call?.abort();
    this.#call = undefined;
    clearTimeout(this.#typing);
    clearTimeout(this.#tick);
  }

  /** Connecting failed. */
  fail(error: unknown): void {
    this.#host.fail(error);
    this.#happen({ type: 'failed', failure: readFailure(error), nowMs: now() });
  }

  // What a person does.

  type(email: string): void {
    this.#happen({ type: 'email', email });
    this.#prepareSoon();
  }

  submitAddress(email: string, isValid: boolean): void {
    this.#happen({ type: 'email', email });
    if (email === '') return this.#happen({ type: 'wrong', wrong: 'emailMissing' }, true);
    if (!isValid) return this.#happen({ type: 'wrong', wrong: 'emailInvalid' }, true);
    if (this.#model.mode !== 'sign-in') return this.sendCode();
    // Nothing is awaited before this call: some browsers show the prompt only within the click.
    this.#run('prompt', (client, signal) => client.signIn({ email, signal }));
  }

  submitCode(code: string, recoveryCode: string): void {
    const [signUp, recovery] = [this.#signUp, this.#recovery];
    if (code.length !== 6) return this.#happen({ type: 'wrong', wrong: 'codeInvalid' }, true);
    if (signUp) this.#run('making', (_, signal) => signUp.verify(code, { signal }));
    if (!recovery) return;
    if (recoveryCode === '') return this.#happen({ type: 'wrong', wrong: 'recoveryCodeMissing' }, true);
    this.#run('making', async (_, signal) => {
      const recovered = await recovery.verify(code, recoveryCode, { signal });
      if (!signal.aborted) this.#happen({ type: 'recovered', recovered }, true);
    });
  }

  sendCode(): void {
    const { email, mode } = this.#model;
    this.#run('sending', async (client, signal) => {
      const asking = { email, signal };
      const sent = mode === 'recover' ? (this.#recovery = await client.recover(asking)) : (this.#signUp = await client.signUp(asking));
      if (!signal.aborted) this.#happen({ type: 'codeSent', expiresAt: sent.expiresAt }, true);
    });
  }

  choose(mode: Mode): void {
    this.#call?.abort();
    this.#forget();
    this.#happen({ type: 'entry', mode }, true);
    this.#prepareSoon();
  }

  signOut(): void {
    this.#run('signingOut', (client) => client.signOut());
  }

  cancel(): void {
    if (!this.#call) return;
    this.#call.abort();
    this.#call = undefined;
    this.#happen({ type: 'cancelled' });
    this.#prepareSoon();
  }

  retry(): void {
    // A client that is still there needs no other one.
    if (this.#client && this.#client.state.status !== 'closed') this.choose(this.#model.mode);
    else this.#host.retry();
  }

  reload(): void {
    location.reload();
  }

  /** Makes one call. A newer one takes its place, and then this one's end is no news. */
  #run(task: 'prompt' | 'sending' | 'making' | 'signingOut', call: (client: Client, signal: AbortSignal) => Promise<unknown>): void {
    const client = this.#client;
    if (!client) return;
    clearTimeout(this.#typing);
    this.#call?.abort();
    const controller = new AbortController();
    this.#call = controller;
    const work = call(client, controller.signal);
    this.#happen({ type: 'start', task });
    work.then(
      () => this.#end(controller, { type: 'done' }),
      (error: unknown) => {
        if (this.#call !== controller) return;
        this.#host.fail(error);
        this.#end(controller, { type: 'failed', failure: readFailure(error), nowMs: now() });
        // The challenge is used up; the next click should find another one.
        this.#prepareSoon();
      },
    );
  }

  #end(controller: AbortController, happening: Happening): void {
    if (this.#call !== controller) return;
    this.#call = undefined;
    this.#happen(happening, true);
  }

  #follow(state: State): void {
    // What a person's own call brought about may take the focus; what happens by itself must not.
    this.#happen({ type: 'state', state, canRecover: this.#client?.canRecover === true }, this.#call !== undefined);
    if (this.#model.screen.name !== 'code') this.#forget();
    if (state.status === 'signedIn') clearTimeout(this.#typing);
    this.#host.changed(state);
    if (state.status === 'signedOut') this.#prepareSoon();
  }

  /** No code is awaited any more. */
  #forget(): void {
    this.#signUp = this.#recovery = undefined;
  }

  #prepareSoon(): void {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => {
      const { screen, mode, link, task, email } = this.#model;
      if (screen.name !== 'address' || mode !== 'sign-in' || link !== 'up' || task || !isAddress(email)) return;
      void this.#client?.prepare({ email: email.trim() });
    }, PREPARE_AFTER_MS);
  }

  #happen(happening: Happening, takesFocus = false): void {
    this.#model = reduce(this.#model, happening);
    this.#host.show(this.#model, takesFocus);
    clearTimeout(this.#tick);
    const at = nextTickMs(this.#model, now());
    // Browsers take no longer time than 2^31 - 1 ms; an earlier tick changes nothing.
    if (at !== undefined) this.#tick = setTimeout(() => this.#happen({ type: 'tick', nowMs: now() }), Math.min(Math.max(at - now(), 0), 2 ** 31 - 1));
  }
}

function readFailure(error: unknown): Failure {
  const { code, message, retryAfterMs } = (error ?? {}) as Partial<Failure>;
  if (typeof code !== 'string') {
    // Not one of ours: whoever develops the page wants to see it.
    reportError(error);
    return { code: 'page', message: '' };
  }
  return { code, message: message ?? '', ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** As a browser's own email field sees it. */
function isAddress(text: string): boolean {
  const input = document.createElement('input');
  input.type = 'email';
  input.required = true;
  input.value = text;
  return input.validity.valid;
}

function now(): number {
  return Date.now();
}

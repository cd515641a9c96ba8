/**
 * Holds what no page may hold: the connection, the session's key, and the one state that all its pages see. It runs in a
 * SharedWorker, or in the page itself. Prompts are shown by the page whose call needs one.
 */

import { Core, type Asked, type Host, type KeyPair } from './core.js';
import { PasskeyError } from './error.js';
import { makeKeyPair } from './key.js';
import {
  cancelled,
  sessionGone,
  toRaw,
  type Attachment,
  type Calls,
  type Method,
  type RawState,
  type ToEngine,
  type ToPage,
} from './port.js';
import { signNonce, signRequest, type Stamp } from './proofs.js';
import type { EndReason, State } from './types.js';

/** More pages than anyone has tabs of one site. */
const MAX_PAGES = 256;
/** Calls of one page that are under way; nearly all of them proofs. */
const MAX_CALLS = 256;
/** What a page may hand over in one call, in characters: no frame to the server is larger than 16 KiB. */
const MAX_TEXT_CHARS = 16 * 1024;
const MAX_PAGE_GONE_MS = 60_000;

/** A page as the engine sees it. */
interface Page {
  readonly post: (message: ToPage) => void;
  readonly calls: Map<number, Call>;
}

/** A call that is under way; it is also what the core hands back to say whose prompt it is. */
interface Call {
  readonly id: number;
  readonly page: Page;
  readonly controller: AbortController;
  /** `ahead`: a prepared sign-in, which nobody waits for yet. `proof`: needs the key alone and runs beside everything. */
  kind: 'call' | 'ahead' | 'proof';
  prompt?: { resolve: (credential: string) => void; reject: (refusal: { code: string }) => void };
}

type Handlers = { [M in Method]: (call: Call, ...args: Calls[M][0]) => Promise<Calls[M][1]> };

export class Engine {
  readonly #pages = new Set<Page>();
  #core: Core | undefined;
  /** Whom the running core tells; what an earlier one still says is not heard. */
  #host: Host | undefined;
  #state: RawState = { status: 'connecting' };
  #key: KeyPair | undefined;
  /** How the session ended that went with the last page. */
  #lastEnd: EndReason | undefined;
  #pageGoneMs = 0;
  #ending: ReturnType<typeof setTimeout> | undefined;
  /** Counts the calls to the core: one that waited for its key sees whether another came in between. */
  #turn = 0;
  /** Until when a mailed code may still be typed in, by the server's clock. */
  #codeUntil = 0;

  /** A page opens a port; what it says goes to the function that this returns. */
  connect(post: (message: ToPage) => void): (message: ToEngine) => void {
    const page: Page = { post, calls: new Map() };
    return (message) => this.#hear(page, message);
  }

  #hear(page: Page, message: ToEngine): void {
    switch (message.type) {
      case 'attach':
        return this.#attach(page, message.attachment);
      case 'detach':
        return this.#gone(page, message.isOver);
      case 'call':
        return void this.#answer(page, message.id, message.method, message.args);
    }
    const call = page.calls.get(message.id);
    if (!call) return;
    switch (message.type) {
      case 'abort':
        return call.controller.abort();
      case 'adopt':
        call.kind = 'call';
        return;
      case 'credential':
        return call.prompt?.resolve(message.credential);
      case 'refused':
        return call.prompt?.reject({ code: message.code });
    }
  }

  // Pages

  #attach(page: Page, attachment: Attachment): void {
    if (this.#pages.size >= MAX_PAGES) {
      const error = toRaw(new PasskeyError('overCapacity', 'too many tabs of this site are open', true));
      return page.post({ type: 'state', state: { status: 'closed', error } });
    }
    clearTimeout(this.#ending);
    this.#pages.add(page);
    this.#pageGoneMs = Math.min(Math.max(attachment.pageGoneMs || 0, 0), MAX_PAGE_GONE_MS);
    const { status, session } = this.#state;
    // A page that has just come wants to know now whether the server is there, not at the next try.
    if (!this.#core || status === 'closed' || (status === 'reconnecting' && !session)) this.#start(attachment);
    page.post({ type: 'state', state: this.#state });
    if (attachment.lock) {
      // Granted when the page lets go of it, crash included. There is no other way to learn of that.
      navigator.locks.request(attachment.lock, () => this.#gone(page, false)).catch(() => this.#gone(page, false));
    }
  }

  #gone(page: Page, isOver: boolean): void {
    if (!this.#pages.delete(page)) return;
    for (const call of page.calls.values()) call.controller.abort();
    if (this.#pages.size > 0) return;
    if (isOver || this.#pageGoneMs === 0) this.#end();
    else this.#ending = setTimeout(() => this.#end(), this.#pageGoneMs);
  }

  /** Nobody is there any more. */
  #end(): void {
    clearTimeout(this.#ending);
    this.#lastEnd = this.#state.session ? 'pageGone' : this.#state.reason;
    this.#stop();
  }

  // The core

  #start({ app, url }: Attachment): void {
    this.#stop();
    const lastEnd = (status: State['status']): EndReason | undefined =>
      status === 'signedOut' ? this.#lastEnd : undefined;
    const host: Host = {
      onState: (status, session, reason, key, expiringAt, recoveryUntil) => {
        if (this.#host !== host) return;
        this.#key = key;
        if (status !== 'signedOut') this.#codeUntil = 0;
        if (status === 'signedIn') this.#lastEnd = undefined;
        const isError = reason instanceof PasskeyError;
        const ended = isError ? undefined : ((reason as EndReason | undefined) ?? lastEnd(status));
        const error = isError ? toRaw(reason) : undefined;
        this.#publish({ status, session, reason: ended, error, expiringAt, recoveryUntil, canRecover: this.#core?.canRecover });
      },
      onNews: (text) => this.#tell({ type: 'news', text }),
      prompt: (call, create, options, signal) => this.#prompt(call as Call, create, options, signal),
      makeError: (...parts) => new PasskeyError(...parts),
    };
    this.#host = host;
    this.#publish({ status: 'connecting' });
    try {
      this.#core = new Core(app, url, globalThis.origin, host);
    } catch (error) {
      this.#publish({ status: 'closed', error: toRaw(error) });
    }
  }

  #stop(): void {
    const core = this.#core;
    this.#core = this.#host = this.#key = undefined;
    this.#codeUntil = 0;
    this.#state = { status: 'connecting' };
    core?.tell('leave');
    core?.tell('close');
  }

  #publish(state: RawState): void {
    this.#state = state;
    this.#tell({ type: 'state', state });
  }

  #tell(message: ToPage): void {
    for (const page of this.#pages) page.post(message);
  }

  #prompt(call: Call, create: boolean, options: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      call.prompt = { resolve, reject };
      const dismiss = (): void => {
        call.page.post({ type: 'dismiss', id: call.id });
        reject({ code: 'cancelled' });
      };
      if (signal.aborted) return dismiss();
      signal.addEventListener('abort', dismiss, { once: true });
      call.page.post({ type: 'prompt', id: call.id, create, options });
    });
  }

  // Calls

  async #answer(page: Page, id: number, method: Method, args: readonly unknown[]): Promise<void> {
    const kind = method === 'prepare' ? 'ahead' : method.startsWith('prove') ? 'proof' : 'call';
    const call: Call = { id, page, controller: new AbortController(), kind };
    try {
      const texts = args.filter((arg) => typeof arg === 'string');
      if (texts.some((text) => text.length > MAX_TEXT_CHARS)) {
        throw new PasskeyError('tooLarge', 'that is more than one call takes', false);
      }
      if (page.calls.size >= MAX_CALLS) {
        throw new PasskeyError('rateLimited', 'too many calls are under way; please wait a little', true);
      }
      if (!Object.hasOwn(this.#handlers, method)) throw new PasskeyError('badMessage', 'there is no such call', false);
      page.calls.set(id, call);
      const handler = this.#handlers[method] as (call: Call, ...args: readonly unknown[]) => Promise<unknown>;
      page.post({ type: 'answer', id, value: await handler(call, ...args) });
    } catch (thrown) {
      page.post({ type: 'failed', id, error: toRaw(thrown) });
    } finally {
      if (page.calls.get(id) === call) page.calls.delete(id);
    }
  }

  readonly #handlers: Handlers = {
    prepare: (call, email) => this.#signIn(call, email),
    signIn: (call, email) => this.#signIn(call, email),
    signUp: (call, email) => this.#askForCode('signUp', call, email),
    verify: (call, of, text) => this.#ask(call, { name: 'verify', of, text }),
    recover: (call, email) => this.#askForCode('recover', call, email),
    verifyRecovery: (call, of, text, second) => this.#ask(call, { name: 'verifyRecovery', of, text, second }),
    makeRecoveryCode: (call, sessionID) => this.#ask(call, { name: 'makeRecoveryCode' }, sessionID),
    // Not with the call's signal: a page that goes has signed out all the same.
    signOut: async () => void (await this.#take().call({ name: 'signOut' })[1]),
    confirm: (call, sessionID, text) => this.#ask(call, { name: 'confirm', text }, sessionID),
    addPasskey: (call, sessionID) => this.#ask(call, { name: 'addPasskey' }, sessionID),
    removePasskey: (call, sessionID, text) => this.#ask(call, { name: 'removePasskey', text }, sessionID),
    request: (call, sessionID, name, text) => this.#ask(call, { name, text }, sessionID),
    proveRequest: async (_, sessionID, method, url, digest) =>
      signRequest(...this.#signing(sessionID), method, url, digest),
    prove: async (_, sessionID, audience, nonce) => signNonce(...this.#signing(sessionID), audience, nonce),
  };

  /** The core, for a call that cancels the one before; with `sessionID`, only while that session is open. */
  #take(sessionID?: string): Core {
    if (sessionID !== undefined && this.#state.session?.sessionID !== sessionID) throw sessionGone();
    this.#turn += 1;
    if (!this.#core) throw new PasskeyError('connectionLost', 'the connection was closed; please try again', true);
    return this.#core;
  }

  /** What a call resolves to is said by the machine and written down in `Calls`. With `sessionID`, in that session only. */
  async #ask<T>(call: Call, asked: Asked, sessionID?: string): Promise<T> {
    return (await this.#begin(this.#take(sessionID), call, asked)[1]) as T;
  }

  #begin(core: Core, call: Call, asked: Asked): ReturnType<Core['call']> {
    return core.call({ ...asked, page: call, signal: call.controller.signal });
  }

  async #signIn(call: Call, text: string): Promise<void> {
    const [key, core] = await this.#keyFor(call);
    if (call.kind === 'call') this.#codeUntil = 0;
    await this.#begin(core, call, { name: 'signIn', text, key })[1];
  }

  async #askForCode(name: 'signUp' | 'recover', call: Call, text: string): Promise<[id: number, expiresAt: number]> {
    const [key, core] = await this.#keyFor(call);
    const [id, expiresAt] = this.#begin(core, call, { name, text, key });
    this.#codeUntil = Number(await expiresAt);
    return [id, this.#codeUntil];
  }

  /** A fresh key, and the core to use it with unless another call came meanwhile. */
  async #keyFor(call: Call): Promise<[KeyPair, Core]> {
    const check = (): void => {
      if (call.kind === 'ahead' && !this.#isFree()) throw cancelled(undefined, 'another call is under way');
    };
    check();
    if (call.kind === 'call') this.#turn += 1;
    const turn = this.#turn;
    const key = await makeKeyPair();
    if (turn !== this.#turn) throw cancelled(undefined, 'another call took the place of this one');
    check();
    return [key, this.#take()];
  }

  /** Whether preparing would disturb nobody: no call, and no code that a new challenge would make useless. */
  #isFree(): boolean {
    const isCall = ({ kind }: Call): boolean => kind === 'call';
    return (
      this.#state.status === 'signedOut' &&
      this.#nowMs() >= this.#codeUntil &&
      ![...this.#pages].some((page) => [...page.calls.values()].some(isCall))
    );
  }

  #signing(sessionID: string): [KeyPair, Stamp] {
    if (!this.#key || this.#state.session?.sessionID !== sessionID) throw sessionGone();
    const createdS = Math.floor(this.#nowMs() / 1000);
    return [this.#key, { sessionID, createdS, random: crypto.getRandomValues(new Uint8Array(16)) }];
  }

  /** The server's clock. */
  #nowMs(): number {
    return Date.now() + (this.#core?.clockOffsetMs ?? 0);
  }
}

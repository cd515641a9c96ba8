// A client whose state and answers the test says: everything a person can meet comes up, whatever a server would do.

import { PasskeyError } from '/sdk/index.js';

const HOUR = 3_600_000;

export class FakeClient {
  persistence = 'worker';
  canRecover = true;
  /** Calls that wait for their answer, oldest first: `{ name, options, resolve, reject }`. */
  calls = [];
  /** Addresses for which a challenge was asked ahead of time. */
  prepared = [];
  state = Object.freeze({ status: 'connecting' });
  #listeners = new Set();
  #newsListeners = new Set();

  subscribe = (listener) => {
    const entry = (state) => listener(state);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  };

  show(state) {
    this.state = Object.freeze(state);
    for (const listener of [...this.#listeners]) listener(this.state);
  }

  onNews = (listener) => {
    this.#newsListeners.add(listener);
    return () => this.#newsListeners.delete(listener);
  };

  /** Says what happened elsewhere. */
  tell(news) {
    for (const listener of [...this.#newsListeners]) listener(news);
  }

  signUp = (options) => this.#call('signUp', options);
  recover = (options) => this.#call('recover', options);
  signIn = (options) => this.#call('signIn', options);
  signOut = (options) => this.#call('signOut', options);
  close = () => this.show({ status: 'closed' });

  async prepare({ email }) {
    this.prepared.push(email);
  }

  /** Answers the oldest call. */
  async answer(value) {
    this.calls.shift().resolve(value);
    await settled();
  }

  /** Refuses the oldest call. */
  async refuse(code, message = `the sentence of ${code}`, retryAfterMs = undefined) {
    this.calls.shift().reject(new PasskeyError(code, message, retryAfterMs !== undefined, retryAfterMs));
    await settled();
  }

  /** What `signUp` resolves to. */
  pending(expiresInMs = 600_000) {
    const verify = (code, options) => this.#call('verify', { code, ...options });
    return Object.freeze({ expiresAt: new Date(Date.now() + expiresInMs), verify });
  }

  /** What `recover` resolves to. */
  recovery(expiresInMs = 600_000) {
    const verify = (code, recoveryCode, options) => this.#call('verify', { code, recoveryCode, ...options });
    return Object.freeze({ expiresAt: new Date(Date.now() + expiresInMs), verify });
  }

  /** An open session, with the management of the account behind it. */
  session(more = {}) {
    const call = (name) => (...options) => this.#call(name, options);
    return Object.freeze({
      sessionID: 'ses_068vf4o1m5k2n0c7q3t9r6s8ug',
      accountID: 'acct_7m3kq9v1c5t0r8n2d6p4b1f9hs',
      passkeyID: 'pk_2c9r5t1v7n3k8q0m4d6f1h5b9o',
      startedAt: new Date(Date.now() - HOUR),
      expiresAt: new Date(Date.now() + 11 * HOUR),
      idleMs: HOUR,
      graceMs: 60_000,
      passkeys: { list: call('list'), add: call('add'), rename: call('rename'), remove: call('remove') },
      sessions: { list: call('sessions'), end: call('end'), endOthers: call('endOthers') },
      ...more,
    });
  }

  #call(name, options) {
    const { promise, resolve, reject } = Promise.withResolvers();
    const call = { name, options, resolve, reject };
    this.calls.push(call);
    const { signal } = [options].flat().at(-1) ?? {};
    signal?.addEventListener('abort', () => {
      this.calls = this.calls.filter((other) => other !== call);
      reject(new PasskeyError('cancelled', 'the call was aborted', false));
    });
    return promise;
  }
}

/** When everything that was settled has been heard of. */
export function settled() {
  return new Promise((resolve) => { setTimeout(resolve); });
}

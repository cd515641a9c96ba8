/** A server in memory, for the tests of a front end. */

import type { EndReason } from '../types.js';
import { SoftwareAuthenticator } from './authenticator.js';
import { identifier, makeBytes } from './bytes.js';
import type { App } from './conversation.js';
import { Failure, type FailureCode } from './failure.js';
import { Records, type FakeEvent } from './records.js';
import { makeRecoveryCode } from './recovery.js';
import { FakeSocket, type Host } from './socket.js';
import { checkRegistration } from './webauthn.js';

export interface FakeServerOptions {
  /** Where the app's pages may be. Default: the page's own origin, or `https://app.example` where there is no page. */
  origins?: readonly string[];
  /** The WebAuthn RP ID. Default: the host of the first origin. */
  rpID?: string;
  /** The app's name, for people. */
  name?: string;
  policy?: 'strict' | 'recoverable';
  /**
   * The app recovers accounts by a recovery code, and a recovery waits for so long before it gives a passkey, in milliseconds:
   * `advance` lets that pass. Default: it does not recover accounts.
   */
  recoveryHoldMs?: number;
  /** How long a session lives at most, in milliseconds. Default 12 hours. */
  maxMs?: number;
  /** It ends after this long without a message of the page, in milliseconds. Default 12 hours. */
  idleMs?: number;
  /** How long a dropped session can be resumed, in milliseconds. Default 30,000; 0: it ends with its connection. */
  graceMs?: number;
}

/** A session that the server has open. */
export interface FakeSession {
  readonly sessionID: string;
  readonly accountID: string;
  readonly passkeyID: string;
  /** Whether a page carries it now; `false` during its grace time. */
  readonly isConnected: boolean;
}

/**
 * Speaks the browser's side of the protocol and keeps everything in memory. It checks challenges and signatures as a real
 * server does: what would be refused there is refused here.
 *
 * `install` makes it the other end of every `WebSocket` that the page opens to `url`.
 */
export class FakeServer {
  /** The app's id, for `connect`. */
  readonly app: string;
  /** Where it "listens", for `connect`. Nothing goes over a network. */
  readonly url: string;
  /** Where the app's pages may be. */
  readonly origins: readonly string[];
  readonly #app: App;
  readonly #records: Records;
  readonly #connections = new Set<FakeSocket>();
  readonly #planted: { type: string; failure: Failure }[] = [];
  #isUp = true;
  #paused: Promise<void> = Promise.resolve();

  constructor(options: FakeServerOptions = {}) {
    const hours12 = 12 * 60 * 60 * 1000;
    const { name = 'Test App', policy = 'strict', recoveryHoldMs, maxMs = hours12, idleMs = maxMs, graceMs = 30_000 } = options;
    this.origins = Object.freeze([...(options.origins ?? [pageOrigin()])]);
    const { hostname, host, protocol } = new URL(this.origins[0] ?? pageOrigin());
    this.app = identifier('app', makeBytes(16));
    this.url = `${protocol === 'http:' ? 'ws' : 'wss'}://${host}/v1/gateway`;
    this.#app = { app: this.app, name, rpID: options.rpID ?? hostname, policy, recoveryHoldMs, secret: makeBytes(32) };
    this.#records = new Records({ maxMs, idleMs, graceMs });
  }

  /** The code that was last mailed to an address. Throws when none was. */
  codeOf(email: string): string {
    const code = this.#records.codes.get(email.trim().toLowerCase());
    if (code === undefined) throw new Error(`no code was mailed to ${email}`);
    return code;
  }

  /** Makes an account with one passkey in `authenticator`, without a page. Resolves to its id. */
  async addAccount(email: string, authenticator: SoftwareAuthenticator): Promise<string> {
    if (this.#records.account(email)) throw new Error(`${email} has an account`);
    const [userID, challenge] = [makeBytes(16), makeBytes(32)];
    const { rpID, name } = this.#app;
    const made = await authenticator.create({
      publicKey: {
        rp: { id: rpID, name },
        user: { id: userID, name: email, displayName: email },
        challenge,
        pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
        authenticatorSelection: { userVerification: 'required', residentKey: this.#app.policy === 'strict' ? 'discouraged' : 'preferred' },
      },
    });
    const passkey = await checkRegistration(made.toJSON(), { challenge, origin: globalThis.origin, rpID });
    if (!passkey) throw new Error('the authenticator made no passkey that can be used: does it verify the person?');
    const account = this.#records.addAccount(email, identifier('acct', userID), userID);
    this.#records.addPasskey(account, passkey);
    return account.accountID;
  }

  /** Gives an account a recovery code, without a page and a gesture. The one before no longer works. Returns it. */
  makeRecoveryCode(email: string): string {
    const account = this.#records.account(email.trim());
    if (!account) throw new Error(`${email} has no account`);
    const code = makeRecoveryCode();
    this.#records.setRecoveryCode(account, code);
    return code;
  }

  /** The sessions that are open, oldest first. */
  get sessions(): readonly FakeSession[] {
    this.#records.sweep();
    return [...this.#records.sessions.values()].map(({ sessionID, account, passkeyID, carrier }) =>
      Object.freeze({ sessionID, accountID: account.accountID, passkeyID, isConnected: carrier !== undefined }),
    );
  }

  /** What a back end would have heard, oldest first. */
  get events(): readonly FakeEvent[] {
    this.#records.sweep();
    return [...this.#records.events];
  }

  /** How many pages are connected. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Moves the server's clock. Codes expire after ten minutes, challenges after five, sessions by their limits. The page's
   * own timers are not touched.
   */
  advance(ms: number): void {
    this.#records.advance(ms);
  }

  /** Answers the next request of this type (`signIn.begin`, `ceremony.finish`, ...) with an error. Can be called repeatedly. */
  failNext(type: string, code: FailureCode, { retryAfterMs }: { retryAfterMs?: number } = {}): void {
    this.#planted.push({ type, failure: new Failure(code, retryAfterMs) });
  }

  /** Is slow: answers nothing, and opens no connection, until the function that it returns is called. */
  pause(): () => void {
    let resume = (): void => {};
    const before = this.#paused;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    this.#paused = before.then(() => paused);
    return resume;
  }

  /** Cuts every connection without a word, as a lost network does. Pages may connect again. */
  dropConnections(): void {
    for (const socket of [...this.#connections]) socket.drop();
  }

  /** Stops in an orderly way. Nobody can connect until `start`. */
  stop(): void {
    this.#isUp = false;
    for (const socket of [...this.#connections]) socket.restart();
  }

  /** Starts again after `stop`, with all accounts and with the sessions that can still be resumed. */
  start(): void {
    this.#isUp = true;
  }

  /** Ends a session, as a back end can. */
  revoke(sessionID: string, reason: EndReason = 'revoked'): void {
    const session = this.#records.sessions.get(sessionID);
    if (!session) throw new Error(`no session ${sessionID} is open`);
    this.#records.end(session, reason);
  }

  /** Cancels the recovery of an account, as a back end can. */
  cancelRecovery(accountID: string): void {
    const account = this.#records.accountOf(accountID);
    if (!account || !this.#records.cancelRecovery(account, 'backEnd')) throw new Error(`${accountID} is not being recovered`);
  }

  /** Erases an account and ends its sessions, as a back end can. */
  eraseAccount(accountID: string): void {
    const account = this.#records.accountOf(accountID);
    if (!account) throw new Error(`there is no account ${accountID}`);
    this.#records.erase(account);
  }

  /** @internal The other end of a `WebSocket`; `undefined` when the address is not this server's. */
  accept(url: string | URL, protocols?: string | string[]): FakeSocket | undefined {
    const address = new URL(url);
    address.search = '';
    return address.href === this.url ? new FakeSocket(this.#host, url, protocols) : undefined;
  }

  get #host(): Host {
    const server = this;
    return {
      app: this.#app,
      records: this.#records,
      origins: this.origins,
      connections: this.#connections,
      get isUp() {
        return server.#isUp;
      },
      resumed: () => this.#paused,
      planted: (type) => {
        const at = this.#planted.findIndex((planted) => planted.type === type);
        return at < 0 ? undefined : this.#planted.splice(at, 1)[0]?.failure;
      },
    };
  }
}

function pageOrigin(): string {
  const { origin } = globalThis;
  return typeof origin === 'string' && origin !== 'null' ? origin : 'https://app.example';
}

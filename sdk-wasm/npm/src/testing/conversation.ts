/** One page's conversation with the fake server: what may be said when, and what each request does (docs/protocol.md section 1). */

import type { EndReason } from '../types.js';
import { addPasskey, canonical, challengeOf, removePasskey, resumeInput, type Kind, type SessionKey } from './binding.js';
import { concat, decode, encode, identifier, makeBytes, sha256, utf8, type Bytes } from './bytes.js';
import { Failure } from './failure.js';
import type { Account, Carrier, KeptPasskey, KeptSession, News, Records } from './records.js';
import { isRecoveryCode, makeRecoveryCode } from './recovery.js';
import { checkAssertion, checkRegistration, ES256, type Registered } from './webauthn.js';
import { checkBegin, descriptor, found, isObject, listed, onWire, text, time, verifierOf, type Data, type Descriptor } from './wire.js';

/** The app that pages sign in to. */
export interface App {
  readonly app: string;
  readonly name: string;
  readonly rpID: string;
  readonly policy: 'strict' | 'recoverable';
  /** How long a recovery waits, in milliseconds; `undefined` where there is none. */
  readonly recoveryHoldMs: number | undefined;
  /** Makes decoys. */
  readonly secret: Bytes;
}

/** What a request is answered with. */
export interface Answer {
  readonly type: string;
  readonly data?: object;
  /** What happens once the page has the answer. */
  readonly after?: () => void;
}

interface PendingCode {
  readonly purpose: 'signUp' | 'recovery';
  readonly email: string;
  readonly sessionKey: SessionKey;
  readonly code: string;
  readonly expiresAt: number;
  tries: number;
}

interface PendingCeremony {
  readonly ceremonyID: string;
  readonly challenge: Bytes;
  readonly expiresAt: number;
  /** What a right answer does. */
  readonly finish: (credential: unknown, challenge: Bytes) => Promise<Answer>;
}

interface Ask {
  readonly kind: Kind;
  readonly sessionKey: SessionKey;
  readonly action?: string;
  readonly added?: { passkeyID: string; publicKey: string };
  /** `create` makes a passkey of this account; `get` uses one of these. */
  readonly options: { create: Pick<Account, 'userID' | 'email' | 'passkeys'> } | { get: readonly Descriptor[] };
  readonly finish: PendingCeremony['finish'];
}

interface Challenge extends Answer {
  readonly data: { readonly ceremonyID: string; readonly publicKey: object; readonly binding: object };
}

/** What the connection does for a conversation. */
export interface Line {
  readonly origin: string;
  readonly userAgent: string;
  readonly nonce: Bytes;
  push(answer: Answer): void;
  close(code: number, reason: object): void;
}

export class Conversation implements Carrier {
  readonly #app: App;
  readonly #records: Records;
  readonly #line: Line;
  #session: KeptSession | undefined;
  #code: PendingCode | undefined;
  #ceremony: PendingCeremony | undefined;
  #codesAskedFor = 0;

  constructor(app: App, records: Records, line: Line) {
    this.#app = app;
    this.#records = records;
    this.#line = line;
  }

  /** Answers a request. Rejects with a {@link Failure}. */
  async handle(type: string, data: Data): Promise<Answer> {
    const handler = this.#handlers[type];
    if (!handler) throw new Failure('unknownType');
    if (this.#session) this.#session.heardAt = this.#records.now();
    return handler(data);
  }

  /** The page closed its socket, or the socket dropped. */
  ended(how: 'closed' | 'lost'): void {
    const session = this.#session;
    this.#session = undefined;
    if (!session) return;
    if (how === 'closed') this.#records.end(session, 'pageGone', this);
    else Object.assign(session, { carrier: undefined, detachedAt: this.#records.now() });
  }

  sessionEnded(reason: EndReason): void {
    this.#session = this.#ceremony = undefined;
    this.#line.push({ type: 'signedOut', data: { reason } });
    // Age and idleness leave the connection as it is; who was signed out from elsewhere connects anew.
    if (reason !== 'idleTimeout' && reason !== 'absoluteTimeout') this.#line.close(1000, { ended: reason });
  }

  sessionTaken(): void {
    this.#session = this.#ceremony = undefined;
    this.#line.close(1000, { resumed: 'elsewhere' });
  }

  sessionExpiring(at: number): void {
    this.#line.push({ type: 'session.expiring', data: { at: time(at) } });
  }

  told(news: News): void {
    this.#line.push(news);
  }

  readonly #handlers: Readonly<Record<string, (data: Data) => Answer | Promise<Answer>>> = {
    'signUp.begin': async (data) => ({ type: 'signUp.codeSent', data: await this.#mailCode('signUp', data) }),

    'signUp.verify': async ({ code }) => {
      const { email, sessionKey } = this.#takeCode('signUp', text(code));
      if (this.#records.account(email)) throw new Failure('accountExists');
      const userID = makeBytes(16);
      return this.#challenge({
        kind: 'signUp',
        sessionKey,
        options: { create: { userID, email, passkeys: [] } },
        finish: async (credential, challenge) => {
          const made = await this.#registration(credential, challenge);
          // The address may have been taken while the prompt was open.
          if (this.#records.account(email)) throw new Failure('accountExists');
          const account = this.#records.addAccount(email, identifier('acct', userID), userID);
          return this.#open(account, this.#records.addPasskey(account, made), sessionKey);
        },
      });
    },

    'signIn.begin': async (data) => {
      this.#begin();
      const { email, sessionKey } = await checkBegin(data);
      const account = this.#records.account(email);
      return this.#challenge({
        kind: 'signIn',
        sessionKey,
        options: { get: account?.passkeys ?? [await this.#decoy(email)] },
        finish: async (credential, challenge) => {
          if (!account) throw new Failure('passkeyRejected');
          return this.#open(account, await this.#assertion(credential, challenge, account, account.passkeys), sessionKey);
        },
      });
    },

    'ceremony.finish': async ({ ceremonyID, credential }) => {
      const pending = this.#ceremony;
      if (!pending || pending.ceremonyID !== ceremonyID) throw new Failure('unknownCeremony');
      // Taken out before anything is checked: a failed try burns the challenge.
      this.#ceremony = undefined;
      if (pending.expiresAt <= this.#records.now()) throw new Failure('challengeExpired');
      return pending.finish(credential, pending.challenge);
    },

    'session.resume': async ({ sessionID, signature }) => {
      this.#begin();
      const session = this.#records.sessions.get(text(sessionID));
      const signed = decode(signature);
      if (!session || session.origin !== this.#line.origin || !signed) throw new Failure('sessionGone');
      const input = resumeInput(session.sessionID, this.#line.origin, this.#line.nonce);
      const isHolder = await crypto.subtle.verify(ES256, session.verifier, signed, input);
      if (!isHolder || !this.#records.sessions.has(session.sessionID)) throw new Failure('sessionGone');
      const { carrier } = session;
      Object.assign(session, { carrier: this, detachedAt: undefined, heardAt: this.#records.now() });
      this.#session = session;
      carrier?.sessionTaken();
      return this.#signedIn(session);
    },

    signOut: () => {
      this.#records.end(this.#current(), 'user', this);
      this.#session = this.#ceremony = undefined;
      return { type: 'signedOut', data: { reason: 'user' } };
    },

    'confirm.begin': async ({ action }) => {
      const { account, sessionKey, sessionID } = this.#beginGesture();
      if (!isObject(action)) throw new Failure('invalidAction');
      const exact = canonical(action);
      if (utf8(exact).length > MAX_ACTION_BYTES) throw new Failure('invalidAction');
      const ask: Ask = {
        kind: 'confirm',
        sessionKey,
        action: exact,
        options: { get: account.passkeys },
        finish: async (credential, challenge) => {
          const { passkeyID } = await this.#assertion(credential, challenge, account, account.passkeys);
          if (this.#current().sessionID !== sessionID) throw new Failure('sessionGone');
          const ceremonyID = answer.data.ceremonyID;
          this.#records.say({ type: 'confirmed', accountID: account.accountID, sessionID, passkeyID, ceremonyID, action: JSON.parse(exact) });
          return { type: 'confirmed', data: { ceremonyID } };
        },
      };
      const answer = await this.#challenge(ask);
      return answer;
    },

    'recovery.code.begin': () => {
      const { account, sessionKey } = this.#beginGesture();
      this.#holdMs();
      return this.#challenge({
        kind: 'makeRecoveryCode',
        sessionKey,
        options: { get: account.passkeys },
        finish: async (credential, challenge) => {
          await this.#assertion(credential, challenge, account, account.passkeys);
          const code = makeRecoveryCode();
          this.#records.setRecoveryCode(account, code);
          return { type: 'recovery.code', data: { code } };
        },
      });
    },

    'recovery.begin': async (data) => {
      this.#holdMs();
      return { type: 'recovery.codeSent', data: await this.#mailCode('recovery', data) };
    },

    'recovery.verify': ({ code, recoveryCode }) => {
      const [typed, pending] = [text(recoveryCode), this.#takeCode('recovery', text(code))];
      const account = this.#records.account(pending.email);
      const right = account?.recoveryCode;
      if (!account || right === undefined || !isRecoveryCode(typed, right)) throw this.#wrongRecoveryCode(pending);
      if (account.recoveryUntil === undefined) this.#records.startRecovery(account, this.#holdMs());
      const until = account.recoveryUntil ?? 0;
      if (until > this.#records.now()) return { type: 'recovery.held', data: { until: time(until) } };
      return this.#challenge({
        kind: 'recover',
        sessionKey: pending.sessionKey,
        options: { create: account },
        finish: async (credential, challenge) => {
          const made = await this.#registration(credential, challenge);
          // It may have been cancelled while the prompt was open.
          if (account.recoveryUntil !== until || account.recoveryCode !== right) throw new Failure('wrongRecoveryCode');
          return { type: 'passkeyAdded', data: { passkey: onWire(this.#records.completeRecovery(account, made)) } };
        },
      });
    },

    'recovery.cancel': () => {
      const { account } = this.#current();
      if (!this.#records.cancelRecovery(account, 'user', this)) throw new Failure('notFound');
      return { type: 'recovery.cancelled', data: {} };
    },

    'passkeys.list': () => {
      const { account } = this.#current();
      return { type: 'passkeys', data: { userID: encode(account.userID), passkeys: account.passkeys.map(onWire) } };
    },

    'passkeys.add.begin': () => {
      const { account, sessionKey } = this.#beginGesture();
      if (account.passkeys.length >= MAX_PASSKEYS) throw new Failure('tooManyPasskeys');
      return this.#challenge({
        kind: 'addPasskey',
        sessionKey,
        options: { create: account },
        finish: async (credential, challenge) =>
          this.#vouch(account, sessionKey, await this.#registration(credential, challenge)),
      });
    },

    'passkeys.rename': ({ passkeyID, name }) => {
      const { account } = this.#current();
      const passkey = found(account, passkeyID);
      const trimmed = text(name).trim();
      if (!/^\P{Cc}{1,64}$/u.test(trimmed)) throw new Failure('invalidName');
      passkey.name = trimmed;
      this.#records.say({ type: 'passkeyRenamed', accountID: account.accountID, passkeyID: passkey.passkeyID });
      return { type: 'passkeyRenamed', data: { passkey: onWire(passkey) } };
    },

    'passkeys.remove.begin': (data) => {
      const { account, sessionKey } = this.#beginGesture();
      const { passkeyID, credentialID } = found(account, data['passkeyID']);
      if (account.passkeys.length === 1) throw new Failure('lastPasskey');
      return this.#challenge({
        kind: 'removePasskey',
        sessionKey,
        action: removePasskey(passkeyID),
        options: { get: account.passkeys },
        finish: async (credential, challenge) => {
          await this.#assertion(credential, challenge, account, account.passkeys);
          if (account.passkeys.length === 1) throw new Failure('lastPasskey');
          const isOwn = this.#current().passkeyID === passkeyID;
          this.#records.removePasskey(account, passkeyID, this);
          return {
            type: 'passkeyRemoved',
            data: { passkeyID, credentialID: encode(credentialID) },
            ...(isOwn && { after: () => this.sessionEnded('passkeyRemoved') }),
          };
        },
      });
    },

    'sessions.list': () => {
      const current = this.#current();
      const sessions = this.#records.sessionsOf(current.account).map((session) => listed(session, session === current));
      return { type: 'sessions', data: { sessions } };
    },

    'sessions.end': ({ sessionID }) => {
      const current = this.#current();
      if (sessionID === current.sessionID) throw new Failure('unexpected');
      const others = this.#records.sessionsOf(current.account).filter((session) => session !== current);
      const ended = sessionID === undefined ? others : others.filter((session) => session.sessionID === sessionID);
      if (sessionID !== undefined && ended.length === 0) throw new Failure('notFound');
      for (const session of ended) this.#records.end(session, 'user');
      return { type: 'sessionsEnded', data: { sessionIDs: ended.map((session) => session.sessionID) } };
    },
  };

  /** A new passkey is kept here until one that the account had before has signed its key. */
  #vouch(account: Account, sessionKey: SessionKey, made: Registered): Promise<Answer> {
    const vouchers = [...account.passkeys];
    const passkeyID = identifier('pk', makeBytes(16));
    return this.#challenge({
      kind: 'addPasskey',
      sessionKey,
      action: addPasskey(passkeyID, made.publicKeyCose),
      added: { passkeyID, publicKey: encode(made.publicKeyCose) },
      options: { get: vouchers },
      finish: async (credential, challenge) => {
        await this.#assertion(credential, challenge, account, vouchers);
        if (this.#records.isRegistered(made.credentialID)) throw new Failure('passkeyExists');
        if (account.passkeys.length >= MAX_PASSKEYS) throw new Failure('tooManyPasskeys');
        const passkey = onWire(this.#records.addPasskey(account, made, passkeyID));
        const added = { type: 'passkeyAdded', data: { passkey } } as const;
        this.#records.tellOthers(this.#current(), added);
        return added;
      },
    });
  }

  async #challenge({ kind, sessionKey, action, added, options, finish }: Ask): Promise<Challenge> {
    const random = makeBytes(32);
    const { app, name, rpID, policy } = this.#app;
    const challenge = await challengeOf({ random, kind, app, origin: this.#line.origin, sessionKey, action });
    const ceremonyID = identifier('cer', makeBytes(16));
    this.#code = undefined;
    this.#ceremony = { ceremonyID, challenge, expiresAt: this.#records.now() + CHALLENGE_MS, finish };
    const shared = { challenge: encode(challenge), timeout: CHALLENGE_MS };
    const publicKey =
      'get' in options
        ? { ...shared, rpId: rpID, allowCredentials: options.get.map(descriptor), userVerification: 'required' }
        : {
            ...shared,
            rp: { id: rpID, name },
            user: { id: encode(options.create.userID), name: options.create.email, displayName: options.create.email },
            pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: 'public-key', alg })),
            excludeCredentials: options.create.passkeys.map(descriptor),
            authenticatorSelection: {
              residentKey: policy === 'strict' ? 'discouraged' : 'preferred',
              userVerification: 'required',
            },
            attestation: 'none',
            extensions: { credProps: true },
          };
    const binding = { random: encode(random), kind, ...(added && { added }) };
    return { type: 'get' in options ? 'ceremony.get' : 'ceremony.create', data: { ceremonyID, publicKey, binding } };
  }

  async #registration(credential: unknown, challenge: Bytes): Promise<Registered> {
    const made = await checkRegistration(credential, { challenge, origin: this.#line.origin, rpID: this.#app.rpID });
    if (!made) throw new Failure('passkeyRejected');
    if (this.#records.isRegistered(made.credentialID)) throw new Failure('passkeyExists');
    return made;
  }

  async #assertion(
    credential: unknown,
    challenge: Bytes,
    account: Account,
    allowed: readonly KeptPasskey[],
  ): Promise<KeptPasskey> {
    const id = isObject(credential) ? credential['id'] : undefined;
    const passkey = allowed.find(({ credentialID }) => encode(credentialID) === id);
    const expected = { challenge, origin: this.#line.origin, rpID: this.#app.rpID };
    const answer = passkey && (await checkAssertion(credential, passkey, account.userID, expected));
    // It may have been removed, or its account erased, while the prompt was open.
    const isKept = passkey && this.#records.accountOf(account.accountID)?.passkeys.includes(passkey);
    if (!answer || !isKept) throw new Failure('passkeyRejected');
    this.#records.used(passkey, answer);
    return passkey;
  }

  async #open(account: Account, { passkeyID }: KeptPasskey, sessionKey: SessionKey): Promise<Answer> {
    const verifier = await verifierOf(sessionKey);
    const { origin, userAgent } = this.#line;
    const session = this.#records.open({ account, passkeyID, sessionKey, verifier, origin, userAgent, carrier: this });
    this.#session = session;
    this.#records.tellOthers(session, { type: 'session.opened', data: { session: listed(session, false) } });
    return this.#signedIn(session);
  }

  #signedIn({ sessionID, account, passkeyID, startedAt, expiresAt }: KeptSession): Answer {
    const { idleMs, graceMs } = this.#records.limits;
    const times = { startedAt: time(startedAt), expiresAt: time(expiresAt) };
    const { accountID, recoveryUntil } = account;
    const recovery = recoveryUntil !== undefined && { recovery: { until: time(recoveryUntil) } };
    return { type: 'signedIn', data: { session: { sessionID, accountID, passkeyID, ...times, idleMs, graceMs }, ...recovery } };
  }

  #begin(): void {
    if (this.#session) throw new Failure('unexpected');
    this.#code = this.#ceremony = undefined;
  }

  #current(): KeptSession {
    if (!this.#session) throw new Failure('unexpected');
    return this.#session;
  }

  /** A ceremony of a signed-in person may begin; one that was pending is dropped. */
  #beginGesture(): KeptSession {
    const session = this.#current();
    this.#ceremony = undefined;
    return session;
  }

  #holdMs(): number {
    if (this.#app.recoveryHoldMs === undefined) throw new Failure('recoveryOff');
    return this.#app.recoveryHoldMs;
  }

  async #mailCode(purpose: PendingCode['purpose'], data: Data): Promise<{ expiresAt: string }> {
    this.#begin();
    const { email, sessionKey } = await checkBegin(data);
    this.#codesAskedFor += 1;
    if (this.#codesAskedFor > MAX_CODES) throw new Failure('rateLimited');
    const code = String(makeBytes(4).reduce((sum, byte) => sum * 256 + byte, 0) % 1_000_000).padStart(6, '0');
    const expiresAt = this.#records.now() + CODE_MS;
    this.#code = { purpose, email, sessionKey, code, expiresAt, tries: 0 };
    this.#records.codes.set(email.toLowerCase(), code);
    return { expiresAt: time(expiresAt) };
  }

  /** Both codes may be typed again, as long as tries are left. */
  #wrongRecoveryCode(pending: PendingCode): Failure {
    pending.tries += 1;
    if (pending.tries >= MAX_CODE_TRIES) return new Failure('tooManyAttempts');
    this.#code = pending;
    return new Failure('wrongRecoveryCode');
  }

  #takeCode(purpose: PendingCode['purpose'], typed: string): PendingCode {
    const pending = this.#code;
    if (pending?.purpose !== purpose) throw new Failure('unexpected');
    if (pending.expiresAt > this.#records.now()) {
      if (typed.trim() === pending.code) {
        this.#code = undefined;
        return pending;
      }
      pending.tries += 1;
      if (pending.tries < MAX_CODE_TRIES) throw new Failure('wrongCode');
    }
    this.#code = undefined;
    throw new Failure(pending.tries < MAX_CODE_TRIES ? 'codeExpired' : 'tooManyAttempts');
  }

  /** An unknown address gets one credential that nobody has, the same every time. */
  async #decoy(email: string): Promise<Descriptor> {
    const hash = await sha256(concat(this.#app.secret, utf8(email.toLowerCase())));
    return { credentialID: hash.slice(0, 20), transports: ['hybrid', 'internal'] };
  }
}

/** How long a mailed code works, in milliseconds. */
const CODE_MS = 10 * 60 * 1000;

/** How long a challenge works, in milliseconds. */
const CHALLENGE_MS = 5 * 60 * 1000;

/** Codes that one connection may ask for. */
const MAX_CODES = 5;

/** Wrong tries at one code. */
const MAX_CODE_TRIES = 5;

const MAX_PASSKEYS = 20;

/** Of an action's RFC 8785 text. */
const MAX_ACTION_BYTES = 2 * 1024;

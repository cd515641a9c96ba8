/** What the fake server keeps: accounts, passkeys, sessions, and the log of events. In memory, gone with it. */

import type { EndReason } from '../types.js';
import type { SessionKey } from './binding.js';
import { encode, identifier, makeBytes, uint, concat, type Bytes } from './bytes.js';
import type { Registered } from './webauthn.js';

export interface Account {
  readonly accountID: string;
  /** The WebAuthn user handle. */
  readonly userID: Bytes;
  readonly email: string;
  readonly passkeys: KeptPasskey[];
  /** The code that works; used up when the recovery that it began is over, however that ends. */
  recoveryCode: string | undefined;
  /** The account is being recovered, and gets a passkey then at the earliest. */
  recoveryUntil: number | undefined;
}

export interface KeptPasskey extends Omit<Registered, 'signCount' | 'backedUp'> {
  readonly passkeyID: string;
  readonly createdAt: number;
  signCount: number;
  backedUp: boolean;
  name?: string;
  lastUsedAt?: number;
}

/** A message that the server sends by itself. */
export interface News {
  readonly type: 'session.opened' | 'passkeyAdded' | 'recovery.held' | 'recovery.cancelled';
  readonly data: object;
}

/** Who carries a session: one connection at a time. */
export interface Carrier {
  /** The session was ended from elsewhere. */
  sessionEnded(reason: EndReason): void;
  /** Another connection has taken it over. */
  sessionTaken(): void;
  /** The session ends soon. */
  sessionExpiring(at: number): void;
  /** Something happened to the account elsewhere. */
  told(news: News): void;
}

export interface KeptSession {
  readonly sessionID: string;
  readonly account: Account;
  readonly passkeyID: string;
  readonly sessionKey: SessionKey;
  readonly verifier: CryptoKey;
  readonly origin: string;
  readonly userAgent: string;
  readonly startedAt: number;
  readonly expiresAt: number;
  heardAt: number;
  isExpiringSaid: boolean;
  carrier: Carrier | undefined;
  /** Since when nobody carries it. */
  detachedAt: number | undefined;
}

/** One entry of the log. The types are those of the event stream; the data is what a test may want to look at. */
export interface FakeEvent {
  readonly type:
    | 'registered'
    | 'passkeyAdded'
    | 'loggedIn'
    | 'loggedOut'
    | 'confirmed'
    | 'passkeyRenamed'
    | 'passkeyRemoved'
    | 'accountErased'
    | 'recoveryStarted'
    | 'recoveryCancelled'
    | 'recoveryCompleted';
  readonly accountID: string;
  readonly sessionID?: string;
  readonly passkeyID?: string;
  readonly reason?: string;
  /** Of `confirmed`: names it, on the page too. */
  readonly ceremonyID?: string;
  /** Of `confirmed`: exactly what the person confirmed. */
  readonly action?: unknown;
}

export interface SessionLimits {
  /** How long a session lives at most, in milliseconds. */
  readonly maxMs: number;
  readonly idleMs: number;
  readonly graceMs: number;
}

export class Records {
  readonly accounts = new Map<string, Account>();
  readonly sessions = new Map<string, KeptSession>();
  readonly events: FakeEvent[] = [];
  readonly codes = new Map<string, string>();
  readonly limits: SessionLimits;
  #ahead = 0;

  constructor(limits: SessionLimits) {
    this.limits = limits;
  }

  /** The server's clock, in milliseconds since 1970: the machine's, and what `advance` added. */
  now(): number {
    return Date.now() + this.#ahead;
  }

  advance(ms: number): void {
    this.#ahead += ms;
    this.sweep();
  }

  account(email: string): Account | undefined {
    return this.accounts.get(email.toLowerCase());
  }

  accountOf(accountID: string): Account | undefined {
    return [...this.accounts.values()].find((account) => account.accountID === accountID);
  }

  isRegistered(credentialID: Bytes): boolean {
    const id = encode(credentialID);
    return [...this.accounts.values()].some(({ passkeys }) => passkeys.some((passkey) => encode(passkey.credentialID) === id));
  }

  say(event: FakeEvent): void {
    this.events.push(Object.freeze(event));
  }

  addAccount(email: string, accountID: string, userID: Bytes): Account {
    const account = { accountID, userID, email, passkeys: [], recoveryCode: undefined, recoveryUntil: undefined };
    this.accounts.set(email.toLowerCase(), account);
    this.say({ type: 'registered', accountID });
    return account;
  }

  addPasskey(
    { accountID, passkeys }: Account,
    made: Registered,
    passkeyID = identifier('pk', makeBytes(16)),
    type: 'passkeyAdded' | 'recoveryCompleted' = 'passkeyAdded',
  ): KeptPasskey {
    const passkey = { ...made, passkeyID, createdAt: this.now() };
    passkeys.push(passkey);
    this.say({ type, accountID, passkeyID });
    return passkey;
  }

  /** Another code; what the one before began is over. */
  setRecoveryCode(account: Account, code: string): void {
    this.cancelRecovery(account, 'user');
    account.recoveryCode = code;
  }

  startRecovery(account: Account, holdMs: number): void {
    const until = this.now() + holdMs;
    account.recoveryUntil = until;
    this.say({ type: 'recoveryStarted', accountID: account.accountID });
    this.#tellAll(account, { type: 'recovery.held', data: { until: new Date(until).toISOString() } });
  }

  /** `false`: there was none. Its code is burnt: whoever began it has it. */
  cancelRecovery(account: Account, reason: 'user' | 'backEnd' | 'expired', asking?: Carrier): boolean {
    if (account.recoveryUntil === undefined) return false;
    account.recoveryUntil = account.recoveryCode = undefined;
    this.say({ type: 'recoveryCancelled', accountID: account.accountID, reason });
    this.#tellAll(account, { type: 'recovery.cancelled', data: {} }, asking);
    return true;
  }

  /** The account has a new passkey, and whoever was signed in is signed out. */
  completeRecovery(account: Account, made: Registered): KeptPasskey {
    account.recoveryUntil = account.recoveryCode = undefined;
    const passkey = this.addPasskey(account, made, undefined, 'recoveryCompleted');
    for (const session of this.sessionsOf(account)) this.end(session, 'recovered');
    return passkey;
  }

  /** The passkey answered: its counter, its backup state, and the day. */
  used(passkey: KeptPasskey, { signCount, backedUp }: { signCount: number; backedUp: boolean }): void {
    const day = 24 * 60 * 60 * 1000;
    passkey.signCount = Math.max(passkey.signCount, signCount);
    passkey.backedUp = backedUp;
    passkey.lastUsedAt = Math.floor(this.now() / day) * day;
  }

  open(about: Pick<KeptSession, 'account' | 'passkeyID' | 'sessionKey' | 'verifier' | 'origin' | 'userAgent' | 'carrier'>): KeptSession {
    const startedAt = this.now();
    const session: KeptSession = {
      ...about,
      sessionID: identifier('ses', concat(uint(startedAt, 6), makeBytes(10))),
      startedAt,
      expiresAt: startedAt + this.limits.maxMs,
      heardAt: startedAt,
      isExpiringSaid: false,
      detachedAt: undefined,
    };
    this.sessions.set(session.sessionID, session);
    this.say({ type: 'loggedIn', accountID: about.account.accountID, sessionID: session.sessionID, passkeyID: about.passkeyID });
    return session;
  }

  /** Ends a session, once; its carrier is told unless it is the one that asks. */
  end(session: KeptSession, reason: EndReason, asking?: Carrier): void {
    const { sessionID, account, carrier } = session;
    if (!this.sessions.delete(sessionID)) return;
    session.carrier = undefined;
    this.say({ type: 'loggedOut', accountID: account.accountID, sessionID, reason });
    if (carrier !== asking) carrier?.sessionEnded(reason);
  }

  removePasskey(account: Account, passkeyID: string, asking?: Carrier): void {
    const at = account.passkeys.findIndex((passkey) => passkey.passkeyID === passkeyID);
    if (at < 0) return;
    account.passkeys.splice(at, 1);
    this.say({ type: 'passkeyRemoved', accountID: account.accountID, passkeyID });
    for (const session of this.sessionsOf(account)) {
      if (session.passkeyID === passkeyID) this.end(session, 'passkeyRemoved', asking);
    }
  }

  erase(account: Account): void {
    for (const session of this.sessionsOf(account)) this.end(session, 'accountErased');
    this.accounts.delete(account.email.toLowerCase());
    this.say({ type: 'accountErased', accountID: account.accountID });
  }

  /** Oldest first. */
  sessionsOf(account: Account): KeptSession[] {
    return [...this.sessions.values()].filter((session) => session.account === account);
  }

  /** Tells the pages of the other sessions of the account. */
  tellOthers(own: KeptSession, news: News): void {
    for (const session of this.sessionsOf(own.account)) if (session !== own) session.carrier?.told(news);
  }

  #tellAll(account: Account, news: News, asking?: Carrier): void {
    for (const { carrier } of this.sessionsOf(account)) if (carrier !== asking) carrier?.told(news);
  }

  /** Ends what is over by now. */
  sweep(): void {
    const now = this.now();
    for (const account of this.accounts.values()) {
      if (account.recoveryUntil !== undefined && account.recoveryUntil + RECOVERY_READY_MS <= now) this.cancelRecovery(account, 'expired');
    }
    for (const session of [...this.sessions.values()]) {
      const { carrier, detachedAt, expiresAt, heardAt } = session;
      const endsAt = Math.min(expiresAt, heardAt + this.limits.idleMs);
      if (expiresAt <= now) this.end(session, 'absoluteTimeout');
      else if (detachedAt !== undefined && detachedAt + this.limits.graceMs <= now) this.end(session, 'connectionLost');
      else if (carrier && endsAt <= now) this.end(session, 'idleTimeout');
      else if (carrier && endsAt - EXPIRING_MS <= now && !session.isExpiringSaid) {
        session.isExpiringSaid = true;
        carrier.sessionExpiring(endsAt);
      }
    }
  }
}

/** A page hears this long before its session ends, in milliseconds. */
const EXPIRING_MS = 60_000;

/** After its hold, a recovery can be completed for so long, in milliseconds. */
const RECOVERY_READY_MS = 7 * 24 * 60 * 60 * 1000;

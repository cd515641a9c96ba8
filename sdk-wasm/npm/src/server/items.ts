/** What a stream hands out, in the order of the log. Tell items apart by `kind`, events by `type`. */

import type { EndReason } from '../types.js';
import type { EventsPage } from './records.js';

/** One thing to handle. */
export type Item = Event | Snapshot | Gap | Bookmark;

/** Something happened: an entry of the app's log. */
export type Event = { [Type in keyof EventData]: EventOf<Type> }[keyof EventData];

/** The event of one type. */
export interface EventOf<Type extends keyof EventData> {
  readonly kind: 'event';
  /** `other` for a type that is newer than this version; `name` says which. */
  readonly type: Type;
  /** The type on the wire. */
  readonly name: string;
  /** Read when it is first asked for; the same object from then on. */
  readonly data: EventData[Type];
  /** Cursor and dedupe key. Opaque. */
  readonly id: string;
  /** Its number in the app's log, from 1. */
  readonly seq: number;
  /** When it was committed. */
  readonly time: Date;
  /** The data as JSON text, byte for byte as the log's hash chain covers it. */
  readonly json: string;
}

/** The data of events, by their type. Bytes are unpadded base64url. */
export interface EventData {
  registered: { readonly accountID: string };
  loggedIn: LoggedIn;
  loggedOut: LoggedOut;
  passkeyAdded: PasskeyAdded;
  confirmed: Confirmed;
  passkeyRenamed: { readonly accountID: string; readonly passkeyID: string };
  passkeyRemoved: PasskeyRemoved;
  accountErased: { readonly accountID: string };
  recoveryStarted: RecoveryStarted;
  recoveryCancelled: RecoveryCancelled;
  recoveryCompleted: RecoveryCompleted;
  counterRegressed: CounterRegressed;
  /** Needs the scope `audit:read`. */
  tamperingDetected: TamperingDetected;
  /** Needs the scope `audit:read`. */
  apiKeyCreated: { readonly keyID: string; readonly name: string; readonly scopes: readonly string[] };
  /** Needs the scope `audit:read`. */
  apiKeyRevoked: { readonly keyID: string };
  /** A type that is newer than this version. */
  other: Readonly<Record<string, unknown>>;
}

/** A session was opened. */
export interface LoggedIn {
  readonly accountID: string;
  readonly sessionID: string;
  readonly passkeyID: string;
  /** The page's origin. */
  readonly origin: string;
  /** The public key that the session's proofs are checked with. */
  readonly sessionKey: SessionKey;
  /** When the session ends at the latest. */
  readonly expiresAt: Date;
  /** The authenticator checked the person, not only a touch. */
  readonly userVerified: boolean;
  readonly backedUp: boolean;
  /** Open sessions of the account after this event; 1 means that the account has just come. */
  readonly accountSessions: number;
  /** The authenticator's own signature; absent after sign-up. */
  readonly evidence?: Evidence;
}

/** A session ended. */
export interface LoggedOut {
  readonly accountID: string;
  readonly sessionID: string;
  readonly reason: EndReason;
  /** Open sessions of the account after this event; 0 means that the account has just left. */
  readonly accountSessions: number;
}

/** An account got a passkey; pin its public key to check evidence later. */
export interface PasskeyAdded {
  readonly accountID: string;
  readonly passkeyID: string;
  /** `COSE_Key` bytes as the authenticator made them. */
  readonly publicKey: string;
  /** The authenticator's model, 16 bytes. */
  readonly aaguid: string;
  readonly backedUp: boolean;
  /** How a passkey that the account had before vouched for it; absent for the first. */
  readonly evidence?: Evidence;
}

/** A person confirmed an action of their session with a passkey. */
export interface Confirmed {
  readonly accountID: string;
  readonly sessionID: string;
  readonly passkeyID: string;
  /** Names the confirmation; the page was told it too. */
  readonly ceremonyID: string;
  /** What was confirmed. Its RFC 8785 text is in the event's `json`. */
  readonly action: Readonly<Record<string, unknown>>;
  readonly evidence: Evidence;
}

/** An account lost a passkey. The sessions that it opened end with it. */
export interface PasskeyRemoved {
  readonly accountID: string;
  readonly passkeyID: string;
  readonly reason: RemovalReason;
  /** How a passkey of the account signed the removal; absent unless the person removed it. */
  readonly evidence?: Evidence;
}

/**
 * The recovery of an account has begun: somebody knows its recovery code and reads its mail, or two operators have approved it.
 * Until it is completed whoever is signed in, or a back end, can cancel it.
 */
export interface RecoveryStarted {
  readonly accountID: string;
  /** The earliest time at which it gives a new passkey; later if the server does not run all the time. */
  readonly until: Date;
}

/** A recovery is over without a new passkey. */
export interface RecoveryCancelled {
  readonly accountID: string;
  readonly reason: CancelReason;
}

/**
 * Why a recovery is over without a new passkey: `user` (on a page where they are signed in), `backEnd` (or an operator, with an
 * API key), `expired` (nobody came for the new passkey in time); of a newer server, `other`.
 */
export type CancelReason = 'user' | 'backEnd' | 'expired' | 'other';

/**
 * A recovery gave an account a passkey, and all its sessions ended. No passkey vouched for it: this stands in the place of
 * `passkeyAdded`.
 */
export interface RecoveryCompleted {
  readonly accountID: string;
  readonly passkeyID: string;
  /** `COSE_Key` bytes as the authenticator made them. */
  readonly publicKey: string;
  /** The authenticator's model, 16 bytes. */
  readonly aaguid: string;
  readonly backedUp: boolean;
}

/** A passkey's signature counter did not rise: it may have been copied. */
export interface CounterRegressed {
  readonly accountID: string;
  readonly passkeyID: string;
  readonly stored: number;
  readonly received: number;
}

/** A row of the server's database is not what the server stored: somebody else has written to it. It is refused from now on. */
export interface TamperingDetected {
  readonly row: TamperedRow;
  /** The account, for a row of an account; absent when only its address leads nowhere. */
  readonly accountID?: string;
  /** The key's public name, for the row of an API key. */
  readonly keyID?: string;
}

/**
 * What somebody else has written to: `account` (its row, its key, or one of its passkeys; nobody can sign in to it),
 * `apiKey` (the key is refused), `database` (rows as a whole, which an operator has accepted as they were); of a newer
 * server, `other`.
 */
export type TamperedRow = 'account' | 'apiKey' | 'database' | 'other';

/** Why a passkey was removed; of a newer server, `other`. */
export type RemovalReason = 'backEnd' | 'user' | 'other';

/** The public half of a session key as a JWK. */
export interface SessionKey {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
}

/** What an authenticator signed, and over what: checkable with the passkey's public key alone. */
export interface Evidence {
  readonly random: string;
  readonly kind: string;
  readonly origin: string;
  readonly thumbprint: string;
  readonly credentialID: string;
  readonly authenticatorData: string;
  readonly clientDataJSON: string;
  readonly signature: string;
}

/** A page of the open sessions. With `first`, forget the sessions known so far; with `last`, the state is whole. */
export interface Snapshot {
  readonly kind: 'snapshot';
  readonly sessions: readonly OpenSession[];
  readonly first: boolean;
  readonly last: boolean;
  /** On the last page the position; on the others good for nothing. */
  readonly id: string;
  /** On the last page: the hash chain up to the position, 32 bytes in base64url. */
  readonly hash?: string;
}

/** A session that is open as of a snapshot. */
export interface OpenSession {
  readonly accountID: string;
  readonly sessionID: string;
  readonly passkeyID: string;
  readonly sessionKey: SessionKey;
  readonly since: Date;
  readonly expiresAt: Date;
}

/** Events are missing here: the position cannot be continued. What follows says how it goes on. */
export interface Gap {
  readonly kind: 'gap';
  readonly reason: 'truncated' | 'ahead' | 'diverged' | 'epoch' | 'other';
  /** The position that was asked for. */
  readonly after: string;
  readonly next: 'snapshot' | 'oldest' | 'other';
  /** The position before the oldest event that is kept. */
  readonly oldest?: string;
}

/** Nothing happened up to here. */
export interface Bookmark {
  readonly kind: 'bookmark';
  readonly id: string;
  /** The server's clock. */
  readonly time: Date;
  /** The hash chain up to the position, 32 bytes in base64url. */
  readonly hash?: string;
  /** The newest head of the log that the server has signed, where one is due. */
  readonly head?: SignedHead;
}

/** A head of the log, signed (docs/protocol.md, "Tamper evidence"). */
export interface SignedHead {
  readonly epoch: string;
  readonly seq: number;
  readonly hash: string;
  readonly time: string;
  readonly keyID: string;
  readonly sig: string;
}

/** An item, and what it was handed over under. */
export interface HandedOver {
  token: number;
  lane: number;
  lease: number;
  item: Item;
}

/** Items as the core writes them, many in one text (sdk-wasm/server/src/item.rs), read one after the other. */
export class Batch {
  #rows: Row[];
  #text: string;
  /** Which row is next, and where what it carries begins. */
  #next = 0;
  #at: number;

  constructor(text: string) {
    const end = text.indexOf('\n');
    this.#rows = JSON.parse(text.slice(0, end)) as Row[];
    this.#text = text;
    this.#at = end + 1;
  }

  get isEmpty(): boolean {
    return this.#next === this.#rows.length;
  }

  take(): HandedOver | undefined {
    const row = this.#rows[this.#next];
    if (row === undefined) return undefined;
    this.#next += 1;
    const json = this.#text.slice(this.#at, this.#at + row[3]);
    this.#at += row[3];
    if (row.length === 5) {
      const [token, lane, lease, , line] = row;
      return { token, lane, lease, item: other(line, json) };
    }
    const [token, lane, lease, , id, seq, time, name, isKnown] = row;
    return { token, lane, lease, item: event(json, id, seq, time, name, isKnown) };
  }
}

/** Reads a page of the log as the core writes it: a line of JSON, and the data of all events behind it. */
export function readPage(text: string): EventsPage {
  const end = text.indexOf('\n');
  const [lines, page] = JSON.parse(text.slice(0, end)) as [PageLine[], Omit<EventsPage, 'events'>];
  let at = end + 1;
  const events = lines.map(([id, seq, time, name, isKnown, length]) => {
    const json = text.slice(at, at + length);
    at += length;
    return event(json, id, seq, time, name, isKnown);
  });
  return { events, ...page };
}

/** Where to resume once the item is handled; `undefined` for what is no position. */
export function positionOf(item: Item): string | undefined {
  switch (item.kind) {
    case 'event':
    case 'bookmark':
      return item.id;
    case 'snapshot':
      return item.last ? item.id : undefined;
    case 'gap':
      return undefined;
  }
}

type Data = Record<string, unknown>;

type Row = EventRow | OtherRow;

type EventRow = [
  token: number,
  lane: number,
  lease: number,
  length: number,
  id: string,
  seq: number,
  time: number,
  name: string,
  isKnown: boolean,
];

type OtherRow = [token: number, lane: number, lease: number, length: number, line: Line];

type PageLine = [id: string, seq: number, time: number, name: string, isKnown: boolean, length: number];

type Line =
  | { kind: 'snapshot'; id: string; first: boolean; last: boolean; hash: string | null }
  | { kind: 'gap'; reason: Gap['reason']; after: string; next: Gap['next']; oldest: string | null }
  | { kind: 'bookmark'; id: string; time: number; hash: string | null; head: SignedHead | null };

/**
 * An event whose data is read when it is first asked for: that costs more than all the rest, and often the type or the
 * account of a few decides. To whoever copies, prints or compares it, it is a plain object.
 */
class ReadLater {
  // Declared only, so that they come in the order in which the constructor makes them.
  declare readonly kind: 'event';
  declare readonly type: keyof EventData;
  declare readonly name: string;
  declare readonly data: Data;
  declare readonly id: string;
  declare readonly seq: number;
  declare readonly time: Date;
  declare readonly json: string;
  #data: Data | undefined;

  constructor(json: string, id: string, seq: number, time: number, name: string, isKnown: boolean) {
    this.kind = 'event';
    this.type = (isKnown && Object.hasOwn(READERS, name) ? name : 'other') as keyof EventData;
    this.name = name;
    Object.defineProperty(this, 'data', ReadLater.#property);
    this.id = id;
    this.seq = seq;
    this.time = new Date(time);
    this.json = json;
  }

  /** The same function for all of them, so that engines see one shape. */
  static #property: PropertyDescriptor = {
    get(this: ReadLater): Data {
      return ReadLater.#read(this);
    },
    enumerable: true,
  };

  static #read(event: ReadLater): Data {
    if (event.#data === undefined) {
      event.#data = JSON.parse(event.json) as Data;
      READERS[event.type](event.#data);
    }
    return event.#data;
  }

  /** For `console.log` in Node, Bun and Deno, which would show an accessor. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return { ...this };
  }
}

function event(...of: ConstructorParameters<typeof ReadLater>): Event {
  return new ReadLater(...of) as unknown as Event;
}

function other(line: Line, json: string): Item {
  switch (line.kind) {
    case 'snapshot': {
      const { kind, id, first, last, hash } = line;
      const sessions = JSON.parse(json) as Record<string, unknown>[];
      for (const session of sessions) {
        session['since'] = date(session['since']);
        session['expiresAt'] = date(session['expiresAt']);
      }
      return { kind, sessions: sessions as unknown as OpenSession[], first, last, id, ...(hash && { hash }) };
    }
    case 'gap': {
      const { kind, reason, after, next, oldest } = line;
      return { kind, reason, after, next, ...(oldest && { oldest }) };
    }
    case 'bookmark': {
      const { kind, id, hash, head } = line;
      return { kind, id, time: new Date(line.time), ...(hash && { hash }), ...(head && { head }) };
    }
  }
}

/** The core has checked the data. What is left is what JSON has no type for, and words of newer servers. */
const READERS: { [Type in keyof EventData]: (data: Record<string, unknown>) => void } = {
  registered: keep,
  loggedIn: (data) => {
    data['expiresAt'] = date(data['expiresAt']);
  },
  loggedOut: (data) => {
    data['reason'] = known(END_REASONS, data['reason']);
  },
  passkeyAdded: keep,
  confirmed: keep,
  passkeyRenamed: keep,
  passkeyRemoved: (data) => {
    data['reason'] = known(REMOVAL_REASONS, data['reason']);
  },
  accountErased: keep,
  recoveryStarted: (data) => {
    data['until'] = date(data['until']);
  },
  recoveryCancelled: (data) => {
    data['reason'] = known(CANCEL_REASONS, data['reason']);
  },
  recoveryCompleted: keep,
  counterRegressed: keep,
  tamperingDetected: (data) => {
    data['row'] = known(TAMPERED_ROWS, data['row']);
  },
  apiKeyCreated: keep,
  apiKeyRevoked: keep,
  other: keep,
};

function keep(): void {}

function date(text: unknown): Date {
  return new Date(text as string);
}

function known(words: Readonly<Record<string, true>>, word: unknown): string {
  return typeof word === 'string' && Object.hasOwn(words, word) ? word : 'other';
}

// The type makes sure that none is missing and none is too many.
const END_REASONS: Readonly<Record<EndReason, true>> = {
  user: true,
  pageGone: true,
  connectionLost: true,
  idleTimeout: true,
  absoluteTimeout: true,
  revoked: true,
  replaced: true,
  passkeyRemoved: true,
  accountErased: true,
  recovered: true,
  keyRevoked: true,
  serverLost: true,
  other: true,
};

const TAMPERED_ROWS: Readonly<Record<TamperedRow, true>> = { account: true, apiKey: true, database: true, other: true };

const CANCEL_REASONS: Readonly<Record<CancelReason, true>> = { user: true, backEnd: true, expired: true, other: true };

const REMOVAL_REASONS: Readonly<Record<RemovalReason, true>> = { backEnd: true, user: true, other: true };

/** The account's passkeys and sessions in the hands of a page. Loaded when they are first asked for. */

import type { RawSession } from './core.js';
import { browserOf, uuidOf } from './labels.js';
import { providerOf } from './providers.js';
import type { Ask, readAnswer } from './session.js';
import { signalUnknown } from './signal.js';
import type { AccountSession, CallOptions, News, Passkey, Passkeys, Session, Sessions } from './types.js';

/** A passkey as the server tells it. */
interface RawPasskey {
  passkeyID: string;
  name?: string;
  aaguid: string;
  createdAt: string;
  lastUsedAt?: string;
  backupEligible: boolean;
  backedUp: boolean;
}

interface RawAccountSession {
  sessionID: string;
  passkeyID: string;
  startedAt: string;
  expiresAt: string;
  origin: string;
  userAgent: string;
  isCurrent: boolean;
}

interface Managed extends Pick<Session, 'makeRecoveryCode' | 'cancelRecovery'> {
  readonly passkeys: Passkeys;
  readonly sessions: Sessions;
}

/** `read` is given, not imported: the two would have to share a file of their own, one more to load. */
export function manage(raw: RawSession, ask: Ask, read: typeof readAnswer): Managed {
  const { sessionID } = raw;

  async function request<T>(type: string, data: object, pick: (answer: any) => T, options?: CallOptions): Promise<T> {
    return read(await ask('request', [sessionID, type, JSON.stringify(data)], options?.signal).result, pick);
  }

  const own = (passkey: RawPasskey): Passkey => makePasskey(passkey, raw.passkeyID);

  const passkeys: Passkeys = {
    list: async (options?: CallOptions) => {
      const list = await request('passkeys.list', {}, (answer) => [...answer.passkeys] as RawPasskey[], options);
      return Object.freeze(list.map(own));
    },
    add: async (options?: CallOptions) => {
      const call = ask('addPasskey', [sessionID], options?.signal);
      try {
        return own(read(await call.result, (answer) => answer.passkey));
      } catch (error) {
        const [made, vouching] = call.asked;
        // The second prompt was answered with no, so the server never heard of the passkey that the first one made.
        if (made?.credential && vouching?.isRefused) {
          void signalUnknown(JSON.parse(made.options).rp.id, JSON.parse(made.credential).id);
        }
        throw error;
      }
    },
    rename: async (passkeyID: string, name: string, options?: CallOptions) =>
      own(await request('passkeys.rename', { passkeyID, name }, (answer) => answer.passkey, options)),
    remove: async (passkeyID: string, options?: CallOptions) => {
      const call = ask('removePasskey', [sessionID, passkeyID], options?.signal);
      const credentialID = read(await call.result, (answer) => String(answer.credentialID));
      const asked = call.asked[0];
      if (asked) await signalUnknown(JSON.parse(asked.options).rpId, credentialID);
    },
  };

  const sessions: Sessions = {
    list: (options?: CallOptions) => {
      const pick = (answer: { sessions: RawAccountSession[] }): readonly AccountSession[] =>
        Object.freeze(answer.sessions.map(makeAccountSession));
      return request('sessions.list', {}, pick, options);
    },
    end: (id: string, options?: CallOptions) =>
      request('sessions.end', { sessionID: id }, () => undefined, options),
    endOthers: (options?: CallOptions) =>
      request('sessions.end', {}, (answer) => Number(answer.sessionIDs.length), options),
  };

  return {
    passkeys,
    sessions,
    makeRecoveryCode: async (options?: CallOptions) =>
      read(await ask('makeRecoveryCode', [sessionID], options?.signal).result, (answer) => String(answer.code)),
    cancelRecovery: (options?: CallOptions) => request('recovery.cancel', {}, () => undefined, options),
  };
}

/** What the server says by itself; throws when it is not as it must be. `passkeyID`: the one that opened this session. */
export function readNews({ type, data }: any, passkeyID: string): News {
  return Object.freeze<News>(
    type === 'passkeyAdded'
      ? { type, passkey: makePasskey(data.passkey, passkeyID) }
      : { type: 'sessionOpened', session: makeAccountSession(data.session) },
  );
}

function makePasskey(passkey: RawPasskey, currentID: string): Passkey {
  const { passkeyID, name, createdAt, lastUsedAt, backupEligible, backedUp } = passkey;
  const aaguid = uuidOf(passkey.aaguid);
  const provider = providerOf(aaguid);
  return Object.freeze({
    passkeyID,
    ...(name !== undefined && { name }),
    ...(provider !== undefined && { provider }),
    aaguid,
    createdAt: new Date(createdAt),
    ...(lastUsedAt !== undefined && { lastUsedAt: new Date(lastUsedAt) }),
    backupEligible,
    backedUp,
    isCurrent: passkeyID === currentID,
  });
}

function makeAccountSession(raw: RawAccountSession): AccountSession {
  return Object.freeze({
    sessionID: raw.sessionID,
    passkeyID: raw.passkeyID,
    startedAt: new Date(raw.startedAt),
    expiresAt: new Date(raw.expiresAt),
    origin: raw.origin,
    browser: browserOf(raw.userAgent),
    isCurrent: raw.isCurrent,
  });
}

/** An open session in the hands of a page: signed requests, confirmations, and the account's passkeys and sessions. */

import { canonicalAction } from './canonical.js';
import type { Call } from './caller.js';
import type { RawSession } from './core.js';
import { PasskeyError } from './error.js';
import { browserOf, uuidOf } from './labels.js';
import type { Calls, Method } from './port.js';
import { signalUnknown } from './prompt.js';
import type { AccountSession, CallOptions, Passkey, Session } from './types.js';

/** Makes a call of the engine. */
export type Ask = <M extends Method>(method: M, args: Calls[M][0], signal?: AbortSignal) => Call<Calls[M][1]>;

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

export function makeSession(raw: RawSession, ask: Ask): Session {
  const { sessionID } = raw;

  async function request<T>(type: string, data: object, read: (answer: any) => T, options?: CallOptions): Promise<T> {
    return readAnswer(await ask('request', [sessionID, type, JSON.stringify(data)], options?.signal).result, read);
  }

  const makePasskey = async (passkey: RawPasskey): Promise<Passkey> => {
    const { providerOf } = await import('./providers.js');
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
      isCurrent: passkeyID === raw.passkeyID,
    });
  };

  const passkeys = Object.freeze({
    list: async (options?: CallOptions) => {
      const list = await request('passkeys.list', {}, (answer) => [...answer.passkeys] as RawPasskey[], options);
      return Object.freeze(await Promise.all(list.map(makePasskey)));
    },
    add: async (options?: CallOptions) => {
      const call = ask('addPasskey', [sessionID], options?.signal);
      try {
        return await makePasskey(readAnswer(await call.result, (answer) => answer.passkey));
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
      makePasskey(await request('passkeys.rename', { passkeyID, name }, (answer) => answer.passkey, options)),
    remove: async (passkeyID: string, options?: CallOptions) => {
      const call = ask('removePasskey', [sessionID, passkeyID], options?.signal);
      const credentialID = readAnswer(await call.result, (answer) => String(answer.credentialID));
      const asked = call.asked[0];
      if (asked) await signalUnknown(JSON.parse(asked.options).rpId, credentialID);
    },
  });

  const sessions = Object.freeze({
    list: (options?: CallOptions) => {
      const read = (answer: { sessions: RawAccountSession[] }): readonly AccountSession[] =>
        Object.freeze(answer.sessions.map(makeAccountSession));
      return request('sessions.list', {}, read, options);
    },
    end: (id: string, options?: CallOptions) =>
      request('sessions.end', { sessionID: id }, () => undefined, options),
    endOthers: (options?: CallOptions) =>
      request('sessions.end', {}, (answer) => Number(answer.sessionIDs.length), options),
  });

  return Object.freeze({
    sessionID,
    accountID: raw.accountID,
    passkeyID: raw.passkeyID,
    startedAt: new Date(raw.startedAt),
    expiresAt: new Date(raw.expiresAt),
    idleMs: raw.idleMs,
    graceMs: raw.graceMs,
    fetch: (input: string | URL | Request, init?: RequestInit) => signedFetch(sessionID, ask, input, init),
    prove: (audience: string, nonce: string, options?: CallOptions) =>
      ask('prove', [sessionID, audience, nonce], options?.signal).result,
    confirm: async (action: unknown, options?: CallOptions) => {
      const answer = await ask('confirm', [sessionID, canonicalAction(action)], options?.signal).result;
      return readAnswer(answer, ({ ceremonyID }) => Object.freeze({ confirmationID: String(ceremonyID) }));
    },
    passkeys,
    sessions,
  });
}

async function signedFetch(
  sessionID: string,
  ask: Ask,
  input: string | URL | Request,
  init?: RequestInit,
): Promise<Response> {
  const inherited = input instanceof Request && input.redirect !== 'follow' ? input.redirect : 'error';
  const duplex = { duplex: 'half' };
  // A redirect would carry the proof, not used up yet perhaps, to whoever it leads to.
  const given = new Request(input, { ...duplex, ...init, redirect: init?.redirect ?? inherited });
  const body = new Uint8Array(await given.clone().arrayBuffer());
  const { referrer, referrerPolicy } = given;
  const request = body.length === 0 ? given : new Request(given, { body, referrer, referrerPolicy });
  const digest = body.length === 0 ? undefined : new Uint8Array(await crypto.subtle.digest('SHA-256', body));
  // Not with its signal: an aborted fetch rejects as such.
  const fields = await ask('proveRequest', [sessionID, request.method, request.url, digest]).result;
  for (const [name, value] of Object.entries(fields)) request.headers.set(name, value);
  return fetch(request);
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

/** Reads what the server answered; one that leaves the protocol must not look like a fault of the page. */
function readAnswer<T>(text: string, read: (answer: any) => T): T {
  try {
    return read(JSON.parse(text));
  } catch (cause) {
    throw new PasskeyError('badMessage', "the server's answer cannot be read", false, undefined, cause);
  }
}

/** An open session in the hands of a page: signed requests, confirmations, and the account's passkeys and sessions. */

import { canonicalAction } from './canonical.js';
import type { Call } from './caller.js';
import type { RawSession } from './core.js';
import { PasskeyError } from './error.js';
import type { manage } from './manage.js';
import type { Calls, Method } from './port.js';
import type { CallOptions, Passkeys, Session, Sessions } from './types.js';

/** Makes a call of the engine. */
export type Ask = <M extends Method>(method: M, args: Calls[M][0], signal?: AbortSignal) => Call<Calls[M][1]>;

export function makeSession(raw: RawSession, ask: Ask): Session {
  const { sessionID } = raw;

  const managed = async (): Promise<ReturnType<typeof manage>> => (await loadManaging()).manage(raw, ask, readAnswer);
  const passkeys: Passkeys = {
    list: async (...given) => (await managed()).passkeys.list(...given),
    add: async (...given) => (await managed()).passkeys.add(...given),
    rename: async (...given) => (await managed()).passkeys.rename(...given),
    remove: async (...given) => (await managed()).passkeys.remove(...given),
  };
  const sessions: Sessions = {
    list: async (...given) => (await managed()).sessions.list(...given),
    end: async (...given) => (await managed()).sessions.end(...given),
    endOthers: async (...given) => (await managed()).sessions.endOthers(...given),
  };

  return Object.freeze<Session>({
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
    makeRecoveryCode: async (...given) => (await managed()).makeRecoveryCode(...given),
    cancelRecovery: async (...given) => (await managed()).cancelRecovery(...given),
    passkeys: Object.freeze(passkeys),
    sessions: Object.freeze(sessions),
  });
}

/** What only a page needs that manages passkeys and sessions, or is told of them. */
export async function loadManaging(): Promise<typeof import('./manage.js')> {
  try {
    return await import('./manage.js');
  } catch (cause) {
    throw new PasskeyError('connectionLost', 'a part of this page could not be loaded', true, undefined, cause);
  }
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

/** Reads what the server answered; one that leaves the protocol must not look like a fault of the page. */
export function readAnswer<T>(text: string, read: (answer: any) => T): T {
  try {
    return read(JSON.parse(text));
  } catch (cause) {
    throw new PasskeyError('badMessage', "the server's answer cannot be read", false, undefined, cause);
  }
}

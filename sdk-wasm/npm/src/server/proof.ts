/** Who sent this request? Proofs, read and judged by the core, signatures checked by WebCrypto. */

import type { PasskeyError } from '../error.js';
import type { Account, FreshnessOptions, VerifyOptions, VerifySocketOptions } from './account.js';
import type { Live, Origins, Proof } from './core.js';
import { now } from './driver.js';
import { errorOf, thrown } from './failure.js';
import type { LiveSessions } from './live.js';
import { load } from './load.js';

/** A request without its body. Fields are their lines, joined by `, `. */
export interface Head {
  method: string;
  /** Every host that the request names: each must be the same. */
  hosts: readonly string[];
  pathAndQuery: string;
  field(name: string): string | undefined;
}

/** A request of which only the body is still to be checked. */
export interface CheckedHead {
  withBody(body: Uint8Array): Account;
}

export async function checkHead(
  live: LiveSessions,
  core: Live,
  head: Head,
  options: VerifyOptions & { origins: readonly string[] },
): Promise<CheckedHead> {
  const proof = refusing(() =>
    load().Proof.ofRequest(
      head.method,
      targetURI(head, originsOf(options.origins)),
      head.field('signature-input'),
      head.field('signature'),
      head.field('content-digest'),
    ),
  );
  const account = await admit(live, core, proof, options);
  return {
    withBody(body) {
      refusing(() => proof.checkBody(body));
      proof.free();
      // It may have taken its time to arrive.
      return ifSignedIn(account);
    },
  };
}

export async function checkSocket(
  live: LiveSessions,
  core: Live,
  token: string,
  options: VerifySocketOptions,
): Promise<Account> {
  const proof = refusing(() => load().Proof.ofSocket(token, options.audience, options.nonce));
  const account = await admit(live, core, proof, options);
  proof.free();
  return account;
}

/** Lets a proof through that a live session's key has made, and that was not let through before. */
async function admit(live: LiveSessions, core: Live, proof: Proof, options: FreshnessOptions): Promise<Account> {
  const { freshWithinMs = MAX_STALENESS_MS, signal } = options;
  live.freshWithin(freshWithinMs);
  refusing(() => core.checkTime(proof, now(), Date.now()));
  const id = proof.sessionID();
  // The request may have overtaken the news of its own sign-in.
  const session = live.get(id) ?? (await live.waitFor(id, signal && { signal }));
  const key = await session.key();
  const isSigned = key && (await crypto.subtle.verify(ECDSA, key, proof.signature(), proof.signed()));
  if (!isSigned) throw thrown(load().badSignature());
  refusing(() => core.remember(proof, now(), Date.now()));
  return ifSignedIn({ accountID: session.accountID, session });
}

function ifSignedIn(account: Account): Account {
  if (account.session.end !== undefined) throw errorOf('sessionGone');
  return account;
}

function targetURI({ hosts, pathAndQuery }: Head, origins: Origins): string {
  const found = new Set(hosts.map((host) => origins.targetURI(host, pathAndQuery)));
  const [address] = found;
  if (address === undefined || found.size > 1) throw errorOf('proofInvalid', `${errorOf('proofInvalid').message} (its host is missing, or there twice and not the same)`);
  return address;
}

/** Origins by how they were written: a call names them anew each time. */
const KNOWN_ORIGINS = new Map<string, Origins>();

function originsOf(origins: readonly string[]): Origins {
  const name = origins.join(' ');
  let known = KNOWN_ORIGINS.get(name);
  if (!known) {
    try {
      known = new (load().Origins)([...origins]);
    } catch (why) {
      throw new TypeError(`origins: ${String(why)}`);
    }
    // Whoever makes them up anew for each request gets no slower than that.
    if (KNOWN_ORIGINS.size >= MAX_KNOWN_ORIGINS) KNOWN_ORIGINS.clear();
    KNOWN_ORIGINS.set(name, known);
  }
  return known;
}

/** Fails at once for origins that cannot be, instead of at the first request. */
export function checkOrigins(origins: readonly string[]): void {
  originsOf(origins);
}

export function headOf(request: Request): Head {
  const { method, headers, url } = request;
  const { host } = new URL(url);
  const named = headers.get('host');
  const end = url.indexOf('#');
  // After `scheme://host`; the address of a Request has a path always.
  const start = url.indexOf('/', url.indexOf('://') + 3);
  return {
    method,
    // Where the platform hands the field on, it counts: behind a proxy the address is the platform's own idea.
    hosts: [named ?? host],
    pathAndQuery: url.slice(start, end === -1 ? undefined : end),
    field: (name) => headers.get(name) ?? undefined,
  };
}

/** Reads a body whole, or refuses it (`tooLarge`). */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return join(chunks, size);
    size += value.byteLength;
    if (size > limit) {
      // The other half of the copy is the caller's to give up.
      void reader?.cancel();
      throw tooLarge();
    }
    chunks.push(value);
  }
}

export function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

export function tooLarge(): PasskeyError {
  return thrown(load().tooLarge()) as PasskeyError;
}

/** What the core throws is JSON. */
function refusing<T>(step: () => T): T {
  try {
    return step();
  } catch (caught) {
    throw thrown(caught);
  }
}

/** 1 MiB. */
export const DEFAULT_BODY_LIMIT = 1 << 20;

export const NOTHING = new Uint8Array();

/** How old the live sessions may be. */
const MAX_STALENESS_MS = 30_000;

const MAX_KNOWN_ORIGINS = 64;

const ECDSA = { name: 'ECDSA', hash: 'SHA-256' };

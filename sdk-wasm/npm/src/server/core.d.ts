/** What the module for back ends exports (`sdk-wasm/server/src/`); core.js itself is generated. Times are milliseconds. */

export function initSync(source: { module: BufferSource | WebAssembly.Module }): unknown;

/** Throws JSON of a failure. */
export function eventsAddress(url: string, plaintextIsAllowed: boolean): string;
export function elsewhere(address: string, url: string): string;
export function describe(code: string): string;
export function isKeyPair(key: string): boolean;
/** JSON of the fields' names and values. Throws a sentence for what is no key pair. */
export function signRequest(
  keyPair: string,
  method: string,
  url: string,
  body: Uint8Array | undefined,
  created: number,
  nonce: Uint8Array,
): string;
/** Throws a sentence for what is no page of events. */
export function readPage(json: string): string;

export class Stream {
  constructor(wish: string, seed: number, now: number);
  pollOutput(): string | undefined;
  pollTimeout(): number | undefined;
  /** Throws JSON of a failure. */
  evidence(expected: string, pins: string | undefined, now: number): void;
  takePins(): string | undefined;
  takeUnproven(): number;
  /** Throws JSON of a failure. */
  witness(keys: string[], checkpoint: string | undefined): void;
  takeCheckpoint(): string | undefined;
  /** Throws JSON of a failure. */
  pollItems(now: number, most: number): string | undefined;
  queuedItems(): number;
  isFull(): boolean;
  handled(now: number, tokens: Uint32Array): void;
  settle(now: number, token: number, isHandled: boolean): void;
  tick(now: number): void;
  key(now: number, apiKey: string): void;
  keyFailed(now: number, why: string): void;
  opened(now: number, address: string): void;
  heard(now: number): void;
  message(now: number, text: string): void;
  messages(now: number, frames: Uint8Array, ends: Uint32Array): void;
  closed(now: number, code: number, reason: string): void;
  refused(now: number, status: number, retryAfterMs: number | undefined): void;
  broken(now: number, why: string): void;
  position(now: number, lane: number, id: string | undefined): void;
  positionFailed(now: number, lane: number, why: string): void;
  stop(now: number): void;
  free(): void;
}

export class Live {
  constructor(hasPins: boolean);
  /** Throws JSON of a failure. */
  look(state: Stream, elapsed: number, wall: number): boolean;
  /** Throws JSON of a failure. */
  pump(stream: Stream, most: number, isAwaited: boolean, elapsed: number, wall: number): boolean;
  tick(elapsed: number, wall: number): void;
  pollTimeout(elapsed: number, wall: number): number | undefined;
  takeEnds(): string | undefined;
  find(sessionID: string, elapsed: number, wall: number): string | undefined;
  isOpen(sessionID: string, elapsed: number, wall: number): boolean;
  ofAccount(accountID: string, elapsed: number, wall: number): string[];
  isLoggedIn(accountID: string, elapsed: number, wall: number): boolean | undefined;
  size(): number;
  staleFor(maxAge: number, elapsed: number, wall: number): number | undefined;
  /** Throws a refusal as JSON. */
  checkTime(proof: Proof, elapsed: number, wall: number): void;
  /** Throws a refusal as JSON. */
  remember(proof: Proof, elapsed: number, wall: number): void;
  serverTime(elapsed: number, wall: number): number;
  isInSync(elapsed: number, wall: number): boolean;
  takeOpened(): string | undefined;
  close(): void;
  free(): void;
}

/** Refusals as JSON. */
export function badSignature(): string;
export function tooLarge(): string;
export function statusOf(code: string): number;

/** Throws a sentence for origins that cannot be. */
export class Origins {
  constructor(origins: string[]);
  /** Throws a refusal as JSON. */
  targetURI(host: string, pathAndQuery: string): string;
  free(): void;
}

export class Proof {
  /** Throws a refusal as JSON. */
  static ofRequest(
    method: string,
    targetURI: string,
    signatureInput: string | undefined,
    signature: string | undefined,
    contentDigest: string | undefined,
  ): Proof;
  /** Throws a refusal as JSON. */
  static ofSocket(token: string, audience: string, nonce: string): Proof;
  sessionID(): string;
  signed(): Uint8Array<ArrayBuffer>;
  signature(): Uint8Array<ArrayBuffer>;
  /** Throws a refusal as JSON. */
  checkBody(body: Uint8Array): void;
  free(): void;
}

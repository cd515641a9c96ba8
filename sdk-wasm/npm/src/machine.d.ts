/** What the WebAssembly module exports (`sdk-wasm/src/machine.rs`); machine.js itself is generated. */

export function initSync(module: WebAssembly.Module): unknown;

/** Carries out one output of the machine, after `poll` has returned. */
export interface Driver {
  connect(): void;
  close(): void;
  abandon(): void;
  closeAbandoned(): void;
  /** `data` is JSON text, or empty. */
  send(id: number, name: string, data: string): void;
  sign(request: number, key: number, input: Uint8Array<ArrayBuffer>): void;
  prompt(call: number, create: boolean, options: string): void;
  abortPrompt(): void;
  resolve(call: number, value: number | string | undefined): void;
  reject(call: number): void;
  greeted(time: number): void;
  /** What the `reject` or `state` that follows says. */
  failure(code: string, message: string, retryable: boolean, retryAfterMs: number | undefined): void;
  /** What the `state` that follows says. */
  session(
    sessionID: string,
    accountID: string,
    passkeyID: string,
    startedAt: number,
    expiresAt: number,
    idleMs: number,
    graceMs: number,
    key: number,
  ): void;
  state(
    status: string,
    reason: string | undefined,
    expiringAt: number | undefined,
    recoveryUntil: number | undefined,
  ): void;
}

/** Times are milliseconds of one clock that never goes back, `random` is 53 random bits. `call` returns the
 * call's number, or nothing when there is no such call, passkey or request. */
export class Machine {
  private constructor();
  static make(app: string, origin: string, nowMs: number): Machine | undefined;
  poll(driver: Driver): boolean;
  /** Infinite for never. */
  deadline(): number;
  holdsKey(call: number): boolean;
  call(nowMs: number, name: string, of: number, first?: string, x?: string, y?: string): number | undefined;
  event(nowMs: number, name: Event, number: number, random: number): void;
  frame(nowMs: number, value: unknown): void;
  /** `code` is empty when a passkey was made or used. */
  prompted(nowMs: number, call: number, code: string, credential?: string, authenticatorData?: string): void;
  /** base64url; `undefined` when the key could not sign. */
  signed(nowMs: number, request: number, signature: string | undefined): void;
}

export type Event = 'cancel' | 'leave' | 'close' | 'timeout' | 'lost';

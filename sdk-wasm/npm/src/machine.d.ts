/** What the WebAssembly module exports (`sdk-wasm/src/machine.rs`); machine.js itself is generated. */

export function initSync(source: { module: WebAssembly.Module }): unknown;

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
  state(status: string, reason: string | undefined, expiringAt: number | undefined): void;
}

/** Times are milliseconds of one clock that never goes back, `random` is 53 random bits. Calls return their number. */
export class Machine {
  private constructor();
  static make(app: string, origin: string, nowMs: number): Machine | undefined;
  poll(driver: Driver): boolean;
  deadline(): number | undefined;
  holdsKey(call: number): boolean;
  signUp(nowMs: number, email: string, x: string, y: string): number;
  verify(nowMs: number, signUp: number, code: string): number;
  signIn(nowMs: number, email: string, x: string, y: string): number;
  signOut(nowMs: number): number;
  confirm(nowMs: number, action: string): number;
  addPasskey(nowMs: number): number;
  removePasskey(nowMs: number, passkeyID: string): number | undefined;
  request(nowMs: number, name: string, data: string): number | undefined;
  cancel(call: number): void;
  leave(): void;
  wake(nowMs: number): void;
  close(): void;
  frame(nowMs: number, value: unknown): void;
  lost(nowMs: number, random: number, closeCode: number | undefined): void;
  timeout(nowMs: number, random: number): void;
  prompted(nowMs: number, call: number, credential: string, authenticatorData: string | undefined): void;
  promptFailed(nowMs: number, call: number, code: string): void;
  signed(nowMs: number, request: number, signature: Uint8Array | undefined): void;
}

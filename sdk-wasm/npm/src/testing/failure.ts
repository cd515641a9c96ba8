/** The codes that the fake server says, from the one table (docs/protocol.md section 3). */

/** Codes with their sentence and, where a socket is closed for them, the close code. */
export const FAILURES = {
  badMessage: [4500, 'the message is not one JSON object with a "type", or a member is missing or of the wrong kind'],
  tooLarge: [4504, 'the message is larger than this socket takes'],
  unknownType: [4500, 'this server knows no message of that type'],
  unexpected: [4500, 'that message makes no sense now; look at the order of messages in the protocol'],
  internal: [4000, 'something went wrong on the server; it has been logged, please try again'],
  rateLimited: [4005, 'too many attempts; please wait a little and try again'],
  overCapacity: [4000, 'the server has as many connections as it takes; please try again shortly'],
  notFound: [4506, 'there is no such thing; check the address and the id in it'],
  lastPasskey: [4506, 'an account needs a passkey: this one is its last; erase the account instead, or have another added first'],
  invalidEmail: [4500, 'that does not look like an email address'],
  invalidSessionKey: [4500, 'the session key must be a JWK of a P-256 public key'],
  wrongCode: [4500, 'that is not the code in the email; check it and type it again'],
  codeExpired: [4500, 'that code has expired; ask for a new one'],
  tooManyAttempts: [4500, 'too many wrong codes; ask for a new one'],
  mailFailed: [4000, 'the email could not be sent; please try again'],
  accountExists: [4500, 'this address already has an account; sign in with its passkey instead'],
  challengeExpired: [4000, 'that took too long; please try again'],
  unknownCeremony: [4500, 'that passkey prompt has been used or replaced; please start again'],
  passkeyRejected: [4500, 'this passkey was not accepted; try again or use another one'],
  passkeyNotAllowed: [4500, 'this site takes passkeys on security keys of certain models only; use one of those'],
  passkeyExists: [4500, 'this passkey is already registered; sign in with it instead'],
  sessionGone: [4500, 'the session has ended; please sign in again'],
  invalidAction: [4500, 'the action to confirm must be a JSON object of at most 2 KiB in which no name comes twice'],
  invalidName: [4500, "a passkey's name has 1 to 64 characters and no control characters"],
  tooManyPasskeys: [4506, 'this account has as many passkeys as it may; remove one first'],
  wrongRecoveryCode: [4500, "that is not the account's recovery code, or it no longer works; check it and type it again"],
  recoveryOff: [4506, 'this app has no recovery by code; sign in with another passkey of the account'],
} as const satisfies Record<string, readonly [number, string]>;

/** What the fake server can answer instead of what was asked for. */
export type FailureCode = keyof typeof FAILURES;

/** A request that is answered with `error`. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: FailureCode, retryAfterMs?: number) {
    super(FAILURES[code][1]);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Errors a page can meet. The words are the same in every language of the SDK and never change. */

/** What went wrong, in one word. Checked against the core's table by a test. */
export type Code =
  | 'badMessage'
  | 'tooLarge'
  | 'unknownType'
  | 'unexpected'
  | 'forbidden'
  | 'internal'
  | 'tampered'
  | 'rateLimited'
  | 'overCapacity'
  | 'idle'
  | 'helloTimeout'
  | 'slowConsumer'
  | 'badKey'
  | 'keyRevoked'
  | 'keyExpired'
  | 'unsupportedProtocol'
  | 'leaseLost'
  | 'ackTimeout'
  | 'gone'
  | 'positionMismatch'
  | 'notFound'
  | 'tooManyKeys'
  | 'lastPasskey'
  | 'idempotencyMismatch'
  | 'tooManyConnections'
  | 'unknownApp'
  | 'originNotAllowed'
  | 'invalidEmail'
  | 'invalidSessionKey'
  | 'wrongCode'
  | 'codeExpired'
  | 'tooManyAttempts'
  | 'mailFailed'
  | 'accountExists'
  | 'challengeExpired'
  | 'unknownCeremony'
  | 'passkeyRejected'
  | 'passkeyNotAllowed'
  | 'passkeyExists'
  | 'sessionGone'
  | 'invalidAction'
  | 'invalidName'
  | 'tooManyPasskeys'
  | 'wrongRecoveryCode'
  | 'recoveryOff'
  | 'proofMissing'
  | 'proofInvalid'
  | 'proofExpired'
  | 'proofReplayed'
  | 'evidenceForged'
  | 'challengeMismatch'
  | 'cancelled'
  | 'notSupported'
  | 'badAddress'
  | 'logRewritten'
  | 'stale'
  | 'connectionLost';

/** Every call of this package rejects with one of these. */
export class PasskeyError extends Error {
  override readonly name = 'PasskeyError';
  /** What went wrong; of a newer server, possibly a word that this version does not know. */
  readonly code: Code | (string & {});
  /** Whether the same call can succeed later without anyone changing anything. */
  readonly retryable: boolean;
  /** Not before this many milliseconds, if the server said so. */
  readonly retryAfterMs?: number;

  constructor(
    code: Code | (string & {}),
    message: string,
    retryable: boolean,
    retryAfterMs?: number,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = retryable;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

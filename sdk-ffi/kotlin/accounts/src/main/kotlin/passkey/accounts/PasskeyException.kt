package passkey.accounts

import java.time.Duration

/**
 * Why something did not work. What can pass by itself, a lost connection for example, was tried again inside and is no error.
 *
 * ```kotlin
 * try {
 *     accounts.api.endSession(id)
 * } catch (error: ApiException) {
 *     if (error.code != "notFound") throw error
 * }
 * ```
 */
public sealed class PasskeyException(
    /** A word of the one table of codes (docs/protocol.md section 3), the same in every language. */
    public val code: String,
    /** A sentence: what happened and what to do. */
    public val reason: String,
    /** Whether the same call can succeed later. */
    public val retryable: Boolean,
    cause: Throwable?,
) : RuntimeException("$code: $reason", cause)

/** The event stream, or the live sessions that it feeds, cannot be had or are over. */
public class StreamException internal constructor(code: String, reason: String, retryable: Boolean, cause: Throwable? = null) :
    PasskeyException(code, reason, retryable, cause)

/** A request or a socket is not known to be of a session. [Problem] makes the answer of it. */
public class ProofException internal constructor(
    code: String,
    reason: String,
    retryable: Boolean,
    /** The HTTP status of an answer that says so: 401, 413 or 503. */
    public val status: Int,
    cause: Throwable? = null,
) : PasskeyException(code, reason, retryable, cause)

/** A call of the HTTP API did not work. */
public class ApiException internal constructor(
    code: String,
    reason: String,
    retryable: Boolean,
    /** The HTTP status, if there was an answer. */
    public val status: Int?,
    /** Not before so long, if the server said so. */
    public val retryAfter: Duration?,
    /** With `gone`: why the position cannot be continued, and where the log goes on. */
    public val gap: Gap?,
    cause: Throwable? = null,
) : PasskeyException(code, reason, retryable, cause)

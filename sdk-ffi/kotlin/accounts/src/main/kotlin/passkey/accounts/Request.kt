package passkey.accounts

import passkey.accounts.ffi.Account as FfiAccount
import passkey.accounts.ffi.Field as FfiField
import passkey.accounts.ffi.RequestHead as FfiRequestHead
import passkey.accounts.ffi.VerifiedHead as FfiVerifiedHead
import passkey.accounts.ffi.bodyTooLarge

/** A request, apart from its body. */
public class RequestHead(
    /** As it was sent: `POST`. */
    public val method: String,
    /** The request's target: path and query byte for byte as they came, or the absolute address. */
    public val target: String,
    /**
     * Its fields by name, in any case, each with its lines as they came. Needed are `host` (or `:authority`),
     * `signature-input`, `signature` and `content-digest`; others are not looked at.
     */
    public val fields: Map<String, List<String>>,
) {
    /** Whether it carries no proof at all, not even a part of one. */
    public val hasNoProof: Boolean get() = fields.keys.none { it.lowercase() in PROOF }

    internal fun toFfi(): FfiRequestHead {
        val needed = fields.filterKeys { name -> name.lowercase().let { it in PROOF || it in HOST } }
        // Servers read fields as ISO 8859-1: one character a byte.
        val lines = needed.flatMap { (name, lines) -> lines.map { FfiField(name, it.toByteArray(Charsets.ISO_8859_1)) } }
        return FfiRequestHead(method, target, lines)
    }

    private companion object {
        /** The fields that a proof travels in. */
        val PROOF = setOf("content-digest", "signature", "signature-input")
        val HOST = setOf("host", ":authority")
    }
}

/** A request of which only the body is still to be checked. */
public class VerifiedHead internal constructor(private val head: FfiVerifiedHead) {
    /** Checks that this is the body that was signed, and that the session is still open. Once. Throws [ProofException]. */
    public fun verifyBody(body: ByteArray): Account = calling { Account(lending(body, head::verifyBody)) }
}

/** Who sent a request: an account, and the session that proved it. */
public data class Account(
    /** The account. */
    public val accountId: String,
    /** The session whose key has signed. */
    public val session: LiveSession,
) {
    internal constructor(account: FfiAccount) : this(account.accountId, LiveSession(account.session))
}

/** How large a request's body may be to be read and checked, unless something else is said: 1 MiB. */
public const val DEFAULT_BODY_LIMIT: Int = 1 shl 20

/** What to throw when the body of a request is larger than is read to check it. */
public fun tooLarge(): ProofException =
    with(bodyTooLarge()) { ProofException(code, reason, retryable, status.toInt()) }

package passkey.accounts

import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.toJavaDuration
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.StateFlow
import passkey.accounts.ffi.LiveSessions as FfiLiveSessions
import passkey.accounts.ffi.Proofs as FfiProofs

/**
 * The sessions that are open now. Look-ups are answered from memory and say what was known last, also while the connection is
 * interrupted. Whoever decides by them asks [freshWithin] first, which fails closed; [verify] does so by itself.
 *
 * ```kotlin
 * val account = accounts.sessions.verify(RequestHead("GET", "/notes", headers))
 * ```
 */
public class LiveSessions internal constructor(
    private val live: FfiLiveSessions,
    private val origins: List<String>,
    scope: CoroutineScope,
) {
    private val proofs: FfiProofs by lazy {
        require(origins.isNotEmpty()) {
            "proofs are made for an origin: name those of your pages in Accounts.connect(..., origins = listOf(\"https://app.example\"))"
        }
        calling { live.proofs(origins, null) }
    }

    /** How the connection is doing. */
    public val status: StateFlow<Status> =
        scope.watch("live sessions", calling { live.status() }, live::statusChanged)

    /** Why the stream is over for good, if it is. */
    public val failure: PasskeyException? get() = live.failure()?.toPasskeyException()

    /** How many sessions are open. */
    public val count: Long get() = calling { live.count() }.toLong()

    /** The server's clock, as far as it is known here. */
    public val serverTime: Instant get() = calling { live.serverTime() }

    /** Waits until the state has arrived: at the start, and after events were missed. Throws how the stream ended. */
    public suspend fun inSync(): Unit = calling { live.inSync() }

    /** The session, if it is open. */
    public operator fun get(sessionId: String): LiveSession? = calling { live.get(sessionId) }?.let(::LiveSession)

    /** The open sessions of the account, in no order. */
    public fun ofAccount(accountId: String): List<LiveSession> = calling { live.ofAccount(accountId) }.map(::LiveSession)

    /**
     * Whether the account has an open session; `null` while that is not known: before the state has arrived, after events
     * were missed, and when the stream is over.
     */
    public fun isLoggedIn(accountId: String): Boolean? = calling { live.isLoggedIn(accountId) }

    /**
     * These live sessions, if they have everything that the server had not longer ago than this. A quiet server says so every
     * 20 s: less than 25 s makes it fail now and then. Throws `stale` otherwise: refuse, or answer 503.
     */
    public fun freshWithin(maxAge: Duration): LiveSessions {
        calling { live.freshWithin(maxAge.toJavaDuration()) }
        return this
    }

    /**
     * The session as soon as it is open: a request may overtake the `loggedIn` that it belongs to. Throws `sessionGone` when
     * it has not appeared in time, `overCapacity` beside 10,000 others, `stale` when the stream is over.
     */
    public suspend fun waitFor(sessionId: String, atMost: Duration = 2.seconds): LiveSession =
        LiveSession(calling { live.waitFor(sessionId, atMost.toJavaDuration()) })

    /**
     * The ends of all sessions from now on, for an application that keeps sockets of many. So: ask for this first, look
     * sessions up then.
     */
    public fun endings(): Endings = Endings(calling { live.endings() })

    /**
     * Who sent this request? Every proof passes once. Waits up to 2 s for a session that is not there yet. Throws
     * [ProofException], of which [Problem] makes the answer.
     *
     * @param body as it came; none is an empty one
     */
    public suspend fun verify(head: RequestHead, body: ByteArray = ByteArray(0)): Account = calling {
        val request = head.toFfi()
        Account(lending(body) { proofs.verifyAtOnce(request, it) } ?: proofs.verify(request, body))
    }

    /** Checks everything but the body, so that the body of a stranger is not even read. Throws [ProofException]. */
    public suspend fun verifyHead(head: RequestHead): VerifiedHead = calling {
        val request = head.toFfi()
        VerifiedHead(proofs.verifyHeadAtOnce(request) ?: proofs.verifyHead(request))
    }

    /**
     * Who opened this socket? [token] is what a page made for this [audience] and the [nonce] that the back end gave it, at
     * most 256 characters each. Make the nonce random, and forget it after the first try. What it proves holds until the
     * session ends: close the socket then. Throws [ProofException].
     */
    public suspend fun verifySocket(token: String, audience: String, nonce: String): Account =
        Account(calling { proofs.verifySocket(token, audience, nonce) })

    /** Fails at once for origins that cannot be, instead of at the first request. */
    public fun checkOrigins() {
        proofs
    }
}

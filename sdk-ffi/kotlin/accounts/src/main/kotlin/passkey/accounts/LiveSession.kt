package passkey.accounts

import java.time.Instant
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import passkey.accounts.ffi.Endings as FfiEndings
import passkey.accounts.ffi.LiveSession as FfiLiveSession

/** An open session, as of the moment it was looked up. */
public class LiveSession internal constructor(session: FfiLiveSession) {
    private val handle = session.handle

    /** The session. */
    public val sessionId: String = session.sessionId

    /** Whose session. */
    public val accountId: String = session.accountId

    /** The passkey that opened it. */
    public val passkeyId: String = session.passkeyId

    /** When it was opened, by the server's clock. */
    public val since: Instant = session.since

    /** When it ends at the latest, by the server's clock. */
    public val expiresAt: Instant = session.expiresAt

    /** How it ended; `null` while it is open. */
    public val end: Ended? get() = handle.end()?.toEnded()

    /** Waits for its end: the moment to close sockets that were opened in its name. Cancelling it loses nothing. */
    public suspend fun ended(): Ended = handle.ended().toEnded()

    /** Whether [other] is the same session. */
    override fun equals(other: Any?): Boolean = other is LiveSession && sessionId == other.sessionId

    override fun hashCode(): Int = sessionId.hashCode()

    override fun toString(): String = "LiveSession(sessionId=$sessionId, accountId=$accountId)"
}

/** How a session ended, as far as this process knows. */
public sealed interface Ended {
    /** The log says so. */
    public data class LoggedOut(
        /** Why. */
        public val reason: EndReason,
    ) : Ended

    /** Its time is over. Its `loggedOut` may be under way still. */
    public data object Expired : Ended

    /** It was open before events were missed, and is not among the open sessions after it. */
    public data object Vanished : Ended

    /** Nobody would learn of its end any more: everything was closed, or is over for good. The session may go on. */
    public data object Unfollowed : Ended
}

/** What [LiveSessions.endings] tells. */
public sealed interface Ending

/** A session has ended. */
public data class SessionEnd(
    /** The session. */
    public val sessionId: String,
    /** Whose session it was. */
    public val accountId: String,
    /** How it ended. */
    public val ended: Ended,
    /** It was the account's last: nobody is signed in to it now. */
    public val accountIsGone: Boolean,
) : Ending

/** This reader was too slow: look up every session that you hold anything for. */
public data class MissedEnds(
    /** How many ends. */
    public val missed: Long,
) : Ending

/** The ends of all sessions since it was opened. A [Flow] for one collector, which completes when it is closed. */
public class Endings internal constructor(private val endings: FfiEndings) : Flow<Ending>, AutoCloseable {
    private val unread = ArrayDeque<Ending>()

    /** Hands out ends until the live sessions are over or this is closed. Cancelling it loses nothing. */
    override suspend fun collect(collector: FlowCollector<Ending>) {
        while (true) {
            currentCoroutineContext().ensureActive()
            val next = unread.firstOrNull()
            if (next != null) {
                collector.emit(next)
                unread.removeFirst()
                continue
            }
            val taken = endings.take(BATCH) ?: break
            if (taken.missed > 0uL) unread.addLast(MissedEnds(taken.missed.toLong()))
            for (end in taken.ends) {
                unread.addLast(SessionEnd(end.sessionId, end.accountId, end.ended.toEnded(), end.accountIsGone))
            }
            if (unread.isEmpty()) endings.ready()
        }
    }

    /** No more ends are wanted. */
    override fun close(): Unit = endings.stop()

    private companion object {
        const val BATCH = 256u
    }
}

package passkey.accounts.tests

import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import passkey.accounts.EndReason
import passkey.accounts.Ended
import passkey.accounts.ProofException
import passkey.accounts.SessionEnd
import passkey.accounts.Status
import passkey.accounts.StreamException

class SessionsTest {
    @Test
    fun `live sessions know who is signed in, and tell the end`() = live { accounts ->
        val sessions = accounts.sessions
        sessions.inSync()
        assertEquals(Status.Live, sessions.status.first { it == Status.Live })
        val ada = Person("grace@shop.example")
        val session = sessions.waitFor(ada.sessionId)
        assertEquals(ada.accountId, session.accountId)
        assertEquals(session, sessions[ada.sessionId])
        assertEquals(listOf(session), sessions.ofAccount(ada.accountId))
        assertEquals(true, sessions.isLoggedIn(ada.accountId))
        assertTrue(sessions.count >= 1)
        assertNull(session.end)
        sessions.freshWithin(30.seconds)
        assertThrows(StreamException::class.java) { sessions.freshWithin(Duration.ZERO) }
        sessions.endings().use { endings ->
            val ended = async { session.ended() }
            ada.close()
            assertEquals(Ended.LoggedOut(EndReason.USER), ended.await())
            val end = endings.first() as SessionEnd
            assertEquals(SessionEnd(ada.sessionId, ada.accountId, Ended.LoggedOut(EndReason.USER), true), end)
        }
        assertEquals(Ended.LoggedOut(EndReason.USER), session.end)
        assertEquals(false, sessions.isLoggedIn(ada.accountId))
        assertNull(sessions[ada.sessionId])
        val gone = runCatching { sessions.waitFor(ada.sessionId, 50.milliseconds) }.exceptionOrNull()
        assertEquals("sessionGone", (gone as StreamException).code)
    }

    @Test
    fun `who waits is told when everything is closed`() = live { accounts ->
        val ada = Person("ada@shop.example")
        val session = accounts.sessions.waitFor(ada.sessionId)
        val ended = async { session.ended() }
        val waiting = async { runCatching { accounts.sessions.waitFor("ses_00000000000000000000000000", 20.seconds) } }
        kotlinx.coroutines.yield()
        accounts.close()
        assertEquals(Ended.Unfollowed, ended.await())
        assertTrue(waiting.await().exceptionOrNull() is StreamException)
        ada.close()
    }

    @Test
    fun `without a word about origins no proof is checked`() = live { _ ->
        passkey.accounts.Accounts.connect(URL, API_KEY).use { accounts ->
            val head = passkey.accounts.RequestHead("GET", "/", emptyMap())
            val refused = runCatching { accounts.sessions.verify(head) }.exceptionOrNull()
            assertTrue(refused is IllegalArgumentException && refused.message.orEmpty().contains("origins ="), "$refused")
            assertTrue(refused !is ProofException)
        }
    }
}

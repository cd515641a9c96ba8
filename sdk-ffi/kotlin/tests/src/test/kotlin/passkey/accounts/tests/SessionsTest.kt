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
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
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

    @ParameterizedTest
    @ValueSource(strings = ["kill", "restart"])
    fun `a server that went away is bridged, and what ended meanwhile is told`(stop: String) = live { accounts ->
        val sessions = accounts.sessions
        sessions.inSync()
        sessions.endings().use { endings ->
            val (leaving, staying) = Person("leaving@shop.example") to Person("staying@shop.example")
            val (left, stayed) = sessions.waitFor(leaving.sessionId) to sessions.waitFor(staying.sessionId)
            world(stop)
            if (stop == "kill") {
                sessions.status.first { it is Status.Waiting }
                // What was known is still said, and how old it is too.
                assertEquals(stayed, sessions[staying.sessionId])
                world("start")
            }
            // Most likely before the stream has come back; it is to be told either way.
            accounts.api.endSession(leaving.sessionId)
            assertEquals(Ended.LoggedOut(EndReason.REVOKED), left.ended())
            val told = endings.first { it is SessionEnd && it.sessionId == leaving.sessionId }
            assertEquals(SessionEnd(leaving.sessionId, leaving.accountId, Ended.LoggedOut(EndReason.REVOKED), true), told)
            val again = Person("staying@shop.example")
            sessions.waitFor(again.sessionId, 20.seconds)
            // The page that was there before has not come back yet, and may for its grace time.
            assertNull(stayed.end)
            for (account in listOf(leaving.accountId, staying.accountId)) {
                val listed = accounts.api.sessions(accountId = account).sessions.map { it.sessionId }
                assertEquals(listed.toSet(), sessions.ofAccount(account).map { it.sessionId }.toSet(), "as the server has them")
            }
            sessions.freshWithin(30.seconds)
            again.close()
        }
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

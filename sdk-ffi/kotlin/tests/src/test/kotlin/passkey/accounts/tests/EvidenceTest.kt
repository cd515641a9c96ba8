package passkey.accounts.tests

import java.nio.file.Path
import kotlin.time.Duration.Companion.seconds
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import passkey.accounts.Accounts
import passkey.accounts.Ended
import passkey.accounts.Event
import passkey.accounts.Events
import passkey.accounts.EvidenceOptions
import passkey.accounts.LoggedIn

/** The server lies in the end. What it does not have is anybody's passkey. */
class EvidenceTest {
    @Test
    fun `real sign-ins pass, and one that no pinned passkey signed is refused`(@TempDir folder: Path) = live { accounts ->
        Person("pinned@shop.example").close()
        val again = Person("pinned@shop.example")
        val app = accounts.api.app()
        fun pins(name: String) = EvidenceOptions(app.appId, app.rpId, app.origins, folder.resolve(name).toString())

        Accounts.connect(URL, API_KEY, evidence = pins("sessions")).use { follower ->
            val sessions = follower.sessions
            val held = sessions.waitFor(again.sessionId, 20.seconds)
            Accounts.connect(URL, API_KEY).use { other ->
                val names = other.events { evidence = pins("events") }.namesUntil(again)
                assertEquals(listOf("registered", "passkeyAdded", "loggedIn", "loggedOut", "loggedIn"), names)
            }
            world("restart")
            val third = Person("pinned@shop.example")
            sessions.waitFor(third.sessionId, 20.seconds)

            val forged = third.forge()
            // A stream that begins anew with the same pins finds it too.
            repeat(2) {
                val events = accounts.events { evidence = pins("events") }
                val seen = mutableListOf<String>()
                val refused = refusal {
                    events.collect { item -> ((item as? Event)?.data as? LoggedIn)?.let { seen.add(it.sessionId) } }
                }
                assertEquals("evidenceForged" to false, refused.code to refused.retryable)
                assertEquals("evidenceForged", events.failure?.code)
                assertFalse(forged in seen, "what is forged is not handed over")
                assertTrue(seen.isEmpty() || seen.last() == third.sessionId, "what is true is")
            }
            assertEquals(Ended.Unfollowed, held.ended())
            assertEquals("evidenceForged", refusal { sessions.inSync() }.code)
            assertEquals("evidenceForged", sessions.failure?.code)
            refusal { sessions.waitFor(forged) }
            assertNull(sessions[third.sessionId])
            assertNull(sessions.isLoggedIn(third.accountId))
        }
    }

    /** The names of this account's events up to this sign-in, which are handled. */
    private suspend fun Events.namesUntil(person: Person): List<String> = buildList {
        while (true) {
            val delivery = until<Event>()
            val (_, _, _, name, data, json) = delivery.item as Event
            delivery.ack()
            if (person.accountId in json) add(name)
            if (data is LoggedIn && data.sessionId == person.sessionId) break
        }
    }
}

package passkey.accounts.tests

import java.net.URI
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.nio.file.Path
import kotlin.io.path.exists
import kotlin.io.path.readText
import kotlin.io.path.writeText
import kotlinx.coroutines.delay
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import passkey.accounts.Accounts
import passkey.accounts.Event
import passkey.accounts.Start
import passkey.accounts.Status
import passkey.accounts.StreamException
import passkey.accounts.WitnessOptions

/** Somebody who has the database, and no key of anybody's, rewrites the log in the end. */
class WitnessTest {
    @Test
    fun `a checkpoint goes on over a restart, and a log rewritten meanwhile is noticed`(@TempDir folder: Path) = live { accounts ->
        val checkpoint = folder.resolve("log.checkpoint")
        // What is read is the end of the log: what is rewritten further on is noticed when a head of that is signed.
        val end = accounts.api.events(limit = 1).head
        append(20)
        val first = read(checkpoint, end, 20)
        world("restart")
        append(10)
        val second = read(checkpoint, first.last().id, 10)
        val numbers = (first + second).map { it.seq }
        assertTrue(numbers.isGapless(), "$numbers")

        world("kill")
        world("rewrite")
        world("start")
        for (last in listOf(second.last(), first.last())) {
            val events = accounts.events { types = listOf("*"); after = last.id; witness = witness(checkpoint) }
            val refused = refusal { events.collect {} }
            assertEquals("logRewritten" to false, refused.code to refused.retryable)
            assertEquals("logRewritten", events.failure?.code)
            events.reaches(Status.Closed)
        }
        assertEquals(second.last().id, position(checkpoint), "what is remembered is what was read")
    }

    @Test
    fun `what is no checkpoint and what is no key is said`(@TempDir folder: Path) = live { accounts ->
        val broken = folder.resolve("broken").apply { writeText("{") }
        suspend fun refusedWith(witness: WitnessOptions): StreamException = refusal {
            accounts.events { types = listOf("*"); start = Start.EARLIEST; this.witness = witness }.next()
        }
        val unread = refusedWith(witness(broken))
        assertEquals("internal", unread.code)
        assertTrue("the checkpoint cannot be read" in unread.reason, unread.reason)
        val unknown = refusedWith(WitnessOptions(listOf("AQ"), folder.resolve("none").toString()))
        assertEquals("unexpected", unknown.code)
        assertTrue("AQ" in unknown.reason, unknown.reason)
    }

    @Test
    fun `a head that another key signed is worth nothing`(@TempDir folder: Path) = live { accounts ->
        // Nobody's key of this server: that of the transcripts.
        val keys = listOf("6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw")
        append(1_000)
        val events = accounts.events {
            types = listOf("*")
            start = Start.EARLIEST
            witness = WitnessOptions(keys, folder.resolve("log.checkpoint").toString())
        }
        val refused = refusal { events.collect {} }
        assertEquals("logRewritten", refused.code)
        assertTrue("signed with a key that is not pinned" in refused.reason, refused.reason)
    }

    /** So many events, handled and remembered before the stream is closed. */
    private suspend fun read(checkpoint: Path, after: String, count: Int): List<Event> =
        Accounts.connect(URL, API_KEY).use { accounts ->
            val events = accounts.events {
                types = listOf("*")
                this.after = after
                witness = witness(checkpoint)
            }
            val seen = List(count) { events.until<Event>().let { delivery -> delivery.ack(); delivery.item as Event } }
            // It is written beside what goes on here.
            while (position(checkpoint) != seen.last().id) delay(1)
            seen
        }

    /** What the file remembers; `null` before there is one. */
    private fun position(checkpoint: Path): String? =
        if (checkpoint.exists()) JSON.readTree(checkpoint.readText())["position"].asText() else null

    private fun witness(checkpoint: Path) = WitnessOptions(keysOfTheServer(), checkpoint.toString())

    private fun keysOfTheServer(): List<String> {
        val request = HttpRequest.newBuilder(URI("$URL/.well-known/jwks.json")).build()
        return JSON.readTree(HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body())["keys"].map { it["x"].asText() }
    }
}

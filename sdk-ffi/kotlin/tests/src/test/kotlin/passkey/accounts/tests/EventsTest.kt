package passkey.accounts.tests

import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.takeWhile
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import passkey.accounts.Accounts
import passkey.accounts.Bookmark
import passkey.accounts.Confirmed
import passkey.accounts.EndReason
import passkey.accounts.Event
import passkey.accounts.Item
import passkey.accounts.KeyProvider
import passkey.accounts.LoggedIn
import passkey.accounts.LoggedOut
import passkey.accounts.PasskeyException
import passkey.accounts.Position
import passkey.accounts.Snapshot
import passkey.accounts.Start
import passkey.accounts.Status
import passkey.accounts.StreamException
import passkey.accounts.Unknown

class EventsTest {
    @Test
    fun `a view begins with the open sessions and follows the log`() = live { accounts ->
        val ada = Person("ada@shop.example")
        val events = accounts.events { types = listOf("*") }
        val snapshot = events.until<Snapshot>()
        val page = snapshot.item as Snapshot
        assertTrue(page.first && page.last)
        val open = page.sessions.single { it.sessionId == ada.sessionId }
        assertEquals(ada.accountId, open.accountId)
        assertTrue(open.expiresAt > open.since)
        snapshot.ack()

        ada.confirm("""{"type":"pay","amount":10}""")
        ada.close()
        val confirmed = events.until<Event>()
        assertEquals("""{"amount":10,"type":"pay"}""", ((confirmed.item as Event).data as Confirmed).action)
        confirmed.ack()
        val out = events.until<Event>()
        val event = out.item as Event
        val data = event.data as LoggedOut
        assertEquals(EndReason.USER to ada.sessionId, data.reason to data.sessionId)
        checked(event)
        assertEquals(Position("", 0, event.id, 0), out.position)
        out.ack()

        Person("ada@shop.example").use { again ->
            val login = events.until<Event>()
            val came = (login.item as Event).data as LoggedIn
            checked(login.item as Event)
            assertEquals(again.sessionId, came.sessionId)
            assertNotNull(came.evidence)
            login.ack()
        }
    }

    @Test
    fun `an event that an application writes equals the one that was received, and the one of the HTTP API`() = live { accounts ->
        val from = accounts.api.events(limit = 1).head
        val ada = Person("twin@shop.example")
        ada.confirm("""{"type":"pay","amount":10}""")
        ada.close()
        Person("twin@shop.example").close()
        val events = accounts.events { types = listOf("*"); after = from }
        val listed = accounts.api.events(after = from, limit = 500, types = listOf("*")).events
        assertTrue(listed.any { (it.data as? LoggedIn)?.evidence != null } && listed.any { it.data is Confirmed })
        for (expected in listed) {
            val delivery = events.until<Event>()
            val received = delivery.item as Event
            delivery.ack()
            val (id, seq, time, name, data, json) = received
            val written = Event(id, seq, time, name, data, json)
            for (same in listOf(expected, written)) {
                assertEquals(received, same)
                assertEquals(same, received)
                assertEquals(received.hashCode(), same.hashCode())
                assertEquals(received.toString(), same.toString())
            }
            for (other in listOf(received.copy(seq = 0), received.copy(data = Unknown), received.copy(json = "{}"))) {
                assertNotEquals(received, other)
            }
        }
    }

    @Test
    fun `a collected item is acknowledged when the collector is through with it`() = live { accounts ->
        val events = accounts.events { start = Start.NOW; prefetch = 1; window = 1 }
        val seen = Channel<Item>(Channel.UNLIMITED)
        val reader = launch(Dispatchers.Default) { events.collect(seen::send) }
        assertTrue(seen.receive() is Bookmark)
        append(200)
        val numbers = mutableListOf<Long>()
        while (numbers.size < 200) (seen.receive() as? Event)?.let { numbers.add(it.seq) }
        assertTrue(numbers.isGapless())
        events.close()
        reader.join()
        assertEquals(Status.Closed, events.reaches(Status.Closed))
        assertNull(events.next())
    }

    @Test
    fun `events go on over a kill and a restart of the server`() = live { accounts ->
        val events = accounts.events { start = Start.NOW }
        events.until<Bookmark>().ack()
        append(10)
        val seen = events.numbers(5).toMutableList()
        world("kill")
        world("start")
        append(10)
        seen += events.numbers(15)
        world("restart")
        append(10)
        seen += events.numbers(10)
        assertTrue(seen.isGapless(), "$seen")
    }

    @Test
    fun `hundreds of cancelled waits lose nothing and repeat nothing`() = live { accounts ->
        val events = accounts.events { start = Start.NOW }
        events.until<Bookmark>().ack()
        var cancelled = 0
        val appending = appendWhile { cancelled < 300 }
        val seen = mutableListOf<Long>()
        while (appending.isActive || seen.size < appending.await()) {
            val delivery = withTimeoutOrNull((cancelled % 7 * 150).microseconds) { events.next() }
            if (delivery == null) {
                cancelled += 1
                // Time for those who append.
                if (cancelled % 16 == 0) delay(1)
            } else {
                (delivery.item as? Event)?.let { seen.add(it.seq) }
                delivery.ack()
            }
        }
        println("cancelled $cancelled waits over ${seen.size} events")
        assertTrue(seen.isGapless(), "$seen")
        assertEquals(appending.await(), seen.size)
    }

    @Test
    fun `hundreds of cancelled collections lose nothing`() = live { accounts ->
        val events = accounts.events { start = Start.NOW }
        events.until<Bookmark>().ack()
        var rounds = 0
        val appending = appendWhile { rounds < 300 }
        val seen = mutableListOf<Long>()
        while (appending.isActive || seen.size < appending.await()) {
            rounds += 1
            val collecting = launch(Dispatchers.Default) {
                events.filterIsInstance<Event>().collect {
                    // Here it can be cancelled: then the item was not handled, and is the first again.
                    if (it.seq % 5 == 0L) delay(1)
                    seen.add(it.seq)
                }
            }
            delay(rounds % 3L)
            collecting.cancelAndJoin()
        }
        println("cancelled $rounds collections over ${seen.size} events")
        assertTrue(seen.isGapless(), "$seen")
        assertEquals(appending.await(), seen.size)
    }

    /** Appends events, a few at a time; how many it were. */
    private fun CoroutineScope.appendWhile(isWanted: () -> Boolean): Deferred<Int> = async(Dispatchers.IO) {
        var appended = 0
        while (isWanted()) {
            append(15)
            appended += 15
        }
        appended
    }

    @Test
    fun `an item that fails, or is passed over, or whose collector throws, comes again`() = live { accounts ->
        val events = accounts.events { start = Start.NOW }
        events.until<Bookmark>().ack()
        append(3)
        val failed = events.until<Event>()
        failed.fail()
        val again = events.until<Event>()
        assertEquals(failed.item, again.item)
        // Neither acknowledged nor kept: asking for the next says that it was not handled.
        val third = events.until<Event>()
        assertEquals(failed.item, third.item)
        third.ack()
        third.fail()
        val second = (third.item as Event).seq + 1
        val thrown = runCatching { events.collect { check((it as? Event)?.seq != second) { "the database is locked" } } }
        assertEquals("the database is locked", thrown.exceptionOrNull()?.message)
        assertEquals(listOf(second, second + 1), events.numbers(2))
    }

    @Test
    fun `run repeats what throws, in order, and tells of it`() = live { accounts ->
        val events = accounts.events { consumer = "runner"; lanes = 4; start = Start.NOW }
        val (handled, errors) = mutableListOf<Long>() to mutableListOf<String?>()
        val running = launch {
            events.run(concurrency = 4, onError = { error, _ -> errors.add(error.message) }) { item, position ->
                if (item !is Event) return@run
                assertEquals("runner", position?.consumer)
                if (errors.isEmpty()) error("the database is locked")
                handled.add(item.seq)
            }
        }
        events.reaches(Status.Live)
        append(30)
        while (handled.toSet().size < 30) delay(5)
        running.cancelAndJoin()
        assertEquals(listOf<String?>("the database is locked"), errors)
        // What was under way in other lanes when one failed may have come twice; nothing is missing.
        assertTrue(handled.toSet().sorted().isGapless(), "$handled")
    }

    @Test
    fun `a slow handler is not sent more than its window and loses nothing`() = live { accounts ->
        val events = accounts.events { start = Start.NOW; window = 4; prefetch = 4 }
        events.until<Bookmark>().ack()
        append(50)
        val held = List(4) { events.until<Event>().also { it.keep() } }
        assertNull(withTimeoutOrNull(200.milliseconds) { events.next() })
        held.forEach { it.ack() }
        val seen = held.map { (it.item as Event).seq } + events.numbers(46)
        assertTrue(seen.isGapless(), "$seen")
    }

    @Test
    fun `a delivery that was kept and then forgotten comes again`() = live { accounts ->
        val events = accounts.events { start = Start.NOW; prefetch = 2 }
        events.until<Bookmark>().ack()
        append(1)
        suspend fun forget(): Item = events.until<Event>().also { it.keep() }.item
        val forgotten = forget()
        val collecting = launch {
            while (true) {
                System.gc()
                delay(20)
            }
        }
        val again = events.until<Event>()
        collecting.cancelAndJoin()
        assertEquals(forgotten, again.item)
        again.ack()
    }

    @Test
    fun `two collectors at once are refused`() = live { accounts ->
        val events = accounts.events { start = Start.NOW }
        events.until<Bookmark>().ack()
        val first = launch(Dispatchers.Unconfined) { events.collect {} }
        val refused = runCatching { events.next() }
        assertEquals(IllegalStateException::class, refused.exceptionOrNull()!!::class)
        first.cancelAndJoin()
    }

    @Test
    fun `a revoked key ends the stream, unless the provider has another`() = live { accounts ->
        val key = world("makeKey")["key"].asText()
        var current = key
        Accounts.connect(URL, key).use { one ->
            Accounts.connect(URL, KeyProvider { current }).use { other ->
                val (fixed, rotating) = listOf(one, other).map { it.events { start = Start.NOW } }
                for (events in listOf(fixed, rotating)) events.until<Bookmark>().ack()
                current = API_KEY
                world("revokeKey", "key" to key)
                val error = runCatching { fixed.until<Event>() }.exceptionOrNull() as StreamException
                assertEquals("keyRevoked", error.code)
                assertFalse(error.retryable)
                assertTrue(error.message.orEmpty().startsWith("keyRevoked: "))
                assertEquals("keyRevoked", fixed.failure?.code)
                assertEquals(Status.Closed, fixed.reaches(Status.Closed))
                append(1)
                assertEquals(1, rotating.numbers(1).size)
            }
        }
        assertTrue(accounts.api.app().origins.isNotEmpty())
    }

    @Test
    fun `a key that was never one, an address that is none and odd options are said`() = live("pa_dev_nonsense") { accounts ->
        val error = runCatching { accounts.events().toList() }.exceptionOrNull() as StreamException
        assertEquals("badKey", error.code)
        for (address in listOf("", "auth.example", "ftp://auth.example")) {
            val refused = assertThrows(StreamException::class.java) { Accounts.connect(address, API_KEY) }
            assertEquals("badAddress", refused.code)
        }
        Accounts.connect("http://auth.example", API_KEY).use { plain ->
            val refused = runCatching { plain.api.app() }.exceptionOrNull() as PasskeyException
            assertTrue(refused.message.orEmpty().contains("plaintext"), refused.message)
        }
        assertThrows(IllegalArgumentException::class.java) { accounts.events { window = 5_000 } }
        accounts.close()
        assertThrows(StreamException::class.java) { accounts.events() }
    }

    @Test
    fun `a key provider that fails is asked again`() = live { _ ->
        var asked = 0
        val provider = KeyProvider { if (asked++ == 0) error("the vault is closed") else API_KEY }
        Accounts.connect(URL, provider).use { accounts ->
            val events = accounts.events { start = Start.NOW }
            val waiting = events.status.first { it is Status.Waiting } as Status.Waiting
            assertTrue(waiting.why.contains("the vault is closed"), waiting.why)
            events.until<Bookmark>().ack()
            assertEquals(2, asked)
        }
    }

    @Test
    fun `what an operator ends is the first of the next collection`() = live { accounts ->
        val events = accounts.events { start = Start.NOW }
        events.until<Bookmark>().ack()
        append(3)
        val first = events.filterIsInstance<Event>().first()
        val rest = mutableListOf<Long>()
        events.filterIsInstance<Event>().takeWhile { rest.add(it.seq) && rest.size < 3 }.toList()
        assertEquals(List(3) { first.seq + it }, rest)
    }
}

package passkey.accounts.tests

import java.util.concurrent.CopyOnWriteArrayList
import kotlin.concurrent.thread
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import passkey.accounts.Accounts
import passkey.accounts.Event
import passkey.accounts.PositionStore
import passkey.accounts.Start
import passkey.accounts.Status

class WorkersTest {
    @Test
    fun `a second process takes over where the first one was killed`() = live { _ ->
        Worker("billing").use { first ->
            first.until { status == "Live" }
            Worker("billing").use { second ->
                second.until { status == "Standby" }
                append(100)
                first.until { handled.size >= 40 }
                assertEquals(0, second.handled.size)
                first.close()
                second.until { handled.isNotEmpty() }
                val last = first.handled.last()
                append(20)
                val total = first.handled.first() + 119
                second.until { handled.lastOrNull() == total }
                assertEquals(120, (first.handled + second.handled).toSet().size)
                assertTrue(second.handled.first() <= last + 1)
            }
        }
    }

    @Test
    fun `the application's own position goes before the server's, and its lease rises`() = live { accounts ->
        val claims = CopyOnWriteArrayList<Triple<String, Int, Long>>()
        var stored: String? = null
        val store = PositionStore { consumer, lane, lease ->
            claims.add(Triple(consumer, lane, lease))
            stored
        }
        fun ledger() = accounts.events { consumer = "ledger"; start = Start.NOW; positions = store }
        val first = ledger()
        first.reaches(Status.Live)
        append(3)
        val positions = List(3) {
            val delivery = first.until<Event>()
            delivery.ack()
            checkNotNull(delivery.position)
        }
        assertTrue(positions.all { it.consumer == "ledger" && it.lease == claims[0].third })
        first.close()
        // The effect of the last two was rolled back: they come again.
        stored = positions[0].id
        val again = ledger().until<Event>()
        assertEquals(positions[1].id, again.position?.id)
        assertEquals(listOf("ledger" to 0, "ledger" to 0), claims.map { it.first to it.second })
        assertTrue(claims[1].third > claims[0].third)
        again.ack()
    }

    @Test
    fun `a position store that fails leaves the lane to others and is asked again`() = live { accounts ->
        var asked = 0
        val events = accounts.events {
            consumer = "shaky"
            start = Start.NOW
            positions = PositionStore { _, _, _ -> if (asked++ == 0) error("the database is locked") else null }
        }
        while (asked < 2) delay(5)
        append(1)
        events.until<Event>().ack()
    }

    /** A worker in a process of its own: tells what it handles. */
    private class Worker(consumer: String) : AutoCloseable {
        val handled = CopyOnWriteArrayList<Long>()

        @Volatile
        var status = ""
        private val process = ProcessBuilder(
            ProcessHandle.current().info().command().get(),
            "-cp",
            System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path"),
            "passkey.accounts.tests.WorkerKt",
            consumer,
        ).redirectError(ProcessBuilder.Redirect.INHERIT).start()

        private val reader =
            thread(isDaemon = true) {
                process.inputReader().forEachLine { line ->
                    val (what, value) = line.split(' ')
                    if (what == "handled") handled.add(value.toLong()) else status = value
                }
            }

        suspend fun until(condition: Worker.() -> Boolean) {
            while (!condition()) {
                check(process.isAlive) { "the worker has ended" }
                delay(2)
            }
        }

        override fun close() {
            // Not by the process itself, which would close what is not read yet.
            process.toHandle().destroyForcibly()
            reader.join()
        }
    }
}

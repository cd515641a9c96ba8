package passkey.accounts.tests

import java.io.File
import java.util.concurrent.atomic.AtomicInteger
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Order
import org.junit.jupiter.api.Test
import passkey.accounts.Accounts
import passkey.accounts.Bookmark
import passkey.accounts.Event
import passkey.accounts.Start

/** Last, because it makes the log long, and others read all of it. */
@Order(Int.MAX_VALUE)
class ResourcesTest {
    @Test
    fun `memory is flat over a hundred thousand events`() = live { accounts ->
        val events = accounts.events { start = Start.NOW }
        accounts.sessions.inSync()
        events.until<Bookmark>().ack()
        val count = AtomicInteger()
        val collecting = launch(Dispatchers.Default) { events.collect { if (it is Event) count.incrementAndGet() } }
        val sizes = List(10) { round ->
            append(10_000)
            while (count.get() < (round + 1) * 10_000) delay(5)
            System.gc()
            val runtime = Runtime.getRuntime()
            runtime.totalMemory() - runtime.freeMemory() to residentBytes()
        }
        collecting.cancelAndJoin()
        println("used ${sizes.map { it.first shr 10 }} KiB of heap, ${sizes.map { it.second shr 20 }} MiB resident")
        // What waits for the collector's second look comes and goes: the peaks of both halves are compared. 50,000 events lie
        // between the two: 40 bytes kept of each would be seen.
        val (early, late) = sizes.take(5) to sizes.drop(5)
        assertTrue(late.maxOf { it.first } - early.maxOf { it.first } < 2 shl 20, "$sizes")
        assertTrue(late.maxOf { it.second } - early.maxOf { it.second } < 32 shl 20, "$sizes")
    }

    @Test
    fun `threads end with what opened them`() = live { accounts ->
        suspend fun openAndClose() = Accounts.connect(URL, API_KEY).use { one ->
            one.sessions.inSync()
            one.events { start = Start.NOW }.until<Bookmark>().ack()
            assertTrue(nativeThreads() >= 2, "${threads()}")
        }
        accounts.close()
        openAndClose()
        assertTrue(nativeThreadsEnd(), "${threads()}")
        repeat(5) { openAndClose() }
        assertTrue(nativeThreadsEnd(), "${threads()}")
    }

    @Test
    fun `a collector that waits completes when everything is closed`() = live { accounts ->
        val collecting = launch { accounts.events { start = Start.NOW }.collect {} }
        kotlinx.coroutines.yield()
        accounts.close()
        collecting.join()
        assertTrue(!collecting.isCancelled)
    }

    private fun threads(): List<String> {
        val tasks = File("/proc/self/task").listFiles()
        assumeTrue(tasks != null, "the system does not tell of threads")
        return tasks!!.mapNotNull { task -> runCatching { File(task, "comm").readText().trim() }.getOrNull() }
    }

    private fun nativeThreads(): Int = threads().count { it.startsWith("passkey-") }

    /** The system ends a thread a moment after it could be joined. */
    private fun nativeThreadsEnd(): Boolean {
        val end = System.nanoTime() + 10_000_000_000
        while (nativeThreads() > 0 && System.nanoTime() < end) Thread.yield()
        return nativeThreads() == 0
    }

    private fun residentBytes(): Long =
        File("/proc/self/statm").takeIf { it.exists() }?.readText()?.split(' ')?.get(1)?.toLong()?.times(4_096) ?: 0
}

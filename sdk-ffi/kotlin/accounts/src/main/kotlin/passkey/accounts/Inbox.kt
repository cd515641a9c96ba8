package passkey.accounts

import java.util.concurrent.ConcurrentHashMap
import passkey.accounts.ffi.EventStream
import passkey.accounts.ffi.Exception as FfiException

/**
 * What was fetched in batches and not yet handed out, and the words that are owed about what was. To wait carries nothing
 * and to fetch never waits, so a wait that is cancelled cannot lose what it waited for.
 */
internal class Inbox(private val stream: EventStream) {
    private val lock = Any()
    private val fetched = ArrayDeque<Fetched>()

    /** Everything up to here is handled and the stream was not told so: a crossing of the boundary costs more than an item. */
    private var handled = 0L
    private var told = 0L
    private var toldAt = System.nanoTime()

    /** Handed out to be settled by hand: what is handled after them must not speak for them. */
    private val byHand = ConcurrentHashMap.newKeySet<Settlement>()

    private var end: PasskeyException? = null
    private var isOver = false

    /** The last batch was all that there was: it is time to wait. */
    private var isDrained = false

    /** The next item, if one is there; fetches more without waiting. */
    fun poll(): Fetched? = synchronized(lock) {
        if (fetched.isEmpty()) {
            tell()
            if (!isOver && !isDrained) fetch()
        } else if (handled > told && System.nanoTime() - toldAt > UNTOLD_NANOS) {
            tell()
        }
        fetched.removeFirstOrNull()
    }

    private fun fetch() {
        try {
            val batch = stream.takePacked(BATCH.toUInt())
            if (batch == null) isOver = true else batch.unpack(fetched::addLast)
            isDrained = fetched.size < BATCH
        } catch (error: FfiException) {
            isOver = true
            end = error.toPasskeyException()
        }
    }

    /** Waits until there may be more. A wait that is cancelled may have been over: who asks next looks. */
    suspend fun ready() {
        try {
            stream.ready()
        } finally {
            synchronized(lock) { isDrained = false }
        }
    }

    /** Whether nothing more will come. What it ended with is thrown. */
    fun isOver(): Boolean = synchronized(lock) {
        end?.let { throw it }
        isOver
    }

    /** What it ended with, once all its items were taken. */
    fun failure(): PasskeyException? = synchronized(lock) { end }

    /** An item that was handed out and not handled is the first again: nobody but this process knows of it. */
    fun putBack(item: Fetched): Unit = synchronized(lock) { fetched.addFirst(item) }

    /** This item, and everything before it, is handled. */
    fun handled(item: Fetched): Unit = synchronized(lock) {
        if (byHand.isNotEmpty()) {
            stream.settle(item.receipt.toULong(), true)
            return
        }
        handled = item.receipt
        if (handled - told >= UNTOLD_ITEMS) tell()
    }

    /** It will be settled by itself. */
    fun handOut(item: Fetched): Settlement = synchronized(lock) {
        tell()
        Settlement(item, this).also { byHand.add(it) }
    }

    /** What became of an item that was handed out. */
    fun settle(settlement: Settlement, isHandled: Boolean): Unit = synchronized(lock) {
        byHand.remove(settlement)
        val (receipt, lane) = with(settlement.item) { receipt to lane }
        stream.settle(receipt.toULong(), isHandled)
        if (isHandled) return
        // What was taken after it of its lane comes again with it.
        fetched.removeAll { it.lane == lane && it.receipt > receipt }
        val later = byHand.filter { it.item.lane == lane && it.item.receipt > receipt }
        for (other in later) if (other.isSettled.compareAndSet(false, true)) byHand.remove(other)
    }

    /** What was handed out, not settled and not kept, comes again. */
    fun giveBack(): Unit =
        byHand.filter { !it.isKept }.sortedBy { it.item.receipt }.forEach { it.settle(false) }

    fun close() {
        synchronized(lock) {
            tell()
            fetched.clear()
        }
        // Not under the lock: it waits for the thread that wakes readers, and a reader it has woken may wait for the lock.
        stream.stop()
    }

    private fun tell() {
        if (handled > told) {
            stream.acknowledge(handled.toULong())
            told = handled
        }
        toldAt = System.nanoTime()
    }

    private companion object {
        const val BATCH = 256
        const val UNTOLD_ITEMS = 128
        const val UNTOLD_NANOS = 20_000_000L
    }
}

package passkey.accounts

import java.util.concurrent.atomic.AtomicBoolean
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Semaphore
import passkey.accounts.ffi.EventStream

/**
 * A live, gapless stream of an app's auth events. Lost connections are made again and resumed where they were; what trying
 * again cannot mend is thrown, and is the last thing.
 *
 * Collected as a [Flow], an item is acknowledged when the collector is through with it:
 *
 * ```kotlin
 * accounts.events { consumer = "billing" }.collect { item ->
 *     if (item is Event) charge(item)
 * }
 * ```
 *
 * Cancelling a collection loses nothing: the item it was at is not acknowledged, and is the first of the next collection.
 * That is so too where an operator ends the flow (`first`, `take`). Behind `buffer` or `flowOn` an item is acknowledged
 * when the buffer has it: use [deliveries] there. One collector at a time. [close] ends the stream; so does
 * [Accounts.close].
 */
public class Events internal constructor(
    private val stream: EventStream,
    private val consumer: String,
    scope: CoroutineScope,
    private val onClose: (Events) -> Unit,
) : Flow<Item>, AutoCloseable {
    private val inbox = Inbox(stream)
    private val isRead = AtomicBoolean()
    private var last: Delivery? = null

    /** How the connection is doing. */
    public val status: StateFlow<Status> = scope.watch("events", stream.status(), stream::statusChanged)

    /** Why the stream is over for good, once all its items were handed out; `null` otherwise. */
    public val failure: PasskeyException? get() = inbox.failure()

    /** Hands out items until the stream is closed. Throws [StreamException] when it is over for good. */
    override suspend fun collect(collector: FlowCollector<Item>): Unit = reading {
        while (true) {
            val fetched = take() ?: break
            @Suppress("TooGenericExceptionCaught")
            try {
                collector.emit(fetched.item)
            } catch (ended: Throwable) {
                inbox.putBack(fetched)
                throw ended
            }
            inbox.handled(fetched)
        }
    }

    /** Items to acknowledge by hand: for effects in a transaction of your own, and behind buffers. */
    public val deliveries: Flow<Delivery> = flow {
        while (true) emit(next() ?: break)
    }

    /**
     * The next item; `null` when the stream was closed. The one before must be settled or kept, or it counts as not handled.
     * Cancelling the wait loses nothing. Throws [StreamException] when the stream is over for good.
     */
    public suspend fun next(): Delivery? = reading {
        take()?.let { fetched -> delivery(fetched).also { last = it } }
    }

    /**
     * Handles items until the stream is closed: up to [concurrency] lanes at a time, the items of a lane one after the
     * other. An item is acknowledged when its handler is through. If that throws, [onError] hears of it, and the item comes
     * again. Cancelling it cancels the handlers; their items come again.
     */
    public suspend fun run(
        concurrency: Int = 1,
        onError: (Throwable, Item) -> Unit = ::report,
        handler: suspend (Item, Position?) -> Unit,
    ): Unit = reading {
        val free = Semaphore(concurrency)
        try {
            coroutineScope {
                val lanes = HashMap<Int, Job>()
                while (true) {
                    free.acquire()
                    val fetched = take() ?: break
                    val delivery = delivery(fetched)
                    val before = lanes[fetched.lane]
                    lanes[fetched.lane] = launch {
                        before?.join()
                        delivery.handle(onError, handler)
                        free.release()
                    }
                }
            }
        } finally {
            // What was cancelled before it was handled.
            inbox.giveBack()
        }
    }

    /** Ends the stream: what was acknowledged is told to the server, what was not comes again. Flows complete. */
    override fun close() {
        inbox.close()
        onClose(this)
    }

    @Suppress("TooGenericExceptionCaught")
    private suspend fun Delivery.handle(onError: (Throwable, Item) -> Unit, handler: suspend (Item, Position?) -> Unit) {
        // The one before it in its lane has failed, and this one comes again with it.
        if (isSettled) return
        try {
            handler(item, position)
            ack()
        } catch (cancelled: CancellationException) {
            throw cancelled
        } catch (error: Throwable) {
            fail()
            onError(error, item)
        }
    }

    private suspend fun take(): Fetched? {
        while (true) {
            currentCoroutineContext().ensureActive()
            inbox.poll()?.let { return it }
            if (inbox.isOver()) return null
            inbox.ready()
        }
    }

    private fun delivery(fetched: Fetched): Delivery {
        val id = fetched.item.position
        val position = id?.let { Position(consumer, fetched.lane, it, fetched.lease) }
        return Delivery(fetched.item, position, inbox.handOut(fetched))
    }

    /** Two readers would each see a part, and say of the other's that it is handled. */
    private suspend fun <T> reading(read: suspend () -> T): T {
        check(isRead.compareAndSet(false, true)) { "these events are read already: one collector at a time" }
        try {
            last?.pass()
            last = null
            return read()
        } finally {
            isRead.set(false)
        }
    }

    private companion object {
        fun report(error: Throwable, item: Item) {
            val what = "an item was not handled, it will come again: ${item.position ?: item::class.simpleName}"
            LOG.log(System.Logger.Level.ERROR, what, error)
        }
    }
}

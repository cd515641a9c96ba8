package passkey.accounts

import java.lang.ref.Cleaner
import java.util.concurrent.atomic.AtomicBoolean

/**
 * One item to handle. [ack] it when that is done. One that is neither acknowledged nor kept when the next is asked for counts
 * as not handled. What was not handled comes again.
 *
 * ```kotlin
 * val delivery = events.next() ?: return
 * database.transaction { store(delivery.item); storePosition(delivery.position) }
 * delivery.ack()
 * ```
 */
public class Delivery internal constructor(
    /** What to handle. */
    public val item: Item,
    /** What to store together with the item's effect; `null` for what is no position. */
    public val position: Position?,
    private val settlement: Settlement,
) {
    /** It is handled. Only the first of [ack] and [fail] counts. */
    public fun ack(): Unit = settlement.settle(true)

    /** It is not handled, and is to come again. */
    public fun fail(): Unit = settlement.settle(false)

    /** It will be settled later: the next one may be asked for. Lost without a word, it comes again. */
    public fun keep() {
        if (settlement.isKept) return
        settlement.isKept = true
        // The settlement, not this: what is watched must not be held.
        val owed = settlement
        FORGOTTEN.register(this) { owed.settle(false) }
    }

    /** Nothing is owed about it any more. */
    internal val isSettled: Boolean get() = settlement.isSettled.get()

    /** Whoever has it asks for the next. */
    internal fun pass() {
        if (!settlement.isKept) settlement.settle(false)
    }

    private companion object {
        /** Deliveries that were kept, and then dropped. */
        val FORGOTTEN: Cleaner = Cleaner.create()
    }
}

/** The word that is owed about an item. */
internal class Settlement(val item: Fetched, private val inbox: Inbox) {
    val isSettled = AtomicBoolean()

    @Volatile
    var isKept: Boolean = false

    fun settle(isHandled: Boolean) {
        if (isSettled.compareAndSet(false, true)) inbox.settle(this, isHandled)
    }
}

/** How far a lane of a consumer was handled, and under which ownership. */
public data class Position(
    /** The consumer's name; empty for a view. */
    public val consumer: String,
    /** The lane; 0 where there is one only. */
    public val lane: Int,
    /** Everything up to this id is handled. Opaque. */
    public val id: String,
    /** The fencing token: higher for every later owner of the lane. 0 for a view. */
    public val lease: Long,
)

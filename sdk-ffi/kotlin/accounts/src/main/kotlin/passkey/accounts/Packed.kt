// What the library hands over as bytes in memory. The form is that of sdk-ffi/src/packed.rs, and what is read was written by the
// library of this very package: no length is doubted.
package passkey.accounts

import com.sun.jna.Pointer
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.time.Instant
import passkey.accounts.ffi.Batch
import passkey.accounts.ffi.FfiConverterTypeItem

/** An item that was fetched, and by what number to say what became of it. */
internal class Fetched(val receipt: Long, val lane: Int, val lease: Long, val item: Item)

/** Hands out what is in it, and lets go of it. */
internal fun Batch.unpack(hand: (Fetched) -> Unit): Unit = use {
    val size = Math.toIntExact(size().toLong())
    if (size == 0) return
    val memory = Pointer(address().toLong()).getByteBuffer(0, size.toLong()).order(ByteOrder.BIG_ENDIAN)
    while (memory.hasRemaining()) hand(memory.fetched())
}

private fun ByteBuffer.fetched(): Fetched {
    val size = int
    val end = position() + size
    val receipt = long
    val lane = int
    val lease = long
    val isEvent = get() == EVENT
    // A copy of its own: an event that is kept does not keep those that came with it.
    val rest = ByteArray(end - position()).also(::get)
    val item = if (isEvent) Event(PackedEvent(rest)) else FfiConverterTypeItem.read(ByteBuffer.wrap(rest)).toItem()
    return Fetched(receipt, lane, lease, item)
}

internal fun ByteBuffer.text(): String {
    val size = int
    return String(array(), skipped(size), size, Charsets.UTF_8)
}

internal fun ByteBuffer.bytes(): Bytes {
    val size = int
    val start = skipped(size)
    return Bytes.ofOwn(array().copyOfRange(start, start + size))
}

/** Over so many texts. */
internal fun ByteBuffer.skip(texts: Int): ByteBuffer = apply { repeat(texts) { skipped(int) } }

internal fun ByteBuffer.flag(): Boolean = get() != 0.toByte()

internal fun ByteBuffer.time(): Instant = Instant.ofEpochMilli(long)

/** Where the skipped bytes begin. */
private fun ByteBuffer.skipped(size: Int): Int = position().also { position(it + size) }

private const val EVENT: Byte = 0

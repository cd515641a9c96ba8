// What goes down into the generated code: options, what the application provides; and what comes up as an error.
package passkey.accounts

import com.sun.jna.Memory
import java.nio.ByteBuffer
import java.time.Duration
import kotlin.time.toJavaDuration
import passkey.accounts.ffi.EventsOptions as FfiEventsOptions
import passkey.accounts.ffi.EvidenceOptions as FfiEvidenceOptions
import passkey.accounts.ffi.Exception as FfiException
import passkey.accounts.ffi.KeyProvider as FfiKeyProvider
import passkey.accounts.ffi.Positions as FfiPositions
import passkey.accounts.ffi.ProviderException as FfiProviderException
import passkey.accounts.ffi.Start as FfiStart
import passkey.accounts.ffi.WitnessOptions as FfiWitnessOptions

/** Has its errors as this package's own. */
internal inline fun <T> calling(call: () -> T): T = try {
    call()
} catch (error: FfiException) {
    throw error.toPasskeyException()
}

internal fun FfiException.toPasskeyException(): PasskeyException = when (this) {
    is FfiException.Stream -> StreamException(code, reason, retryable, this)
    is FfiException.Proof -> ProofException(code, reason, retryable, status.toInt(), this)
    is FfiException.Api -> ApiException(
        code,
        reason,
        retryable,
        status?.toInt(),
        retryAfterMs?.let { Duration.ofMillis(it.toLong()) },
        gap?.toGap(),
        this,
    )
}

internal fun EventsOptions.toFfi(): FfiEventsOptions = FfiEventsOptions(
    types = types,
    after = after,
    start = start?.toFfi(),
    snapshot = if (snapshot) null else false,
    skip = if (skip) null else false,
    consumer = consumer,
    lanes = lanes?.let { inRange("lanes", it, 1, 64) },
    window = window?.let { inRange("window", it, 1, 4_096) },
    prefetch = prefetch?.let { inRange("prefetch", it, 1, 4_096) },
    ackTimeout = ackTimeout?.toJavaDuration(),
    positions = positions?.let(::AskedPositions),
    evidence = evidence?.toFfi(),
    witness = witness?.let { FfiWitnessOptions(it.keys, it.checkpointPath) },
)

private fun inRange(name: String, number: Int, least: Int, most: Int): UInt {
    require(number in least..most) { "$name is $number; it is $least to $most" }
    return number.toUInt()
}

private fun Start.toFfi(): FfiStart = when (this) {
    Start.STATE -> FfiStart.STATE
    Start.NOW -> FfiStart.NOW
    Start.EARLIEST -> FfiStart.EARLIEST
}

internal fun EvidenceOptions.toFfi(): FfiEvidenceOptions = FfiEvidenceOptions(appId, rpId, origins, pinsPath)

internal class AskedKey(private val provider: KeyProvider) : FfiKeyProvider {
    override fun apiKey(): String = asking { provider.apiKey() }
}

internal class AskedPositions(private val store: PositionStore) : FfiPositions {
    override fun claim(consumer: String, lane: UInt, lease: ULong): String? =
        asking { store.claim(consumer, lane.toInt(), lease.toLong()) }
}

/** Whatever the application throws, it has said why. */
@Suppress("TooGenericExceptionCaught")
private inline fun <T> asking(ask: () -> T): T = try {
    ask()
} catch (error: Exception) {
    throw FfiProviderException.Failed(error.toString())
}

/** Lends these bytes to a call. Outside of the heap, where they do not move, and given back at once. */
internal inline fun <T> lending(bytes: ByteArray, call: (ByteBuffer) -> T): T {
    if (bytes.isEmpty()) return call(NOTHING)
    return Memory(bytes.size.toLong()).use { memory ->
        memory.write(0, bytes, 0, bytes.size)
        call(memory.getByteBuffer(0, memory.size()))
    }
}

internal val NOTHING: ByteBuffer = ByteBuffer.allocateDirect(0)

package passkey.accounts.replay

import java.time.Duration
import passkey.accounts.Bytes
import passkey.accounts.EventsOptions
import passkey.accounts.Item
import passkey.accounts.RequestHead
import passkey.accounts.Status
import passkey.accounts.calling
import passkey.accounts.ffi.ReplayOutput
import passkey.accounts.lending
import passkey.accounts.toFfi
import passkey.accounts.toStatus
import passkey.accounts.unpack
import passkey.accounts.ffi.ProofReplay as FfiProofReplay
import passkey.accounts.ffi.StreamReplay as FfiStreamReplay

/** For this package's own tests: a clock that a test sets, instead of a socket and the machine's clock. */
@RequiresOptIn("this is for the tests of this package, and can change at any time")
@Retention(AnnotationRetention.BINARY)
@Target(AnnotationTarget.CLASS)
public annotation class ForReplays

/** What the client wants done. */
@ForReplays
public sealed interface Wanted {
    /** The API key is asked for. */
    @ForReplays
    public data object Key : Wanted

    /** A connection. */
    @ForReplays
    public data class Connect(/** Where to. */ public val address: String) : Wanted

    /** A text frame goes to the server. */
    @ForReplays
    public data class Send(/** As it stands on the wire. */ public val text: String) : Wanted

    /** The connection is closed. */
    @ForReplays
    public data class Close(
        /** The close code. */
        public val code: Int,
        /** The close frame's text. */
        public val reason: String,
    ) : Wanted

    /** The application is asked for its position. */
    @ForReplays
    public data class Start(
        /** The lane. */
        public val lane: Int,
        /** The number of the ownership. */
        public val lease: Long,
    ) : Wanted

    /** The connection is doing otherwise. */
    @ForReplays
    public data class Said(/** How. */ public val status: Status) : Wanted

    /** It is over. */
    @ForReplays
    public data class End(/** The word of the one table of codes. */ public val code: String) : Wanted
}

/** An item, and by what number to say what became of it. */
@ForReplays
public data class Handed(
    /** For [StreamReplay.settle]. */
    public val receipt: Long,
    /** The lane. */
    public val lane: Int,
    /** The number of the ownership. */
    public val lease: Long,
    /** What to handle. */
    public val item: Item,
)

/** A client of the event stream without a socket. Every `now` is nanoseconds since the moment that it was made at. */
@ForReplays
public class StreamReplay(address: String, seed: Long, configure: EventsOptions.() -> Unit) {
    private val replay =
        calling { FfiStreamReplay(address, EventsOptions().apply(configure).toFfi(), seed.toULong()) }

    /** The next thing to do; `null` when it is time to wait. */
    public fun output(): Wanted? = when (val output = replay.pollOutput()) {
        null -> null
        is ReplayOutput.Key -> Wanted.Key
        is ReplayOutput.Connect -> Wanted.Connect(output.address)
        is ReplayOutput.Send -> Wanted.Send(output.text)
        is ReplayOutput.Close -> Wanted.Close(output.code.toInt(), output.reason)
        is ReplayOutput.Start -> Wanted.Start(output.lane.toInt(), output.lease.toLong())
        is ReplayOutput.Status -> Wanted.Said(output.status.toStatus())
        is ReplayOutput.End -> Wanted.End(output.code)
    }

    /** When to [tick] if nothing happens before; `null` when it is over. */
    public fun timeout(): Long? = replay.pollTimeout()?.toLong()

    /** The next item. Throws when a witness has found the log to contradict itself. */
    public fun item(now: Long): Handed? {
        var next: Handed? = null
        calling { replay.pollItemPacked(now.toULong()) }
            ?.unpack { next = Handed(it.receipt, it.lane, it.lease, it.item) }
        return next
    }

    /** What became of an item. */
    public fun settle(now: Long, receipt: Long, isHandled: Boolean): Unit =
        replay.settle(now.toULong(), receipt.toULong(), isHandled)

    /** Time has passed. */
    public fun tick(now: Long): Unit = replay.tick(now.toULong())

    /** The API key to use. */
    public fun key(now: Long, apiKey: String): Unit = replay.key(now.toULong(), apiKey)

    /** There is no API key to be had. */
    public fun keyFailed(now: Long, why: String): Unit = replay.keyFailed(now.toULong(), why)

    /** The connection is open. */
    public fun opened(now: Long): Unit = replay.opened(now.toULong())

    /** A ping or a pong. */
    public fun heard(now: Long): Unit = replay.heard(now.toULong())

    /** A text frame. */
    public fun message(now: Long, text: String): Unit = replay.message(now.toULong(), text)

    /** The server has sent a close frame. */
    public fun closed(now: Long, code: Int, reason: String): Unit = replay.closed(now.toULong(), code.toUShort(), reason)

    /** The server has answered the upgrade with an HTTP status. */
    public fun refused(now: Long, status: Int, retryAfter: Duration?): Unit =
        replay.refused(now.toULong(), status.toUShort(), retryAfter)

    /** The connection has broken, or cannot be made. */
    public fun broken(now: Long, why: String): Unit = replay.broken(now.toULong(), why)

    /** The application's own position in a lane. */
    public fun position(now: Long, lane: Int, id: String?): Unit = replay.position(now.toULong(), lane.toUInt(), id)

    /** The application's position cannot be had. */
    public fun positionFailed(now: Long, lane: Int, why: String): Unit =
        replay.positionFailed(now.toULong(), lane.toUInt(), why)

    /** Nobody wants the stream any more. */
    public fun stop(now: Long): Unit = replay.stop(now.toULong())
}

/** Checks proofs against sessions that are given, at times that are given, and remembers nonces. */
@ForReplays
public class ProofReplay(origins: List<String>, keys: Map<String, Bytes>) {
    private val replay = calling { FfiProofReplay(origins, keys.mapValues { (_, point) -> point.toByteArray() }) }

    /** Checks a request at this time, milliseconds since 1970. Throws what [passkey.accounts.LiveSessions.verify] throws. */
    public fun request(now: Long, head: RequestHead, body: ByteArray): Unit =
        calling { lending(body) { replay.request(now.toULong(), head.toFfi(), it) } }

    /** Checks a token for a socket at this time, milliseconds since 1970. */
    public fun socket(now: Long, token: String, audience: String, nonce: String): Unit =
        calling { replay.socket(now.toULong(), token, audience, nonce) }
}

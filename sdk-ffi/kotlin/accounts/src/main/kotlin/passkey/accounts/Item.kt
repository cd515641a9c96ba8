package passkey.accounts

import java.time.Instant

/**
 * One thing to handle, in the order of the log. Tell items apart with `when`, which the compiler checks to be complete:
 *
 * ```kotlin
 * when (item) {
 *     is Event -> when (val data = item.data) {
 *         is LoggedIn -> greet(data.accountId)
 *         is LoggedOut -> forget(data.sessionId)
 *         else -> {}
 *     }
 *     is Snapshot -> replaceBy(item)
 *     is Gap -> log("events are missing: ${item.reason}")
 *     is Bookmark -> {}
 * }
 * ```
 */
public sealed interface Item {
    /** Where to resume once this and everything before it is handled; `null` for what is no position. Opaque. */
    public val position: String?
}

/** Something happened: an entry of the app's log. It is read only as far as it is looked at. */
public class Event internal constructor(private val entry: Entry) : Item {
    /** An event that no stream has handed over, for tests of what handles them. */
    public constructor(id: String, seq: Long, time: Instant, name: String, data: EventData, json: String) :
        this(WrittenEvent(id, seq, time, name, data, json))

    /** Cursor and dedupe key. Opaque. */
    public val id: String get() = entry.id

    /** Its number in the app's log, from 1. */
    public val seq: Long get() = entry.seq

    /** When it was committed. */
    public val time: Instant get() = entry.time

    /** The type on the wire, for example `loggedIn`. */
    public val name: String get() = entry.name

    /** What happened. */
    public val data: EventData get() = entry.data

    /** [data] as JSON text, byte for byte as the log's hash chain covers it. */
    public val json: String get() = entry.json

    override val position: String get() = id

    public operator fun component1(): String = id

    public operator fun component2(): Long = seq

    public operator fun component3(): Instant = time

    public operator fun component4(): String = name

    public operator fun component5(): EventData = data

    public operator fun component6(): String = json

    /** The same, but for what is given. */
    public fun copy(
        id: String = this.id,
        seq: Long = this.seq,
        time: Instant = this.time,
        name: String = this.name,
        data: EventData = this.data,
        json: String = this.json,
    ): Event = Event(id, seq, time, name, data, json)

    /** Whether [other] says the same, wherever it came from. */
    override fun equals(other: Any?): Boolean = this === other ||
        other is Event && seq == other.seq && id == other.id && time == other.time && name == other.name &&
        json == other.json && data == other.data

    override fun hashCode(): Int = id.hashCode()

    override fun toString(): String = "Event(id=$id, seq=$seq, time=$time, name=$name, data=$data, json=$json)"
}

/** What an [Event] is read from. */
internal interface Entry {
    val id: String
    val seq: Long
    val time: Instant
    val name: String
    val data: EventData
    val json: String
}

private class WrittenEvent(
    override val id: String,
    override val seq: Long,
    override val time: Instant,
    override val name: String,
    override val data: EventData,
    override val json: String,
) : Entry

/** A page of the open sessions. */
public data class Snapshot(
    /** Open sessions. */
    public val sessions: List<OpenSession>,
    /** Forget what was held before this page. */
    public val first: Boolean,
    /** The state is whole with this page, as of [id]. */
    public val last: Boolean,
    /** The position, if this is the last page. */
    public val id: String,
    /** On the last page: the hash chain up to the position, 32 bytes. */
    public val hash: Bytes?,
) : Item {
    override val position: String? get() = if (last) id else null
}

/** Events are missing here: the position cannot be continued. */
public data class Gap(
    /** Why. */
    public val reason: GapReason,
    /** The position that was asked for. */
    public val after: String,
    /** What follows. */
    public val next: GapNext,
    /** The position before the oldest event that is kept. */
    public val oldest: String?,
) : Item {
    override val position: String? get() = null
}

/** Up to here nothing happened that was asked for. */
public data class Bookmark(
    /** The position. */
    public val id: String,
    /** The server's clock. */
    public val time: Instant,
    /** The hash chain up to the position, 32 bytes. */
    public val hash: Bytes?,
    /** The newest head that the server has signed, where one is due. */
    public val head: SignedHead?,
) : Item {
    override val position: String get() = id
}

/** A session in a snapshot. */
public data class OpenSession(
    /** Whose session. */
    public val accountId: String,
    /** The session. */
    public val sessionId: String,
    /** The passkey that opened it. */
    public val passkeyId: String,
    /** The public key that its proofs are checked with. */
    public val sessionKey: SessionKey,
    /** When it was opened. */
    public val since: Instant,
    /** When it ends at the latest. */
    public val expiresAt: Instant,
)

/** The server's word for how long its log is and what it says. */
public data class SignedHead(
    /** The log's lineage. */
    public val epoch: String,
    /** The number of its last entry. */
    public val seq: Long,
    /** The hash chain up to it, 32 bytes. */
    public val hash: Bytes,
    /** When it was signed. */
    public val time: Instant,
    /** Which key signed: its RFC 7638 thumbprint in base64url; the keys are at `/.well-known/jwks.json`. */
    public val keyId: String,
    /** Ed25519, 64 bytes. */
    public val signature: Bytes,
)

/** Why a position cannot be continued. */
public enum class GapReason {
    /** Events right after it are no longer kept. */
    TRUNCATED,

    /** The log does not reach that far. */
    AHEAD,

    /** The log has another entry there. */
    DIVERGED,

    /** An operator restored the log and said so. */
    EPOCH,

    /** A newer server's reason. */
    OTHER,
}

/** What follows a gap. */
public enum class GapNext {
    /** A snapshot of the present state. */
    SNAPSHOT,

    /** The oldest event that is kept. */
    OLDEST,

    /** A newer server's choice. */
    OTHER,
}

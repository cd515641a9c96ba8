package passkey.accounts

import kotlin.time.Duration

/** What to ask the event stream for. Without a change: the open sessions, then every sign-in and sign-out. */
public class EventsOptions internal constructor() {
    /** Event types to get, at most 64; `listOf("*")` for all, also those of later versions. `null`: sign-ins and sign-outs. */
    public var types: List<String>? = null

    /** Views: resume strictly after this position instead of starting with the open sessions. */
    public var after: String? = null

    /** Where to begin without a position. `null`: with the open sessions, or, for a log shipper, with the oldest event. */
    public var start: Start? = null

    /** `false`: never get the open sessions; a gap goes on at the oldest event that is kept. For log shippers. */
    public var snapshot: Boolean = true

    /** `false`, with [snapshot] `false`: a gap ends the stream with `gone` instead of going on behind it. */
    public var skip: Boolean = true

    /** Be a worker of this name, 1 to 64 of `A-Z a-z 0-9 . _ -`: the server keeps the position, processes share the work. */
    public var consumer: String? = null

    /** How many lanes the consumer is made with, 1 to 64; later wishes are not heard. `null`: 1. */
    public var lanes: Int? = null

    /** Items that may be on their way or unhandled here, 1 to 4,096: the bound of the stream's memory. `null`: 256. */
    public var window: Int? = null

    /**
     * Items of a lane that may be fetched before the first of them is settled. `null`: 256 for a view; 1 for a worker,
     * whose lane may be wanted by others, and wherever [evidence] or [witness] reads along.
     */
    public var prefetch: Int? = null

    /**
     * Workers: how long an item may wait in a process that does not get to it while others wait for its lane; up to 15
     * minutes. `null`: 60 s.
     */
    public var ackTimeout: Duration? = null

    /** Workers: ask this where each lane begins, so that what was done counts and not what was acknowledged. */
    public var positions: PositionStore? = null

    /** Views: believe nothing that a passkey should have signed and did not. */
    public var evidence: EvidenceOptions? = null

    /** Views: check every item against the log that was read before. */
    public var witness: WitnessOptions? = null
}

/** Where to begin without a position. */
public enum class Start {
    /** With the open sessions. */
    STATE,

    /** With what happens from now on. */
    NOW,

    /** With the oldest event that is kept. */
    EARLIEST,
}

/** What to check evidence against, and where to keep what is known of passkeys. */
public data class EvidenceOptions(
    /** The app: `app_...`. */
    public val appId: String,
    /** Its WebAuthn RP ID: `shop.example`. */
    public val rpId: String,
    /** The origins that its pages have, character for character: `https://shop.example`. */
    public val origins: List<String>,
    /** The file of the pins; one for each stream. It is made when it is not there. */
    public val pinsPath: String,
)

/** A witness of the log: what to check it with, and where to keep how far it has read. */
public data class WitnessOptions(
    /**
     * The server's Ed25519 keys: the members `x` of `/.well-known/jwks.json`, written down where the server cannot change
     * them. Empty: signatures are not looked at.
     */
    public val keys: List<String>,
    /** The file of the checkpoint; one for each stream. It is made when it is not there. */
    public val checkpointPath: String,
)

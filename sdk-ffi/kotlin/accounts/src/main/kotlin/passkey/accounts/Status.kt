package passkey.accounts

import kotlin.time.Duration

/** What a connection is doing right now. Items say nothing about it: a quiet stream can be live or lost. */
public sealed interface Status {
    /** A connection is being made. */
    public data object Connecting : Status

    /** The server has accepted the key and sends what happens. */
    public data object Live : Status

    /** A worker that is connected and has no lane: others have them all. */
    public data object Standby : Status

    /** The connection was lost; the stream resumes where it was. */
    public data class Waiting(
        /** How long until the next try, counted from the moment of this status. */
        public val retryIn: Duration,
        /** What happened, for people. */
        public val why: String,
    ) : Status

    /** It is over: the stream has ended with an error, or was closed. */
    public data object Closed : Status
}

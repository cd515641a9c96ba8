package passkey.accounts

/**
 * Gives the API key for the next connection, so that keys can be rotated under a running process. Asked before each
 * connection, and once more when the server has refused its key: a different one is tried, the same one ends the stream.
 * Called on a thread that may block, for 10 seconds at the most. What it throws is tried again later.
 */
public fun interface KeyProvider {
    /** The key to use now. */
    public fun apiKey(): String
}

/**
 * Where an application keeps its positions, in the transaction of the effect, so that effects happen once
 * (docs/effects-once.md). Called on a thread that may block, for 10 seconds at the most.
 */
public fun interface PositionStore {
    /**
     * Records the new owner of a lane and returns the id stored for it, in one step; `null` if there is none: then the
     * server's position is used. Throw when a newer owner is recorded, or when the store fails: the lane is given up for
     * others, and tried again later.
     */
    public fun claim(consumer: String, lane: Int, lease: Long): String?
}

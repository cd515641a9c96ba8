// Why things end.

/// Why a session ended.
public enum EndReason: String, Sendable {
    /// The person signed out.
    case user
    /// The page closed its socket in an orderly way.
    case pageGone
    /// The socket dropped and nobody resumed within the grace time.
    case connectionLost
    /// The page was silent for too long.
    case idleTimeout
    /// The session reached its greatest age.
    case absoluteTimeout
    /// A back end or an operator ended it.
    case revoked
    /// The same page signed in anew.
    case replaced
    /// The passkey that opened it was removed.
    case passkeyRemoved
    /// The account was erased.
    case accountErased
    /// The account was recovered: whoever was signed in signs in anew.
    case recovered
    /// The API key that vouched for it was revoked.
    case keyRevoked
    /// The server that carried it went away.
    case serverLost
    /// A newer server's reason.
    case other
}

/// Why a recovery is over without a new passkey.
public enum CancelReason: String, Sendable {
    /// The person, on a page where they are signed in.
    case user
    /// A back end or an operator, with an API key.
    case backEnd
    /// Nobody came for the new passkey in time.
    case expired
    /// A newer server's reason.
    case other
}

/// What somebody else has written to.
public enum TamperedRow: String, Sendable {
    /// An account's row, its key, or one of its passkeys. Nobody can sign in to it.
    case account
    /// An API key's row. The key is refused.
    case apiKey
    /// Rows of the database as a whole, which an operator has accepted as they were.
    case database
    /// A newer server's word.
    case other
}

/// Why a passkey was removed.
public enum RemovalReason: String, Sendable {
    /// A back end asked for it, with an API key.
    case backEnd
    /// The person removed it, and confirmed that with a passkey.
    case user
    /// A newer server's reason.
    case other
}

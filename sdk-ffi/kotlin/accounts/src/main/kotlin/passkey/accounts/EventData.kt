package passkey.accounts

import java.time.Instant

/** What happened. A type that is newer than this version is [Unknown]; its name and data are the [Event]'s. */
public sealed interface EventData

/** An account was made. */
public data class Registered(
    /** The new account. */
    public val accountId: String,
) : EventData

/** A session was opened. */
public data class LoggedIn(
    /** Whose session. */
    public val accountId: String,
    /** The session. */
    public val sessionId: String,
    /** The passkey that opened it. */
    public val passkeyId: String,
    /** The page's origin. */
    public val origin: String,
    /** The public key that the session's proofs are checked with. */
    public val sessionKey: SessionKey,
    /** When the session ends at the latest. */
    public val expiresAt: Instant,
    /** The authenticator checked the person, not only a touch. */
    public val userVerified: Boolean,
    /** The passkey is in a backup. */
    public val backedUp: Boolean,
    /** Open sessions of the account after this event; 1 means that the account has just come. */
    public val accountSessions: Long,
    /** The authenticator's own signature; absent after sign-up. */
    public val evidence: Evidence?,
) : EventData

/** A session ended. */
public data class LoggedOut(
    /** Whose session. */
    public val accountId: String,
    /** The session that ended. */
    public val sessionId: String,
    /** Why. */
    public val reason: EndReason,
    /** Open sessions of the account after this event; 0 means that the account has just left. */
    public val accountSessions: Long,
) : EventData

/** An account got a passkey; pin its public key to check evidence later. */
public data class PasskeyAdded(
    /** Whose passkey. */
    public val accountId: String,
    /** The passkey. */
    public val passkeyId: String,
    /** `COSE_Key` bytes as the authenticator made them. */
    public val publicKey: Bytes,
    /** The authenticator's model, 16 bytes. */
    public val aaguid: Bytes,
    /** The passkey is in a backup. */
    public val backedUp: Boolean,
    /** How a passkey that the account had before vouched for this one; absent for the first. */
    public val evidence: Evidence?,
) : EventData

/** A person confirmed an action of their session with a passkey. */
public data class Confirmed(
    /** Who confirmed. */
    public val accountId: String,
    /** The session that asked. */
    public val sessionId: String,
    /** The passkey that signed. */
    public val passkeyId: String,
    /** Names the confirmation; the page was told it too. */
    public val ceremonyId: String,
    /** What was confirmed: a JSON object, at most 2 KiB, in its RFC 8785 form, as text. */
    public val action: String,
    /** The authenticator's signature over it. */
    public val evidence: Evidence,
) : EventData

/** A passkey has another name, which the event does not tell. */
public data class PasskeyRenamed(
    /** Whose passkey. */
    public val accountId: String,
    /** The passkey. */
    public val passkeyId: String,
) : EventData

/** An account lost a passkey. The sessions that it opened end with it. */
public data class PasskeyRemoved(
    /** Whose passkey. */
    public val accountId: String,
    /** The passkey. */
    public val passkeyId: String,
    /** Why. */
    public val reason: RemovalReason,
    /** How a passkey of the account signed the removal; absent unless the person removed it. */
    public val evidence: Evidence?,
) : EventData

/** An account is gone, with its address, its passkeys and its sessions. */
public data class AccountErased(
    /** The account that is gone. */
    public val accountId: String,
) : EventData

/** The app got an API key. Needs the scope `audit:read`. */
public data class ApiKeyCreated(
    /** The key's public name. */
    public val keyId: String,
    /** For people. */
    public val name: String,
    /** What it may be used for, for example `events:read`. */
    public val scopes: List<String>,
) : EventData

/** An API key was taken back. Needs the scope `audit:read`. */
public data class ApiKeyRevoked(
    /** The key's public name. */
    public val keyId: String,
) : EventData

/** A passkey's signature counter did not rise: it may have been copied. */
public data class CounterRegressed(
    /** Whose passkey. */
    public val accountId: String,
    /** The passkey. */
    public val passkeyId: String,
    /** The counter that the server had. */
    public val stored: Long,
    /** The counter that the authenticator sent. */
    public val received: Long,
) : EventData

/**
 * A row of the server's database is not what the server stored: somebody else has written to it. The row is refused from
 * now on. Needs the scope `audit:read`.
 */
public data class TamperingDetected(
    /** What was changed. */
    public val row: TamperedRow,
    /** The account, for a row of an account; absent when only its address leads nowhere. */
    public val accountId: String?,
    /** The key's public name, for the row of an API key. */
    public val keyId: String?,
) : EventData

/** What somebody else has written to. */
public enum class TamperedRow {
    /** An account's row, its key, or one of its passkeys. Nobody can sign in to it. */
    ACCOUNT,

    /** An API key's row. The key is refused. */
    API_KEY,

    /** Rows of the database as a whole, which an operator has accepted as they were. */
    DATABASE,

    /** A newer server's word. */
    OTHER,
}

/**
 * The recovery of an account has begun: somebody knows its recovery code and reads its mail, or two operators have approved
 * it. Until it is completed whoever is signed in, or a back end, can cancel it.
 */
public data class RecoveryStarted(
    /** The account. */
    public val accountId: String,
    /** The earliest time at which it gives a new passkey; later if the server does not run all the time. */
    public val until: Instant,
) : EventData

/** A recovery is over without a new passkey. */
public data class RecoveryCancelled(
    /** The account. */
    public val accountId: String,
    /** Who cancelled it, or that nobody came in time. */
    public val reason: CancelReason,
) : EventData

/** Why a recovery is over without a new passkey. */
public enum class CancelReason {
    /** The person, on a page where they are signed in. */
    USER,

    /** A back end or an operator, with an API key. */
    BACK_END,

    /** Nobody came for the new passkey in time. */
    EXPIRED,

    /** A newer server's reason. The recovery is over all the same. */
    OTHER,
}

/**
 * A recovery gave an account a passkey, and all its sessions ended. No passkey vouched for it: this stands in the place of
 * [PasskeyAdded].
 */
public data class RecoveryCompleted(
    /** The account. */
    public val accountId: String,
    /** The new passkey. */
    public val passkeyId: String,
    /** `COSE_Key` bytes. */
    public val publicKey: Bytes,
    /** The authenticator's model, 16 bytes; all zero when it does not say. */
    public val aaguid: Bytes,
    /** The passkey is in a backup, as its platform reports it. */
    public val backedUp: Boolean,
) : EventData

/** A type that is newer than this version. */
public data object Unknown : EventData

/** Why a session ended. */
public enum class EndReason {
    /** The person signed out. */
    USER,

    /** The page closed its socket in an orderly way. */
    PAGE_GONE,

    /** The socket dropped and nobody resumed within the grace time. */
    CONNECTION_LOST,

    /** The page was silent for too long. */
    IDLE_TIMEOUT,

    /** The session reached its greatest age. */
    ABSOLUTE_TIMEOUT,

    /** A back end or an operator ended it. */
    REVOKED,

    /** The same page signed in anew. */
    REPLACED,

    /** The passkey that opened it was removed. */
    PASSKEY_REMOVED,

    /** The account was erased. */
    ACCOUNT_ERASED,

    /** The account was recovered: whoever was signed in signs in anew. */
    RECOVERED,

    /** The API key that vouched for it was revoked. */
    KEY_REVOKED,

    /** The server that carried it went away. */
    SERVER_LOST,

    /** A newer server's reason. */
    OTHER,
}

/** Why a passkey was removed. */
public enum class RemovalReason {
    /** A back end asked for it, with an API key. */
    BACK_END,

    /** The person removed it, and confirmed that with a passkey. */
    USER,

    /** A newer server's reason. */
    OTHER,
}

/** The public half of a session key: a point on P-256. Its text forms are those of a JWK. */
public data class SessionKey(
    /** 32 bytes, big-endian. */
    public val x: Bytes,
    /** 32 bytes, big-endian. */
    public val y: Bytes,
)

/** What an authenticator signed, and over what: checkable with the passkey's public key alone. */
public data class Evidence(
    /** The random part of the challenge, 32 bytes. */
    public val random: Bytes,
    /** What the ceremony was for, for example `signIn`. */
    public val kind: String,
    /** The page's origin. */
    public val origin: String,
    /** RFC 7638 thumbprint of the session key, 32 bytes. */
    public val thumbprint: Bytes,
    /** The passkey's WebAuthn credential id. */
    public val credentialId: Bytes,
    /** As the authenticator made it. */
    public val authenticatorData: Bytes,
    /** As the browser made it. */
    public val clientDataJson: Bytes,
    /** Over authenticatorData and SHA-256(clientDataJSON). */
    public val signature: Bytes,
)

package passkey.accounts

import java.time.Instant

/** The app that an API key speaks for. */
public data class AppInfo(
    /** Names it. */
    public val appId: String,
    /** For people. */
    public val name: String,
    /** The domain that its passkeys belong to. */
    public val rpId: String,
    /** Where its pages are. */
    public val origins: List<String>,
    /** How passkeys are asked for. */
    public val policy: Policy,
)

/** How passkeys are asked for. */
public enum class Policy {
    /** A passkey that only an address brings up. */
    STRICT,

    /** A passkey that shows up in the platform's list and in its backups. */
    RECOVERABLE,

    /** A passkey on a security key of a model that the server lists. */
    HARDWARE,
}

/** Open sessions, oldest first. */
public data class SessionsPage(
    /** A page of them. */
    public val sessions: List<OpenSession>,
    /** Give it as `after` for the next page; `null` on the last one. */
    public val next: String?,
    /** The position in the log that this page is exact at. */
    public val head: String,
)

/** An account. Its address is not said: a back end never needs it, and it is nobody's business. */
public data class AccountInfo(
    /** Names it. */
    public val accountId: String,
    /** When it was made. */
    public val createdAt: Instant,
    /** How many passkeys it has. */
    public val passkeys: Long,
    /** How many sessions of it are open. */
    public val sessions: Long,
)

/** A passkey. */
public data class PasskeyInfo(
    /** Names it. */
    public val passkeyId: String,
    /** What the person calls it; `null` until they do. */
    public val name: String?,
    /** When it was made. */
    public val createdAt: Instant,
    /** When it was last used, to the day; `null` when it was never used since it was made. */
    public val lastUsedAt: Instant?,
    /** The authenticator's model, 16 bytes; all zero when it does not say. */
    public val aaguid: Bytes,
    /** It may be in a backup; this never changes. */
    public val backupEligible: Boolean,
    /** It was in a backup when it was last used. */
    public val backedUp: Boolean,
)

/** A stretch of the log. */
public data class EventsPage(
    /** Events of the types asked for, in the order of the log. */
    public val events: List<Event>,
    /** Give it as `after` for what follows. It moves on also where no event was of the types asked for. */
    public val next: String,
    /** More is in the log already; otherwise [next] is its end. */
    public val more: Boolean,
    /** The position before the oldest event that is kept. */
    public val oldest: String,
    /** The hash chain up to [oldest], 32 bytes. */
    public val oldestHash: Bytes,
    /** The position of the newest event. */
    public val head: String,
)

/** The newest signed head of an app's log. */
public data class Checkpoint(
    /** Whose log. */
    public val appId: String,
    /** Where it ends, and the server's signature over that. */
    public val head: SignedHead,
)

/** A new API key, shown once: the server stores its hash only. */
public class CreatedKey internal constructor(
    /** The key itself: the secret. */
    public val apiKey: String,
    /** What is known of it from now on. */
    public val key: KeyInfo,
) {
    /** Hides the secret. */
    override fun toString(): String = "CreatedKey(key=$key)"
}

/** What is known of an API key. */
public data class KeyInfo(
    /** Its public name: the third part of the key itself. */
    public val keyId: String,
    /** For people. */
    public val name: String,
    /** What it may be used for, for example `events:read`. */
    public val scopes: List<String>,
    /** When it was made. */
    public val createdAt: Instant,
    /** When it stops working; `null` where it does not by itself. */
    public val expiresAt: Instant?,
    /** When it was taken back. */
    public val revokedAt: Instant?,
    /** Of a key pair: the public half, 43 characters of base64url; `null`: it is an API key. */
    public val publicKey: String?,
)

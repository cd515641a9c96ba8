package passkey.accounts

import java.time.Instant
import kotlin.time.Duration
import kotlin.time.toJavaDuration
import passkey.accounts.ffi.Client

/**
 * The HTTP API. Every call throws [ApiException] when it did not work; cancelling one gives up the answer, not what the server
 * does. What a call needs beside a valid key is named with it.
 */
public class Api internal constructor(private val client: Client) {
    /** The app that the key speaks for. A good first call: it needs no scope. */
    public suspend fun app(): AppInfo = calling { client.app() }.toApp()

    /**
     * The open sessions, oldest first: those after this one, at most [limit] (1 to 500, `null`: 100), of this account only.
     * Needs `sessions:read`.
     */
    public suspend fun sessions(after: String? = null, limit: Int? = null, accountId: String? = null): SessionsPage =
        calling { client.listSessions(after, limit?.toUInt(), accountId) }.toPage()

    /** Ends a session: its page is told, its socket is closed. `notFound` when it is not open. Needs `sessions:write`. */
    public suspend fun endSession(sessionId: String): Unit = calling { client.endSession(sessionId) }

    /** What is known of an account; `notFound` when there is none. Needs `accounts:read`. */
    public suspend fun account(accountId: String): AccountInfo = calling { client.account(accountId) }.toAccount()

    /** Erases an account for ever: its address, its passkeys and its sessions. Needs `accounts:write`. */
    public suspend fun eraseAccount(accountId: String): Unit = calling { client.eraseAccount(accountId) }

    /** Cancels the recovery of an account; `notFound` when there is none. Needs `accounts:write`. */
    public suspend fun cancelRecovery(accountId: String): Unit = calling { client.cancelRecovery(accountId) }

    /** The passkeys of an account, oldest first. Needs `accounts:read`. */
    public suspend fun passkeys(accountId: String): List<PasskeyInfo> =
        calling { client.passkeys(accountId) }.map { it.toPasskey() }

    /**
     * Removes a passkey and ends the sessions that it opened; `lastPasskey` when it is the account's last. Needs
     * `accounts:write`.
     */
    public suspend fun removePasskey(accountId: String, passkeyId: String): Unit =
        calling { client.removePasskey(accountId, passkeyId) }

    /**
     * The log after a position, at most [limit] events (1 to 500, `null`: 100) of these types (none: sign-ins and sign-outs).
     * `gone` when the position cannot be continued. Needs `events:read`.
     */
    public suspend fun events(
        after: String? = null,
        limit: Int? = null,
        types: List<String> = emptyList(),
    ): EventsPage = calling { client.listEvents(after, limit?.toUInt(), types) }.toPage()

    /** The newest signed head of the log. Needs `events:read`. */
    public suspend fun checkpoint(): Checkpoint = calling { client.checkpoint() }.toCheckpoint()

    /** The app's keys, oldest first, without their secrets. Needs `keys:write`. */
    public suspend fun keys(): List<KeyInfo> = calling { client.keys() }.map { it.toKey() }

    /**
     * Makes a key. It may do nothing that this one may not; [scopes] `null`: what this one may. [expiresAt] `null`: it stays
     * until it is revoked. Needs `keys:write`.
     */
    public suspend fun createKey(name: String, scopes: List<String>? = null, expiresAt: Instant? = null): CreatedKey =
        calling { client.createKey(name, scopes, expiresAt) }.toCreated()

    /**
     * Registers the public half of a key pair (43 characters of base64url), which works from now on like a key. [scopes] and
     * [expiresAt] as of [createKey]. Needs `keys:write`.
     */
    public suspend fun registerKeyPair(
        publicKey: String,
        name: String,
        scopes: List<String>? = null,
        expiresAt: Instant? = null,
    ): KeyInfo = calling { client.registerKeyPair(publicKey, name, scopes, expiresAt) }.toKey()

    /** Makes a key like [keyId], which still works for [overlap] (at most 30 days) and expires then. Needs `keys:write`. */
    public suspend fun rotateKey(keyId: String, overlap: Duration): CreatedKey =
        calling { client.rotateKey(keyId, overlap.toJavaDuration()) }.toCreated()

    /** Takes a key back; its event sockets are closed at once. Needs `keys:write`. */
    public suspend fun revokeKey(keyId: String): Unit = calling { client.revokeKey(keyId) }
}

package passkey.accounts.async

import java.time.Duration
import java.time.Instant
import java.util.concurrent.CompletableFuture
import kotlin.time.toKotlinDuration
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.future.future
import passkey.accounts.AccountInfo
import passkey.accounts.Api
import passkey.accounts.AppInfo
import passkey.accounts.Checkpoint
import passkey.accounts.CreatedKey
import passkey.accounts.EventsPage
import passkey.accounts.KeyInfo
import passkey.accounts.PasskeyInfo
import passkey.accounts.SessionsPage

/** [Api] for Java. Futures complete exceptionally with an [passkey.accounts.ApiException]. */
public class AsyncApi internal constructor(private val api: Api, private val scope: CoroutineScope) {
    /** As [Api.app]. */
    public fun app(): CompletableFuture<AppInfo> = scope.future { api.app() }

    /** As [Api.sessions]. */
    @JvmOverloads
    public fun sessions(
        after: String? = null,
        limit: Int? = null,
        accountId: String? = null,
    ): CompletableFuture<SessionsPage> = scope.future { api.sessions(after, limit, accountId) }

    /** As [Api.endSession]. */
    public fun endSession(sessionId: String): CompletableFuture<Void?> = done { api.endSession(sessionId) }

    /** As [Api.account]. */
    public fun account(accountId: String): CompletableFuture<AccountInfo> = scope.future { api.account(accountId) }

    /** As [Api.eraseAccount]. */
    public fun eraseAccount(accountId: String): CompletableFuture<Void?> = done { api.eraseAccount(accountId) }

    /** As [Api.cancelRecovery]. */
    public fun cancelRecovery(accountId: String): CompletableFuture<Void?> = done { api.cancelRecovery(accountId) }

    /** As [Api.passkeys]. */
    public fun passkeys(accountId: String): CompletableFuture<List<PasskeyInfo>> = scope.future { api.passkeys(accountId) }

    /** As [Api.removePasskey]. */
    public fun removePasskey(accountId: String, passkeyId: String): CompletableFuture<Void?> =
        done { api.removePasskey(accountId, passkeyId) }

    /** As [Api.events]. */
    @JvmOverloads
    public fun events(
        after: String? = null,
        limit: Int? = null,
        types: List<String> = emptyList(),
    ): CompletableFuture<EventsPage> = scope.future { api.events(after, limit, types) }

    /** As [Api.checkpoint]. */
    public fun checkpoint(): CompletableFuture<Checkpoint> = scope.future { api.checkpoint() }

    /** As [Api.keys]. */
    public fun keys(): CompletableFuture<List<KeyInfo>> = scope.future { api.keys() }

    /** As [Api.createKey]. */
    @JvmOverloads
    public fun createKey(
        name: String,
        scopes: List<String>? = null,
        expiresAt: Instant? = null,
    ): CompletableFuture<CreatedKey> = scope.future { api.createKey(name, scopes, expiresAt) }

    /** As [Api.registerKeyPair]. */
    @JvmOverloads
    public fun registerKeyPair(
        publicKey: String,
        name: String,
        scopes: List<String>? = null,
        expiresAt: Instant? = null,
    ): CompletableFuture<KeyInfo> = scope.future { api.registerKeyPair(publicKey, name, scopes, expiresAt) }

    /** As [Api.rotateKey]. */
    public fun rotateKey(keyId: String, overlap: Duration): CompletableFuture<CreatedKey> =
        scope.future { api.rotateKey(keyId, overlap.toKotlinDuration()) }

    /** As [Api.revokeKey]. */
    public fun revokeKey(keyId: String): CompletableFuture<Void?> = done { api.revokeKey(keyId) }

    private fun done(call: suspend () -> Unit): CompletableFuture<Void?> = scope.future {
        call()
        null
    }
}

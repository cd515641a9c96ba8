package passkey.accounts

import passkey.accounts.ffi.AccountInfo as FfiAccountInfo
import passkey.accounts.ffi.AppInfo as FfiAppInfo
import passkey.accounts.ffi.Checkpoint as FfiCheckpoint
import passkey.accounts.ffi.CreatedKey as FfiCreatedKey
import passkey.accounts.ffi.EventsPage as FfiEventsPage
import passkey.accounts.ffi.KeyInfo as FfiKeyInfo
import passkey.accounts.ffi.PasskeyInfo as FfiPasskeyInfo
import passkey.accounts.ffi.Policy as FfiPolicy
import passkey.accounts.ffi.SessionsPage as FfiSessionsPage

internal fun FfiAppInfo.toApp(): AppInfo = AppInfo(
    appId,
    name,
    rpId,
    origins,
    when (policy) {
        FfiPolicy.STRICT -> Policy.STRICT
        FfiPolicy.RECOVERABLE -> Policy.RECOVERABLE
        FfiPolicy.HARDWARE -> Policy.HARDWARE
    },
)

internal fun FfiSessionsPage.toPage(): SessionsPage = SessionsPage(sessions.map { it.toOpen() }, next, head)

internal fun FfiAccountInfo.toAccount(): AccountInfo =
    AccountInfo(accountId, createdAt, passkeys.toLong(), sessions.toLong())

internal fun FfiPasskeyInfo.toPasskey(): PasskeyInfo =
    PasskeyInfo(passkeyId, name, createdAt, lastUsedAt, Bytes.ofOwn(aaguid), backupEligible, backedUp)

internal fun FfiEventsPage.toPage(): EventsPage =
    EventsPage(events.map { it.toEvent() }, next, more, oldest, Bytes.ofOwn(oldestHash), head)

internal fun FfiCheckpoint.toCheckpoint(): Checkpoint = Checkpoint(appId, head.toHead())

internal fun FfiCreatedKey.toCreated(): CreatedKey = CreatedKey(apiKey, key.toKey())

internal fun FfiKeyInfo.toKey(): KeyInfo = 
    KeyInfo(keyId, name, scopes, createdAt, expiresAt, revokedAt, publicKey)

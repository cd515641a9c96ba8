// Values of the generated code as this package's own. Every variant and every member is named, so that a change of the core
// does not compile here until it is mirrored.
package passkey.accounts

import passkey.accounts.ffi.Bookmark as FfiBookmark
import passkey.accounts.ffi.CancelReason as FfiCancelReason
import passkey.accounts.ffi.EndReason as FfiEndReason
import passkey.accounts.ffi.Ended as FfiEnded
import passkey.accounts.ffi.Event as FfiEvent
import passkey.accounts.ffi.EventKind as FfiEventKind
import passkey.accounts.ffi.Evidence as FfiEvidence
import passkey.accounts.ffi.Gap as FfiGap
import passkey.accounts.ffi.GapNext as FfiGapNext
import passkey.accounts.ffi.GapReason as FfiGapReason
import passkey.accounts.ffi.Item as FfiItem
import passkey.accounts.ffi.OpenSession as FfiOpenSession
import passkey.accounts.ffi.RemovalReason as FfiRemovalReason
import passkey.accounts.ffi.SessionKey as FfiSessionKey
import passkey.accounts.ffi.SignedHead as FfiSignedHead
import passkey.accounts.ffi.Snapshot as FfiSnapshot
import passkey.accounts.ffi.Status as FfiStatus
import passkey.accounts.ffi.TamperedRow as FfiTamperedRow
import kotlin.time.toKotlinDuration

internal fun FfiItem.toItem(): Item = when (this) {
    is FfiItem.Event -> event.toEvent()
    is FfiItem.Snapshot -> snapshot.toSnapshot()
    is FfiItem.Gap -> gap.toGap()
    is FfiItem.Bookmark -> bookmark.toBookmark()
}

internal fun FfiEvent.toEvent(): Event = Event(id, seq.toLong(), time, name, kind.toData(), data)

private fun FfiEventKind.toData(): EventData = when (this) {
    is FfiEventKind.Registered -> Registered(accountId)
    is FfiEventKind.LoggedIn -> with(login) {
        LoggedIn(
            accountId,
            sessionId,
            passkeyId,
            origin,
            sessionKey.toKey(),
            expiresAt,
            userVerified,
            backedUp,
            accountSessions.toLong(),
            evidence?.toEvidence(),
        )
    }
    is FfiEventKind.LoggedOut -> LoggedOut(accountId, sessionId, reason.toReason(), accountSessions.toLong())
    is FfiEventKind.PasskeyAdded -> PasskeyAdded(
        accountId,
        passkeyId,
        Bytes.ofOwn(publicKey),
        Bytes.ofOwn(aaguid),
        backedUp,
        evidence?.toEvidence(),
    )
    is FfiEventKind.Confirmed -> with(confirmation) {
        Confirmed(accountId, sessionId, passkeyId, ceremonyId, action, evidence.toEvidence())
    }
    is FfiEventKind.PasskeyRenamed -> PasskeyRenamed(accountId, passkeyId)
    is FfiEventKind.PasskeyRemoved -> PasskeyRemoved(accountId, passkeyId, reason.toReason(), evidence?.toEvidence())
    is FfiEventKind.AccountErased -> AccountErased(accountId)
    is FfiEventKind.ApiKeyCreated -> ApiKeyCreated(keyId, name, scopes)
    is FfiEventKind.ApiKeyRevoked -> ApiKeyRevoked(keyId)
    is FfiEventKind.CounterRegressed -> CounterRegressed(accountId, passkeyId, stored.toLong(), received.toLong())
    is FfiEventKind.TamperingDetected -> TamperingDetected(row.toRow(), accountId, keyId)
    is FfiEventKind.RecoveryStarted -> RecoveryStarted(accountId, until)
    is FfiEventKind.RecoveryCancelled -> RecoveryCancelled(accountId, reason.toReason())
    is FfiEventKind.RecoveryCompleted ->
        RecoveryCompleted(accountId, passkeyId, Bytes.ofOwn(publicKey), Bytes.ofOwn(aaguid), backedUp)
    is FfiEventKind.Other -> Unknown
}

internal fun FfiEvidence.toEvidence(): Evidence = Evidence(
    Bytes.ofOwn(random),
    kind,
    origin,
    Bytes.ofOwn(thumbprint),
    Bytes.ofOwn(credentialId),
    Bytes.ofOwn(authenticatorData),
    Bytes.ofOwn(clientDataJson),
    Bytes.ofOwn(signature),
)

private fun FfiSessionKey.toKey(): SessionKey = SessionKey(Bytes.ofOwn(x), Bytes.ofOwn(y))

internal fun FfiSnapshot.toSnapshot(): Snapshot =
    Snapshot(sessions.map(FfiOpenSession::toOpen), first, last, id, hash?.let(Bytes::ofOwn))

internal fun FfiOpenSession.toOpen(): OpenSession =
    OpenSession(accountId, sessionId, passkeyId, sessionKey.toKey(), since, expiresAt)

internal fun FfiGap.toGap(): Gap = Gap(reason.toReason(), after, next.toNext(), oldest)

internal fun FfiBookmark.toBookmark(): Bookmark = Bookmark(id, time, hash?.let(Bytes::ofOwn), head?.toHead())

internal fun FfiSignedHead.toHead(): SignedHead =
    SignedHead(epoch, seq.toLong(), Bytes.ofOwn(hash), time, keyId, Bytes.ofOwn(sig))

internal fun FfiStatus.toStatus(): Status = when (this) {
    is FfiStatus.Connecting -> Status.Connecting
    is FfiStatus.Live -> Status.Live
    is FfiStatus.Standby -> Status.Standby
    is FfiStatus.Waiting -> Status.Waiting(retryIn.toKotlinDuration(), why)
    is FfiStatus.Closed -> Status.Closed
}

internal fun FfiEnded.toEnded(): Ended = when (this) {
    is FfiEnded.LoggedOut -> Ended.LoggedOut(reason.toReason())
    is FfiEnded.Expired -> Ended.Expired
    is FfiEnded.Vanished -> Ended.Vanished
    is FfiEnded.Unfollowed -> Ended.Unfollowed
}

private fun FfiEndReason.toReason(): EndReason = when (this) {
    FfiEndReason.USER -> EndReason.USER
    FfiEndReason.PAGE_GONE -> EndReason.PAGE_GONE
    FfiEndReason.CONNECTION_LOST -> EndReason.CONNECTION_LOST
    FfiEndReason.IDLE_TIMEOUT -> EndReason.IDLE_TIMEOUT
    FfiEndReason.ABSOLUTE_TIMEOUT -> EndReason.ABSOLUTE_TIMEOUT
    FfiEndReason.REVOKED -> EndReason.REVOKED
    FfiEndReason.REPLACED -> EndReason.REPLACED
    FfiEndReason.PASSKEY_REMOVED -> EndReason.PASSKEY_REMOVED
    FfiEndReason.ACCOUNT_ERASED -> EndReason.ACCOUNT_ERASED
    FfiEndReason.RECOVERED -> EndReason.RECOVERED
    FfiEndReason.KEY_REVOKED -> EndReason.KEY_REVOKED
    FfiEndReason.SERVER_LOST -> EndReason.SERVER_LOST
    FfiEndReason.OTHER -> EndReason.OTHER
}

private fun FfiRemovalReason.toReason(): RemovalReason = when (this) {
    FfiRemovalReason.BACK_END -> RemovalReason.BACK_END
    FfiRemovalReason.USER -> RemovalReason.USER
    FfiRemovalReason.OTHER -> RemovalReason.OTHER
}

private fun FfiCancelReason.toReason(): CancelReason = when (this) {
    FfiCancelReason.USER -> CancelReason.USER
    FfiCancelReason.BACK_END -> CancelReason.BACK_END
    FfiCancelReason.EXPIRED -> CancelReason.EXPIRED
    FfiCancelReason.OTHER -> CancelReason.OTHER
}

private fun FfiTamperedRow.toRow(): TamperedRow = when (this) {
    FfiTamperedRow.ACCOUNT -> TamperedRow.ACCOUNT
    FfiTamperedRow.API_KEY -> TamperedRow.API_KEY
    FfiTamperedRow.DATABASE -> TamperedRow.DATABASE
    FfiTamperedRow.OTHER -> TamperedRow.OTHER
}

private fun FfiGapReason.toReason(): GapReason = when (this) {
    FfiGapReason.TRUNCATED -> GapReason.TRUNCATED
    FfiGapReason.AHEAD -> GapReason.AHEAD
    FfiGapReason.DIVERGED -> GapReason.DIVERGED
    FfiGapReason.EPOCH -> GapReason.EPOCH
    FfiGapReason.OTHER -> GapReason.OTHER
}

private fun FfiGapNext.toNext(): GapNext = when (this) {
    FfiGapNext.SNAPSHOT -> GapNext.SNAPSHOT
    FfiGapNext.OLDEST -> GapNext.OLDEST
    FfiGapNext.OTHER -> GapNext.OTHER
}

// Events out of the library's memory (sdk-ffi/src/packed.rs), each member read when it is looked at.
package passkey.accounts

import java.nio.ByteBuffer
import java.time.Instant

/** An event as its bytes. What costs more than a look is read once; threads that look at the same time read the same. */
internal class PackedEvent(private val bytes: ByteArray) : Entry {
    private var readId: String? = null
    private var readData: EventData? = null

    override val seq: Long get() = from(0).long
    override val time: Instant get() = from(TIME).time()
    override val id: String get() = readId ?: from(TEXTS).text().also { readId = it }
    override val name: String get() = from(TEXTS).skip(1).text()
    override val json: String get() = from(TEXTS).skip(2).text()
    override val data: EventData get() = readData ?: from(TEXTS).skip(3).data().also { readData = it }

    private fun from(offset: Int): ByteBuffer = ByteBuffer.wrap(bytes).position(offset)

    private companion object {
        const val TIME = 8
        const val TEXTS = 16
    }
}

/** The type, then its members. */
private fun ByteBuffer.data(): EventData = when (get().toInt()) {
    1 -> Registered(accountId = text())
    2 -> LoggedIn(
        accountId = text(),
        sessionId = text(),
        passkeyId = text(),
        origin = text(),
        sessionKey = sessionKey(),
        expiresAt = time(),
        userVerified = flag(),
        backedUp = flag(),
        accountSessions = long,
        evidence = optionalEvidence(),
    )
    3 -> LoggedOut(accountId = text(), sessionId = text(), reason = endReason(text()), accountSessions = long)
    4 -> PasskeyAdded(
        accountId = text(),
        passkeyId = text(),
        publicKey = bytes(),
        aaguid = bytes(),
        backedUp = flag(),
        evidence = optionalEvidence(),
    )
    5 -> Confirmed(
        accountId = text(),
        sessionId = text(),
        passkeyId = text(),
        ceremonyId = text(),
        action = text(),
        evidence = checkNotNull(optionalEvidence()) { "the core lets no confirmation through without" },
    )
    6 -> PasskeyRenamed(accountId = text(), passkeyId = text())
    7 -> PasskeyRemoved(
        accountId = text(),
        passkeyId = text(),
        reason = removalReason(text()),
        evidence = optionalEvidence(),
    )
    8 -> AccountErased(accountId = text())
    9 -> ApiKeyCreated(keyId = text(), name = text(), scopes = List(int) { text() })
    10 -> ApiKeyRevoked(keyId = text())
    11 -> CounterRegressed(
        accountId = text(),
        passkeyId = text(),
        stored = Integer.toUnsignedLong(int),
        received = Integer.toUnsignedLong(int),
    )
    13 -> TamperingDetected(
        row = tamperedRow(text()),
        accountId = if (flag()) text() else null,
        keyId = if (flag()) text() else null,
    )
    14 -> RecoveryStarted(accountId = text(), until = time())
    15 -> RecoveryCancelled(accountId = text(), reason = cancelReason(text()))
    16 -> RecoveryCompleted(
        accountId = text(),
        passkeyId = text(),
        publicKey = bytes(),
        aaguid = bytes(),
        backedUp = flag(),
    )
    else -> Unknown
}

private fun ByteBuffer.sessionKey(): SessionKey {
    int
    return SessionKey(x = bytes(), y = bytes())
}

private fun ByteBuffer.optionalEvidence(): Evidence? {
    if (!flag()) return null
    int
    return Evidence(
        random = bytes(),
        kind = text(),
        origin = text(),
        thumbprint = bytes(),
        credentialId = bytes(),
        authenticatorData = bytes(),
        clientDataJson = bytes(),
        signature = bytes(),
    )
}

private fun endReason(word: String): EndReason = when (word) {
    "user" -> EndReason.USER
    "pageGone" -> EndReason.PAGE_GONE
    "connectionLost" -> EndReason.CONNECTION_LOST
    "idleTimeout" -> EndReason.IDLE_TIMEOUT
    "absoluteTimeout" -> EndReason.ABSOLUTE_TIMEOUT
    "revoked" -> EndReason.REVOKED
    "replaced" -> EndReason.REPLACED
    "passkeyRemoved" -> EndReason.PASSKEY_REMOVED
    "accountErased" -> EndReason.ACCOUNT_ERASED
    "recovered" -> EndReason.RECOVERED
    "keyRevoked" -> EndReason.KEY_REVOKED
    "serverLost" -> EndReason.SERVER_LOST
    else -> EndReason.OTHER
}

private fun tamperedRow(word: String): TamperedRow = when (word) {
    "account" -> TamperedRow.ACCOUNT
    "apiKey" -> TamperedRow.API_KEY
    "database" -> TamperedRow.DATABASE
    else -> TamperedRow.OTHER
}

private fun cancelReason(word: String): CancelReason = when (word) {
    "user" -> CancelReason.USER
    "backEnd" -> CancelReason.BACK_END
    "expired" -> CancelReason.EXPIRED
    else -> CancelReason.OTHER
}

private fun removalReason(word: String): RemovalReason = when (word) {
    "backEnd" -> RemovalReason.BACK_END
    "user" -> RemovalReason.USER
    else -> RemovalReason.OTHER
}

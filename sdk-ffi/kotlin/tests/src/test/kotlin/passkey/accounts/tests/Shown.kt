// Values of the package as they are on the wire, to be compared with what was.
package passkey.accounts.tests

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ObjectNode
import java.time.Instant
import java.time.format.DateTimeFormatterBuilder
import passkey.accounts.AccountErased
import passkey.accounts.ApiKeyCreated
import passkey.accounts.ApiKeyRevoked
import passkey.accounts.Bytes
import passkey.accounts.Confirmed
import passkey.accounts.CounterRegressed
import passkey.accounts.Event
import passkey.accounts.EventData
import passkey.accounts.Evidence
import passkey.accounts.LoggedIn
import passkey.accounts.LoggedOut
import passkey.accounts.OpenSession
import passkey.accounts.PasskeyAdded
import passkey.accounts.PasskeyRemoved
import passkey.accounts.PasskeyRenamed
import passkey.accounts.RecoveryCancelled
import passkey.accounts.RecoveryCompleted
import passkey.accounts.RecoveryStarted
import passkey.accounts.Registered
import passkey.accounts.SessionKey
import passkey.accounts.TamperingDetected
import passkey.accounts.Unknown

val JSON = ObjectMapper()

private val MILLISECONDS = DateTimeFormatterBuilder().appendInstant(3).toFormatter()

fun shown(time: Instant): String = MILLISECONDS.format(time)

fun shown(session: OpenSession): JsonNode = with(session) {
    tree(
        "accountID" to accountId,
        "sessionID" to sessionId,
        "passkeyID" to passkeyId,
        "sessionKey" to sessionKey,
        "since" to since,
        "expiresAt" to expiresAt,
    )
}

/** The data as it stands in the log; fails where its typed form says something else. */
fun checked(event: Event): JsonNode {
    val data = JSON.readTree(event.json)
    for ((name, value) in members(event.data).properties()) {
        // Reasons of newer servers have no word of their own here.
        if (name == "reason" && value.asText() == "other") continue
        check(value == data.path(name)) { "$name of ${event.name} is ${data.path(name)} in JSON and $value as a value" }
    }
    return data
}

private fun members(data: EventData): ObjectNode = when (data) {
    is Registered -> tree("accountID" to data.accountId)
    is LoggedIn -> with(data) {
        tree(
            "accountID" to accountId,
            "sessionID" to sessionId,
            "passkeyID" to passkeyId,
            "origin" to origin,
            "sessionKey" to sessionKey,
            "expiresAt" to expiresAt,
            "userVerified" to userVerified,
            "backedUp" to backedUp,
            "accountSessions" to accountSessions,
            "evidence" to evidence,
        )
    }
    is LoggedOut -> with(data) {
        tree(
            "accountID" to accountId,
            "sessionID" to sessionId,
            "reason" to camel(reason.name),
            "accountSessions" to accountSessions,
        )
    }
    is PasskeyAdded -> with(data) {
        tree(
            "accountID" to accountId,
            "passkeyID" to passkeyId,
            "publicKey" to publicKey,
            "aaguid" to aaguid,
            "backedUp" to backedUp,
            "evidence" to evidence,
        )
    }
    is Confirmed -> with(data) {
        tree("accountID" to accountId, "sessionID" to sessionId, "passkeyID" to passkeyId, "ceremonyID" to ceremonyId)
            .apply { set<JsonNode>("action", JSON.readTree(action)) }
    }
    is PasskeyRenamed -> tree("accountID" to data.accountId, "passkeyID" to data.passkeyId)
    is PasskeyRemoved -> with(data) {
        tree("accountID" to accountId, "passkeyID" to passkeyId, "reason" to camel(reason.name), "evidence" to evidence)
    }
    is AccountErased -> tree("accountID" to data.accountId)
    is ApiKeyCreated -> tree("keyID" to data.keyId, "name" to data.name, "scopes" to data.scopes)
    is ApiKeyRevoked -> tree("keyID" to data.keyId)
    is CounterRegressed -> with(data) {
        tree("accountID" to accountId, "passkeyID" to passkeyId, "stored" to stored, "received" to received)
    }
    is TamperingDetected -> with(data) {
        tree("row" to camel(row.name), "accountID" to accountId, "keyID" to keyId)
    }
    is RecoveryStarted -> tree("accountID" to data.accountId, "until" to data.until)
    is RecoveryCancelled -> tree("accountID" to data.accountId, "reason" to camel(data.reason.name))
    is RecoveryCompleted -> with(data) {
        tree(
            "accountID" to accountId,
            "passkeyID" to passkeyId,
            "publicKey" to publicKey,
            "aaguid" to aaguid,
            "backedUp" to backedUp,
        )
    }
    is Unknown -> tree()
}

private fun tree(vararg members: Pair<String, Any?>): ObjectNode = JSON.createObjectNode().apply {
    for ((name, value) in members) if (value != null) set<JsonNode>(name, node(value))
}

private fun node(value: Any): JsonNode = when (value) {
    is Instant -> node(shown(value))
    is Bytes -> node(value.toString())
    is SessionKey -> tree("kty" to "EC", "crv" to "P-256", "x" to value.x, "y" to value.y)
    is Evidence -> with(value) {
        tree(
            "random" to random,
            "kind" to kind,
            "origin" to origin,
            "thumbprint" to thumbprint,
            "credentialID" to credentialId,
            "authenticatorData" to authenticatorData,
            "clientDataJSON" to clientDataJson,
            "signature" to signature,
        )
    }
    // As the parser reads numbers.
    is Long -> JSON.readTree(value.toString())
    else -> JSON.valueToTree(value)
}

private fun camel(name: String): String =
    name.lowercase().split('_').joinToString("") { it.replaceFirstChar(Char::uppercase) }.replaceFirstChar(Char::lowercase)

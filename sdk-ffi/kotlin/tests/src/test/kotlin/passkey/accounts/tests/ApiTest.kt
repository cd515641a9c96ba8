package passkey.accounts.tests

import kotlin.time.Duration.Companion.seconds
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import passkey.accounts.Accounts
import passkey.accounts.ApiException
import passkey.accounts.EndReason
import passkey.accounts.Ended
import passkey.accounts.Snapshot

class ApiTest {
    private suspend fun failure(call: suspend () -> Unit): ApiException =
        runCatching { call() }.exceptionOrNull() as ApiException

    @Test
    fun `sessions, accounts and passkeys are listed and ended`() = live { accounts ->
        val api = accounts.api
        assertTrue(api.app().appId.startsWith("app_"))
        val ada = Person("zoe@shop.example")
        val session = accounts.sessions.waitFor(ada.sessionId)
        val open = api.sessions(accountId = ada.accountId).sessions
        assertEquals(listOf(ada.sessionId), open.map { it.sessionId })
        assertEquals(1, api.sessions(limit = 1).sessions.size)
        assertEquals(1L to 1L, api.account(ada.accountId).let { it.passkeys to it.sessions })
        val passkey = api.passkeys(ada.accountId).single()
        assertEquals(session.passkeyId, passkey.passkeyId)
        assertEquals("lastPasskey", failure { api.removePasskey(ada.accountId, passkey.passkeyId) }.code)
        api.endSession(ada.sessionId)
        assertEquals(Ended.LoggedOut(EndReason.REVOKED), session.ended())
        val gone = failure { api.endSession(ada.sessionId) }
        assertEquals(Triple("notFound", 404, false), Triple(gone.code, gone.status, gone.retryable))
        api.eraseAccount(ada.accountId)
        assertEquals("notFound", failure { api.account(ada.accountId) }.code)
        assertEquals("notFound", failure { api.account("ada") }.code)
    }

    @Test
    fun `the log is read page by page, and its head is signed`() = live { accounts ->
        append(5)
        val page = accounts.api.events(limit = 3)
        assertEquals(3 to true, page.events.size to page.more)
        page.events.forEach(::checked)
        val next = accounts.api.events(after = page.next, limit = 1)
        assertTrue(next.events.single().seq > page.events.last().seq)
        assertEquals(64, accounts.api.checkpoint().head.signature.size)
        val gone = failure { accounts.api.events(after = "yesterday") }
        assertTrue(gone.status in 400..499, "$gone")
    }

    @Test
    fun `a key pair signs for the stream and for the API`() = live { accounts ->
        val publicKey = "E5j2LG0aRXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8o"
        val known = accounts.api.registerKeyPair(publicKey, "pair", scopes = listOf("events:read"))
        assertEquals(publicKey, known.publicKey)
        val keyPair = "pa_pair_1040g2081040g2081040g2081040g2081040g2081040g2081040_d8e1ec3e"
        Accounts.connect(URL, keyPair).use { paired ->
            assertTrue(paired.api.app().appId.startsWith("app_"))
            paired.events().until<Snapshot>().ack()
            accounts.api.revokeKey(known.keyId)
            assertEquals("keyRevoked" to 401, failure { paired.api.app() }.let { it.code to it.status })
        }
    }

    @Test
    fun `keys are made, rotated and revoked, and say what they may not`() = live { accounts ->
        val created = accounts.api.createKey("reader", scopes = listOf("sessions:read"))
        assertFalse(created.toString().contains(created.apiKey))
        val rotated = accounts.api.rotateKey(created.key.keyId, 0.seconds)
        assertTrue(accounts.api.keys().any { it.keyId == rotated.key.keyId })
        Accounts.connect(URL, rotated.apiKey).use { reader ->
            assertEquals("forbidden" to 403, failure { reader.api.checkpoint() }.let { it.code to it.status })
            accounts.api.revokeKey(rotated.key.keyId)
            assertEquals("keyRevoked" to 401, failure { reader.api.app() }.let { it.code to it.status })
        }
        assertEquals("forbidden", failure { accounts.api.createKey("odd", scopes = listOf("everything")) }.code)
    }
}

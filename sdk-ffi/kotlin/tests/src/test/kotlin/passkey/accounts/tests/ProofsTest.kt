package passkey.accounts.tests

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import passkey.accounts.Problem
import passkey.accounts.ProofException
import passkey.accounts.RequestHead

class ProofsTest {
    private suspend fun codeOf(check: suspend () -> Unit): String? = try {
        check()
        null
    } catch (refused: ProofException) {
        refused.code
    }

    @Test
    fun `a signed request is known to be of its session`() = live { accounts ->
        accounts.sessions.inSync()
        Person("ada@shop.example").use { ada ->
            // No wait for the news of the sign-in: the check itself waits.
            val account = accounts.sessions.verify(RequestHead("GET", "/notes?a=%20b", ada.prove("GET", "/notes?a=%20b")))
            assertEquals(ada.accountId to ada.sessionId, account.accountId to account.session.sessionId)
            val (body, head) = """{"text":"milk"}""" to { fields: Map<String, List<String>> -> RequestHead("POST", "/", fields) }
            val signed = head(ada.prove("POST", "/", body))
            assertEquals(account, accounts.sessions.verifyHead(signed).verifyBody(body.toByteArray()))
        }
    }

    @Test
    fun `whatever was not signed like that is refused`() = live { accounts ->
        val sessions = accounts.sessions
        val ada = Person("ada@shop.example")
        sessions.waitFor(ada.sessionId)
        val body = """{"to":"bob"}"""
        fun signed() = ada.prove("POST", "/", body)
        suspend fun of(fields: Map<String, List<String>>, sent: String = body, method: String = "POST", target: String = "/") =
            codeOf { sessions.verify(RequestHead(method, target, fields), sent.toByteArray()) }
        val forged = signed().mapValues { (name, lines) ->
            if (name.lowercase() == "signature") listOf(lines[0].replaceRange(4, 12, "AAAAAAAA")) else lines
        }
        val host = mapOf("host" to listOf("app.example"))
        assertEquals("proofMissing", of(host))
        assertEquals("proofInvalid", of(forged))
        assertEquals("proofInvalid", of(signed(), sent = """{"to":"eve"}"""))
        assertEquals("proofInvalid", of(signed(), method = "PUT"))
        assertEquals("proofInvalid", of(signed(), target = "/other"))
        assertEquals("proofInvalid", of(ada.prove("POST", "/", body, origin = "https://evil.example")))
        val replayed = signed()
        assertNull(of(replayed))
        assertEquals("proofReplayed", of(replayed))
        val before = signed()
        val session = checkNotNull(sessions[ada.sessionId])
        ada.close()
        session.ended()
        assertEquals("sessionGone", of(before))
    }

    @Test
    fun `a socket proves itself with a token, once`() = live { accounts ->
        accounts.sessions.inSync()
        Person("ada@shop.example").use { ada ->
            val (audience, nonce) = "wss://app.example/live" to "bm9uY2U"
            val token = ada.proveSocket(audience, nonce)
            assertEquals(ada.accountId, accounts.sessions.verifySocket(token, audience, nonce).accountId)
            suspend fun of(token: String, nonceOf: String = nonce) = codeOf { accounts.sessions.verifySocket(token, audience, nonceOf) }
            assertEquals("proofReplayed", of(token))
            assertEquals("proofMissing", of(""))
            assertEquals("proofInvalid", of(ada.proveSocket(audience, "another")))
            assertEquals("proofInvalid", of(ada.proveSocket("wss://evil.example/", nonce)))
            assertEquals("proofInvalid", of(ada.proveSocket(audience, nonce).dropLast(8) + "AAAAAAAA"))
        }
    }

    @Test
    fun `a refusal becomes problem details, and anything else does not`() = live { accounts ->
        accounts.sessions.inSync()
        val error = runCatching { accounts.sessions.verify(RequestHead("GET", "/", mapOf("host" to listOf("app.example")))) }
        val problem = checkNotNull(Problem.of(error.exceptionOrNull()!!))
        assertEquals(401, problem.status)
        assertEquals("passkey-accounts", problem.headers["www-authenticate"])
        assertEquals("no-store", problem.headers["cache-control"])
        val body = JSON.readTree(problem.body)
        assertEquals(listOf("type", "title", "status", "code", "detail"), body.fieldNames().asSequence().toList())
        assertEquals("proofMissing", body["code"].asText())
        assertNull(Problem.of(IllegalStateException("ours")))
        accounts.close()
        val closed = runCatching { accounts.sessions.verify(RequestHead("GET", "/", emptyMap())) }.exceptionOrNull()
        val unavailable = checkNotNull(Problem.of(closed!!))
        assertEquals(503 to "1", unavailable.status to unavailable.headers["retry-after"])
        assertTrue(JSON.readTree(unavailable.body)["retryAfterMs"].asInt() == 1_000)
    }
}

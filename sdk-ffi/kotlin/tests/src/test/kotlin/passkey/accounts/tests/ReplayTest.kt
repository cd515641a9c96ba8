@file:OptIn(ForReplays::class)

package passkey.accounts.tests

import com.fasterxml.jackson.databind.JsonNode
import java.io.File
import java.util.Base64
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import passkey.accounts.Bytes
import passkey.accounts.PasskeyException
import passkey.accounts.RequestHead
import passkey.accounts.replay.ForReplays
import passkey.accounts.replay.ProofReplay

class ReplayTest {
    /** Jitter is drawn anew with each: every wait must be within the transcript's bounds. */
    private val seeds = listOf(1L, 2L, 3L, -1L)

    @Test
    fun `the client says and shows what the transcripts say`() {
        val transcripts = clientTranscripts()
        val differences = transcripts.mapNotNull { transcript ->
            seeds.firstNotNullOfOrNull { seed -> replay(transcript, seed) }
        }
        assertEquals(emptyList<String>(), differences)
        val evidence = transcripts.count { it.header.path("evidence").asBoolean() }
        println("replayed stream ${transcripts.size - evidence}")
        println("replayed evidence $evidence")
    }

    @Test
    fun `a transcript that says something else fails at that line`() {
        var changed = 0
        for (transcript in clientTranscripts().filter { it.role == "client" }.filterIndexed { index, _ -> index % 5 == 0 }) {
            for ((index, line) in transcript.lines.withIndex()) {
                if (!isExpectedOfTheClient(line) || line.isExact) continue
                val other = if (line.kind == '!') """{"clientCloses":{"code":1}}""" else """{"surprise":true}"""
                val lines = transcript.lines.toMutableList().apply { set(index, line.copy(value = JSON.readTree(other))) }
                val found = replay(transcript.copy(lines = lines), 1).orEmpty()
                assertTrue(found.startsWith("${line.place}: "), "${line.place}: $found")
                changed += 1
            }
        }
        assertTrue(changed > 100, "$changed lines")
    }

    @Test
    fun `requests and tokens have the outcome that the vectors say`() {
        val requests = vectors("requests")
        val origins = requests["origins"].map { it.asText() }
        val count = outcomes(requests, origins) { now, step ->
            request(now, head(step), step["body"].asText().toByteArray())
        } + outcomes(vectors("sockets"), origins) { now, step ->
            socket(now, step["token"].asText(), step["audience"].asText(), step["nonce"].asText())
        }
        println("replayed proof $count")
    }

    @Test
    fun `a case that says something else is noticed`() {
        val sockets = vectors("sockets")
        (sockets["cases"][0]["steps"][0] as com.fasterxml.jackson.databind.node.ObjectNode).put("expect", "proofInvalid")
        val noticed = runCatching {
            outcomes(sockets, listOf("https://app.example")) { now, step ->
                socket(now, step["token"].asText(), step["audience"].asText(), step["nonce"].asText())
            }
        }
        assertTrue(noticed.exceptionOrNull()?.message.orEmpty().contains("accepted instead of proofInvalid"))
    }

    private fun vectors(name: String): JsonNode = JSON.readTree(File(VECTORS, "proof/$name.json"))

    private fun outcomes(file: JsonNode, origins: List<String>, check: ProofReplay.(Long, JsonNode) -> Unit): Int {
        val keys = file["sessions"].associate { session ->
            val (x, y) = listOf("x", "y").map { Base64.getUrlDecoder().decode(session["sessionKey"][it].asText()) }
            session["sessionID"].asText() to Bytes(byteArrayOf(4) + x + y)
        }
        val differences = file["cases"].flatMap { case ->
            // Each case begins with no nonce remembered.
            val replay = ProofReplay(origins, keys)
            case["steps"].mapNotNull { step ->
                val outcome = try {
                    replay.check(step["now"].asLong(), step)
                    "accepted"
                } catch (refused: PasskeyException) {
                    refused.code
                }
                val expected = step["expect"].asText()
                "${case["name"].asText()}: $outcome instead of $expected".takeIf { outcome != expected }
            }
        }
        assertEquals(emptyList<String>(), differences)
        return file["cases"].size()
    }

    private fun head(step: JsonNode): RequestHead {
        val fields = step["fields"].groupBy({ it[0].asText() }, { it[1].asText() })
        return RequestHead(step["method"].asText(), step["target"].asText(), fields + ("host" to listOf(step["host"].asText())))
    }
}

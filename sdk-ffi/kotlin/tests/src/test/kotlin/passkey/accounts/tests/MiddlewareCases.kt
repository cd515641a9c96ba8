package passkey.accounts.tests

import com.fasterxml.jackson.databind.JsonNode
import java.io.OutputStream
import java.net.Socket
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull

/** An answer as it came. */
class Answer(val status: Int, val fields: Map<String, String>, val text: String) {
    val json: JsonNode get() = JSON.readTree(text)
}

/** Asks a server on this machine, as a proxy does that does TLS and hands the host on: clients of the JDK set no host. */
fun ask(port: Int, method: String, target: String, fields: Map<String, List<String>>, body: ByteArray? = null, chunked: Boolean = false): Answer =
    Socket("localhost", port).use { socket ->
        val out = socket.getOutputStream().buffered()
        out.line("$method $target HTTP/1.1")
        if (fields.keys.none { it.equals("host", true) }) out.line("host: app.example")
        for ((name, lines) in fields) for (line in lines) out.line("$name: $line")
        if (body != null) out.line("content-type: application/json")
        if (body != null) out.line(if (chunked) "transfer-encoding: chunked" else "content-length: ${body.size}")
        out.line("connection: close")
        out.line("")
        // A server that refuses does not read what follows.
        runCatching {
            when {
                body == null -> {}
                chunked -> {
                    for (part in body.toList().chunked(5_000)) {
                        out.line(part.size.toString(16))
                        out.write(part.toByteArray())
                        out.line("")
                    }
                    out.line("0")
                    out.line("")
                }
                else -> out.write(body)
            }
        }
        runCatching { out.flush() }
        read(socket.getInputStream().readAllBytes().toString(Charsets.ISO_8859_1))
    }

private fun OutputStream.line(text: String) = write("$text\r\n".toByteArray())

private fun read(answer: String): Answer {
    val (head, rest) = answer.split("\r\n\r\n", limit = 2)
    val lines = head.split("\r\n")
    val fields = lines.drop(1).associate { line -> line.split(": ", limit = 2).let { (name, value) -> name.lowercase() to value } }
    val text = if (fields["transfer-encoding"] != "chunked") rest else buildString {
        var left = rest
        while (true) {
            val size = left.substringBefore("\r\n").toInt(16)
            if (size == 0) break
            val from = left.indexOf("\r\n") + 2
            append(left, from, from + size)
            left = left.substring(from + size + 2)
        }
    }
    return Answer(lines[0].split(' ')[1].toInt(), fields, text)
}

/** What every framework must do: `/notes` says who sent what, `/open` the same where nobody needs to be known. Bodies: 100,000. */
fun checkMiddleware(port: Int) {
    Person("ada@shop.example").use { ada ->
        val got = ask(port, "GET", "/notes?a=%20b", ada.prove("GET", "/notes?a=%20b"))
        assertEquals(200 to ada.accountId, got.status to got.json["accountID"].asText(), got.text)
        assertEquals("no-store", got.fields["cache-control"])
        for (text in listOf("milk", "x".repeat(90_000))) for (chunked in listOf(false, true)) {
            val body = JSON.writeValueAsString(mapOf("text" to text))
            val posted = ask(port, "POST", "/notes", ada.prove("POST", "/notes", body), body.toByteArray(), chunked)
            assertEquals(200 to text, posted.status to posted.json["text"].asText())
        }
        val missing = ask(port, "GET", "/notes", emptyMap())
        assertEquals(401 to "proofMissing", missing.status to missing.json["code"].asText())
        assertEquals("application/problem+json", missing.fields["content-type"])
        assertEquals("passkey-accounts", missing.fields["www-authenticate"])
        assertEquals("no-store", missing.fields["cache-control"])
        assertEquals("Unauthorized", missing.json["title"].asText())
        val changed = ask(port, "POST", "/notes", ada.prove("POST", "/notes", """{"text":"a"}"""), """{"text":"b"}""".toByteArray())
        assertEquals(401 to "proofInvalid", changed.status to changed.json["code"].asText())
        val replayed = ada.prove("GET", "/notes")
        assertEquals(200, ask(port, "GET", "/notes", replayed).status)
        assertEquals("proofReplayed", ask(port, "GET", "/notes", replayed).json["code"].asText())
        val large = """{"text":"${"x".repeat(100_000)}"}"""
        for (chunked in listOf(false, true)) {
            val refused = ask(port, "POST", "/notes", ada.prove("POST", "/notes", large), large.toByteArray(), chunked)
            assertEquals(413 to "tooLarge", refused.status to refused.json["code"].asText())
        }
        // The body of a stranger is not read: here it never comes.
        Socket("localhost", port).use { socket ->
            socket.getOutputStream().write("POST /notes HTTP/1.1\r\nhost: app.example\r\ncontent-length: 1000\r\n\r\n".toByteArray())
            socket.soTimeout = 5_000
            assertEquals("HTTP/1.1 401", String(socket.getInputStream().readNBytes(12)))
        }
        val open = ask(port, "GET", "/open", emptyMap())
        assertEquals(200, open.status)
        assertNull(open.json["accountID"].textValue())
        assertEquals(ada.accountId, ask(port, "GET", "/open", ada.prove("GET", "/open")).json["accountID"].asText())
        assertEquals(401, ask(port, "GET", "/open", replayed).status)
    }
}

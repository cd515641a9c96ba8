// CPU time of the whole process per event: this package against the JDK's WebSocket with Jackson, over the same frames in the
// same run. The first rounds warm up; the others are interleaved, and their medians are compared.
import com.fasterxml.jackson.databind.DeserializationFeature
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.ObjectReader
import com.sun.management.OperatingSystemMXBean
import java.lang.management.ManagementFactory
import java.net.URI
import java.net.http.HttpClient
import java.net.http.WebSocket
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import passkey.accounts.Accounts
import passkey.accounts.Event
import passkey.accounts.Start
import passkey.accounts.Unknown

const val EVENTS = 100_000

fun main(arguments: Array<String>) {
    if (arguments.isNotEmpty()) return serve()
    val server = ProcessBuilder(
        ProcessHandle.current().info().command().get(),
        "-cp",
        System.getProperty("java.class.path"),
        "BenchKt",
        "serve",
    ).redirectError(ProcessBuilder.Redirect.INHERIT).start()
    try {
        measure(server.inputReader().readLine().toInt())
    } finally {
        server.destroyForcibly()
    }
}

private fun measure(port: Int) {
    val ways = mapOf<String, () -> Unit>(
        "JDK WebSocket, Jackson, a tree" to { plain(port, MAPPER.readerFor(JsonNode::class.java)) { (it as JsonNode)["seq"]?.asInt() } },
        "JDK WebSocket, Jackson, typed" to { plain(port, TYPED) { (it as Message).seq } },
        "passkey-accounts, each acknowledged" to { ours(port) { it.seq } },
        "passkey-accounts, and its data read" to { ours(port) { if (it.data is Unknown) 0 else it.seq } },
    )
    val costs = ways.mapValues { mutableListOf<Double>() }
    repeat(WARM_UP + ROUNDS) { round ->
        for ((name, way) in ways) {
            val cost = cpuOf(way)
            if (round >= WARM_UP) costs.getValue(name).add(cost)
        }
    }
    val medians = costs.mapValues { (_, list) -> list.sorted()[list.size / 2] }
    val base = medians.filterKeys { it.startsWith("JDK") }.values.min()
    for ((name, cost) in medians) println("%-36s %6.2f us/event  x%.2f".format(name, cost, base / cost))
}

private fun cpuOf(way: () -> Unit): Double {
    val system = ManagementFactory.getOperatingSystemMXBean() as OperatingSystemMXBean
    System.gc()
    val before = system.processCpuTime
    way()
    return (system.processCpuTime - before) / 1_000.0 / EVENTS
}

private fun ours(port: Int, seqOf: (Event) -> Long): Unit = runBlocking {
    Accounts.connect("http://localhost:$port", "pa_dev_x").use { accounts ->
        accounts.events { start = Start.NOW; window = 4_096 }.first { it is Event && seqOf(it) == EVENTS.toLong() }
    }
}

private fun plain(port: Int, reader: ObjectReader, seqOf: (Any) -> Int?) {
    val done = CompletableFuture<Unit>()
    val listener = object : WebSocket.Listener {
        private val parts = StringBuilder()

        override fun onText(socket: WebSocket, data: CharSequence, last: Boolean): CompletionStage<*>? {
            val text = if (last && parts.isEmpty()) data.toString() else parts.append(data).toString()
            if (last) {
                parts.setLength(0)
                if (seqOf(reader.readValue(text)) == EVENTS) done.complete(Unit)
            }
            socket.request(1)
            return null
        }
    }
    val socket = CLIENT.newWebSocketBuilder().buildAsync(URI("ws://localhost:$port/"), listener).join()
    socket.sendText("{}", true).join()
    done.join()
    socket.abort()
}

/** What a client without this package would read into. Times and bytes stay text. */
class Message {
    @JvmField var type: String? = null
    @JvmField var id: String? = null
    @JvmField var seq: Int = 0
    @JvmField var time: String? = null
    @JvmField var data: Data? = null
}

class Data {
    @JvmField var accountID: String? = null
    @JvmField var sessionID: String? = null
    @JvmField var passkeyID: String? = null
    @JvmField var origin: String? = null
    @JvmField var sessionKey: Map<String, String>? = null
    @JvmField var expiresAt: String? = null
    @JvmField var userVerified: Boolean = false
    @JvmField var backedUp: Boolean = false
    @JvmField var accountSessions: Int = 0
    @JvmField var reason: String? = null
    @JvmField var evidence: Map<String, String>? = null
}

private val MAPPER = ObjectMapper().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
private val TYPED = MAPPER.readerFor(Message::class.java)
private val CLIENT = HttpClient.newHttpClient()
private const val WARM_UP = 3
private const val ROUNDS = 7

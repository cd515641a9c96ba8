@file:OptIn(ForReplays::class)

package passkey.accounts.tests

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.security.KeyPairGenerator
import java.security.SecureRandom
import java.security.interfaces.EdECPublicKey
import java.time.Duration
import passkey.accounts.Bookmark
import passkey.accounts.Bytes
import passkey.accounts.Event
import passkey.accounts.EventsOptions
import passkey.accounts.EvidenceOptions
import passkey.accounts.Gap
import passkey.accounts.PasskeyException
import passkey.accounts.Snapshot
import passkey.accounts.Start
import passkey.accounts.Status
import passkey.accounts.WitnessOptions
import passkey.accounts.replay.ForReplays
import passkey.accounts.replay.Handed
import passkey.accounts.replay.StreamReplay
import passkey.accounts.replay.Wanted
import kotlin.time.Duration.Companion.milliseconds

/** What a client has said: on the wire, or to its application. */
sealed interface Said {
    data class Frame(val text: String) : Said

    data class Word(val value: JsonNode) : Said
}

/** Replays a transcript: what is off, or `null`. */
fun replay(transcript: Transcript, seed: Long): String? {
    val client = ReplayedClient(transcript.header, seed)
    // What the machine's clock is ahead of the transcript's, in nanoseconds.
    var ahead = 0L
    for (line in transcript.lines.filter { isAboutTheClient(transcript.role, it) }) {
        val at = line.t * MILLISECOND + ahead
        if (!isExpectedOfTheClient(line)) {
            client.advance(at) { false }
            client.unseen()?.takeIf { (then, _) -> then < at }?.let { return "${line.place}: before it the client said $it" }
            client.feed(line)
            continue
        }
        val within = line.within ?: line.t..line.t
        val (from, to) = within.first * MILLISECOND + ahead to within.last * MILLISECOND + ahead
        val queue = if (line.kind == '=') client.seen else client.wire
        client.advance(to) { queue.isNotEmpty() }
        val (then, said) = queue.removeFirstOrNull() ?: return "${line.place}: expected ${line.value}, was nothing"
        difference(line, said)?.let { return "${line.place}: $it" }
        if (then !in from..to) return "${line.place}: expected from $from to $to, was at $then: $said"
        if (line.within != null) ahead = then - line.t * MILLISECOND
    }
    return client.unseen()?.let { "${transcript.lines.last().place}: after it the client said $it" }
}

private fun isAboutTheClient(role: String, line: Line): Boolean =
    role != "both" || line.on == "a" && !(line.kind in "!=" && line.word in SERVERS_WORDS)

/** Whether a line says what a client must do, instead of what happens to it. */
fun isExpectedOfTheClient(line: Line): Boolean = line.kind in ">=" || line.kind == '!' && line.word == "clientCloses"

private class ReplayedClient(private val header: JsonNode, seed: Long) {
    val wire = ArrayDeque<Pair<Long, Said>>()
    val seen = ArrayDeque<Pair<Long, Said>>()
    private val keys = ArrayDeque(header.get("keys")?.map { it.asText() } ?: listOf(KEY))
    private val handedOver = mutableListOf<Handed>()
    private val stream = StreamReplay(ADDRESS, seed) { wish(header) }
    private var now = 0L

    /** Lets time pass until `to`, or until that is so. */
    fun advance(to: Long, isEnough: () -> Boolean) {
        repeat(100_000) {
            collect()
            if (isEnough()) return
            val deadline = stream.timeout()
            if (deadline == null || deadline > to) {
                now = maxOf(now, to)
                return
            }
            now = maxOf(now, deadline)
            stream.tick(now)
        }
        error("the client wants to be woken again and again at $now")
    }

    /** The first thing that was said and that nobody has looked at. */
    fun unseen(): Pair<Long, Said>? = listOfNotNull(wire.firstOrNull(), seen.firstOrNull()).minByOrNull { it.first }

    /** Something happens to it. */
    fun feed(line: Line) {
        val value = line.of
        if (line.kind == '<') stream.message(now, line.frame)
        else when (line.word) {
            "open" -> stream.opened(now)
            "lost" -> stream.broken(now, "connection reset")
            "refused" -> {
                val wait = value.get("retryAfterMs")?.let { Duration.ofMillis(it.asLong()) }
                stream.refused(now, value["status"].asInt(), wait)
            }
            "serverCloses" -> stream.closed(now, value["code"].asInt(), value.path("reason").asText())
            "heard" -> stream.heard(now)
            "key" -> stream.key(now, value.asText())
            "keyFailed" -> stream.keyFailed(now, "the vault is closed")
            "position" -> stream.position(now, value.path("lane").asInt(), value.path("id").takeIf { it.isTextual }?.asText())
            "positionFailed" -> stream.positionFailed(now, value.path("lane").asInt(), "the database is locked")
            "handled" -> stream.settle(now, handedOver[value.asInt() - 1].receipt, true)
            "failed" -> stream.settle(now, handedOver[value.asInt() - 1].receipt, false)
            "stop" -> stream.stop(now)
            "wait" -> {}
            else -> error("${line.place}: no such word")
        }
        collect()
    }

    private fun see(word: JsonNode) {
        seen.addLast(now to Said.Word(word))
    }

    private fun collect() {
        while (true) {
            try {
                while (true) {
                    val handed = stream.item(now) ?: break
                    see(shown(handed))
                    handedOver.add(handed)
                    if (!header.path("handlesByHand").asBoolean()) stream.settle(now, handed.receipt, true)
                }
            } catch (contradiction: PasskeyException) {
                see(word("ends", JSON.nodeFactory.textNode(contradiction.code)))
            }
            carryOut(stream.output() ?: return)
        }
    }

    private fun carryOut(wanted: Wanted): Unit = when (wanted) {
        is Wanted.Key ->
            if (header.path("keysByHand").asBoolean()) see(text("asksForKey"))
            else stream.key(now, if (keys.size > 1) keys.removeFirst() else keys.first())
        is Wanted.Connect -> see(word("connects", text(wanted.address)))
        is Wanted.Send -> wire.addLast(now to Said.Frame(wanted.text)).let {}
        is Wanted.Close -> {
            val close = JSON.createObjectNode().put("code", wanted.code).put("reason", wanted.reason)
            wire.addLast(now to Said.Word(word("clientCloses", close)))
        }
        is Wanted.Start -> {
            val start = JSON.createObjectNode().put("lane", wanted.lane).put("lease", wanted.lease)
            see(word("asksForPosition", start))
        }
        is Wanted.Said -> see(shown(wanted.status))
        is Wanted.End -> see(word("ends", text(wanted.code)))
    }
}

private fun EventsOptions.wish(header: JsonNode) {
    val wish = header.path("subscription")
    fun textOf(name: String) = wish.get(name)?.asText()
    types = wish.get("types")?.map { it.asText() }
    after = textOf("after")
    start = textOf("start")?.let { Start.valueOf(it.uppercase()) }
    snapshot = wish.path("snapshot").asBoolean(true)
    skip = wish.path("skip").asBoolean(true)
    consumer = textOf("consumer")
    lanes = wish.get("lanes")?.asInt()
    window = wish.get("window")?.asInt()
    prefetch = wish.path("inHand").asInt(1)
    ackTimeout = wish.get("ackTimeoutMs")?.asLong()?.milliseconds
    if (header.path("evidence").asBoolean()) evidence = APP
    if (header.path("witness").asBoolean()) witness = WitnessOptions(listOf(SIGNER), "not used")
}

private fun shown(status: Status): JsonNode = when (status) {
    Status.Connecting -> word("status", text("connecting"))
    Status.Live -> word("status", text("live"))
    Status.Standby -> word("status", text("standby"))
    Status.Closed -> word("status", text("closed"))
    is Status.Waiting -> word("waiting", JSON.nodeFactory.numberNode(status.retryIn.inWholeMilliseconds))
}

/** An item as a transcript shows it. */
private fun shown(handed: Handed): JsonNode {
    val (_, lane, lease, item) = handed
    val said = JSON.createObjectNode().put("position", item.position).put("lane", lane).put("lease", lease)
    return when (item) {
        is Event -> {
            said.put("type", item.name).put("seq", item.seq).put("time", shown(item.time))
            word("event", said.apply { set<JsonNode>("data", checked(item)) })
        }
        is Snapshot -> {
            said.put("first", item.first).put("last", item.last)
            val sessions = said.putArray("sessions")
            item.sessions.forEach { sessions.add(shown(it)) }
            word("snapshot", said)
        }
        is Gap -> {
            said.put("reason", item.reason.name.lowercase()).put("after", item.after)
            word("gap", said.put("next", item.next.name.lowercase()))
        }
        is Bookmark -> word("bookmark", said)
    }
}

private fun text(text: String): JsonNode = JSON.nodeFactory.textNode(text)

private fun word(name: String, value: JsonNode): ObjectNode = JSON.createObjectNode().apply { set<JsonNode>(name, value) }

private val APP = EvidenceOptions("app_040g2081040g2081040g208104", "shop.example", listOf("https://shop.example"), "not used")

/** The `x` of the Ed25519 key whose seed is 32 bytes 7. */
private val SIGNER: String = run {
    val sevens = object : SecureRandom() {
        override fun nextBytes(bytes: ByteArray) = bytes.fill(7)
    }
    val pair = KeyPairGenerator.getInstance("Ed25519").apply { initialize(255, sevens) }.generateKeyPair()
    val point = (pair.public as EdECPublicKey).point
    val bytes = point.y.toByteArray().reversedArray().copyOf(32)
    if (point.isXOdd) bytes[31] = (bytes[31].toInt() or 0x80).toByte()
    Bytes(bytes).toString()
}

private val SERVERS_WORDS =
    setOf("login", "logins", "logout", "register", "cut", "restore", "drain", "stalls", "settled", "released")
private const val KEY = "pa_dev_040g2081040g2081_040g2081040g2081040g2081040g2081040g2081040g2081040g_8a296a36"
private const val ADDRESS = "wss://auth.example/v1/events"
private const val MILLISECOND = 1_000_000L

// The server that the tests run against, and what can be done to it (tests/src/control.rs).
package passkey.accounts.tests

import com.fasterxml.jackson.databind.JsonNode
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.CoroutineScope
import passkey.accounts.Accounts
import passkey.accounts.Delivery
import passkey.accounts.Event
import passkey.accounts.Events
import passkey.accounts.Item
import passkey.accounts.Status
import passkey.accounts.StreamException

val URL: String = System.getenv("PASSKEY_ACCOUNTS_URL") ?: "http://localhost:1"
val API_KEY: String = System.getenv("PASSKEY_ACCOUNTS_API_KEY").orEmpty()
const val ORIGIN = "https://app.example"

/** Has something done. */
fun world(what: String, vararg details: Pair<String, Any?>): JsonNode {
    val order = JSON.writeValueAsString(mapOf("do" to what) + details)
    val request = HttpRequest.newBuilder(URI(System.getenv("PASSKEY_ACCOUNTS_CONTROL")))
        .header("content-type", "application/json").POST(HttpRequest.BodyPublishers.ofString(order)).build()
    val answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString())
    check(answer.statusCode() == 200) { "$what: ${answer.statusCode()} ${answer.body()}" }
    return JSON.readTree(answer.body())
}

/** Appends so many `loggedOut` to the log. */
fun append(events: Int): JsonNode = world("append", "events" to events)

/** Somebody who is signed in on a page. */
class Person(email: String) : AutoCloseable {
    private val page: Int
    val accountId: String
    val sessionId: String

    init {
        val said = world("signIn", "email" to email)
        page = said["page"].asInt()
        accountId = said["accountID"].asText()
        sessionId = said["sessionID"].asText()
    }

    /** The fields that `session.fetch` sends. */
    fun prove(method: String, target: String, body: String? = null, origin: String = ORIGIN): Map<String, List<String>> =
        world("prove", "page" to page, "method" to method, "origin" to origin, "target" to target, "body" to body)["fields"]
            .groupBy({ it[0].asText() }, { it[1].asText() })

    fun proveSocket(audience: String, nonce: String): String =
        world("proveSocket", "page" to page, "audience" to audience, "nonce" to nonce)["token"].asText()

    /** The server says that this person has signed in once more, which no passkey has signed; the session's id. */
    fun forge(): String = world("forge", "page" to page)["sessionID"].asText()

    fun confirm(action: String): JsonNode = world("confirm", "page" to page, "action" to action)

    /** Signs out. */
    override fun close() {
        world("signOut", "page" to page)
    }
}

/** A test with a handle of the server, which is closed when it is over. */
fun live(key: String = API_KEY, test: suspend CoroutineScope.(Accounts) -> Unit): Unit = runBlocking {
    Accounts.connect(URL, key, origins = listOf(ORIGIN)).use { accounts -> withTimeout(50.seconds) { test(accounts) } }
}

/** The next delivery of an item of this kind; others are acknowledged. */
suspend inline fun <reified Wanted : Item> Events.until(): Delivery {
    while (true) {
        val delivery = checkNotNull(next()) { "the stream was closed" }
        if (delivery.item is Wanted) return delivery
        delivery.ack()
    }
}

/** Why this was refused. */
suspend fun refusal(refused: suspend () -> Unit): StreamException = try {
    refused()
    throw AssertionError("nothing was refused")
} catch (error: StreamException) {
    error
}

/** The numbers of so many events, each acknowledged. */
suspend fun Events.numbers(count: Int): List<Long> = List(count) {
    until<Event>().let { delivery ->
        delivery.ack()
        (delivery.item as Event).seq
    }
}

suspend fun Events.reaches(wanted: Status): Status = status.first { it == wanted }

/** Whether these are numbers one after the other. */
fun List<Long>.isGapless(): Boolean = zipWithNext().all { (one, next) -> next == one + 1 }

val HTTP: HttpClient = HttpClient.newHttpClient()

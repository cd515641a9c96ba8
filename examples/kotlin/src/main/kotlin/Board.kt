// A small back end: signed-in people post messages and read those of others as they come. Every request is signed by a live
// session; a socket closes when the session that opened it ends, and what somebody who has left was typing is forgotten.
//
//     GET  /board      the last messages
//     POST /board      another one: text
//     GET  /live       a WebSocket: what others post, and who is typing
import io.ktor.server.application.Application
import io.ktor.server.application.install
import io.ktor.server.cio.CIO
import io.ktor.server.engine.embeddedServer
import io.ktor.server.request.receiveText
import io.ktor.server.response.respondText
import io.ktor.server.routing.get
import io.ktor.server.routing.post
import io.ktor.server.routing.route
import io.ktor.server.routing.routing
import io.ktor.server.websocket.WebSockets
import io.ktor.server.websocket.webSocket
import io.ktor.websocket.Frame
import io.ktor.websocket.readText
import io.ktor.websocket.send
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentLinkedDeque
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.MutableSharedFlow
import kotlinx.coroutines.flow.onSubscription
import kotlinx.coroutines.launch
import passkey.accounts.Accounts
import passkey.accounts.SessionEnd
import passkey.accounts.ktor.PasskeyAccounts
import passkey.accounts.ktor.account
import passkey.accounts.ktor.serveAccount

/** What people have posted and are typing. */
class Board {
    val messages = ConcurrentLinkedDeque<String>()
    val typing = ConcurrentHashMap<String, String>()
    val news = MutableSharedFlow<String>(extraBufferCapacity = 64)

    suspend fun post(from: String, text: String) {
        messages.addLast("$from: $text")
        while (messages.size > 100) messages.pollFirst()
        news.emit("$from: $text")
    }

    /** Forgets what people were typing whose last session has ended. */
    suspend fun followEnds(accounts: Accounts) = accounts.sessions.endings().use { endings ->
        endings.collect { end ->
            if (end is SessionEnd && end.accountIsGone) typing.remove(end.accountId)?.let { news.emit("${end.accountId} left") }
        }
    }
}

fun Application.board(accounts: Accounts, audience: String, board: Board = Board()) {
    install(WebSockets)
    launch { board.followEnds(accounts) }
    routing {
        route("/board") {
            install(PasskeyAccounts) { this.accounts = accounts }
            get { call.respondText(board.messages.joinToString("\n")) }
            post {
                board.post(call.account.accountId, call.receiveText())
                call.respondText("posted")
            }
        }
        webSocket("/live") {
            // Closes the socket when the session of the account ends.
            serveAccount(accounts, audience) { account ->
                coroutineScope {
                    val news = board.news.onSubscription { emit("you are ${account.accountId}") }
                    val reading = launch { news.collect { send(it) } }
                    for (frame in incoming) if (frame is Frame.Text) board.typing[account.accountId] = frame.readText()
                    reading.cancel()
                }
            }
        }
    }
}

fun main() {
    val origin = System.getenv("ORIGIN") ?: "http://localhost:3000"
    val url = System.getenv("PASSKEY_ACCOUNTS_URL") ?: "ws://localhost:8080/"
    val accounts = Accounts.connect(url, System.getenv("PASSKEY_ACCOUNTS_API_KEY").orEmpty(), origins = listOf(origin))
    val port = System.getenv("PORT")?.toInt() ?: 3_001
    embeddedServer(CIO, port) { board(accounts, audience = origin.replaceFirst("http", "ws") + "/live") }.start(wait = true)
}

package passkey.accounts.tests

import io.ktor.http.ContentType
import io.ktor.server.application.install
import io.ktor.server.cio.CIO
import io.ktor.server.engine.EmbeddedServer
import io.ktor.server.engine.embeddedServer
import io.ktor.server.request.receiveText
import io.ktor.server.response.respondText
import io.ktor.server.routing.get
import io.ktor.server.routing.post
import io.ktor.server.routing.route
import io.ktor.server.routing.routing
import io.ktor.server.websocket.WebSockets
import io.ktor.server.websocket.webSocket
import io.ktor.websocket.send
import kotlinx.coroutines.channels.consumeEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import passkey.accounts.Accounts
import passkey.accounts.ktor.PasskeyAccounts
import passkey.accounts.ktor.account
import passkey.accounts.ktor.accountOrNull
import passkey.accounts.ktor.serveAccount

class KtorTest {
    private suspend fun serving(accounts: Accounts, test: (Int) -> Unit) {
        accounts.sessions.inSync()
        val server: EmbeddedServer<*, *> = embeddedServer(CIO, port = 0, host = "localhost") {
            install(WebSockets)
            routing {
                route("/notes") {
                    install(PasskeyAccounts) {
                        this.accounts = accounts
                        bodyLimit = 100_000
                    }
                    get { call.respondText(said(call.account.accountId), ContentType.Application.Json) }
                    post {
                        val text = JSON.readTree(call.receiveText())["text"].asText()
                        call.respondText(said(call.account.accountId, text), ContentType.Application.Json)
                    }
                }
                route("/open") {
                    install(PasskeyAccounts) {
                        this.accounts = accounts
                        optional = true
                    }
                    get { call.respondText(said(call.accountOrNull?.accountId), ContentType.Application.Json) }
                }
                webSocket("/live") {
                    serveAccount(accounts, audience = "wss://app.example/live") { account ->
                        send(account.accountId)
                        incoming.consumeEach { }
                    }
                }
            }
        }
        server.start(wait = false)
        try {
            test(server.engine.resolvedConnectors().single().port)
        } finally {
            server.stop(0, 0)
        }
    }

    private fun said(accountId: String?, text: String? = null): String =
        JSON.writeValueAsString(mapOf("accountID" to accountId, "text" to text))

    @Test
    fun `signed requests reach their handler with account and body, and no others`() = live { accounts ->
        serving(accounts, ::checkMiddleware)
    }

    @Test
    fun `a socket is served for who proves it, until their session ends`() = live { accounts ->
        serving(accounts) { port ->
            val ada = Person("ada@shop.example")
            val address = "wss://app.example/live"
            val socket = PageSocket(port)
            val nonce = JSON.readTree(socket.said())["nonce"].asText()
            socket.say(ada.proveSocket(address, nonce))
            assertEquals(ada.accountId, socket.said())
            ada.close()
            assertEquals("1008 sessionGone", socket.said())

            val forger = PageSocket(port)
            forger.said()
            forger.say("e30.e30.AA")
            assertEquals("1008 proofInvalid", forger.said())
        }
    }
}

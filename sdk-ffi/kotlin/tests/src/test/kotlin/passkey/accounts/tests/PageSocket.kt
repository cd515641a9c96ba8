package passkey.accounts.tests

import java.net.URI
import java.net.http.WebSocket
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

/** The socket that a page opens at `/live` of a back end: what was said to it, and how it was closed. */
class PageSocket(port: Int) : WebSocket.Listener {
    private val heard = LinkedBlockingQueue<String>()
    private val socket: WebSocket = HTTP.newWebSocketBuilder().buildAsync(URI("ws://localhost:$port/live"), this).join()

    fun said(): String = checkNotNull(heard.poll(10, TimeUnit.SECONDS)) { "nothing was said" }

    fun say(text: String) {
        socket.sendText(text, true).join()
    }

    override fun onText(socket: WebSocket, data: CharSequence, last: Boolean): CompletionStage<*>? {
        heard.add(data.toString())
        socket.request(1)
        return null
    }

    override fun onClose(socket: WebSocket, code: Int, reason: String): CompletionStage<*> {
        heard.add("$code $reason")
        return CompletableFuture.completedFuture(null)
    }
}

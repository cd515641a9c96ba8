package passkey.accounts.ktor

import io.ktor.server.websocket.DefaultWebSocketServerSession
import io.ktor.websocket.CloseReason
import io.ktor.websocket.Frame
import io.ktor.websocket.close
import io.ktor.websocket.readText
import java.security.SecureRandom
import java.util.Base64
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeoutOrNull
import passkey.accounts.Account
import passkey.accounts.Accounts
import passkey.accounts.ProofException

/**
 * Serves this socket for who proves to have opened it, for as long as their session lasts. A page sends no fields with a
 * WebSocket, so it is asked: `{"nonce":"..."}` goes out, and the page answers with the token that `session.prove(audience,
 * nonce)` gives it, as text. Whoever does not is told the code and closed (1008), as is everybody whose session ends.
 *
 * ```kotlin
 * webSocket("/live") {
 *     serveAccount(accounts, audience = "wss://app.example/live") { account -> send(account.accountId) }
 * }
 * ```
 *
 * @param audience the address of this socket as the page knows it, at most 256 characters
 * @param patience how long the page may take to answer
 */
public suspend fun DefaultWebSocketServerSession.serveAccount(
    accounts: Accounts,
    audience: String,
    patience: Duration = 10.seconds,
    serve: suspend DefaultWebSocketServerSession.(Account) -> Unit,
) {
    val account = try {
        askWho(accounts, audience, patience)
    } catch (refused: ProofException) {
        return close(CloseReason(CloseReason.Codes.VIOLATED_POLICY, refused.code))
    }
    val watch = launch {
        account.session.ended()
        close(CloseReason(CloseReason.Codes.VIOLATED_POLICY, "sessionGone"))
    }
    try {
        serve(account)
    } finally {
        watch.cancelAndJoin()
    }
}

private suspend fun DefaultWebSocketServerSession.askWho(accounts: Accounts, audience: String, patience: Duration): Account {
    val nonce = ByteArray(NONCE_BYTES).also(RANDOM::nextBytes).let(BASE64URL::encodeToString)
    send(Frame.Text("""{"nonce":"$nonce"}"""))
    val answer = withTimeoutOrNull(patience) { incoming.receiveCatching().getOrNull() }
    val token = (answer as? Frame.Text)?.readText().orEmpty()
    return accounts.sessions.verifySocket(token, audience, nonce)
}

private const val NONCE_BYTES = 32
private val RANDOM = SecureRandom()
private val BASE64URL = Base64.getUrlEncoder().withoutPadding()

package passkey.accounts.ktor

import io.ktor.http.ContentType
import io.ktor.http.HttpHeaders
import io.ktor.http.HttpStatusCode
import io.ktor.http.content.ByteArrayContent
import io.ktor.server.application.ApplicationCall
import io.ktor.server.application.PluginBuilder
import io.ktor.server.application.RouteScopedPlugin
import io.ktor.server.application.createRouteScopedPlugin
import io.ktor.server.request.contentLength
import io.ktor.server.request.httpMethod
import io.ktor.server.response.header
import io.ktor.server.response.respond
import io.ktor.util.AttributeKey
import io.ktor.utils.io.ByteReadChannel
import io.ktor.utils.io.readRemaining
import kotlinx.io.readByteArray
import passkey.accounts.Account
import passkey.accounts.Accounts
import passkey.accounts.DEFAULT_BODY_LIMIT
import passkey.accounts.PasskeyException
import passkey.accounts.Problem
import passkey.accounts.RequestHead
import passkey.accounts.tooLarge

/** What [PasskeyAccounts] is installed with. */
public class PasskeyAccountsConfig internal constructor() {
    /** The server that knows who is signed in; connected with the `origins` of the pages. Required. */
    public var accounts: Accounts? = null

    /** Lets requests without any proof through, without an account. One that does not hold is refused all the same. */
    public var optional: Boolean = false

    /** How many bytes a body may have: it is read whole to be checked. */
    public var bodyLimit: Int = DEFAULT_BODY_LIMIT
}

/**
 * Lets a request through when a live session has signed it, and answers everything else with problem details and a code of
 * the one table. For a whole application or a route; the account is [account]. The head is checked before the body is read,
 * and the body is there for whatever receives it afterwards.
 *
 * ```kotlin
 * routing {
 *     route("/notes") {
 *         install(PasskeyAccounts) { accounts = ours }
 *         get { call.respondText(call.account.accountId) }
 *     }
 * }
 * ```
 */
public val PasskeyAccounts: RouteScopedPlugin<PasskeyAccountsConfig> =
    createRouteScopedPlugin("PasskeyAccounts", ::PasskeyAccountsConfig) { checkProofs() }

/** Who sent this request. Fails where [PasskeyAccounts] is not installed, and where it let a request without proof through. */
public val ApplicationCall.account: Account
    get() = checkNotNull(accountOrNull) { "nobody is known to have sent this: install(PasskeyAccounts) in this route, not optional" }

/** Who sent this request; `null` for one without proof where that is let through. */
public val ApplicationCall.accountOrNull: Account? get() = attributes.getOrNull(ACCOUNT)

private fun PluginBuilder<PasskeyAccountsConfig>.checkProofs() {
    val accounts = requireNotNull(pluginConfig.accounts) { "install(PasskeyAccounts) { accounts = ... } is missing its accounts" }
    val (isOptional, bodyLimit) = pluginConfig.optional to pluginConfig.bodyLimit
    accounts.sessions.checkOrigins()
    onCall { call ->
        val head = call.head()
        if (isOptional && head.hasNoProof) return@onCall
        try {
            if ((call.request.contentLength() ?: 0) > bodyLimit) throw tooLarge()
            val verified = accounts.sessions.verifyHead(head)
            val body = call.readBody(bodyLimit)
            call.attributes.put(ACCOUNT, verified.verifyBody(body))
            call.attributes.put(BODY, body)
        } catch (error: PasskeyException) {
            call.refuse(Problem.of(error) ?: throw error)
        }
    }
    // What was read to be checked is read once more by whoever handles it.
    onCallReceive { call ->
        val body = call.attributes.getOrNull(BODY) ?: return@onCallReceive
        transformBody { ByteReadChannel(body) }
    }
    onCallRespond { call ->
        if (call.accountOrNull != null && call.response.headers[HttpHeaders.CacheControl] == null) {
            call.response.header(HttpHeaders.CacheControl, "no-store")
        }
    }
}

private fun ApplicationCall.head(): RequestHead {
    val fields = request.headers.entries().associate { (name, lines) -> name to lines }
    return RequestHead(request.httpMethod.value, request.local.uri, fields)
}

private suspend fun ApplicationCall.readBody(limit: Int): ByteArray {
    // One more than is allowed tells whether there is more.
    val body = request.receiveChannel().readRemaining(limit + 1L).readByteArray()
    return if (body.size > limit) throw tooLarge() else body
}

private suspend fun ApplicationCall.refuse(problem: Problem) {
    val (status, headers, text) = problem
    for ((name, value) in headers) if (name != "content-type") response.header(name, value)
    respond(ByteArrayContent(text.toByteArray(), PROBLEM, HttpStatusCode.fromValue(status)))
}

private val ACCOUNT = AttributeKey<Account>("passkey.accounts.Account")
private val BODY = AttributeKey<ByteArray>("passkey.accounts.Body")
private val PROBLEM = ContentType.parse(Problem.CONTENT_TYPE)

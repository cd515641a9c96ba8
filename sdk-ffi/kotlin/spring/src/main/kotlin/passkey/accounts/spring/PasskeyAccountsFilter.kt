package passkey.accounts.spring

import jakarta.servlet.FilterChain
import jakarta.servlet.ReadListener
import jakarta.servlet.ServletInputStream
import jakarta.servlet.http.HttpServletRequest
import jakarta.servlet.http.HttpServletRequestWrapper
import jakarta.servlet.http.HttpServletResponse
import java.io.BufferedReader
import java.io.ByteArrayInputStream
import kotlinx.coroutines.runBlocking
import org.springframework.web.filter.OncePerRequestFilter
import passkey.accounts.Account
import passkey.accounts.Accounts
import passkey.accounts.DEFAULT_BODY_LIMIT
import passkey.accounts.PasskeyException
import passkey.accounts.Problem
import passkey.accounts.RequestHead
import passkey.accounts.tooLarge

/**
 * Lets a request through when a live session has signed it, and answers everything else with problem details and a code of
 * the one table. The head is checked before the body is read, and the body is there for whatever reads it afterwards. A
 * handler takes the account as a parameter ([AccountArgumentResolver]).
 *
 * ```java
 * @Bean
 * PasskeyAccountsFilter passkeyAccounts(Accounts accounts) {
 *     return new PasskeyAccountsFilter(accounts);
 * }
 * ```
 *
 * @param accounts the server that knows who is signed in; connected with the `origins` of the pages
 * @param optional lets requests without any proof through, without an account
 * @param bodyLimit how many bytes a body may have: it is read whole to be checked
 */
public class PasskeyAccountsFilter @JvmOverloads constructor(
    private val accounts: Accounts,
    private val optional: Boolean = false,
    private val bodyLimit: Int = DEFAULT_BODY_LIMIT,
) : OncePerRequestFilter() {
    init {
        accounts.sessions.checkOrigins()
    }

    override fun doFilterInternal(request: HttpServletRequest, response: HttpServletResponse, chain: FilterChain) {
        val head = request.head()
        if (optional && head.hasNoProof) return chain.doFilter(request, response)
        val body: ByteArray
        try {
            if (request.contentLengthLong > bodyLimit) throw tooLarge()
            // Answered from memory, but where a request has overtaken the news of its own sign-in.
            val verified = runBlocking { accounts.sessions.verifyHead(head) }
            body = request.readBody()
            request.setAttribute(ATTRIBUTE, verified.verifyBody(body))
        } catch (error: PasskeyException) {
            return response.refuse(Problem.of(error) ?: throw error)
        }
        response.setHeader("cache-control", "no-store")
        chain.doFilter(Read(request, body), response)
    }

    private fun HttpServletRequest.head(): RequestHead {
        val fields = headerNames.asSequence().associateWith { getHeaders(it).toList() }
        val target = if (queryString == null) requestURI else "$requestURI?$queryString"
        return RequestHead(method, target, fields)
    }

    private fun HttpServletRequest.readBody(): ByteArray {
        // One more than is allowed tells whether there is more.
        val body = inputStream.readNBytes(bodyLimit + 1)
        return if (body.size > bodyLimit) throw tooLarge() else body
    }

    private fun HttpServletResponse.refuse(problem: Problem) {
        val (status, headers, text) = problem
        this.status = status
        for ((name, value) in headers) setHeader(name, value)
        outputStream.write(text.toByteArray())
    }

    public companion object {
        /** The attribute of a request that holds its [Account]. */
        public const val ATTRIBUTE: String = "passkey.accounts.Account"
    }
}

/** A request whose body was read, and is there to be read. */
private class Read(request: HttpServletRequest, body: ByteArray) : HttpServletRequestWrapper(request) {
    private val stream = Body(body)

    override fun getInputStream(): ServletInputStream = stream

    override fun getReader(): BufferedReader = stream.bufferedReader(charset(characterEncoding ?: "UTF-8"))
}

private class Body(bytes: ByteArray) : ServletInputStream() {
    private val left = ByteArrayInputStream(bytes)

    override fun read(): Int = left.read()

    override fun read(into: ByteArray, offset: Int, length: Int): Int = left.read(into, offset, length)

    override fun available(): Int = left.available()

    override fun isFinished(): Boolean = left.available() == 0

    override fun isReady(): Boolean = true

    override fun setReadListener(listener: ReadListener) {
        // All is here: what there is can be read at once, and then it is over.
        listener.onDataAvailable()
        listener.onAllDataRead()
    }
}

package passkey.accounts

/**
 * The answer to a request that was refused: problem details (RFC 9457) with a code of the one table.
 *
 * ```kotlin
 * try {
 *     accounts.sessions.verify(head, body)
 * } catch (error: PasskeyException) {
 *     val (status, headers, text) = Problem.of(error) ?: throw error
 *     return answer(status, headers, text)
 * }
 * ```
 */
public data class Problem(
    /** The HTTP status: 401, 413 or 503. */
    public val status: Int,
    /** The fields of the answer, `content-type` among them. */
    public val headers: Map<String, String>,
    /** A JSON object. */
    public val body: String,
) {
    public companion object {
        /** The media type of [body]. */
        public const val CONTENT_TYPE: String = "application/problem+json"

        /** The answer that refuses for this error; `null` for errors that have nothing to do with proofs. */
        @JvmStatic
        public fun of(error: Throwable): Problem? = when (error) {
            is ProofException -> problem(error, error.status)
            // Nothing is known of who is signed in any more.
            is StreamException -> problem(error, UNAVAILABLE)
            else -> null
        }

        private fun problem(error: PasskeyException, status: Int): Problem {
            val isUnavailable = status == UNAVAILABLE
            val members = buildList {
                add("\"type\":\"about:blank\"")
                add("\"title\":${quoted(TITLES[status] ?: "Error")}")
                add("\"status\":$status")
                add("\"code\":${quoted(error.code)}")
                add("\"detail\":${quoted(error.reason)}")
                if (isUnavailable) add("\"retryAfterMs\":$RETRY_AFTER_MS")
            }
            val headers = buildMap {
                put("content-type", CONTENT_TYPE)
                put("cache-control", "no-store")
                // RFC 9110 section 15.5.2 wants a challenge and RFC 9421 names none. Browsers show no dialog for this one.
                if (status == UNAUTHORIZED) put("www-authenticate", "passkey-accounts")
                if (isUnavailable) put("retry-after", "${RETRY_AFTER_MS / 1_000}")
            }
            return Problem(status, headers, members.joinToString(",", "{", "}"))
        }

        private fun quoted(text: String): String = buildString {
            append('"')
            for (character in text) {
                when {
                    character == '"' || character == '\\' -> append('\\').append(character)
                    character < ' ' -> append("\\u%04x".format(character.code))
                    else -> append(character)
                }
            }
            append('"')
        }

        private const val UNAUTHORIZED = 401
        private const val UNAVAILABLE = 503
        private const val RETRY_AFTER_MS = 1_000
        private val TITLES =
            mapOf(UNAUTHORIZED to "Unauthorized", 413 to "Payload Too Large", UNAVAILABLE to "Service Unavailable")
    }
}

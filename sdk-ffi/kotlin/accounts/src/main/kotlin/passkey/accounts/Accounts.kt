package passkey.accounts

import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native
import java.util.concurrent.ConcurrentHashMap
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import passkey.accounts.ffi.Client
import passkey.accounts.ffi.ConnectOptions
import passkey.accounts.ffi.uniffiRustFutureContinuationCallbackImpl

/**
 * A Passkey Accounts server and the key to it. Everything else is opened from here, and ends with it.
 *
 * ```kotlin
 * Accounts.connect("https://auth.example", apiKey, origins = listOf("https://app.example")).use { accounts ->
 *     accounts.events().collect(::println)
 * }
 * ```
 */
public class Accounts private constructor(
    private val client: Client,
    private val origins: List<String>,
    private val evidence: EvidenceOptions?,
) : AutoCloseable {
    private val open = ConcurrentHashMap.newKeySet<AutoCloseable>()

    /** What watches connections. Not where the library wakes it: from there it must not be called back. */
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** The HTTP API: sessions, accounts, passkeys, the log, keys. */
    public val api: Api = Api(client)

    /** The sessions that are open now, kept exact by one connection of its own, which is made when this is first used. */
    public val sessions: LiveSessions by lazy {
        LiveSessions(calling { client.liveSessions(evidence?.toFfi()) }, origins, scope)
    }

    /**
     * Opens the event stream. A *view* begins with the sessions that are open and then follows the log; with a `consumer`
     * name it is a *worker*, whose position the server keeps. A key or address that cannot work is reported to who reads it.
     *
     * ```kotlin
     * val events = accounts.events { types = listOf("*"); start = Start.EARLIEST }
     * ```
     */
    public fun events(configure: EventsOptions.() -> Unit = {}): Events {
        val options = EventsOptions().apply(configure)
        val stream = calling { client.events(options.toFfi()) }
        return Events(stream, options.consumer.orEmpty(), scope, open::remove).also(open::add)
    }

    /**
     * Ends everything that was opened from here, and its two threads. Flows complete, and whoever waits is told. Blocks until
     * that is done: at once as a rule, some seconds if a server does not answer.
     */
    override fun close() {
        open.toList().forEach(AutoCloseable::close)
        client.shutDown()
        scope.cancel()
    }

    public companion object {
        init {
            // The waking thread stays known to the JVM: to come and go with each waking costs more than a hundred items.
            val attached = CallbackThreadInitializer(true, false, "passkey-accounts-wake")
            Native.setCallbackThreadInitializer(uniffiRustFutureContinuationCallbackImpl, attached)
        }

        /**
         * A handle of the server at `https://HOST[:PORT]`, or at the `wss://` address of its event stream. Nothing is sent
         * before something is opened or asked. Throws [StreamException] (`badAddress`) for what can never work.
         *
         * @param apiKey `pa_<env>_<id>_<secret>_<crc32>`, or a key pair (`pa_pair_...`), which signs and is never sent
         * @param origins where the pages are whose requests [LiveSessions.verify] checks: `https://app.example`
         * @param allowPlaintext send the key unencrypted if the address says `http://`. Not needed for this machine itself;
         *   elsewhere, whoever carries the bytes can read the key and the events
         * @param evidence have [sessions] believe no session that a passkey was not seen to open
         */
        @JvmStatic
        @JvmOverloads
        public fun connect(
            url: String,
            apiKey: String,
            origins: List<String> = emptyList(),
            allowPlaintext: Boolean = false,
            evidence: EvidenceOptions? = null,
        ): Accounts = connect(ConnectOptions(url, apiKey, null, allowPlaintext), origins, evidence)

        /** As above, with a key that can change. */
        @JvmStatic
        @JvmOverloads
        public fun connect(
            url: String,
            keyProvider: KeyProvider,
            origins: List<String> = emptyList(),
            allowPlaintext: Boolean = false,
            evidence: EvidenceOptions? = null,
        ): Accounts = connect(ConnectOptions(url, null, AskedKey(keyProvider), allowPlaintext), origins, evidence)

        private fun connect(options: ConnectOptions, origins: List<String>, evidence: EvidenceOptions?): Accounts =
            Accounts(calling { Client.connect(options) }, origins.toList(), evidence)
    }
}

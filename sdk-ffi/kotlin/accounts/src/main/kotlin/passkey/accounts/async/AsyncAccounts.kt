package passkey.accounts.async

import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.Flow.Publisher
import java.util.function.BiFunction
import java.util.function.Consumer
import java.util.concurrent.CompletionStage
import kotlin.time.toKotlinDuration
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.future.await
import kotlinx.coroutines.future.future
import kotlinx.coroutines.jdk9.asPublisher
import passkey.accounts.Account
import passkey.accounts.Accounts
import passkey.accounts.Delivery
import passkey.accounts.Ended
import passkey.accounts.Ending
import passkey.accounts.Endings
import passkey.accounts.Events
import passkey.accounts.EventsOptions
import passkey.accounts.Item
import passkey.accounts.LiveSession
import passkey.accounts.LiveSessions
import passkey.accounts.PasskeyException
import passkey.accounts.Position
import passkey.accounts.RequestHead
import passkey.accounts.Status
import passkey.accounts.VerifiedHead

/**
 * [Accounts] for Java: what suspends there is a [CompletableFuture] here, and a flow is a [Publisher]. Futures complete on
 * threads of the common pool of coroutines; cancelling one gives up the wait and loses nothing.
 *
 * ```java
 * try (var accounts = new AsyncAccounts(Accounts.connect(url, apiKey))) {
 *     accounts.events(options -> options.setConsumer("billing")).forEach(System.out::println).join();
 * }
 * ```
 */
public class AsyncAccounts(
    /** What is asked. Closed together with this. */
    public val accounts: Accounts,
) : AutoCloseable {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** The HTTP API. */
    public val api: AsyncApi = AsyncApi(accounts.api, scope)

    /** The sessions that are open now. Its connection is made when this is first used. */
    public val sessions: AsyncSessions by lazy { AsyncSessions(accounts.sessions, scope) }

    /** As [Accounts.events], as they are asked for without options. */
    public fun events(): AsyncEvents = AsyncEvents(accounts.events(), scope)

    /** As [Accounts.events]. */
    public fun events(configure: Consumer<EventsOptions>): AsyncEvents =
        AsyncEvents(accounts.events { configure.accept(this) }, scope)

    /** As [Accounts.close]. Futures that are not complete are cancelled. */
    override fun close() {
        accounts.close()
        scope.cancel()
    }
}

/** [Events] for Java. One reader at a time, in whichever of these ways. */
public class AsyncEvents internal constructor(
    /** What is read. */
    public val events: Events,
    private val scope: CoroutineScope,
) : Publisher<Item>, AutoCloseable {
    /** How the connection is doing now. */
    public val status: Status get() = events.status.value

    /** How the connection is doing, whenever that changes, beginning with how it is now. */
    public fun statusChanges(): Publisher<Status> = events.status.asPublisher()

    /** Why the stream is over for good, if it is. */
    public val failure: PasskeyException? get() = events.failure

    /**
     * Hands out items; an item is acknowledged when the subscriber asks for more than it has got. Cancelling the subscription
     * loses nothing: the next subscriber begins with what was not acknowledged.
     */
    override fun subscribe(subscriber: java.util.concurrent.Flow.Subscriber<in Item>): Unit =
        events.asPublisher().subscribe(subscriber)

    /** As [Events.deliveries]. */
    public fun deliveries(): Publisher<Delivery> = events.deliveries.asPublisher()

    /** As [Events.next]; completes with null when the stream was closed. */
    public fun next(): CompletableFuture<Delivery?> = scope.future { events.next() }

    /**
     * Calls [handler] with every item until the stream is closed, and acknowledges the item when it returns. What the handler
     * throws ends the future; the item comes again.
     */
    public fun forEach(handler: Consumer<Item>): CompletableFuture<Void?> = scope.future {
        events.collect { handler.accept(it) }
        null
    }

    /** As [Events.run]: an item is handled when the stage that the handler returns is complete. */
    public fun run(concurrency: Int, handler: BiFunction<Item, Position?, CompletionStage<*>>): CompletableFuture<Void?> =
        scope.future {
            events.run(concurrency) { item, position -> handler.apply(item, position).await() }
            null
        }

    /** As [Events.close]. */
    override fun close(): Unit = events.close()
}

/** [LiveSessions] for Java. */
public class AsyncSessions internal constructor(
    /** What is asked. Look-ups that need not wait are here: `get`, `ofAccount`, `isLoggedIn`, `getCount`. */
    public val sessions: LiveSessions,
    private val scope: CoroutineScope,
) {
    /** How the connection is doing now. */
    public val status: Status get() = sessions.status.value

    /** How the connection is doing, whenever that changes, beginning with how it is now. */
    public fun statusChanges(): Publisher<Status> = sessions.status.asPublisher()

    /** As [LiveSessions.inSync]. */
    public fun inSync(): CompletableFuture<Void?> = scope.future {
        sessions.inSync()
        null
    }

    /** As [LiveSessions.freshWithin]. */
    public fun freshWithin(maxAge: Duration): AsyncSessions {
        sessions.freshWithin(maxAge.toKotlinDuration())
        return this
    }

    /** As [LiveSessions.waitFor]. */
    public fun waitFor(sessionId: String, atMost: Duration): CompletableFuture<LiveSession> =
        scope.future { sessions.waitFor(sessionId, atMost.toKotlinDuration()) }

    /** As [LiveSession.ended]. */
    public fun ended(session: LiveSession): CompletableFuture<Ended> = scope.future { session.ended() }

    /** As [LiveSessions.endings]; what is to be closed is the first, what is to be subscribed to comes of [asPublisher]. */
    public fun endings(): Endings = sessions.endings()

    /** These ends for one subscriber. */
    public fun asPublisher(endings: Endings): Publisher<Ending> = (endings as kotlinx.coroutines.flow.Flow<Ending>).asPublisher()

    /** As [LiveSessions.verify]. */
    public fun verify(head: RequestHead, body: ByteArray): CompletableFuture<Account> =
        scope.future { sessions.verify(head, body) }

    /** As [LiveSessions.verifyHead]. */
    public fun verifyHead(head: RequestHead): CompletableFuture<VerifiedHead> = scope.future { sessions.verifyHead(head) }

    /** As [LiveSessions.verifySocket]. */
    public fun verifySocket(token: String, audience: String, nonce: String): CompletableFuture<Account> =
        scope.future { sessions.verifySocket(token, audience, nonce) }
}

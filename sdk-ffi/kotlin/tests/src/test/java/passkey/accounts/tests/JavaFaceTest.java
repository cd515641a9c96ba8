package passkey.accounts.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import passkey.accounts.Accounts;
import passkey.accounts.ApiException;
import passkey.accounts.Bookmark;
import passkey.accounts.Delivery;
import passkey.accounts.Event;
import passkey.accounts.Item;
import passkey.accounts.LoggedOut;
import passkey.accounts.ProofException;
import passkey.accounts.RequestHead;
import passkey.accounts.SessionEnd;
import passkey.accounts.Start;
import passkey.accounts.StreamException;
import passkey.accounts.async.AsyncAccounts;
import passkey.accounts.async.AsyncEvents;

/** The package as a Java program sees it. */
class JavaFaceTest {
    private final AsyncAccounts accounts =
            new AsyncAccounts(Accounts.connect(WorldKt.getURL(), WorldKt.getAPI_KEY(), List.of(WorldKt.ORIGIN)));

    @AfterEach
    void close() {
        accounts.close();
    }

    private AsyncEvents fromNow() throws Exception {
        var events = accounts.events(options -> options.setStart(Start.NOW));
        var mark = events.next().get();
        assertInstanceOf(Bookmark.class, mark.getItem());
        mark.ack();
        return events;
    }

    private static boolean isGapless(List<Long> numbers) {
        return WorldKt.isGapless(numbers);
    }

    @Test
    void aPublisherHandsOutWhatWasAskedForAndLosesNothingWhenItIsCancelled() throws Exception {
        try (var events = fromNow()) {
            WorldKt.append(60);
            var numbers = new ArrayList<Long>();
            while (numbers.size() < 60) {
                var subscriber = new Some<Item>(20);
                events.subscribe(subscriber);
                for (int count = 0; count < 20; count++) {
                    if (subscriber.take() instanceof Event event && !numbers.contains(event.getSeq())) {
                        numbers.add(event.getSeq());
                    }
                }
                subscriber.cancel();
                // The reader has left when it is.
                while (true) {
                    try {
                        events.getEvents();
                        var mark = events.next().get();
                        if (mark.getItem() instanceof Event event && !numbers.contains(event.getSeq())) {
                            numbers.add(event.getSeq());
                        }
                        mark.ack();
                        break;
                    } catch (ExecutionException stillRead) {
                        assertInstanceOf(IllegalStateException.class, stillRead.getCause());
                    }
                }
            }
            assertTrue(isGapless(numbers), numbers.toString());
        }
    }

    @Test
    void deliveriesAreAcknowledgedByHand() throws Exception {
        try (var events = fromNow()) {
            WorldKt.append(2);
            Delivery failed = events.next().get();
            failed.fail();
            Delivery again = events.next().get();
            assertEquals(failed.getItem(), again.getItem());
            assertEquals(((Event) again.getItem()).getId(), again.getPosition().getId());
            again.ack();
            Delivery second = events.next().get();
            assertInstanceOf(LoggedOut.class, ((Event) second.getItem()).getData());
            second.ack();
        }
    }

    @Test
    void forEachEndsWithTheStreamOrWithWhatItsHandlerThrows() throws Exception {
        var events = fromNow();
        WorldKt.append(5);
        var seen = new LinkedBlockingQueue<Long>();
        var thrown = events.forEach(item -> {
            throw new IllegalArgumentException("ours");
        });
        assertInstanceOf(
                IllegalArgumentException.class, assertThrows(CompletionException.class, thrown::join).getCause());
        var reading = events.forEach(item -> seen.add(((Event) item).getSeq()));
        var numbers = new ArrayList<Long>();
        while (numbers.size() < 5) {
            numbers.add(seen.poll(10, TimeUnit.SECONDS));
        }
        assertTrue(isGapless(numbers), numbers.toString());
        events.close();
        assertNull(reading.get(10, TimeUnit.SECONDS));
        assertNull(events.next().get());
    }

    @Test
    void runWaitsForStages() throws Exception {
        var events = fromNow();
        WorldKt.append(5);
        var seen = new LinkedBlockingQueue<Long>();
        var running = events.run(2, (item, position) ->
                CompletableFuture.runAsync(() -> seen.add(((Event) item).getSeq())));
        var numbers = new ArrayList<Long>();
        while (numbers.size() < 5) {
            numbers.add(seen.poll(10, TimeUnit.SECONDS));
        }
        assertTrue(isGapless(numbers), numbers.toString());
        events.close();
        running.get(10, TimeUnit.SECONDS);
    }

    @Test
    void sessionsAreWaitedForVerifiedAndTold() throws Exception {
        var sessions = accounts.getSessions();
        sessions.inSync().get();
        var ada = new Person("ada@shop.example");
        var session = sessions.waitFor(ada.getSessionId(), Duration.ofSeconds(5)).get();
        assertEquals(Boolean.TRUE, sessions.getSessions().isLoggedIn(ada.getAccountId()));
        sessions.freshWithin(Duration.ofSeconds(30));
        var head = new RequestHead("GET", "/", ada.prove("GET", "/", null, WorldKt.ORIGIN));
        assertEquals(ada.getAccountId(), sessions.verify(head, new byte[0]).get().getAccountId());
        var replayed = assertThrows(ExecutionException.class, () -> sessions.verify(head, new byte[0]).get());
        assertEquals("proofReplayed", assertInstanceOf(ProofException.class, replayed.getCause()).getCode());
        try (var endings = sessions.endings()) {
            var subscriber = new Some<passkey.accounts.Ending>(1);
            sessions.asPublisher(endings).subscribe(subscriber);
            var ended = sessions.ended(session);
            ada.close();
            ended.get(10, TimeUnit.SECONDS);
            assertEquals(ada.getSessionId(), ((SessionEnd) subscriber.take()).getSessionId());
        }
    }

    @Test
    void theHttpApiAnswersAndItsErrorsAreTyped() throws Exception {
        assertTrue(accounts.getApi().app().get().getAppId().startsWith("app_"));
        var failed = assertThrows(ExecutionException.class, () -> accounts.getApi().account("ada").get());
        assertEquals("notFound", assertInstanceOf(ApiException.class, failed.getCause()).getCode());
        var refused = assertThrows(StreamException.class, () -> Accounts.connect("auth.example", "pa_dev_x"));
        assertEquals("badAddress", refused.getCode());
    }

    /** Asks for so many. */
    private static final class Some<T> implements Flow.Subscriber<T> {
        private final int count;
        private final BlockingQueue<T> got = new LinkedBlockingQueue<>();
        private Flow.Subscription subscription;

        Some(int count) {
            this.count = count;
        }

        T take() throws InterruptedException {
            var item = got.poll(10, TimeUnit.SECONDS);
            assertTrue(item != null, "nothing came");
            return item;
        }

        void cancel() {
            subscription.cancel();
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscription.request(count);
        }

        @Override
        public void onNext(T item) {
            got.add(item);
        }

        @Override
        public void onError(Throwable error) {
            error.printStackTrace();
        }

        @Override
        public void onComplete() {}
    }
}

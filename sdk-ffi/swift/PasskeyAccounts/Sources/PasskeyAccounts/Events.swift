// The event stream: items to handle, one after the other or lane by lane.

internal import PasskeyAccountsNative

/// A live, gapless stream of an app's auth events. Lost connections are made again and resumed where they were; what trying
/// again cannot mend is thrown, and is the last thing.
///
/// ```swift
/// for try await item in try accounts.events(.init(consumer: "billing")) {
///     guard case .event(let event) = item, case .loggedIn(let login) = event.data else { continue }
///     print("signed in:", login.accountID)
/// }
/// ```
///
/// An item counts as handled when the loop asks for the next one. One that the loop was left with, by `break`, `return` or an
/// error, is not: it comes again to the next loop, the next process or the next worker. Who wants to say it by hand loops over
/// ``deliveries``; who wants lanes side by side calls ``run(concurrency:onError:handler:)``.
///
/// A stream has one reader at a time. It ends with ``close()``, or when nobody holds it any more.
///
/// **Cancellation.** When the task that waits for an item is cancelled, the wait throws ``PasskeyAccountsError/Kind/cancelled``. No
/// item is lost: it is either returned or still there.
public final class Events: AsyncSequence, Sendable {
    /// What a loop gets.
    public typealias Element = Item
    /// What a loop throws.
    public typealias Failure = PasskeyAccountsError

    let feed: Feed
    let consumer: String
    private let native: PasskeyAccountsNative.EventStream
    private let statusFeed: StatusFeed

    init(_ native: PasskeyAccountsNative.EventStream, _ options: EventsOptions) {
        self.native = native
        consumer = options.consumer ?? ""
        let isChecked = options.evidence != nil || options.witness != nil
        feed = Feed(native, acknowledgesAtOnce: options.consumer != nil || isChecked)
        statusFeed = StatusFeed(
            now: { native.status() },
            change: { seen in try await native.statusChanged(seen: seen) })
    }

    deinit {
        feed.close()
    }

    /// A reader that acknowledges an item when it asks for the next one.
    public func makeAsyncIterator() -> Iterator {
        Iterator(events: self)
    }

    /// The same items, each with the means to say by hand what became of it.
    public var deliveries: Deliveries {
        Deliveries(events: self)
    }

    /// How the connection is doing now.
    public var status: Status {
        Status(native.status())
    }

    /// The status now and each that follows; a reader that is slow gets the newest. Ends after `closed`.
    public var statusUpdates: AsyncStream<Status> {
        statusFeed.updates()
    }

    /// Why the stream is over for good, once that was thrown.
    public var failure: PasskeyAccountsError? {
        feed.failure
    }

    /// Ends the stream: what was acknowledged is told to the server, what was not comes again. Whoever waits for an item gets
    /// the end.
    public func close() {
        feed.close()
    }

    /// Reads a stream, acknowledging as it goes.
    public final class Iterator: AsyncIteratorProtocol {
        private let events: Events
        private var last: (receipt: UInt64, lane: Int)?

        init(events: Events) {
            self.events = events
        }

        deinit {
            if let (receipt, lane) = last { events.feed.abandon(receipt, lane: lane) }
        }

        /// The next item; the one before is handled now. Nothing when the stream was closed.
        ///
        /// - Throws: why the stream is over, or `cancelled`.
        public func next(isolation actor: isolated (any Actor)? = #isolation) async throws(PasskeyAccountsError) -> Item? {
            while true {
                let handled = last?.receipt
                last = nil
                // Here and not in a function of its own: that one would leave the caller's actor for every item.
                switch try events.feed.poll(handled: handled, isHeld: false) {
                case .item(let fetched):
                    last = (fetched.receipt, fetched.lane)
                    return fetched.item
                case .over: return nil
                case .wait: await events.feed.wait()
                }
            }
        }

        /// The next item; the one before is handled now. Nothing when the stream was closed.
        ///
        /// - Throws: why the stream is over, or `cancelled`.
        public func next() async throws(PasskeyAccountsError) -> Item? {
            try await next(isolation: nil)
        }
    }
}

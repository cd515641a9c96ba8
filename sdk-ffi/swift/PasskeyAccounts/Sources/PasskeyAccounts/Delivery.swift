// Items whose fate is said by hand.

import Synchronization

/// How far a lane of a consumer was handled, and under which ownership: what to store together with an item's effect, so that
/// effects happen once (docs/effects-once.md).
public struct Position: Sendable, Hashable {
    /// The consumer's name; empty for a view.
    public let consumer: String
    /// The lane; 0 where there is one only.
    public let lane: Int
    /// Everything up to this id is handled. Opaque.
    public let id: String
    /// The fencing token: higher for every later owner of the lane. 0 for a view.
    public let lease: Int

    /// As the library makes it; for the tests of an application.
    public init(consumer: String, lane: Int, id: String, lease: Int) {
        (self.consumer, self.lane, self.id, self.lease) = (consumer, lane, id, lease)
    }
}

/// One item to handle. ``ack()`` it when that is done.
///
/// One that nobody holds any more without a word counts as not handled. What was not handled comes again, and with it
/// everything of its lane that came after it: the connection is made anew and resumes before it.
public final class Delivery: Sendable {
    let fetched: Fetched
    private let feed: Feed
    private let consumer: String
    private let isSettled = Atomic(false)

    init(_ fetched: Fetched, feed: Feed, consumer: String) {
        (self.fetched, self.feed, self.consumer) = (fetched, feed, consumer)
    }

    deinit {
        end(isHandled: false)
    }

    /// What to handle.
    public var item: Item { fetched.item }

    /// What to store together with the item's effect; nothing for what is no position.
    public var position: Position? {
        item.id.map { id in Position(consumer: consumer, lane: fetched.lane, id: id, lease: fetched.lease) }
    }

    /// It is handled. Only the first of `ack` and `fail` counts.
    public func ack() {
        end(isHandled: true)
    }

    /// It is not handled and is to come again.
    public func fail() {
        end(isHandled: false)
    }

    private func end(isHandled: Bool) {
        if !isSettled.exchange(true, ordering: .relaxed) { feed.settle(fetched, isHandled: isHandled) }
    }
}

/// The items of a stream, each with the means to say by hand what became of it.
///
/// ```swift
/// for try await delivery in events.deliveries {
///     try await database.store(delivery.item, at: delivery.position)
///     delivery.ack()
/// }
/// ```
///
/// Several may be held at once, as far as ``EventsOptions/prefetch`` allows within a lane. Cancellation is as with ``Events``.
public struct Deliveries: AsyncSequence, Sendable {
    /// What a loop gets.
    public typealias Element = Delivery
    /// What a loop throws.
    public typealias Failure = PasskeyAccountsError

    let events: Events

    /// A reader that acknowledges nothing by itself.
    public func makeAsyncIterator() -> Iterator {
        Iterator(events: events)
    }

    /// Reads a stream.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let events: Events

        /// The next item; nothing when the stream was closed.
        ///
        /// - Throws: why the stream is over, or `cancelled`.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(PasskeyAccountsError) -> Delivery? {
            while true {
                switch try events.feed.poll(isHeld: true) {
                case .item(let fetched): return Delivery(fetched, feed: events.feed, consumer: events.consumer)
                case .over: return nil
                case .wait: await events.feed.wait()
                }
            }
        }

        /// The next item; nothing when the stream was closed.
        ///
        /// - Throws: why the stream is over, or `cancelled`.
        public mutating func next() async throws(PasskeyAccountsError) -> Delivery? {
            try await next(isolation: nil)
        }
    }
}

// Handling lanes side by side.

extension Events {
    /// Handles items until the stream ends: up to `concurrency` lanes at a time, the items of a lane one after the other. An item
    /// is acknowledged when its handler is through. If it throws, the item comes again, and `onError` hears of it.
    ///
    /// - Parameters:
    ///   - concurrency: how many lanes at a time, at least 1. Default 1.
    ///   - onError: what a handler has thrown, and for which item. By default nobody hears of it but the item that comes again.
    ///   - handler: handles an item. Its position is to be stored with the effect where effects are to happen once.
    /// - Throws: why the stream is over. When the task is cancelled, `cancelled`, after the handlers that run are through; they
    ///   are cancelled too.
    public func run(
        concurrency: Int = 1,
        onError: @escaping @Sendable (any Error, Item) -> Void = { _, _ in },
        handler: @escaping @Sendable (Item, Position?) async throws -> Void
    ) async throws(PasskeyAccountsError) {
        var lanes = Lanes()
        let failure = await withTaskGroup(of: Step.self, returning: PasskeyAccountsError?.self) { group in
            var isFetching = false
            var isOver = false
            var failure: PasskeyAccountsError?
            while true {
                while lanes.busy < Swift.max(1, concurrency), let delivery = lanes.start() {
                    group.addTask {
                        do {
                            try await handler(delivery.item, delivery.position)
                            delivery.ack()
                        } catch {
                            delivery.fail()
                            onError(error, delivery.item)
                        }
                        return .handled(lane: delivery.fetched.lane)
                    }
                }
                if !isFetching && !isOver && lanes.waiting < mostWaiting {
                    isFetching = true
                    group.addTask { await self.fetch() }
                }
                // Nothing runs any more: it is over, and everything was handled.
                guard let step = await group.next() else { return failure }
                switch step {
                case .handled(let lane):
                    lanes.finish(lane) { self.feed.isHeld($0.fetched) }
                case .fetched(let delivery):
                    isFetching = false
                    lanes.add(delivery)
                case .over(let error):
                    isFetching = false
                    isOver = true
                    failure = error
                    // What nobody has begun with comes again.
                    lanes.drop()
                }
            }
        }
        if let failure { throw failure }
    }

    private enum Step: Sendable {
        case fetched(Delivery)
        case handled(lane: Int)
        case over(PasskeyAccountsError?)
    }

    private func fetch() async -> Step {
        do throws(PasskeyAccountsError) {
            guard let fetched = try await feed.next() else { return .over(nil) }
            return .fetched(Delivery(fetched, feed: feed, consumer: consumer))
        } catch {
            return .over(error)
        }
    }
}

/// Deliveries that wait for their turn, by lane.
private struct Lanes {
    private var queues: [Int: [Delivery]] = [:]
    private var running: Set<Int> = []
    /// Lanes that are handled now.
    var busy: Int { running.count }
    /// Deliveries that wait.
    private(set) var waiting = 0

    mutating func add(_ delivery: Delivery) {
        queues[delivery.fetched.lane, default: []].append(delivery)
        waiting += 1
    }

    /// The first delivery of a lane that is not handled now.
    mutating func start() -> Delivery? {
        guard let lane = queues.first(where: { !running.contains($0.key) && !$0.value.isEmpty })?.key else { return nil }
        running.insert(lane)
        waiting -= 1
        return queues[lane]?.removeFirst()
    }

    /// A delivery of the lane is through. If it has failed, those behind it come again.
    mutating func finish(_ lane: Int, isHeld: (Delivery) -> Bool) {
        running.remove(lane)
        let queue = queues[lane] ?? []
        let left = queue.filter(isHeld)
        waiting -= queue.count - left.count
        queues[lane] = left.isEmpty ? nil : left
    }

    mutating func drop() {
        queues = [:]
        waiting = 0
    }
}

/// Items that may wait for their lane.
private let mostWaiting = 256

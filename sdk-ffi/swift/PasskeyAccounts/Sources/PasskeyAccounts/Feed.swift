// Pulls items out of the library in batches and hands them out one by one.

import Synchronization
internal import PasskeyAccountsNative

/// One item, and by what number to say what became of it.
struct Fetched: Sendable {
    let receipt: UInt64
    let lane: Int
    let lease: Int
    let item: Item
}

/// The two phases of a pull: to wait carries nothing, and to fetch never waits. So a wait that is cancelled loses nothing.
final class Feed: Sendable {
    private struct State {
        var records: Records?
        /// Lanes whose items in `records` come again.
        var failed: Set<Int> = []
        /// Everything up to this receipt is handled, and the library was not told yet.
        var handled: UInt64?
        var unsaid = 0
        /// How many wait for the library to have something: what is handled now may be what it waits for.
        var waiting = 0
        var held = Held()
        /// What a loop was left with.
        var abandoned: (receipt: UInt64, lane: Int)?
        var failure: PasskeyAccountsError?
    }

    private let native: PasskeyAccountsNative.EventStream
    private let state = Mutex(State())
    /// Whether each item is acknowledged at once: others may wait for a worker's lane, and what is checked is remembered in a
    /// file. For any other view nobody waits.
    private let acknowledgesAtOnce: Bool

    init(_ native: PasskeyAccountsNative.EventStream, acknowledgesAtOnce: Bool) {
        self.native = native
        self.acknowledgesAtOnce = acknowledgesAtOnce
    }

    /// What a poll finds.
    enum Polled {
        case item(Fetched)
        /// There is nothing yet: ``wait()`` and poll again.
        case wait
        case over
    }

    /// The next item, if it is there. If it `isHeld`, it will be settled; otherwise its receipt comes back as `handled`, which
    /// says that it, and everything that was handed out before it, is handled.
    func poll(handled receipt: UInt64? = nil, isHeld: Bool) throws(PasskeyAccountsError) -> Polled {
        let isCancelled = Task.isCancelled
        let polled = state.withLock { state -> Result<Polled, PasskeyAccountsError> in
            if let receipt { note(&state, receipt) }
            if isCancelled {
                say(&state)
                return .failure(.cancelled("waiting for an item"))
            }
            return Result { () throws(PasskeyAccountsError) in try poll(&state, isHeld: isHeld) }
        }
        return try polled.get()
    }

    /// Waits until there is something to poll, or the task is cancelled.
    func wait() async {
        await withTaskCancellationHandler {
            await native.ready()
        } onCancel: {
            native.wake()
        }
        state.withLock { state in state.waiting -= 1 }
    }

    /// The next item of those that are settled one by one; nothing when the stream was closed.
    func next() async throws(PasskeyAccountsError) -> Fetched? {
        while true {
            switch try poll(isHeld: true) {
            case .item(let fetched): return fetched
            case .over: return nil
            case .wait: await wait()
            }
        }
    }

    /// What became of one item. Does nothing for one that comes again anyway, because one before it in its lane was not
    /// handled.
    func settle(_ fetched: Fetched, isHandled: Bool) {
        state.withLock { state in
            guard let isFirst = state.held.remove(fetched.receipt) else { return }
            if !isHandled {
                fail(&state, fetched.receipt, lane: fetched.lane)
            } else if isFirst {
                note(&state, fetched.receipt)
            } else {
                native.settle(receipt: fetched.receipt, isHandled: true)
            }
        }
    }

    /// Whoever had this item has left without a word: when the next one is asked for, it comes again.
    func abandon(_ receipt: UInt64, lane: Int) {
        state.withLock { state in state.abandoned = (receipt, lane) }
    }

    /// Whether the item is still to be settled. If not, it comes again, because one before it in its lane was not handled.
    func isHeld(_ fetched: Fetched) -> Bool {
        state.withLock { state in state.held.contains(fetched.receipt) }
    }

    /// Why it is over for good, if it is.
    var failure: PasskeyAccountsError? {
        state.withLock { state in state.failure }
    }

    /// Ends the stream.
    func close() {
        state.withLock { state in
            say(&state)
            state.records = nil
        }
        native.stop()
    }

    private func poll(_ state: inout State, isHeld: Bool) throws(PasskeyAccountsError) -> Polled {
        if let (receipt, lane) = state.abandoned {
            state.abandoned = nil
            fail(&state, receipt, lane: lane)
        }
        var fetched = state.records?.next(except: state.failed)
        if fetched == nil {
            say(&state)
            do {
                guard let batch = try native.takePacked(max: mostAtOnce) else { return .over }
                state.records = Records(batch)
                state.failed = []
            } catch {
                // Said once; afterwards it is just over.
                if state.failure != nil { return .over }
                let failure = PasskeyAccountsError(error)
                state.failure = failure
                throw failure
            }
            fetched = state.records?.next()
        }
        guard let fetched else {
            state.waiting += 1
            return .wait
        }
        if isHeld { state.held.add(fetched.receipt, lane: fetched.lane) }
        return .item(fetched)
    }

    /// Everything up to here is handled. It is said now, or together with what is handled next.
    private func note(_ state: inout State, _ receipt: UInt64) {
        state.handled = max(state.handled ?? 0, receipt)
        state.unsaid += 1
        if acknowledgesAtOnce || state.waiting > 0 || state.unsaid >= mostUnsaid { say(&state) }
    }

    private func say(_ state: inout State) {
        guard let receipt = state.handled else { return }
        state.handled = nil
        state.unsaid = 0
        native.acknowledge(through: receipt)
    }

    /// The item comes again, and the rest of its lane behind it.
    private func fail(_ state: inout State, _ receipt: UInt64, lane: Int) {
        say(&state)
        native.settle(receipt: receipt, isHandled: false)
        state.failed.insert(lane)
        state.held.drop(lane: lane, after: receipt)
    }
}

/// The items that are in somebody's hands and are settled one by one.
private struct Held {
    private var lanes: [UInt64: Int] = [:]
    /// None before this one is held.
    private var first: UInt64 = 0

    /// Receipts rise.
    mutating func add(_ receipt: UInt64, lane: Int) {
        if lanes.isEmpty { first = receipt }
        lanes[receipt] = lane
    }

    func contains(_ receipt: UInt64) -> Bool {
        lanes[receipt] != nil
    }

    /// Whether it was the first of them; nothing if it was not among them.
    mutating func remove(_ receipt: UInt64) -> Bool? {
        guard lanes.removeValue(forKey: receipt) != nil else { return nil }
        while first < receipt && lanes[first] == nil { first += 1 }
        return first == receipt
    }

    mutating func drop(lane: Int, after receipt: UInt64) {
        lanes = lanes.filter { $0.value != lane || $0.key < receipt }
    }
}

/// Items that are fetched in one call, about as many as the library holds.
private let mostAtOnce: UInt32 = 256

/// How many items may be handled before the library is told.
private let mostUnsaid = 64

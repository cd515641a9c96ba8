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
        var batch: [PasskeyAccountsNative.Delivery] = []
        var next = 0
        /// Everything up to this receipt is handled, and the library was not told yet.
        var handled: UInt64?
        var unsaid = 0
        /// How many wait for the library to have something: what is handled now may be what it waits for.
        var waiting = 0
        /// The lanes of the items that are in somebody's hands and are settled one by one.
        var held: [UInt64: Int] = [:]
        /// What a loop was left with.
        var abandoned: (receipt: UInt64, lane: Int)?
        var failure: PasskeyAccountsError?
    }

    private let native: PasskeyAccountsNative.EventStream
    private let state = Mutex(State())
    /// A worker's item is acknowledged at once, others may wait for its lane. For a view nobody waits.
    private let isWorker: Bool

    init(_ native: PasskeyAccountsNative.EventStream, isWorker: Bool) {
        self.native = native
        self.isWorker = isWorker
    }

    /// The next item; nothing when the stream was closed. If it `isHeld`, it will be settled; otherwise acknowledged.
    func next(isHeld: Bool) async throws(PasskeyAccountsError) -> Fetched? {
        while true {
            if Task.isCancelled {
                flush()
                throw .cancelled("waiting for an item")
            }
            switch try poll(isHeld: isHeld) {
            case .item(let fetched): return fetched
            case .over: return nil
            case .wait: break
            }
            await withTaskCancellationHandler {
                await native.ready()
            } onCancel: {
                native.wake()
            }
            state.withLock { state in state.waiting -= 1 }
        }
    }

    /// The item and everything that was handed out before it is handled.
    func acknowledge(_ receipt: UInt64) {
        state.withLock { state in note(&state, receipt) }
    }

    /// What became of one item. Does nothing for one that comes again anyway, because one before it in its lane was not
    /// handled.
    func settle(_ fetched: Fetched, isHandled: Bool) {
        state.withLock { state in
            guard state.held.removeValue(forKey: fetched.receipt) != nil else { return }
            if !isHandled {
                fail(&state, fetched.receipt, lane: fetched.lane)
            } else if state.held.keys.contains(where: { $0 < fetched.receipt }) {
                native.settle(receipt: fetched.receipt, isHandled: true)
            } else {
                note(&state, fetched.receipt)
            }
        }
    }

    /// Whoever had this item has left without a word: when the next one is asked for, it comes again.
    func abandon(_ receipt: UInt64, lane: Int) {
        state.withLock { state in state.abandoned = (receipt, lane) }
    }

    /// Whether the item is still to be settled. If not, it comes again, because one before it in its lane was not handled.
    func isHeld(_ fetched: Fetched) -> Bool {
        state.withLock { state in state.held[fetched.receipt] != nil }
    }

    /// Why it is over for good, if it is.
    var failure: PasskeyAccountsError? {
        state.withLock { state in state.failure }
    }

    /// Tells what was handled.
    func flush() {
        state.withLock { state in say(&state) }
    }

    /// Ends the stream.
    func close() {
        state.withLock { state in
            say(&state)
            state.batch = []
            state.next = 0
        }
        native.stop()
    }

    private enum Polled {
        case item(Fetched)
        case wait
        case over
    }

    private func poll(isHeld: Bool) throws(PasskeyAccountsError) -> Polled {
        let polled = state.withLock { state -> Result<Polled, PasskeyAccountsError> in
            if let (receipt, lane) = state.abandoned {
                state.abandoned = nil
                fail(&state, receipt, lane: lane)
            }
            if state.next == state.batch.count {
                say(&state)
                do {
                    guard let batch = try native.take(max: mostAtOnce) else { return .success(.over) }
                    state.batch = batch
                    state.next = 0
                } catch {
                    // Said once; afterwards it is just over.
                    if state.failure != nil { return .success(.over) }
                    let failure = PasskeyAccountsError(error)
                    state.failure = failure
                    return .failure(failure)
                }
            }
            guard state.next < state.batch.count else {
                state.waiting += 1
                return .success(.wait)
            }
            let delivery = state.batch[state.next]
            state.next += 1
            if isHeld { state.held[delivery.receipt] = Int(delivery.lane) }
            return .success(.item(Fetched(
                receipt: delivery.receipt, lane: Int(delivery.lane), lease: Int(clamping: delivery.lease),
                item: Item(delivery.item))))
        }
        return try polled.get()
    }

    /// Everything up to here is handled. It is said now, or together with what is handled next.
    private func note(_ state: inout State, _ receipt: UInt64) {
        state.handled = max(state.handled ?? 0, receipt)
        state.unsaid += 1
        if isWorker || state.waiting > 0 || state.unsaid >= mostUnsaid { say(&state) }
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
        state.batch.removeSubrange(..<state.next)
        state.next = 0
        state.batch.removeAll { Int($0.lane) == lane }
        state.held = state.held.filter { $0.value != lane || $0.key < receipt }
    }
}

/// Items that are fetched in one call, about as many as the library holds.
private let mostAtOnce: UInt32 = 256

/// How many items may be handled before the library is told.
private let mostUnsaid = 64

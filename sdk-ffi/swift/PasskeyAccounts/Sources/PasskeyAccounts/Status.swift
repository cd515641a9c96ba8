// How a connection is doing.

import Synchronization
internal import PasskeyAccountsNative

/// How a stream is doing. Items say nothing about it: a quiet stream can be live or lost.
public enum Status: Sendable, Hashable {
    /// A connection is being made.
    case connecting
    /// The server has accepted the key and sends what happens.
    case live
    /// A worker that is connected and has no lane: others have them all, and it steps in when one of them leaves.
    case standby
    /// The connection was lost; the stream resumes where it was. `retryIn` counts from the moment of this status, `why` is for
    /// people.
    case waiting(retryIn: Duration, why: String)
    /// It is over: it was closed, or has ended with an error.
    case closed

    init(_ native: PasskeyAccountsNative.Status) {
        switch native {
        case .connecting: self = .connecting
        case .live: self = .live
        case .standby: self = .standby
        case .waiting(let retryIn, let why): self = .waiting(retryIn: .seconds(retryIn), why: why)
        case .closed: self = .closed
        }
    }
}

/// Tells any number of readers how one connection is doing. There is one wait in the library for all of them, and none before
/// the first reader comes.
final class StatusFeed: Sendable {
    typealias Native = PasskeyAccountsNative.Status

    private struct State {
        var last: Status?
        var readers: [Int: AsyncStream<Status>.Continuation] = [:]
        var count = 0
    }

    private let state = Mutex(State())
    private let now: @Sendable () -> Native
    private let change: @Sendable (Native) async throws -> Native

    /// `change` returns once the status is another than the one it is given; it throws when there will be none.
    init(now: @escaping @Sendable () -> Native, change: @escaping @Sendable (Native) async throws -> Native) {
        self.now = now
        self.change = change
    }

    /// The status now, and each that follows; a reader that is slow gets the newest. Ends after `closed`.
    func updates() -> AsyncStream<Status> {
        let (stream, continuation) = AsyncStream.makeStream(of: Status.self, bufferingPolicy: .bufferingNewest(1))
        let (number, isFirst, last) = state.withLock { state in
            state.count += 1
            if state.last != .closed { state.readers[state.count] = continuation }
            return (state.count, state.count == 1, state.last)
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { state in _ = state.readers.removeValue(forKey: number) }
        }
        if let last { continuation.yield(last) }
        if last == .closed { continuation.finish() }
        if isFirst { Task.detached { await self.follow() } }
        return stream
    }

    private func follow() async {
        var seen = now()
        tell(Status(seen))
        while seen != .closed {
            seen = (try? await change(seen)) ?? .closed
            tell(Status(seen))
        }
    }

    private func tell(_ status: Status) {
        let readers = state.withLock { state in
            state.last = status
            defer { if status == .closed { state.readers = [:] } }
            return state.readers
        }
        for reader in readers.values {
            reader.yield(status)
            if status == .closed { reader.finish() }
        }
    }
}

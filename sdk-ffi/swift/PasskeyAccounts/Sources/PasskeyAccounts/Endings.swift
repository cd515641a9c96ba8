// The ends of all sessions.

import Synchronization
internal import PasskeyAccountsNative

/// What a reader of ``Endings`` gets.
public enum Ending: Sendable, Hashable {
    /// A session has ended.
    case ended(SessionEnd)
    /// This reader was too slow for so many: look up every session that you hold anything for.
    case missed(Int)
}

/// A session has ended.
public struct SessionEnd: Sendable, Hashable {
    /// The session.
    public let sessionID: String
    /// Whose session it was.
    public let accountID: String
    /// How it ended.
    public let ended: Ended
    /// It was the account's last: nobody is signed in to it now.
    public let accountIsGone: Bool

    /// As the library makes it; for the tests of an application.
    public init(sessionID: String, accountID: String, ended: Ended, accountIsGone: Bool) {
        (self.sessionID, self.accountID, self.ended, self.accountIsGone) = (sessionID, accountID, ended, accountIsGone)
    }

    init(_ native: PasskeyAccountsNative.SessionEnd) {
        (sessionID, accountID) = (native.sessionId, native.accountId)
        (ended, accountIsGone) = (Ended(native.ended), native.accountIsGone)
    }
}

/// The ends of all sessions from the moment that this was made. Ends when the live sessions are closed or their stream is over.
///
/// ```swift
/// for try await case .ended(let end) in accounts.sessions.endings() {
///     sockets.close(ofSession: end.sessionID)
/// }
/// ```
///
/// **Cancellation.** A wait in a task that is cancelled throws ``PasskeyAccountsError/Kind/cancelled`` and loses nothing.
public final class Endings: AsyncSequence, Sendable {
    /// What a loop gets.
    public typealias Element = Ending
    /// What a loop throws.
    public typealias Failure = PasskeyAccountsError

    private let native: PasskeyAccountsNative.Endings?
    /// What was fetched, the next one last.
    private let fetched = Mutex<[Ending]>([])

    init(_ native: PasskeyAccountsNative.Endings?) {
        self.native = native
    }

    deinit {
        native?.stop()
    }

    /// A reader. All readers of one of these share its ends.
    public func makeAsyncIterator() -> Iterator {
        Iterator(endings: self)
    }

    /// Reads ends.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let endings: Endings

        /// The next end; nothing when there will be none.
        ///
        /// - Throws: `cancelled`, and nothing else.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(PasskeyAccountsError) -> Ending? {
            try await endings.next()
        }

        /// The next end; nothing when there will be none.
        ///
        /// - Throws: `cancelled`, and nothing else.
        public mutating func next() async throws(PasskeyAccountsError) -> Ending? {
            try await endings.next()
        }
    }

    private func next() async throws(PasskeyAccountsError) -> Ending? {
        guard let native else { return nil }
        while true {
            if Task.isCancelled { throw .cancelled("waiting for ends of sessions") }
            let (ending, isOver) = fetched.withLock { fetched -> (Ending?, Bool) in
                if let next = fetched.popLast() { return (next, false) }
                guard let ends = try? native.take(max: endsAtOnce) else { return (nil, true) }
                fetched = ends.ends.reversed().map { .ended(SessionEnd($0)) }
                if ends.missed > 0 { fetched.append(.missed(Int(clamping: ends.missed))) }
                return (fetched.popLast(), false)
            }
            if isOver { return nil }
            if let ending { return ending }
            await withTaskCancellationHandler {
                await native.ready()
            } onCancel: {
                native.wake()
            }
        }
    }
}

private let endsAtOnce: UInt32 = 256

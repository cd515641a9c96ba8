// Who is signed in, answered from memory and kept exact by a connection of its own.

import Foundation
import Synchronization
internal import PasskeyAccountsNative

/// The sessions that are open now. Look-ups are answered from memory and say what was known last, also while the connection is
/// interrupted. Whoever decides by them asks ``freshWithin(_:)`` first, which fails closed; ``verify(_:body:)`` does.
///
/// ```swift
/// try await accounts.sessions.inSync()
/// if accounts.sessions.isLoggedIn(accountID) == true { ... }
/// ```
public final class LiveSessions: Sendable {
    let origins: [String]
    private let opened: Result<PasskeyAccountsNative.LiveSessions, PasskeyAccountsError>
    private let statusFeed: StatusFeed
    private let syncing = Mutex<Outcome<Void>?>(nil)
    private let closed = Mutex(false)
    private let ends = EndWaits()
    let proofs = Mutex<PasskeyAccountsNative.Proofs?>(nil)

    init(origins: [String], opened: Result<PasskeyAccountsNative.LiveSessions, any Swift.Error>) {
        self.origins = origins
        let opened = opened.mapError(PasskeyAccountsError.init)
        self.opened = opened
        statusFeed = StatusFeed(
            now: { (try? opened.get().status()) ?? .closed },
            change: { seen in try await opened.get().statusChanged(seen: seen) })
    }

    deinit {
        close()
    }

    /// Waits until the state has arrived: at the start, and after events were missed.
    ///
    /// - Throws: how the stream ended, or `cancelled`.
    public func inSync() async throws(PasskeyAccountsError) {
        let native = try native()
        let outcome = syncing.withLock { syncing in
            if let syncing { return syncing }
            let outcome = Outcome<Void>()
            syncing = outcome
            // One wait in the library, however many tasks give up theirs.
            Task.detached { [weak self] in
                let result = await result { try await native.inSync() }
                self?.syncing.withLock { syncing in syncing = nil }
                outcome.settle(result)
            }
            return outcome
        }
        try await outcome.value("waiting for the live sessions")
    }

    /// The session, if it is open.
    public func get(_ sessionID: String) -> LiveSession? {
        (try? native().get(sessionId: sessionID)).map { LiveSession($0, ends: ends) }
    }

    /// The open sessions of the account, in no order.
    public func ofAccount(_ accountID: String) -> [LiveSession] {
        let sessions = try? native().ofAccount(accountId: accountID)
        return (sessions ?? []).map { LiveSession($0, ends: ends) }
    }

    /// Whether the account has an open session; nothing while that is not known: before the state has arrived, after events were
    /// missed, and when the stream is over.
    public func isLoggedIn(_ accountID: String) -> Bool? {
        try? native().isLoggedIn(accountId: accountID)
    }

    /// How many sessions are open.
    public var count: Int {
        Int(clamping: (try? native().count()) ?? 0)
    }

    /// These live sessions, if they have everything that the server had not longer ago than this. A quiet server says so every
    /// 20 s: less than 25 s makes it fail now and then.
    ///
    /// - Throws: `stale`: refuse, or answer 503.
    @discardableResult
    public func freshWithin(_ maxAge: Duration) throws(PasskeyAccountsError) -> LiveSessions {
        let native = try native()
        try translating { try native.freshWithin(maxAge: maxAge.seconds) }
        return self
    }

    /// The session as soon as it is open, waiting so long for it: a request may overtake the `loggedIn` that it belongs to.
    ///
    /// - Throws: `sessionGone` when it has not appeared in time, `overCapacity` beside 10,000 others, `stale` when the stream is
    ///   over, or `cancelled`.
    public func waitFor(
        _ sessionID: String,
        atMost: Duration = .seconds(2)
    ) async throws(PasskeyAccountsError) -> LiveSession {
        let native = try native()
        let session = try await abandonable("waiting for the session") {
            try await native.waitFor(sessionId: sessionID, atMost: atMost.seconds)
        }
        return LiveSession(session, ends: ends)
    }

    /// The server's clock, as far as it is known here; nothing once this is closed.
    public var serverTime: Date? {
        try? native().serverTime()
    }

    /// The ends of all sessions from now on, for an application that keeps sockets of many. So: ask for this first, look
    /// sessions up then.
    public func endings() -> Endings {
        Endings(try? native().endings())
    }

    /// How the connection is doing now.
    public var status: Status {
        (try? native().status()).map(Status.init) ?? .closed
    }

    /// The status now and each that follows; a reader that is slow gets the newest. Ends after `closed`.
    public var statusUpdates: AsyncStream<Status> {
        statusFeed.updates()
    }

    /// Why the stream is over for good, if it is.
    public var failure: PasskeyAccountsError? {
        switch opened {
        case .success(let native): native.failure().map(PasskeyAccountsError.init)
        case .failure(let error): error
        }
    }

    /// Ends the connection. From here on no session is known, and those who hold one are told so.
    public func close() {
        closed.withLock { closed in closed = true }
        try? opened.get().stop()
    }

    var isClosed: Bool {
        closed.withLock { closed in closed }
    }

    func native() throws(PasskeyAccountsError) -> PasskeyAccountsNative.LiveSessions {
        try opened.get()
    }

    func account(_ native: PasskeyAccountsNative.Account) -> Account {
        Account(accountID: native.accountId, session: LiveSession(native.session, ends: ends))
    }
}

/// How a session ended, as far as this process knows.
public enum Ended: Sendable, Hashable {
    /// The log says so.
    case loggedOut(EndReason)
    /// Its time is over. Its `loggedOut` may be under way still.
    case expired
    /// It was open before events were missed, and is not among the open sessions after it.
    case vanished
    /// The live sessions were closed, or their stream is over for good. The session itself may go on.
    case unfollowed

    init(_ native: PasskeyAccountsNative.Ended) {
        switch native {
        case .loggedOut(let reason): self = .loggedOut(EndReason(reason))
        case .expired: self = .expired
        case .vanished: self = .vanished
        case .unfollowed: self = .unfollowed
        }
    }
}

/// An open session, as of the moment it was looked up. Whoever holds it is told when it ends.
public struct LiveSession: Sendable {
    /// The session.
    public let sessionID: String
    /// Whose session.
    public let accountID: String
    /// The passkey that opened it.
    public let passkeyID: String
    /// When it was opened, by the server's clock.
    public let since: Date
    /// When it ends at the latest, by the server's clock.
    public let expiresAt: Date
    private let handle: SessionHandle
    private let ends: EndWaits

    init(_ native: PasskeyAccountsNative.LiveSession, ends: EndWaits) {
        (sessionID, accountID, passkeyID) = (native.sessionId, native.accountId, native.passkeyId)
        (since, expiresAt, handle) = (native.since, native.expiresAt, native.handle)
        self.ends = ends
    }

    /// How it ended; nothing while it is open.
    public var end: Ended? {
        handle.end().map(Ended.init)
    }

    /// Waits for its end: the moment to close sockets that were opened in its name.
    ///
    /// - Throws: `cancelled`, and nothing else.
    public func ended() async throws(PasskeyAccountsError) -> Ended {
        if let end { return end }
        return try await ends.outcome(of: sessionID, handle).value("waiting for the end of a session")
    }
}

/// The waits for ends of sessions: one in the library for each session, however many tasks want to know.
final class EndWaits: Sendable {
    private let waits = Mutex<[String: Outcome<Ended>]>([:])

    func outcome(of sessionID: String, _ handle: SessionHandle) -> Outcome<Ended> {
        waits.withLock { waits in
            if let wait = waits[sessionID] { return wait }
            let outcome = Outcome<Ended>()
            waits[sessionID] = outcome
            Task.detached { [weak self] in
                let ended = await handle.ended()
                self?.waits.withLock { waits in _ = waits.removeValue(forKey: sessionID) }
                outcome.settle(.success(Ended(ended)))
            }
            return outcome
        }
    }
}

// What a stream hands out, in the order of the log.

import Foundation
internal import PasskeyAccountsNative

/// One thing to handle.
public enum Item: Sendable, Hashable {
    /// Something happened: an entry of the app's log.
    case event(Event)
    /// A page of the sessions that are open.
    case snapshot(Snapshot)
    /// Events are missing here: the position cannot be continued.
    case gap(Gap)
    /// Nothing happened up to here.
    case bookmark(Bookmark)

    /// Where to resume once the item is handled; nothing for what is no position.
    public var id: String? {
        switch self {
        case .event(let event): event.id
        case .bookmark(let bookmark): bookmark.id
        case .snapshot(let snapshot): snapshot.last ? snapshot.id : nil
        case .gap: nil
        }
    }

    init(_ native: PasskeyAccountsNative.Item) {
        switch native {
        case .event(let event): self = .event(Event(event))
        case .snapshot(let snapshot): self = .snapshot(Snapshot(snapshot))
        case .gap(let gap): self = .gap(Gap(gap))
        case .bookmark(let bookmark): self = .bookmark(Bookmark(bookmark))
        }
    }
}

/// A page of the open sessions. The pages together are the exact state as of the last one's `id`.
public struct Snapshot: Sendable, Hashable {
    /// Open sessions.
    public let sessions: [OpenSession]
    /// Forget the sessions that were known before this page.
    public let first: Bool
    /// The state is whole with this page.
    public let last: Bool
    /// On the last page the position; on the others good for nothing.
    public let id: String
    /// On the last page: the hash chain up to the position, 32 bytes.
    public let hash: Data?

    /// As the library makes it; for the tests of an application.
    public init(sessions: [OpenSession], first: Bool, last: Bool, id: String, hash: Data? = nil) {
        (self.sessions, self.first, self.last, self.id, self.hash) = (sessions, first, last, id, hash)
    }

    init(_ native: PasskeyAccountsNative.Snapshot) {
        sessions = native.sessions.map(OpenSession.init)
        (first, last, id, hash) = (native.first, native.last, native.id, native.hash)
    }
}

/// A session that is open as of a snapshot.
public struct OpenSession: Sendable, Hashable {
    /// Whose session.
    public let accountID: String
    /// The session.
    public let sessionID: String
    /// The passkey that opened it.
    public let passkeyID: String
    /// The public key that its proofs are checked with.
    public let sessionKey: SessionKey
    /// When it was opened, by the server's clock.
    public let since: Date
    /// When it ends at the latest, by the server's clock.
    public let expiresAt: Date

    /// As the library makes it; for the tests of an application.
    public init(
        accountID: String,
        sessionID: String,
        passkeyID: String,
        sessionKey: SessionKey,
        since: Date,
        expiresAt: Date
    ) {
        (self.accountID, self.sessionID, self.passkeyID) = (accountID, sessionID, passkeyID)
        (self.sessionKey, self.since, self.expiresAt) = (sessionKey, since, expiresAt)
    }

    init(_ native: PasskeyAccountsNative.OpenSession) {
        (accountID, sessionID, passkeyID) = (native.accountId, native.sessionId, native.passkeyId)
        sessionKey = SessionKey(native.sessionKey)
        (since, expiresAt) = (native.since, native.expiresAt)
    }
}

/// Events are missing here: the position cannot be continued. What follows says how it goes on.
public struct Gap: Sendable, Hashable {
    /// Why a position cannot be continued.
    public enum Reason: String, Sendable {
        /// Events right after it are no longer kept.
        case truncated
        /// The log does not reach that far.
        case ahead
        /// The log has another entry there.
        case diverged
        /// An operator restored the log and said so.
        case epoch
        /// A newer server's reason.
        case other
    }

    /// What follows a gap.
    public enum Next: String, Sendable {
        /// A snapshot of the present state.
        case snapshot
        /// The oldest event that is kept.
        case oldest
        /// A newer server's choice.
        case other
    }

    /// Why.
    public let reason: Reason
    /// The position that was asked for.
    public let after: String
    /// What follows.
    public let next: Next
    /// The position before the oldest event that is kept.
    public let oldest: String?

    /// As the library makes it; for the tests of an application.
    public init(reason: Reason, after: String, next: Next, oldest: String? = nil) {
        (self.reason, self.after, self.next, self.oldest) = (reason, after, next, oldest)
    }

    init(_ native: PasskeyAccountsNative.Gap) {
        switch native.reason {
        case .truncated: reason = .truncated
        case .ahead: reason = .ahead
        case .diverged: reason = .diverged
        case .epoch: reason = .epoch
        case .other: reason = .other
        }
        switch native.next {
        case .snapshot: next = .snapshot
        case .oldest: next = .oldest
        case .other: next = .other
        }
        (after, oldest) = (native.after, native.oldest)
    }
}

/// Nothing that was asked for happened up to here.
public struct Bookmark: Sendable, Hashable {
    /// The position.
    public let id: String
    /// The server's clock.
    public let time: Date
    /// The hash chain up to the position, 32 bytes.
    public let hash: Data?
    /// The newest head of the log that the server has signed, where one is due.
    public let head: SignedHead?

    /// As the library makes it; for the tests of an application.
    public init(id: String, time: Date, hash: Data? = nil, head: SignedHead? = nil) {
        (self.id, self.time, self.hash, self.head) = (id, time, hash, head)
    }

    init(_ native: PasskeyAccountsNative.Bookmark) {
        (id, time, hash) = (native.id, native.time, native.hash)
        head = native.head.map(SignedHead.init)
    }
}

/// The server's word for how long its log is and what it says (docs/protocol.md, "Tamper evidence").
public struct SignedHead: Sendable, Hashable {
    /// The log's lineage.
    public let epoch: String
    /// The number of its last entry.
    public let seq: Int
    /// The hash chain up to it, 32 bytes.
    public let hash: Data
    /// When it was signed.
    public let time: Date
    /// Which key signed: its RFC 7638 thumbprint in base64url. The keys are at `/.well-known/jwks.json`.
    public let keyID: String
    /// Ed25519, 64 bytes.
    public let sig: Data

    /// As the library makes it; for the tests of an application.
    public init(epoch: String, seq: Int, hash: Data, time: Date, keyID: String, sig: Data) {
        (self.epoch, self.seq, self.hash, self.time, self.keyID, self.sig) = (epoch, seq, hash, time, keyID, sig)
    }

    init(_ native: PasskeyAccountsNative.SignedHead) {
        (epoch, seq, hash) = (native.epoch, Int(clamping: native.seq), native.hash)
        (time, keyID, sig) = (native.time, native.keyId, native.sig)
    }
}

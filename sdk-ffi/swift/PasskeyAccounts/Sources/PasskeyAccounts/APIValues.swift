// What the HTTP API says.

import Foundation
internal import PasskeyAccountsNative

/// The app that an API key speaks for.
public struct AppInfo: Sendable, Hashable {
    /// How passkeys are asked for.
    public enum Policy: String, Sendable {
        /// A passkey that only an address brings up.
        case strict
        /// A passkey that shows up in the platform's list and in its backups.
        case recoverable
        /// A passkey on a security key of a model that the server lists.
        case hardware
    }

    /// Names it.
    public let appID: String
    /// For people.
    public let name: String
    /// The domain that its passkeys belong to.
    public let rpID: String
    /// Where its pages are.
    public let origins: [String]
    /// How passkeys are asked for.
    public let policy: Policy

    init(_ native: PasskeyAccountsNative.AppInfo) {
        (appID, name, rpID, origins) = (native.appId, native.name, native.rpId, native.origins)
        switch native.policy {
        case .strict: policy = .strict
        case .recoverable: policy = .recoverable
        case .hardware: policy = .hardware
        }
    }
}

/// Open sessions, oldest first.
public struct SessionsPage: Sendable, Hashable {
    /// A page of them.
    public let sessions: [OpenSession]
    /// Give it as `after` for the next page; absent on the last one.
    public let next: String?
    /// The position in the log that this page is exact at.
    public let head: String

    init(_ native: PasskeyAccountsNative.SessionsPage) {
        (sessions, next, head) = (native.sessions.map(OpenSession.init), native.next, native.head)
    }
}

/// An account. Its address is not said: a back end never needs it, and it is nobody's business.
public struct AccountInfo: Sendable, Hashable {
    /// Names it.
    public let accountID: String
    /// When it was made.
    public let createdAt: Date
    /// How many passkeys it has.
    public let passkeys: Int
    /// How many sessions of it are open.
    public let sessions: Int

    init(_ native: PasskeyAccountsNative.AccountInfo) {
        (accountID, createdAt) = (native.accountId, native.createdAt)
        (passkeys, sessions) = (Int(clamping: native.passkeys), Int(clamping: native.sessions))
    }
}

/// A passkey.
public struct PasskeyInfo: Sendable, Hashable {
    /// Names it.
    public let passkeyID: String
    /// What the person calls it; absent until they do.
    public let name: String?
    /// When it was made.
    public let createdAt: Date
    /// When it was last used, to the day; absent when it was never used since it was made.
    public let lastUsedAt: Date?
    /// The authenticator's model, 16 bytes; all zero when it does not say.
    public let aaguid: Data
    /// It may be in a backup; this never changes.
    public let backupEligible: Bool
    /// It was in a backup when it was last used.
    public let backedUp: Bool

    init(_ native: PasskeyAccountsNative.PasskeyInfo) {
        (passkeyID, name, aaguid) = (native.passkeyId, native.name, native.aaguid)
        (createdAt, lastUsedAt) = (native.createdAt, native.lastUsedAt)
        (backupEligible, backedUp) = (native.backupEligible, native.backedUp)
    }
}

/// A stretch of the log.
public struct EventsPage: Sendable, Hashable {
    /// Events of the types asked for, in the order of the log.
    public let events: [Event]
    /// Give it as `after` for what follows. It moves on also where no event was of the types asked for.
    public let next: String
    /// More is in the log already; otherwise `next` is its end.
    public let more: Bool
    /// The position before the oldest event that is kept.
    public let oldest: String
    /// The hash chain up to `oldest`, 32 bytes.
    public let oldestHash: Data
    /// The position of the newest event.
    public let head: String

    init(_ native: PasskeyAccountsNative.EventsPage) {
        (events, next, more) = (native.events.map(Event.init), native.next, native.more)
        (oldest, oldestHash, head) = (native.oldest, native.oldestHash, native.head)
    }
}

/// The newest signed head of an app's log.
public struct Checkpoint: Sendable, Hashable {
    /// Whose log.
    public let appID: String
    /// Where it ends, and the server's signature over that.
    public let head: SignedHead

    init(_ native: PasskeyAccountsNative.Checkpoint) {
        (appID, head) = (native.appId, SignedHead(native.head))
    }
}

/// A new API key, shown once: the server stores its hash only. Printed, it hides the secret.
public struct CreatedKey: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The key itself: the secret.
    public let apiKey: String
    /// What is known of it from now on.
    public let key: KeyInfo

    init(_ native: PasskeyAccountsNative.CreatedKey) {
        (apiKey, key) = (native.apiKey, KeyInfo(native.key))
    }

    /// Without the secret.
    public var description: String { "CreatedKey(\(key.keyID))" }

    /// Without the secret.
    public var debugDescription: String { description }

    /// Without the secret.
    public var customMirror: Mirror { Mirror(self, children: ["key": key]) }
}

/// What is known of an API key.
public struct KeyInfo: Sendable, Hashable {
    /// Its public name: the third part of the key itself.
    public let keyID: String
    /// For people.
    public let name: String
    /// What it may be used for, for example `events:read`.
    public let scopes: [String]
    /// When it was made.
    public let createdAt: Date
    /// When it stops working; absent where it does not by itself.
    public let expiresAt: Date?
    /// When it was taken back.
    public let revokedAt: Date?
    /// Of a key pair: the public half, 43 characters of base64url; absent: it is an API key.
    public let publicKey: String?

    init(_ native: PasskeyAccountsNative.KeyInfo) {
        publicKey = native.publicKey
        (keyID, name, scopes) = (native.keyId, native.name, native.scopes)
        (createdAt, expiresAt, revokedAt) = (native.createdAt, native.expiresAt, native.revokedAt)
    }
}

// The data of events, by their type.

import Foundation

/// What happened, by type. A type that is newer than this version is `other`; its data is in ``Event/json``.
public enum EventData: Sendable, Hashable {
    /// An account was made.
    case registered(Registered)
    /// A session was opened.
    case loggedIn(LoggedIn)
    /// A session ended.
    case loggedOut(LoggedOut)
    /// An account got a passkey.
    case passkeyAdded(PasskeyAdded)
    /// A person confirmed an action of their session with a passkey.
    case confirmed(Confirmed)
    /// A passkey has another name, which the event does not tell.
    case passkeyRenamed(PasskeyRenamed)
    /// An account lost a passkey.
    case passkeyRemoved(PasskeyRemoved)
    /// An account is gone, with its address, its passkeys and its sessions.
    case accountErased(AccountErased)
    /// The app got an API key. Needs the scope `audit:read`.
    case apiKeyCreated(APIKeyCreated)
    /// An API key was taken back. Needs the scope `audit:read`.
    case apiKeyRevoked(APIKeyRevoked)
    /// A passkey's signature counter did not rise: it may have been copied.
    case counterRegressed(CounterRegressed)
    /// A row of the server's database is not what the server stored: somebody else has written to it. Needs the scope
    /// `audit:read`.
    case tamperingDetected(TamperingDetected)
    /// The recovery of an account has begun. Until it is completed whoever is signed in, or a back end, can cancel it.
    case recoveryStarted(RecoveryStarted)
    /// A recovery is over without a new passkey.
    case recoveryCancelled(RecoveryCancelled)
    /// A recovery gave an account a passkey, and all its sessions ended. It stands in the place of `passkeyAdded`.
    case recoveryCompleted(RecoveryCompleted)
    /// A type that is newer than this version.
    case other
}

/// An account was made.
public struct Registered: Sendable, Hashable {
    /// The new account.
    public let accountID: String

    /// As the library makes it; for the tests of an application.
    public init(accountID: String) {
        self.accountID = accountID
    }
}

/// A session was opened.
public struct LoggedIn: Sendable, Hashable {
    /// Whose session.
    public let accountID: String
    /// The session.
    public let sessionID: String
    /// The passkey that opened it.
    public let passkeyID: String
    /// The page's origin.
    public let origin: String
    /// The public key that the session's proofs are checked with.
    public let sessionKey: SessionKey
    /// When the session ends at the latest.
    public let expiresAt: Date
    /// The authenticator checked the person, not only a touch.
    public let userVerified: Bool
    /// The passkey is in a backup.
    public let backedUp: Bool
    /// Open sessions of the account after this event; 1 means that the account has just come.
    public let accountSessions: Int
    /// The authenticator's own signature; absent after sign-up.
    public let evidence: Evidence?

    /// As the library makes it; for the tests of an application.
    public init(
        accountID: String,
        sessionID: String,
        passkeyID: String,
        origin: String,
        sessionKey: SessionKey,
        expiresAt: Date,
        userVerified: Bool,
        backedUp: Bool,
        accountSessions: Int,
        evidence: Evidence? = nil
    ) {
        (self.accountID, self.sessionID, self.passkeyID, self.origin) = (accountID, sessionID, passkeyID, origin)
        (self.sessionKey, self.expiresAt, self.userVerified) = (sessionKey, expiresAt, userVerified)
        (self.backedUp, self.accountSessions, self.evidence) = (backedUp, accountSessions, evidence)
    }
}

/// A session ended.
public struct LoggedOut: Sendable, Hashable {
    /// Whose session.
    public let accountID: String
    /// The session that ended.
    public let sessionID: String
    /// Why.
    public let reason: EndReason
    /// Open sessions of the account after this event; 0 means that the account has just left.
    public let accountSessions: Int

    /// As the library makes it; for the tests of an application.
    public init(accountID: String, sessionID: String, reason: EndReason, accountSessions: Int) {
        (self.accountID, self.sessionID, self.reason) = (accountID, sessionID, reason)
        self.accountSessions = accountSessions
    }
}

/// An account got a passkey; pin its public key to check evidence later.
public struct PasskeyAdded: Sendable, Hashable {
    /// Whose passkey.
    public let accountID: String
    /// The passkey.
    public let passkeyID: String
    /// `COSE_Key` bytes as the authenticator made them.
    public let publicKey: Data
    /// The authenticator's model, 16 bytes; all zero when it does not say.
    public let aaguid: Data
    /// The passkey is in a backup.
    public let backedUp: Bool
    /// How a passkey that the account had before vouched for this one; absent for the first.
    public let evidence: Evidence?

    /// As the library makes it; for the tests of an application.
    public init(
        accountID: String,
        passkeyID: String,
        publicKey: Data,
        aaguid: Data,
        backedUp: Bool,
        evidence: Evidence? = nil
    ) {
        (self.accountID, self.passkeyID, self.publicKey, self.aaguid) = (accountID, passkeyID, publicKey, aaguid)
        (self.backedUp, self.evidence) = (backedUp, evidence)
    }
}

/// A person confirmed an action of their session with a passkey.
public struct Confirmed: Sendable, Hashable {
    /// Who confirmed.
    public let accountID: String
    /// The session that asked.
    public let sessionID: String
    /// The passkey that signed.
    public let passkeyID: String
    /// Names the confirmation; the page was told it too.
    public let ceremonyID: String
    /// What was confirmed: a JSON object, at most 2 KiB, in its RFC 8785 form, as text.
    public let action: String
    /// The authenticator's signature over it.
    public let evidence: Evidence

    /// As the library makes it; for the tests of an application.
    public init(
        accountID: String,
        sessionID: String,
        passkeyID: String,
        ceremonyID: String,
        action: String,
        evidence: Evidence
    ) {
        (self.accountID, self.sessionID, self.passkeyID) = (accountID, sessionID, passkeyID)
        (self.ceremonyID, self.action, self.evidence) = (ceremonyID, action, evidence)
    }
}

/// A passkey has another name, which the event does not tell.
public struct PasskeyRenamed: Sendable, Hashable {
    /// Whose passkey.
    public let accountID: String
    /// The passkey.
    public let passkeyID: String

    /// As the library makes it; for the tests of an application.
    public init(accountID: String, passkeyID: String) {
        (self.accountID, self.passkeyID) = (accountID, passkeyID)
    }
}

/// An account lost a passkey. The sessions that it opened end with it.
public struct PasskeyRemoved: Sendable, Hashable {
    /// Whose passkey.
    public let accountID: String
    /// The passkey.
    public let passkeyID: String
    /// Why.
    public let reason: RemovalReason
    /// How a passkey of the account signed the removal; absent unless the person removed it.
    public let evidence: Evidence?

    /// As the library makes it; for the tests of an application.
    public init(accountID: String, passkeyID: String, reason: RemovalReason, evidence: Evidence?) {
        (self.accountID, self.passkeyID, self.reason, self.evidence) = (accountID, passkeyID, reason, evidence)
    }
}

/// An account is gone, with its address, its passkeys and its sessions.
public struct AccountErased: Sendable, Hashable {
    /// The account that is gone.
    public let accountID: String

    /// As the library makes it; for the tests of an application.
    public init(accountID: String) {
        self.accountID = accountID
    }
}

/// The app got an API key.
public struct APIKeyCreated: Sendable, Hashable {
    /// The key's public name.
    public let keyID: String
    /// For people.
    public let name: String
    /// What it may be used for, for example `events:read`.
    public let scopes: [String]

    /// As the library makes it; for the tests of an application.
    public init(keyID: String, name: String, scopes: [String]) {
        (self.keyID, self.name, self.scopes) = (keyID, name, scopes)
    }
}

/// An API key was taken back.
public struct APIKeyRevoked: Sendable, Hashable {
    /// The key's public name.
    public let keyID: String

    /// As the library makes it; for the tests of an application.
    public init(keyID: String) {
        self.keyID = keyID
    }
}

/// A passkey's signature counter did not rise: it may have been copied.
public struct CounterRegressed: Sendable, Hashable {
    /// Whose passkey.
    public let accountID: String
    /// The passkey.
    public let passkeyID: String
    /// The counter that the server had.
    public let stored: Int
    /// The counter that the authenticator sent.
    public let received: Int

    /// As the library makes it; for the tests of an application.
    public init(accountID: String, passkeyID: String, stored: Int, received: Int) {
        (self.accountID, self.passkeyID, self.stored, self.received) = (accountID, passkeyID, stored, received)
    }
}

/// A row of the server's database is not what the server stored: somebody else has written to it. The row is refused from
/// now on.
public struct TamperingDetected: Sendable, Hashable {
    /// What was changed.
    public let row: TamperedRow
    /// The account, for a row of an account; absent when only its address leads nowhere.
    public let accountID: String?
    /// The key's public name, for the row of an API key.
    public let keyID: String?

    /// As the library makes it; for the tests of an application.
    public init(row: TamperedRow, accountID: String?, keyID: String?) {
        (self.row, self.accountID, self.keyID) = (row, accountID, keyID)
    }
}

/// The recovery of an account has begun: somebody knows its recovery code and reads its mail, or two operators have approved
/// it.
public struct RecoveryStarted: Sendable, Hashable {
    /// The account.
    public let accountID: String
    /// The earliest time at which it gives a new passkey; later if the server does not run all the time.
    public let until: Date

    /// As the library makes it; for the tests of an application.
    public init(accountID: String, until: Date) {
        (self.accountID, self.until) = (accountID, until)
    }
}

/// A recovery is over without a new passkey.
public struct RecoveryCancelled: Sendable, Hashable {
    /// The account.
    public let accountID: String
    /// Who cancelled it, or that nobody came in time.
    public let reason: CancelReason

    /// As the library makes it; for the tests of an application.
    public init(accountID: String, reason: CancelReason) {
        (self.accountID, self.reason) = (accountID, reason)
    }
}

/// A recovery gave an account a passkey, and all its sessions ended.
public struct RecoveryCompleted: Sendable, Hashable {
    /// The account.
    public let accountID: String
    /// The new passkey.
    public let passkeyID: String
    /// `COSE_Key` bytes.
    public let publicKey: Data
    /// The authenticator's model, 16 bytes; all zero when it does not say.
    public let aaguid: Data
    /// The passkey is in a backup, as its platform reports it.
    public let backedUp: Bool

    /// As the library makes it; for the tests of an application.
    public init(accountID: String, passkeyID: String, publicKey: Data, aaguid: Data, backedUp: Bool) {
        (self.accountID, self.passkeyID, self.publicKey) = (accountID, passkeyID, publicKey)
        (self.aaguid, self.backedUp) = (aaguid, backedUp)
    }
}

// The data of events, by their type.

import Foundation
internal import PasskeyAccountsNative

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
    /// A type that is newer than this version.
    case other

    init(_ native: PasskeyAccountsNative.EventKind) {
        switch native {
        case .registered(let accountID):
            self = .registered(Registered(accountID: accountID))
        case .loggedIn(let login):
            self = .loggedIn(LoggedIn(login))
        case .loggedOut(let accountID, let sessionID, let reason, let accountSessions):
            let sessions = Int(clamping: accountSessions)
            self = .loggedOut(LoggedOut(
                accountID: accountID, sessionID: sessionID, reason: EndReason(reason), accountSessions: sessions))
        case .passkeyAdded(let accountID, let passkeyID, let publicKey, let aaguid, let backedUp, let evidence):
            self = .passkeyAdded(PasskeyAdded(
                accountID: accountID, passkeyID: passkeyID, publicKey: publicKey, aaguid: aaguid, backedUp: backedUp,
                evidence: evidence.map(Evidence.init)))
        case .confirmed(let confirmation):
            self = .confirmed(Confirmed(confirmation))
        case .passkeyRenamed(let accountID, let passkeyID):
            self = .passkeyRenamed(PasskeyRenamed(accountID: accountID, passkeyID: passkeyID))
        case .passkeyRemoved(let accountID, let passkeyID, let reason, let evidence):
            self = .passkeyRemoved(PasskeyRemoved(
                accountID: accountID, passkeyID: passkeyID, reason: RemovalReason(reason),
                evidence: evidence.map(Evidence.init)))
        case .accountErased(let accountID):
            self = .accountErased(AccountErased(accountID: accountID))
        case .apiKeyCreated(let keyID, let name, let scopes):
            self = .apiKeyCreated(APIKeyCreated(keyID: keyID, name: name, scopes: scopes))
        case .apiKeyRevoked(let keyID):
            self = .apiKeyRevoked(APIKeyRevoked(keyID: keyID))
        case .counterRegressed(let accountID, let passkeyID, let stored, let received):
            self = .counterRegressed(CounterRegressed(
                accountID: accountID, passkeyID: passkeyID, stored: Int(stored), received: Int(received)))
        case .other:
            self = .other
        }
    }
}

/// An account was made.
public struct Registered: Sendable, Hashable {
    /// The new account.
    public let accountID: String
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

    init(_ native: PasskeyAccountsNative.LoggedIn) {
        (accountID, sessionID, passkeyID) = (native.accountId, native.sessionId, native.passkeyId)
        (origin, sessionKey) = (native.origin, SessionKey(native.sessionKey))
        (expiresAt, userVerified, backedUp) = (native.expiresAt, native.userVerified, native.backedUp)
        accountSessions = Int(clamping: native.accountSessions)
        evidence = native.evidence.map(Evidence.init)
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

    init(_ native: PasskeyAccountsNative.Confirmation) {
        (accountID, sessionID, passkeyID) = (native.accountId, native.sessionId, native.passkeyId)
        (ceremonyID, action, evidence) = (native.ceremonyId, native.action, Evidence(native.evidence))
    }
}

/// A passkey has another name, which the event does not tell.
public struct PasskeyRenamed: Sendable, Hashable {
    /// Whose passkey.
    public let accountID: String
    /// The passkey.
    public let passkeyID: String
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
}

/// An account is gone, with its address, its passkeys and its sessions.
public struct AccountErased: Sendable, Hashable {
    /// The account that is gone.
    public let accountID: String
}

/// The app got an API key.
public struct APIKeyCreated: Sendable, Hashable {
    /// The key's public name.
    public let keyID: String
    /// For people.
    public let name: String
    /// What it may be used for, for example `events:read`.
    public let scopes: [String]
}

/// An API key was taken back.
public struct APIKeyRevoked: Sendable, Hashable {
    /// The key's public name.
    public let keyID: String
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
}

/// The public half of a session key: a point on P-256.
public struct SessionKey: Sendable, Hashable {
    /// 32 bytes, big-endian.
    public let x: Data
    /// 32 bytes, big-endian.
    public let y: Data

    init(_ native: PasskeyAccountsNative.SessionKey) {
        (x, y) = (native.x, native.y)
    }
}

/// What an authenticator signed, and over what: checkable with the passkey's public key alone.
public struct Evidence: Sendable, Hashable {
    /// 32 random bytes of the challenge.
    public let random: Data
    /// What the ceremony was for: `signIn`, `confirm`, `addPasskey` or `removePasskey`.
    public let kind: String
    /// The page's origin.
    public let origin: String
    /// RFC 7638 thumbprint of the session key, 32 bytes.
    public let thumbprint: Data
    /// The WebAuthn credential id.
    public let credentialID: Data
    /// As the authenticator made it.
    public let authenticatorData: Data
    /// As the browser made it.
    public let clientDataJSON: Data
    /// Over authenticatorData and SHA-256(clientDataJSON).
    public let signature: Data

    init(_ native: PasskeyAccountsNative.Evidence) {
        (random, kind, origin, thumbprint) = (native.random, native.kind, native.origin, native.thumbprint)
        (credentialID, authenticatorData) = (native.credentialId, native.authenticatorData)
        (clientDataJSON, signature) = (native.clientDataJson, native.signature)
    }
}

/// Why a session ended.
public enum EndReason: String, Sendable {
    /// The person signed out.
    case user
    /// The page closed its socket in an orderly way.
    case pageGone
    /// The socket dropped and nobody resumed within the grace time.
    case connectionLost
    /// The page was silent for too long.
    case idleTimeout
    /// The session reached its greatest age.
    case absoluteTimeout
    /// A back end or an operator ended it.
    case revoked
    /// The same page signed in anew.
    case replaced
    /// The passkey that opened it was removed.
    case passkeyRemoved
    /// The account was erased.
    case accountErased
    /// The API key that vouched for it was revoked.
    case keyRevoked
    /// The server that carried it went away.
    case serverLost
    /// A newer server's reason.
    case other

    init(_ native: PasskeyAccountsNative.EndReason) {
        switch native {
        case .user: self = .user
        case .pageGone: self = .pageGone
        case .connectionLost: self = .connectionLost
        case .idleTimeout: self = .idleTimeout
        case .absoluteTimeout: self = .absoluteTimeout
        case .revoked: self = .revoked
        case .replaced: self = .replaced
        case .passkeyRemoved: self = .passkeyRemoved
        case .accountErased: self = .accountErased
        case .keyRevoked: self = .keyRevoked
        case .serverLost: self = .serverLost
        case .other: self = .other
        }
    }
}

/// Why a passkey was removed.
public enum RemovalReason: String, Sendable {
    /// A back end asked for it, with an API key.
    case backEnd
    /// The person removed it, and confirmed that with a passkey.
    case user
    /// A newer server's reason.
    case other

    init(_ native: PasskeyAccountsNative.RemovalReason) {
        switch native {
        case .backEnd: self = .backEnd
        case .user: self = .user
        case .other: self = .other
        }
    }
}

// Data of events out of the library's memory, and out of the records that the HTTP API answers with.

import Foundation
internal import PasskeyAccountsNative

extension EventData {
    /// As sdk-ffi/src/packed.rs writes it: the type, then its members.
    init(_ reader: inout PackedReader) {
        switch reader.number(UInt8.self) {
        case 1:
            self = .registered(Registered(accountID: reader.text()))
        case 2:
            self = .loggedIn(LoggedIn(
                accountID: reader.text(), sessionID: reader.text(), passkeyID: reader.text(), origin: reader.text(),
                sessionKey: SessionKey(reader.packed()), expiresAt: reader.time(), userVerified: reader.flag(),
                backedUp: reader.flag(), accountSessions: reader.count(), evidence: reader.evidence()))
        case 3:
            self = .loggedOut(LoggedOut(
                accountID: reader.text(), sessionID: reader.text(),
                reason: EndReason(rawValue: reader.text()) ?? .other, accountSessions: reader.count()))
        case 4:
            self = .passkeyAdded(PasskeyAdded(
                accountID: reader.text(), passkeyID: reader.text(), publicKey: reader.data(), aaguid: reader.data(),
                backedUp: reader.flag(), evidence: reader.evidence()))
        case 5:
            let (accountID, sessionID, passkeyID) = (reader.text(), reader.text(), reader.text())
            let (ceremonyID, action) = (reader.text(), reader.text())
            guard let evidence = reader.evidence() else { fatalError("the library hands over no confirmation without") }
            self = .confirmed(Confirmed(
                accountID: accountID, sessionID: sessionID, passkeyID: passkeyID, ceremonyID: ceremonyID,
                action: action, evidence: evidence))
        case 6:
            self = .passkeyRenamed(PasskeyRenamed(accountID: reader.text(), passkeyID: reader.text()))
        case 7:
            self = .passkeyRemoved(PasskeyRemoved(
                accountID: reader.text(), passkeyID: reader.text(),
                reason: RemovalReason(rawValue: reader.text()) ?? .other, evidence: reader.evidence()))
        case 8:
            self = .accountErased(AccountErased(accountID: reader.text()))
        case 9:
            let (keyID, name) = (reader.text(), reader.text())
            let scopes = (0..<reader.number(UInt32.self)).map { _ in reader.text() }
            self = .apiKeyCreated(APIKeyCreated(keyID: keyID, name: name, scopes: scopes))
        case 10:
            self = .apiKeyRevoked(APIKeyRevoked(keyID: reader.text()))
        case 11:
            self = .counterRegressed(CounterRegressed(
                accountID: reader.text(), passkeyID: reader.text(),
                stored: Int(reader.number(UInt32.self)), received: Int(reader.number(UInt32.self))))
        case 13:
            self = .tamperingDetected(TamperingDetected(
                row: TamperedRow(rawValue: reader.text()) ?? .other,
                accountID: reader.flag() ? reader.text() : nil, keyID: reader.flag() ? reader.text() : nil))
        case 14:
            self = .recoveryStarted(RecoveryStarted(accountID: reader.text(), until: reader.time()))
        case 15:
            self = .recoveryCancelled(RecoveryCancelled(
                accountID: reader.text(), reason: CancelReason(rawValue: reader.text()) ?? .other))
        case 16:
            self = .recoveryCompleted(RecoveryCompleted(
                accountID: reader.text(), passkeyID: reader.text(), publicKey: reader.data(), aaguid: reader.data(),
                backedUp: reader.flag()))
        default:
            self = .other
        }
    }

    init(_ native: PasskeyAccountsNative.EventKind) {
        switch native {
        case .registered(let accountID):
            self = .registered(Registered(accountID: accountID))
        case .loggedIn(let login):
            self = .loggedIn(LoggedIn(
                accountID: login.accountId, sessionID: login.sessionId, passkeyID: login.passkeyId, origin: login.origin,
                sessionKey: SessionKey(login.sessionKey), expiresAt: login.expiresAt, userVerified: login.userVerified,
                backedUp: login.backedUp, accountSessions: Int(clamping: login.accountSessions),
                evidence: login.evidence.map(Evidence.init)))
        case .loggedOut(let accountID, let sessionID, let reason, let accountSessions):
            self = .loggedOut(LoggedOut(
                accountID: accountID, sessionID: sessionID, reason: EndReason(reason),
                accountSessions: Int(clamping: accountSessions)))
        case .passkeyAdded(let accountID, let passkeyID, let publicKey, let aaguid, let backedUp, let evidence):
            self = .passkeyAdded(PasskeyAdded(
                accountID: accountID, passkeyID: passkeyID, publicKey: publicKey, aaguid: aaguid, backedUp: backedUp,
                evidence: evidence.map(Evidence.init)))
        case .confirmed(let confirmation):
            self = .confirmed(Confirmed(
                accountID: confirmation.accountId, sessionID: confirmation.sessionId, passkeyID: confirmation.passkeyId,
                ceremonyID: confirmation.ceremonyId, action: confirmation.action,
                evidence: Evidence(confirmation.evidence)))
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
        case .tamperingDetected(let row, let accountID, let keyID):
            self = .tamperingDetected(TamperingDetected(row: TamperedRow(row), accountID: accountID, keyID: keyID))
        case .recoveryStarted(let accountID, let until):
            self = .recoveryStarted(RecoveryStarted(accountID: accountID, until: until))
        case .recoveryCancelled(let accountID, let reason):
            self = .recoveryCancelled(RecoveryCancelled(accountID: accountID, reason: CancelReason(reason)))
        case .recoveryCompleted(let accountID, let passkeyID, let publicKey, let aaguid, let backedUp):
            self = .recoveryCompleted(RecoveryCompleted(
                accountID: accountID, passkeyID: passkeyID, publicKey: publicKey, aaguid: aaguid, backedUp: backedUp))
        case .other:
            self = .other
        }
    }
}

extension PackedReader {
    fileprivate mutating func count() -> Int {
        Int(clamping: number(UInt64.self))
    }

    fileprivate mutating func evidence() -> Evidence? {
        flag() ? Evidence(packed()) : nil
    }
}

extension SessionKey {
    init(_ native: PasskeyAccountsNative.SessionKey) {
        self.init(x: native.x, y: native.y)
    }
}

extension Evidence {
    fileprivate init(_ native: PasskeyAccountsNative.Evidence) {
        self.init(
            random: native.random, kind: native.kind, origin: native.origin, thumbprint: native.thumbprint,
            credentialID: native.credentialId, authenticatorData: native.authenticatorData,
            clientDataJSON: native.clientDataJson, signature: native.signature)
    }
}

extension EndReason {
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
        case .recovered: self = .recovered
        case .keyRevoked: self = .keyRevoked
        case .serverLost: self = .serverLost
        case .other: self = .other
        }
    }
}

extension TamperedRow {
    fileprivate init(_ native: PasskeyAccountsNative.TamperedRow) {
        switch native {
        case .account: self = .account
        case .apiKey: self = .apiKey
        case .database: self = .database
        case .other: self = .other
        }
    }
}

extension CancelReason {
    fileprivate init(_ native: PasskeyAccountsNative.CancelReason) {
        switch native {
        case .user: self = .user
        case .backEnd: self = .backEnd
        case .expired: self = .expired
        case .other: self = .other
        }
    }
}

extension RemovalReason {
    fileprivate init(_ native: PasskeyAccountsNative.RemovalReason) {
        switch native {
        case .backEnd: self = .backEnd
        case .user: self = .user
        case .other: self = .other
        }
    }
}

// The HTTP API.

import Foundation
internal import PasskeyAccountsNative

/// The HTTP API (docs/protocol.md section 4). Every call throws an error of the kind ``PasskeyAccountsError/Kind/api(status:retryAfter:gap:)``, or
/// `cancelled` when its task is cancelled: the request may have been carried out all the same.
public struct API: Sendable {
    let client: Client

    /// The app that the key speaks for. A good first call: it needs no scope.
    public func app() async throws(PasskeyAccountsError) -> AppInfo {
        AppInfo(try await call { client in try await client.app() })
    }

    /// Lists the open sessions, oldest first: those after this one, at most `limit` (1 to 500, absent: 100), of this account
    /// only. Needs `sessions:read`.
    public func sessions(
        after: String? = nil,
        limit: Int? = nil,
        accountID: String? = nil
    ) async throws(PasskeyAccountsError) -> SessionsPage {
        let limit = limit.map(UInt32.init(clamping:))
        return SessionsPage(try await call { client in
            try await client.listSessions(after: after, limit: limit, accountId: accountID)
        })
    }

    /// Ends a session: its page is told, its socket is closed. `notFound` when it is not open. Needs `sessions:write`.
    public func endSession(_ sessionID: String) async throws(PasskeyAccountsError) {
        try await call { client in try await client.endSession(sessionId: sessionID) }
    }

    /// What is known of an account; `notFound` when there is none. Needs `accounts:read`.
    public func account(_ accountID: String) async throws(PasskeyAccountsError) -> AccountInfo {
        AccountInfo(try await call { client in try await client.account(accountId: accountID) })
    }

    /// Erases an account for ever: its address, its passkeys and its sessions. Needs `accounts:write`.
    public func eraseAccount(_ accountID: String) async throws(PasskeyAccountsError) {
        try await call { client in try await client.eraseAccount(accountId: accountID) }
    }

    /// Cancels the recovery of an account; `notFound` when there is none. Needs `accounts:write`.
    public func cancelRecovery(of accountID: String) async throws(PasskeyAccountsError) {
        try await call { client in try await client.cancelRecovery(accountId: accountID) }
    }

    /// The passkeys of an account, oldest first. Needs `accounts:read`.
    public func passkeys(of accountID: String) async throws(PasskeyAccountsError) -> [PasskeyInfo] {
        try await call { client in try await client.passkeys(accountId: accountID) }.map(PasskeyInfo.init)
    }

    /// Removes a passkey and ends the sessions that it opened; `lastPasskey` when it is the account's last. Needs
    /// `accounts:write`.
    public func removePasskey(_ passkeyID: String, of accountID: String) async throws(PasskeyAccountsError) {
        try await call { client in try await client.removePasskey(accountId: accountID, passkeyId: passkeyID) }
    }

    /// Reads the log from a position on, at most `limit` events (1 to 500, absent: 100) of these types (empty: sign-ins and
    /// sign-outs). `gone` when the position cannot be continued. Needs `events:read`.
    public func events(
        after: String? = nil,
        limit: Int? = nil,
        types: [String] = []
    ) async throws(PasskeyAccountsError) -> EventsPage {
        let limit = limit.map(UInt32.init(clamping:))
        return EventsPage(try await call { client in
            try await client.listEvents(after: after, limit: limit, types: types)
        })
    }

    /// The newest signed head of the log. Needs `events:read`.
    public func checkpoint() async throws(PasskeyAccountsError) -> Checkpoint {
        Checkpoint(try await call { client in try await client.checkpoint() })
    }

    /// The app's keys, oldest first, without their secrets. Needs `keys:write`.
    public func keys() async throws(PasskeyAccountsError) -> [KeyInfo] {
        try await call { client in try await client.keys() }.map(KeyInfo.init)
    }

    /// Makes a key. It may do nothing that this one may not; `scopes` absent: what this one may. Needs `keys:write`.
    public func createKey(
        name: String,
        scopes: [String]? = nil,
        expiresAt: Date? = nil
    ) async throws(PasskeyAccountsError) -> CreatedKey {
        CreatedKey(try await call { client in
            try await client.createKey(name: name, scopes: scopes, expiresAt: expiresAt)
        })
    }

    /// Registers the public half of a key pair (43 characters of base64url), which works from now on like a key. `scopes` and
    /// `expiresAt` as of ``createKey(name:scopes:expiresAt:)``. Needs `keys:write`.
    public func registerKeyPair(
        _ publicKey: String,
        name: String,
        scopes: [String]? = nil,
        expiresAt: Date? = nil
    ) async throws(PasskeyAccountsError) -> KeyInfo {
        KeyInfo(try await call { client in
            try await client.registerKeyPair(publicKey: publicKey, name: name, scopes: scopes, expiresAt: expiresAt)
        })
    }

    /// Makes a key like this one, which still works for `overlap` (at most 30 days) and expires then. Needs `keys:write`.
    public func rotateKey(_ keyID: String, overlap: Duration) async throws(PasskeyAccountsError) -> CreatedKey {
        CreatedKey(try await call { client in
            try await client.rotateKey(keyId: keyID, overlap: overlap.seconds)
        })
    }

    /// Takes a key back; its event sockets are closed at once. Needs `keys:write`.
    public func revokeKey(_ keyID: String) async throws(PasskeyAccountsError) {
        try await call { client in try await client.revokeKey(keyId: keyID) }
    }

    private func call<Value: Sendable>(
        _ what: @escaping @Sendable (Client) async throws -> Value
    ) async throws(PasskeyAccountsError) -> Value {
        let client = client
        return try await abandonable("the call of the HTTP API") { try await what(client) }
    }
}

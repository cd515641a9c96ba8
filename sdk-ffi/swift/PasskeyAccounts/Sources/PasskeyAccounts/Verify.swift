// Who sent this request?

import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
internal import PasskeyAccountsNative

/// Who sent a request: an account, and the session that proved it.
public struct Account: Sendable {
    /// The account.
    public let accountID: String
    /// The session whose key has signed. Whoever holds it is told when it ends.
    public let session: LiveSession
}

/// A request of which only the body is still to be checked.
public struct VerifiedHead: Sendable {
    let head: PasskeyAccountsNative.VerifiedHead
    let live: LiveSessions

    /// Checks that this is the body that was signed, and that the session is still open. Once.
    ///
    /// - Throws: `proofInvalid`, `sessionGone`.
    public func verify(body: Data) throws(PasskeyAccountsError) -> Account {
        live.account(try translating { try head.verifyBody(body: body) })
    }
}

extension LiveSessions {
    /// Checks the proof of a request whose body was read whole; a request without one has an empty one. Waits up to two seconds
    /// for a session that is not there yet. A proof passes once.
    ///
    /// The request must have been sent to one of the `origins` that were named in `connect`.
    ///
    /// - Throws: ``ProblemDetails/init(_:)`` makes the answer of it. Or `cancelled`.
    public func verify(_ head: HTTPRequestHead, body: Data = Data()) async throws(PasskeyAccountsError) -> Account {
        let proofs = try checker()
        let request = head.native
        // Nearly always it can be said at once.
        if let account = try translating({ try proofs.verifyAtOnce(request: request, body: body) }) {
            return self.account(account)
        }
        let account = try await abandonable("waiting for the session") {
            try await proofs.verify(request: request, body: body)
        }
        return self.account(account)
    }

    /// Checks the proof of a request of Foundation; its body is `httpBody`.
    ///
    /// - Throws: as ``verify(_:body:)``.
    public func verify(_ request: URLRequest) async throws(PasskeyAccountsError) -> Account {
        try await verify(HTTPRequestHead(request), body: request.httpBody ?? Data())
    }

    /// Checks everything but the body, so that the body of a stranger is not even read.
    ///
    /// - Throws: as ``verify(_:body:)``.
    public func verifyHead(_ head: HTTPRequestHead) async throws(PasskeyAccountsError) -> VerifiedHead {
        let proofs = try checker()
        let request = head.native
        if let head = try translating({ try proofs.verifyHeadAtOnce(request: request) }) {
            return VerifiedHead(head: head, live: self)
        }
        let head = try await abandonable("waiting for the session") {
            try await proofs.verifyHead(request: request)
        }
        return VerifiedHead(head: head, live: self)
    }

    /// Checks the head of a request, then reads its body whole and checks that: what a middleware does.
    ///
    /// - Parameters:
    ///   - head: the request without its body.
    ///   - bodyLimit: how large a body may be, in bytes; a larger one is refused (`tooLarge`). Default 1 MiB.
    ///   - read: gives the next part of the body, nothing at its end. Not called before it is known who asks.
    /// - Returns: who asks, and the body.
    /// - Throws: as ``verify(_:body:)``, and what `read` throws.
    public func verify(
        _ head: HTTPRequestHead,
        bodyLimit: Int = 1 << 20,
        reading read: () async throws -> Data?
    ) async throws -> (account: Account, body: Data) {
        if let size = head.contentLength, size > bodyLimit { throw PasskeyAccountsError.bodyTooLarge }
        let verified = try await verifyHead(head)
        var body = Data()
        while let part = try await read() {
            body.append(part)
            if body.count > bodyLimit { throw PasskeyAccountsError.bodyTooLarge }
        }
        return (try verified.verify(body: body), body)
    }

    /// Checks the proof for a socket: a token that a page made for this `audience` and the `nonce` that the back end gave it, at
    /// most 256 characters each. Make the nonce random, and forget it after the first try. What it proves holds until the
    /// session ends: close the socket then.
    ///
    /// - Throws: as ``verify(_:body:)``.
    public func verifySocket(
        token: String,
        audience: String,
        nonce: String
    ) async throws(PasskeyAccountsError) -> Account {
        let proofs = try checker()
        let account = try await abandonable("waiting for the session") {
            try await proofs.verifySocket(token: token, audience: audience, nonce: nonce)
        }
        return self.account(account)
    }

    /// The one that remembers nonces.
    private func checker() throws(PasskeyAccountsError) -> PasskeyAccountsNative.Proofs {
        let native = try native()
        let made = proofs.withLock { proofs in
            Result { () throws -> PasskeyAccountsNative.Proofs in
                if let proofs { return proofs }
                let made = try native.proofs(origins: origins, freshWithin: nil)
                proofs = made
                return made
            }
        }
        return try translating { try made.get() }
    }
}

extension PasskeyAccountsError {
    /// What to answer when the body of a request is larger than is read to check it.
    public static var bodyTooLarge: PasskeyAccountsError {
        let refusal = PasskeyAccountsNative.bodyTooLarge()
        let kind = Kind.proof(status: Int(refusal.status))
        return Self(code: refusal.code, reason: refusal.reason, retryable: refusal.retryable, kind: kind)
    }
}

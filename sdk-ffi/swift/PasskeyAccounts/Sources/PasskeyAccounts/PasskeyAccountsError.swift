// Errors: one type, told apart by kind and code.

import Foundation
internal import PasskeyAccountsNative

/// Why something did not work.
///
/// `code` is a word of the one table of codes in docs/protocol.md, the same in every language. What can pass by itself was tried
/// again inside before an error is thrown.
///
/// ```swift
/// do {
///     let account = try await accounts.sessions.verify(head, body: body)
/// } catch where error.retryable {
///     // Another request can succeed.
/// }
/// ```
public struct PasskeyAccountsError: Swift.Error, Sendable, Hashable {
    /// What was going on when it happened, and what only errors of that kind can say.
    public enum Kind: Sendable, Hashable {
        /// The event stream, or the live sessions that it feeds, cannot be had or are over.
        case stream
        /// A request or a socket is not known to be of a session. `status` is that of an HTTP answer that says so: 401, 413
        /// or 503.
        case proof(status: Int)
        /// A call of the HTTP API did not work. `status` is absent where there was no answer, `retryAfter` where the server
        /// did not say how long to wait; `gap` comes with `gone` and says where the log goes on.
        case api(status: Int?, retryAfter: Duration?, gap: Gap?)
        /// The task that waited was cancelled. Nothing is lost: asking again goes on where the wait was given up.
        case cancelled
    }

    /// The word of the one table of codes; of a newer server, possibly one that this version does not know.
    public let code: String
    /// A sentence for people: what happened and what to do.
    public let reason: String
    /// Whether the same call can succeed later.
    public let retryable: Bool
    /// What was going on.
    public let kind: Kind

    /// An error as the library makes it; for the tests of an application.
    public init(code: String, reason: String, retryable: Bool, kind: Kind) {
        self.code = code
        self.reason = reason
        self.retryable = retryable
        self.kind = kind
    }
}

extension PasskeyAccountsError: LocalizedError, CustomStringConvertible {
    /// The code and the sentence.
    public var description: String { "\(code): \(reason)" }

    /// The sentence.
    public var errorDescription: String? { reason }
}

extension PasskeyAccountsError {
    /// The wait for something was given up.
    static func cancelled(_ what: String) -> Self {
        Self(code: "cancelled", reason: "\(what) was cancelled", retryable: false, kind: .cancelled)
    }

    /// What cannot be done like that, as the library says it of options.
    static func unexpected(_ reason: String) -> Self {
        Self(code: "unexpected", reason: reason, retryable: false, kind: .stream)
    }

    /// What the library has thrown.
    init(_ error: any Swift.Error) {
        switch error {
        case let error as PasskeyAccountsError:
            self = error
        case PasskeyAccountsNative.Error.Stream(let code, let reason, let retryable):
            self.init(code: code, reason: reason, retryable: retryable, kind: .stream)
        case PasskeyAccountsNative.Error.Proof(let code, let reason, let retryable, let status):
            self.init(code: code, reason: reason, retryable: retryable, kind: .proof(status: Int(status)))
        case PasskeyAccountsNative.Error.Api(let code, let reason, let retryable, let status, let retryAfterMs, let gap):
            let retryAfter = retryAfterMs.map { Duration.milliseconds(Int64(clamping: $0)) }
            let kind = Kind.api(status: status.map(Int.init), retryAfter: retryAfter, gap: gap.map(Gap.init))
            self.init(code: code, reason: reason, retryable: retryable, kind: kind)
        default:
            self.init(code: "internal", reason: "the library has failed: \(error)", retryable: false, kind: .stream)
        }
    }
}

/// Runs a call of the library and makes its errors ours.
func translating<Value>(_ call: () throws -> Value) throws(PasskeyAccountsError) -> Value {
    do {
        return try call()
    } catch {
        throw PasskeyAccountsError(error)
    }
}

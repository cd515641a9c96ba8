// The answer to a request whose proof does not hold: problem details (RFC 9457) with a code of the one table.

import Foundation

/// An answer, for whichever server sends it.
///
/// ```swift
/// do {
///     let account = try await accounts.sessions.verify(head, body: body)
/// } catch {
///     guard let problem = ProblemDetails(error) else { throw error }
///     return answer(problem.status, problem.fields, problem.body)
/// }
/// ```
public struct ProblemDetails: Sendable, Hashable {
    /// The HTTP status: 401, 413 or 503.
    public let status: Int
    /// The answer's fields: `Content-Type` and what else belongs to the status.
    public let fields: [HTTPField]
    /// JSON.
    public let body: Data

    /// The answer that refuses for this error; nothing for an error that has nothing to do with proofs.
    public init?(_ error: any Error) {
        guard let error = error as? PasskeyAccountsError, let status = Self.status(of: error) else { return nil }
        let isLater = status == 503
        let details = Details(
            type: "about:blank",
            title: Self.titles[status] ?? "Error",
            status: status,
            code: error.code,
            detail: error.reason,
            retryAfterMs: isLater ? retryAfterSeconds * 1_000 : nil)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let body = try? encoder.encode(details) else { return nil }
        var fields = [
            HTTPField(name: "content-type", value: "application/problem+json"),
            HTTPField(name: "cache-control", value: "no-store"),
        ]
        if status == 401 {
            // RFC 9110 section 15.5.2 wants a challenge and RFC 9421 names none. Browsers show no dialog for this one.
            fields.append(HTTPField(name: "www-authenticate", value: "passkey-accounts"))
        }
        if isLater {
            fields.append(HTTPField(name: "retry-after", value: String(retryAfterSeconds)))
        }
        (self.status, self.fields, self.body) = (status, fields, body)
    }

    private static func status(of error: PasskeyAccountsError) -> Int? {
        switch error.kind {
        case .proof(let status): status
        // The live sessions cannot say.
        case .stream: ["stale", "overCapacity"].contains(error.code) ? 503 : nil
        case .api, .cancelled: nil
        }
    }

    private struct Details: Encodable {
        let type: String
        let title: String
        let status: Int
        let code: String
        let detail: String
        let retryAfterMs: Int?
    }

    private static let titles = [401: "Unauthorized", 413: "Payload Too Large", 503: "Service Unavailable"]
}

private let retryAfterSeconds = 1

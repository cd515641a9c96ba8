// Requests as they are checked, whatever server took them.

import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
internal import PasskeyAccountsNative

/// A request, apart from its body.
///
/// ```swift
/// let head = HTTPRequestHead(method: "POST", target: "/notes", fields: [("Host", "app.example"), ...])
/// ```
public struct HTTPRequestHead: Sendable, Hashable {
    /// As it was sent: `POST`.
    public var method: String
    /// The request's target: path and query byte for byte as they came, or the absolute address.
    public var target: String
    /// Its fields, one for each line as it came. Needed are `Host` (or `:authority`), `Signature-Input`, `Signature` and
    /// `Content-Digest`; others are not looked at.
    public var fields: [HTTPField]

    /// A head of these fields.
    public init(method: String, target: String, fields: [HTTPField]) {
        (self.method, self.target, self.fields) = (method, target, fields)
    }

    /// A head of fields that are pairs of a name and a value.
    public init(method: String, target: String, fields: [(String, String)]) {
        self.init(method: method, target: target, fields: fields.map { HTTPField(name: $0.0, value: $0.1) })
    }

    /// The head of a request of Foundation. The host is that of its address, and must be that of its field `Host` where it has
    /// one.
    public init(_ request: URLRequest) {
        let fields = (request.allHTTPHeaderFields ?? [:]).map { HTTPField(name: $0.key, value: $0.value) }
        let address = request.url?.absoluteString ?? ""
        let target = address.prefix { $0 != "#" }
        self.init(method: request.httpMethod ?? "GET", target: String(target), fields: fields)
    }

    /// Whether the request carries anything of a proof. One without may be let through as nobody's; one whose proof does not
    /// hold may not.
    public var hasProof: Bool {
        fields.contains { field in proofFields.contains(field.name.lowercased()) }
    }

    /// The size that the request says its body has, if it says so.
    var contentLength: Int? {
        fields.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) }
    }

    var native: PasskeyAccountsNative.RequestHead {
        .init(method: method, target: target, fields: fields.map { .init(name: $0.name, value: Data($0.value.utf8)) })
    }
}

/// A field of a request or an answer.
public struct HTTPField: Sendable, Hashable {
    /// In any case.
    public var name: String
    /// As it came.
    public var value: String

    /// A field.
    public init(name: String, value: String) {
        (self.name, self.value) = (name, value)
    }
}

/// The fields that a proof travels in.
private let proofFields: Set<String> = ["content-digest", "signature", "signature-input"]

// Keys and signatures of sign-ins and confirmations.

import Foundation

/// The public half of a session key: a point on P-256.
public struct SessionKey: Sendable, Hashable, CustomReflectable {
    private let packed: Packed

    /// A key; for the tests of an application.
    public init(x: Data, y: Data) {
        packed = Packed { writer in
            writer.data(x)
            writer.data(y)
        }
    }

    init(_ packed: Packed) {
        self.packed = packed
    }

    /// 32 bytes, big-endian.
    public var x: Data { packed.read { $0.data() } }
    /// 32 bytes, big-endian.
    public var y: Data { packed.read { $0.data(after: 1) } }

    /// Its members.
    public var customMirror: Mirror { Mirror(self, children: ["x": x, "y": y], displayStyle: .struct) }
}

/// What an authenticator signed, and over what: checkable with the passkey's public key alone.
public struct Evidence: Sendable, Hashable, CustomReflectable {
    private let packed: Packed

    /// Evidence; for the tests of an application.
    public init(
        random: Data,
        kind: String,
        origin: String,
        thumbprint: Data,
        credentialID: Data,
        authenticatorData: Data,
        clientDataJSON: Data,
        signature: Data
    ) {
        packed = Packed { writer in
            writer.data(random)
            writer.text(kind)
            writer.text(origin)
            writer.data(thumbprint)
            writer.data(credentialID)
            writer.data(authenticatorData)
            writer.data(clientDataJSON)
            writer.data(signature)
        }
    }

    init(_ packed: Packed) {
        self.packed = packed
    }

    /// 32 random bytes of the challenge.
    public var random: Data { packed.read { $0.data() } }
    /// What the ceremony was for: `signIn`, `confirm`, `addPasskey` or `removePasskey`.
    public var kind: String { packed.read { $0.text(after: 1) } }
    /// The page's origin.
    public var origin: String { packed.read { $0.text(after: 2) } }
    /// RFC 7638 thumbprint of the session key, 32 bytes.
    public var thumbprint: Data { packed.read { $0.data(after: 3) } }
    /// The WebAuthn credential id.
    public var credentialID: Data { packed.read { $0.data(after: 4) } }
    /// As the authenticator made it.
    public var authenticatorData: Data { packed.read { $0.data(after: 5) } }
    /// As the browser made it.
    public var clientDataJSON: Data { packed.read { $0.data(after: 6) } }
    /// Over authenticatorData and SHA-256(clientDataJSON).
    public var signature: Data { packed.read { $0.data(after: 7) } }

    /// Its members.
    public var customMirror: Mirror {
        Mirror(self, children: [
            "random": random, "kind": kind, "origin": origin, "thumbprint": thumbprint, "credentialID": credentialID,
            "authenticatorData": authenticatorData, "clientDataJSON": clientDataJSON, "signature": signature,
        ], displayStyle: .struct)
    }
}

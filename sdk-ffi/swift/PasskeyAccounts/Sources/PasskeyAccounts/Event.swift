// An entry of the app's log.

import Foundation
internal import PasskeyAccountsNative

/// Something happened: an entry of the app's log. Its members are read when they are asked for; who needs `data` or a text more
/// than once keeps it.
///
/// ```swift
/// switch event.data {
/// case .loggedIn(let login): print("signed in:", login.accountID)
/// case .loggedOut(let logout): print("signed out:", logout.accountID)
/// default: break
/// }
/// ```
public struct Event: Sendable, Identifiable {
    private enum Source: Sendable {
        /// Number, time, id, name, JSON, data.
        case packed(Packed)
        indirect case made(Made)
    }

    private struct Made: Sendable {
        let id: String
        let seq: Int
        let time: Date
        let name: String
        let data: EventData
        let json: String
    }

    private let source: Source

    /// As the library makes it; for the tests of an application.
    public init(id: String, seq: Int, time: Date, name: String, data: EventData, json: String) {
        source = .made(Made(id: id, seq: seq, time: time, name: name, data: data, json: json))
    }

    init(_ packed: Packed) {
        source = .packed(packed)
    }

    init(_ native: PasskeyAccountsNative.Event) {
        self.init(
            id: native.id, seq: Int(clamping: native.seq), time: native.time, name: native.name,
            data: EventData(native.kind), json: native.data)
    }

    /// Cursor and dedupe key. Opaque.
    public var id: String { read(\.id) { $0.text() } }

    /// Its number in the app's log, from 1.
    public var seq: Int {
        switch source {
        case .packed(let packed): packed.read { Int(clamping: $0.number(UInt64.self)) }
        case .made(let made): made.seq
        }
    }

    /// When it was committed, by the server's clock.
    public var time: Date {
        switch source {
        case .packed(let packed):
            packed.read { reader in
                _ = reader.number(UInt64.self)
                return reader.time()
            }
        case .made(let made): made.time
        }
    }

    /// The type on the wire, for example `loggedIn`; says which where `data` is `other`.
    public var name: String { read(\.name) { $0.text(after: 1) } }

    /// The data as JSON text, byte for byte as the log's hash chain covers it.
    public var json: String { read(\.json) { $0.text(after: 2) } }

    /// What happened.
    public var data: EventData {
        read(\.data) { reader in
            reader.skip(3)
            return EventData(&reader)
        }
    }

    /// What stands behind number and time.
    private func read<Value>(_ made: (Made) -> Value, _ read: (inout PackedReader) -> Value) -> Value {
        switch source {
        case .packed(let packed):
            packed.read { reader in
                _ = (reader.number(UInt64.self), reader.number(UInt64.self))
                return read(&reader)
            }
        case .made(let parts): made(parts)
        }
    }
}

extension Event: Hashable {
    /// Whether all members are equal.
    public static func == (first: Event, second: Event) -> Bool {
        if case .packed(let first) = first.source, case .packed(let second) = second.source, first == second { return true }
        return first.seq == second.seq && first.id == second.id && first.time == second.time
            && first.name == second.name && first.json == second.json && first.data == second.data
    }

    /// An id names one event.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(id)
    }
}

extension Event: CustomReflectable {
    /// Its members.
    public var customMirror: Mirror {
        Mirror(
            self, children: ["id": id, "seq": seq, "time": time, "name": name, "data": data, "json": json],
            displayStyle: .struct)
    }
}

// Reading transcripts, and what it means for a line to match (tests/vectors/stream/README.md).

import Foundation
import XCTest

/// A conversation as data.
struct Transcript {
    let header: [String: Any]
    var lines: [Line]

    /// Who can be checked with it: `client`, `server` or `both`.
    var role: String { header["role"] as? String ?? "" }
    var isAboutAClient: Bool { role != "server" }

    /// Every transcript of every file.
    static func all() throws -> [Transcript] {
        let folder = vectors.appendingPathComponent("stream")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".jsonl") }
        return try files.sorted().flatMap { file in
            try parse(file, String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8))
        }
    }

    /// `tests/vectors` of the repository.
    static var vectors: URL {
        URL(fileURLWithPath: World.environment("SWIFT_TEST_VECTORS"))
    }

    private static func parse(_ file: String, _ text: String) throws -> [Transcript] {
        var transcripts: [Transcript] = []
        for (index, source) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if source.allSatisfy(\.isWhitespace) { continue }
            let value = try XCTUnwrap(try JSONSerialization.jsonObject(with: Data(source.utf8)) as? [String: Any])
            if value["name"] != nil {
                transcripts.append(Transcript(header: value, lines: []))
            } else {
                transcripts[transcripts.count - 1].lines.append(
                    try Line(place: "\(file):\(index + 1)", source: Array(source.utf8), raw: value))
            }
        }
        return transcripts
    }
}

/// One thing that happens, or must happen.
struct Line {
    let place: String
    let kind: String
    var value: Any
    let t: Double
    let within: [Double]?
    let on: String
    let isExact: Bool
    /// The text of a frame: the value as it stands in the file, byte for byte.
    let frame: String

    init(place: String, source: [UInt8], raw: [String: Any]) throws {
        self.place = place
        kind = try XCTUnwrap([">", "<", "!", "="].first { raw[$0] != nil })
        value = try XCTUnwrap(raw[kind])
        t = try XCTUnwrap(raw["t"] as? NSNumber).doubleValue
        within = (raw["within"] as? [NSNumber])?.map(\.doubleValue)
        on = raw["on"] as? String ?? "a"
        isExact = raw["exact"] as? Bool == true || value is String
        frame = value as? String ?? Self.text(of: kind, in: source)
    }

    /// The word of a `!` or `=` line, which is its value or the value's one member, and what the member holds.
    var word: (name: String, value: Any?) {
        if let name = value as? String { return (name, nil) }
        let member = (value as? [String: Any])?.first
        return (member?.key ?? "", member?.value)
    }

    private static func text(of kind: String, in source: [UInt8]) -> String {
        let name = Array("\"\(kind)\"".utf8)
        let at = source.indices.first { source[$0...].starts(with: name) } ?? 0
        let colon = source[at...].firstIndex(of: UInt8(ascii: ":")) ?? 0
        var depth = 0
        var isString = false
        var isEscaped = false
        for index in (colon + 1)..<source.count {
            switch source[index] {
            case _ where isEscaped: isEscaped = false
            case UInt8(ascii: "\\") where isString: isEscaped = true
            case UInt8(ascii: "\""): isString.toggle()
            case _ where isString: break
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 {
                    return String(decoding: source[(colon + 1)...index], as: UTF8.self)
                        .trimmingCharacters(in: .whitespaces)
                }
            default: break
            }
        }
        return ""
    }

    /// How what was said differs from what this line expects; nothing when it does not.
    func difference(from said: Said) -> String? {
        switch said {
        case .frame(let text):
            if isExact { return text == frame ? nil : "expected exactly \(frame), was \(text)" }
            let actual = try? JSONSerialization.jsonObject(with: Data(text.utf8))
            return compare(value, actual ?? text, "")
        case .word(let word):
            if let bounds = (value as? [String: Any])?["waiting"] as? [NSNumber],
                let waiting = (word as? [String: Any])?["waiting"] as? Double
            {
                let isWithin = bounds[0].doubleValue <= waiting && waiting <= bounds[1].doubleValue
                return isWithin ? nil : "expected \(bounds), was \(waiting)"
            }
            return compare(value, word, "")
        }
    }

    /// What a client has said: on the wire, or to its application.
    enum Said {
        case frame(String)
        case word(Any)
    }
}

/// `"…"` matches anything; an object may have more members than were expected.
func compare(_ expected: Any, _ actual: Any, _ path: String) -> String? {
    if expected as? String == "…" { return nil }
    if let expected = expected as? [String: Any], let actual = actual as? [String: Any] {
        for (name, value) in expected {
            guard let found = actual[name] else { return "\(path).\(name): expected \(value), was absent" }
            if let difference = compare(value, found, "\(path).\(name)") { return difference }
        }
        return nil
    }
    if let expected = expected as? [Any], let actual = actual as? [Any], expected.count == actual.count {
        for (index, value) in expected.enumerated() {
            if let difference = compare(value, actual[index], "\(path)[\(index)]") { return difference }
        }
        return nil
    }
    let isEqual = switch (expected, actual) {
    case (is NSNull, is NSNull): true
    case (let expected as String, let actual as String): expected == actual
    case (let expected as NSNumber, let actual as NSNumber): expected == actual
    default: false
    }
    return isEqual ? nil : "\(path): expected \(expected), was \(actual)"
}

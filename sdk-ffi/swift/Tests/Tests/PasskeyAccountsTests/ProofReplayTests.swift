// The vectors of tests/vectors/proof, checked in their own time through the types that users get.

import Foundation
@_spi(Replay) import PasskeyAccounts
import XCTest

final class ProofReplayTests: XCTestCase {
    func test_requests_and_tokens_have_the_outcome_that_the_vectors_say() throws {
        let cases = try replayRequests() + replayTokens()
        print("replayed proof \(cases)")
    }

    func test_a_vector_that_says_something_else_is_noticed() throws {
        let vectors = try read("sockets.json")
        let session = try checker(vectors)
        let steps = try steps(try XCTUnwrap(vectors["cases"] as? [[String: Any]])[0])
        XCTAssertEqual(outcome { try token(session, steps[0]) }, "accepted")
        XCTAssertEqual(outcome { try token(session, steps[0]) }, "proofReplayed")
    }

    private func replayRequests() throws -> Int {
        try replay("requests.json") { session, step in
            let fields = try XCTUnwrap(step["fields"] as? [[String]]).map { HTTPField(name: $0[0], value: $0[1]) }
            let host = (step["host"] as? String).map { [HTTPField(name: "host", value: $0)] } ?? []
            let head = HTTPRequestHead(method: text(step, "method"), target: text(step, "target"), fields: host + fields)
            try session.request(now: now(step), head, body: Data(text(step, "body").utf8))
        }
    }

    private func replayTokens() throws -> Int {
        try replay("sockets.json") { session, step in try token(session, step) }
    }

    private func replay(_ file: String, _ check: (ProofReplay, [String: Any]) throws -> Void) throws -> Int {
        let vectors = try read(file)
        let cases = try XCTUnwrap(vectors["cases"] as? [[String: Any]])
        for each in cases {
            // Each case begins with no nonce remembered.
            let session = try checker(vectors)
            for step in try steps(each) {
                XCTAssertEqual(outcome { try check(session, step) }, text(step, "expect"), text(each, "name"))
            }
        }
        return cases.count
    }

    private func token(_ session: ProofReplay, _ step: [String: Any]) throws {
        try session.socket(
            now: now(step), token: text(step, "token"), audience: text(step, "audience"), nonce: text(step, "nonce"))
    }

    private func checker(_ vectors: [String: Any]) throws -> ProofReplay {
        let sessions = try XCTUnwrap(vectors["sessions"] as? [[String: Any]])
        let keys = try sessions.map { session in
            let key = try XCTUnwrap(session["sessionKey"] as? [String: String])
            let point = try [4] + bytes(try XCTUnwrap(key["x"])) + bytes(try XCTUnwrap(key["y"]))
            return (text(session, "sessionID"), Data(point))
        }
        return try ProofReplay(
            origins: vectors["origins"] as? [String] ?? ["https://app.example"], keys: Dictionary(uniqueKeysWithValues: keys))
    }

    private func outcome(_ check: () throws -> Void) -> String {
        do {
            try check()
            return "accepted"
        } catch {
            return (error as? PasskeyAccountsError)?.code ?? "\(error)"
        }
    }

    private func read(_ file: String) throws -> [String: Any] {
        let data = try Data(contentsOf: Transcript.vectors.appendingPathComponent("proof/\(file)"))
        return try XCTUnwrap(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func steps(_ each: [String: Any]) throws -> [[String: Any]] {
        try XCTUnwrap(each["steps"] as? [[String: Any]])
    }

    private func text(_ value: [String: Any], _ name: String) -> String {
        value[name] as? String ?? ""
    }

    private func now(_ step: [String: Any]) -> UInt64 {
        (step["now"] as? NSNumber)?.uint64Value ?? 0
    }

    private func bytes(_ base64url: String) throws -> [UInt8] {
        let base64 = base64url.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/") + "="
        return Array(try XCTUnwrap(Data(base64Encoded: base64)))
    }
}

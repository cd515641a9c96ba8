// Proofs against a real server.

import Foundation
import PasskeyAccounts
import XCTest

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

private let origin = "https://app.example"

final class ProofsTests: XCTestCase {
    func test_a_signed_request_is_known_to_be_of_its_session() async throws {
        try await withAccounts(origins: [origin]) { accounts in
            let live = accounts.sessions
            let ada = try await World.signIn()
            try await live.inSync()
            let get = try await World.prove(ada, "GET", origin: origin, target: "/notes?a=%20b")
            XCTAssertTrue(get.hasProof)
            // No wait for the news of the sign-in: the check itself waits.
            let account = try await live.verify(get)
            XCTAssertEqual(account.accountID, ada.accountID)
            XCTAssertEqual(account.session.sessionID, ada.sessionID)

            let body = #"{"text":"milk"}"#
            let post = try await World.prove(ada, "POST", origin: origin, target: "/notes", body: body)
            let verified = try await live.verifyHead(post)
            XCTAssertEqual(try verified.verify(body: Data(body.utf8)).accountID, ada.accountID)
            await refused("proofReplayed") { _ = try verified.verify(body: Data(body.utf8)) }

            let parts = try await World.prove(ada, "POST", origin: origin, target: "/notes", body: body)
            var left = [Data(body.utf8.prefix(4)), Data(body.utf8.dropFirst(4))]
            let read = try await live.verify(parts, reading: { left.isEmpty ? nil : left.removeFirst() })
            XCTAssertEqual(read.account.accountID, ada.accountID)
            XCTAssertEqual(read.body, Data(body.utf8))

            let signed = try await World.prove(ada, "PUT", origin: origin, target: "/a%2Fb?c", body: "x")
            var request = URLRequest(url: try XCTUnwrap(URL(string: "\(origin)/a%2Fb?c#part")))
            request.httpMethod = "PUT"
            request.httpBody = Data("x".utf8)
            for field in signed.fields where field.name.lowercased() != "host" {
                request.setValue(field.value, forHTTPHeaderField: field.name)
            }
            let sent = try await live.verify(request)
            XCTAssertEqual(sent.accountID, ada.accountID)
            try await World.signOut(ada)
        }
    }

    func test_whatever_was_not_signed_like_that_is_refused() async throws {
        try await withAccounts(origins: [origin]) { accounts in
            let live = accounts.sessions
            try await live.inSync()
            let ada = try await World.signIn()
            let eve = try await World.signIn("eve@shop.example")
            let session = try await live.waitFor(ada.sessionID)
            _ = try await live.waitFor(eve.sessionID)
            let body = #"{"to":"bob"}"#
            let signed = { try await World.prove(ada, "POST", origin: origin, target: "/pay", body: body) }
            let changed = { (change: (inout HTTPRequestHead) -> Void) async throws -> HTTPRequestHead in
                var head = try await signed()
                change(&head)
                return head
            }
            let forged = try await changed { head in
                // The signature of another session, the rest as it was.
                for index in head.fields.indices where head.fields[index].name.lowercased() == "signature-input" {
                    head.fields[index].value = head.fields[index].value.replacingOccurrences(
                        of: ada.sessionID, with: eve.sessionID)
                }
            }
            let refusals: [(String, String, HTTPRequestHead, String)] = [
                ("no proof", "proofMissing", HTTPRequestHead(method: "GET", target: "/pay", fields: [("Host", "app.example")]), ""),
                ("another method", "proofInvalid", try await changed { $0.method = "PUT" }, body),
                ("another address", "proofInvalid", try await changed { $0.target = "/pay?all" }, body),
                ("another body", "proofInvalid", try await signed(), #"{"to":"eve"}"#),
                ("no body", "proofInvalid", try await signed(), ""),
                ("the key of another session", "proofInvalid", forged, body),
                (
                    "an origin that is not ours", "proofInvalid",
                    try await World.prove(ada, "POST", origin: "https://evil.example", target: "/pay", body: body), body
                ),
            ]
            for (what, code, head, sent) in refusals {
                let error = await refused(code, what) { _ = try await live.verify(head, body: Data(sent.utf8)) }
                XCTAssertEqual(error?.kind, .proof(status: 401), what)
            }
            let replayed = try await signed()
            _ = try await live.verify(replayed, body: Data(body.utf8))
            await refused("proofReplayed") { _ = try await live.verify(replayed, body: Data(body.utf8)) }

            let large = try await signed()
            let error = await refused("tooLarge") {
                _ = try await live.verify(large, bodyLimit: 8, reading: { Data(body.utf8) })
            }
            XCTAssertEqual(error?.kind, .proof(status: 413))
            // A body of which it is known that it is nobody's is not read.
            let nobodys = HTTPRequestHead(method: "POST", target: "/pay", fields: [("Host", "app.example")])
            await refused("proofMissing") {
                _ = try await live.verify(nobodys, reading: { XCTFail("it was read"); return nil })
            }

            let before = try await signed()
            let ended = Task { try await session.ended() }
            try await World.signOut(ada)
            _ = try await ended.value
            await refused("sessionGone") { _ = try await live.verify(before, body: Data(body.utf8)) }
            try await World.signOut(eve)
        }
    }

    func test_a_socket_proves_itself_with_a_token_once() async throws {
        try await withAccounts(origins: [origin]) { accounts in
            let live = accounts.sessions
            try await live.inSync()
            let ada = try await World.signIn()
            let (audience, nonce) = ("wss://app.example/live", "bm9uY2U")
            let details: [String: any Sendable] = ["page": ada.number, "audience": audience, "nonce": nonce]
            let said = try await World.order("proveSocket", details)
            let token = try XCTUnwrap(said.token)
            let account = try await live.verifySocket(token: token, audience: audience, nonce: nonce)
            XCTAssertEqual(account.session.sessionID, ada.sessionID)
            await refused("proofReplayed") {
                _ = try await live.verifySocket(token: token, audience: audience, nonce: nonce)
            }
            await refused("proofInvalid") {
                _ = try await live.verifySocket(token: token, audience: audience, nonce: "other")
            }
            await refused("proofMissing") {
                _ = try await live.verifySocket(token: "", audience: audience, nonce: nonce)
            }
            try await World.signOut(ada)
        }
    }

    func test_refusals_have_the_answer_of_problem_details() async throws {
        let missing = PasskeyAccountsError(
            code: "proofMissing", reason: "there/is none", retryable: false, kind: .proof(status: 401))
        let unauthorized = try XCTUnwrap(ProblemDetails(missing))
        XCTAssertEqual(unauthorized.status, 401)
        XCTAssertEqual(
            String(decoding: unauthorized.body, as: UTF8.self),
            #"{"code":"proofMissing","detail":"there/is none","status":401,"title":"Unauthorized","type":"about:blank"}"#)
        let fields = { (problem: ProblemDetails) in problem.fields.map { "\($0.name): \($0.value)" } }
        XCTAssertEqual(
            fields(unauthorized),
            ["content-type: application/problem+json", "cache-control: no-store", "www-authenticate: passkey-accounts"])

        try await withAccounts(origins: [origin]) { accounts in
            let error = await refused("stale") { try accounts.sessions.freshWithin(.seconds(30)) }
            let later = try XCTUnwrap(ProblemDetails(try XCTUnwrap(error)))
            XCTAssertEqual(later.status, 503)
            XCTAssertTrue(fields(later).contains("retry-after: 1"))
            XCTAssertTrue(String(decoding: later.body, as: UTF8.self).contains(#""retryAfterMs":1000"#))
        }
        XCTAssertEqual(try XCTUnwrap(ProblemDetails(PasskeyAccountsError.bodyTooLarge)).status, 413)
        XCTAssertNil(ProblemDetails(Locked()))
        try await withAccounts { accounts in
            let head = HTTPRequestHead(method: "GET", target: "/", fields: [("Host", "app.example"), ("Signature", "x")])
            let error = await refused("unexpected", "no origins") { _ = try await accounts.sessions.verify(head) }
            XCTAssertNil(ProblemDetails(try XCTUnwrap(error)), "a mistake of ours is no answer to a stranger")
        }
    }
}

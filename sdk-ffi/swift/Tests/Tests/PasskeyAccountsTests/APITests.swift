// The HTTP API against a real server.

import Foundation
import PasskeyAccounts
import XCTest

final class APITests: XCTestCase {
    func test_what_the_api_says_is_typed() async throws {
        try await withAccounts { accounts in
            let api = accounts.api
            let app = try await api.app()
            XCTAssertTrue(app.appID.hasPrefix("app_"))
            XCTAssertEqual(app.origins.count, 1)
            let ada = try await World.signIn()
            let page = try await api.sessions(limit: 1, accountID: ada.accountID)
            XCTAssertEqual(page.sessions.map(\.sessionID), [ada.sessionID])
            let account = try await api.account(ada.accountID)
            XCTAssertEqual(account.sessions, 1)
            let passkeys = try await api.passkeys(of: ada.accountID)
            XCTAssertEqual(passkeys.count, account.passkeys)
            XCTAssertEqual(passkeys[0].aaguid.count, 16)
            await refused("lastPasskey") {
                try await api.removePasskey(passkeys[0].passkeyID, of: ada.accountID)
            }
            let events = try await api.events(limit: 2, types: ["*"])
            XCTAssertEqual(events.events.count, 2)
            XCTAssertEqual(events.oldestHash.count, 32)
            let more = try await api.events(after: events.next, limit: 1, types: ["*"])
            XCTAssertEqual(more.events.first?.seq, events.events[1].seq + 1)
            let checkpoint = try await api.checkpoint()
            XCTAssertEqual(checkpoint.appID, app.appID)
            XCTAssertEqual(checkpoint.head.sig.count, 64)

            try await api.endSession(ada.sessionID)
            let gone = await refused("notFound") { try await api.endSession(ada.sessionID) }
            XCTAssertEqual(gone?.kind, .api(status: 404, retryAfter: nil, gap: nil))
            await refused("notFound") { try await api.endSession("nonsense") }
            try await api.eraseAccount(try await World.signIn("erased@shop.example").accountID)
        }
    }

    func test_a_key_pair_signs_for_the_stream_and_for_the_api() async throws {
        let publicKey = "E5j2LG0aRXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8o"
        try await withAccounts { accounts in
            let known = try await accounts.api.registerKeyPair(publicKey, name: "pair", scopes: ["events:read"])
            XCTAssertEqual(known.publicKey, publicKey)
            try await withAccounts("pa_pair_1040g2081040g2081040g2081040g2081040g2081040g2081040_d8e1ec3e") { paired in
                let app = try await paired.api.app()
                XCTAssertTrue(app.appID.hasPrefix("app_"))
                for try await item in try paired.events() {
                    guard case .snapshot = item else { return XCTFail("no snapshot") }
                    break
                }
                try await accounts.api.revokeKey(known.keyID)
                await refused("keyRevoked") { _ = try await paired.api.app() }
            }
        }
    }

    func test_keys_are_made_rotated_and_revoked_and_their_secret_is_not_printed() async throws {
        try await withAccounts { accounts in
            let api = accounts.api
            let soon = Date(timeIntervalSinceNow: 3_600)
            let created = try await api.createKey(name: "swift", scopes: ["events:read"], expiresAt: soon)
            XCTAssertFalse("\(created)".contains(created.apiKey))
            XCTAssertFalse(String(reflecting: created).contains(created.apiKey))
            var dumped = ""
            dump(created, to: &dumped)
            XCTAssertFalse(dumped.contains(created.apiKey))
            XCTAssertEqual(created.key.scopes, ["events:read"])
            XCTAssertLessThan(abs(try XCTUnwrap(created.key.expiresAt).timeIntervalSince(soon)), 1)
            await refused("forbidden") { _ = try await api.createKey(name: "x", scopes: ["all"]) }
            let rotated = try await api.rotateKey(created.key.keyID, overlap: .seconds(60))
            XCTAssertNotEqual(rotated.key.keyID, created.key.keyID)
            try await api.revokeKey(rotated.key.keyID)
            let revoked = try await api.keys().first { $0.keyID == rotated.key.keyID }
            XCTAssertNotNil(revoked?.revokedAt)
            try await api.revokeKey(created.key.keyID)
            try await withAccounts(created.apiKey) { other in
                let error = await refused("keyRevoked") { _ = try await other.api.app() }
                XCTAssertEqual(error?.retryable, false)
            }
        }
    }

    func test_a_server_that_is_not_there_and_a_cancelled_call_are_told_apart() async throws {
        let nowhere = try Accounts.connect("http://localhost:1", apiKey: World.apiKey)
        let error = await refused("connectionLost") { _ = try await nowhere.api.app() }
        XCTAssertEqual(error?.kind, .api(status: nil, retryAfter: nil, gap: nil))
        XCTAssertEqual(error?.retryable, true)
        let call = Task { _ = try await nowhere.api.app() }
        call.cancel()
        let cancelled = await refused("cancelled") { try await call.value }
        XCTAssertEqual(cancelled?.kind, .cancelled)
        await nowhere.close()
    }
}

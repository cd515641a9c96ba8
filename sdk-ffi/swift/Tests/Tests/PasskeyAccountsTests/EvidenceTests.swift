// Evidence against a real server, which lies in the end. What it does not have is anybody's passkey.

import Foundation
import PasskeyAccounts
import XCTest

final class EvidenceTests: XCTestCase {
    func test_real_sign_ins_pass_and_one_that_no_pinned_passkey_signed_is_refused() async throws {
        let folder = try Folder()
        let ada = try await World.signIn()
        try await World.signOut(ada)
        let again = try await World.signIn()
        let app = try await withAccounts { accounts in try await accounts.api.app() }
        let pinned = { (name: String) in
            EvidenceOptions(appID: app.appID, rpID: app.rpID, origins: app.origins, pinsPath: folder.path(name))
        }
        let follower = try Accounts.connect(World.url, apiKey: World.apiKey, evidence: pinned("sessions"))
        let live = follower.sessions
        let held = try await live.waitFor(again.sessionID)
        try await withAccounts { accounts in
            let events = try accounts.events(.init(evidence: pinned("events")))
            let seen = try await read(events, until: again)
            XCTAssertEqual(seen, ["registered", "passkeyAdded", "loggedIn", "loggedOut", "loggedIn"])
        }
        try await World.order("restart")
        let third = try await World.signIn()
        _ = try await live.waitFor(third.sessionID, atMost: .seconds(20))

        let forged = try await World.order("forge", ["page": third.number])
        let forgedID = try XCTUnwrap(forged.sessionID)
        try await withAccounts { accounts in
            // A stream that begins anew with the same pins finds it too.
            for _ in 0..<2 {
                let events = try accounts.events(.init(evidence: pinned("events")))
                var seen: [String] = []
                let error = await refused("evidenceForged") {
                    for try await item in events {
                        if case .event(let event) = item, case .loggedIn(let login) = event.data {
                            seen.append(login.sessionID)
                        }
                    }
                }
                XCTAssertTrue(seen.isEmpty || seen.last == third.sessionID, "what is true is handed over, what is forged is not")
                XCTAssertEqual(error?.kind, .stream)
                XCTAssertEqual(error?.retryable, false)
                XCTAssertEqual(events.failure, error)
            }
        }
        let end = try await held.ended()
        XCTAssertEqual(end, .unfollowed)
        await refused("evidenceForged") { try await live.inSync() }
        await refused("stale") { _ = try await live.waitFor(forgedID) }
        XCTAssertEqual(live.failure?.code, "evidenceForged")
        XCTAssertNil(live.get(third.sessionID))
        XCTAssertNil(live.isLoggedIn(ada.accountID))
        await follower.close()
    }

    /// The names of the events up to this sign-in, which are handled.
    private func read(_ events: Events, until page: Page) async throws -> [String] {
        var names: [String] = []
        for try await delivery in events.deliveries {
            defer { delivery.ack() }
            guard case .event(let event) = delivery.item else { continue }
            names.append(event.name)
            if case .loggedIn(let login) = event.data, login.sessionID == page.sessionID { break }
        }
        return names
    }
}

// What the README shows, run against a real server.

import Foundation
import PasskeyAccounts
import XCTest

/// Stands for an application's database.
private actor Database: PositionStore {
    private(set) var invoices: [String] = []
    private var position: Position?
    private var owner = 0

    func write(_ invoice: String, at position: Position?) {
        invoices.append(invoice)
        self.position = position
    }

    func claim(consumer: String, lane: Int, lease: Int) throws -> String? {
        if lease < owner { throw Locked() }
        owner = lease
        return position?.id
    }
}

final class ReadmeTests: XCTestCase {
    func test_a_worker_handles_each_event_once() async throws {
        let database = Database()
        try await withAccounts { accounts in
            let live = try accounts.events(.init(start: .now, consumer: "billing"))
            await live.statusUpdates.reaches { $0 == .live }
            live.close()
            let page = try await World.signIn()
            let events = try accounts.events(.init(consumer: "billing", positions: database))
            for try await delivery in events.deliveries {
                if case .event(let event) = delivery.item, case .loggedIn(let login) = event.data {
                    await database.write("invoice for \(login.accountID)", at: delivery.position)
                }
                delivery.ack()
                if await !database.invoices.isEmpty { break }
            }
            let invoices = await database.invoices
            XCTAssertEqual(invoices, ["invoice for \(page.accountID)"])
            try await World.signOut(page)
        }
    }

    func test_who_is_signed_in_is_known() async throws {
        let page = try await World.signIn()
        try await withAccounts { accounts in
            try await accounts.sessions.inSync()
            if let session = accounts.sessions.get(page.sessionID) {
                let ended = Task { try await session.ended() }  // when it is time to close what was opened in its name
                try await World.signOut(page)
                _ = try await ended.value
            }
            XCTAssertEqual(accounts.sessions.isLoggedIn(page.accountID), false)
        }
    }

    func test_errors_have_a_code() async throws {
        try await withAccounts { accounts in
            let id = "ses_00000000000000000000000000"
            do throws(PasskeyAccountsError) {
                try await accounts.api.endSession(id)
                XCTFail("there is no such session")
            } catch {
                switch error.kind {
                case .api(let status, _, _): print(status ?? 0, error.code, error.reason, error.retryable)
                case .stream, .proof, .cancelled: throw error
                }
            }
        }
    }
}

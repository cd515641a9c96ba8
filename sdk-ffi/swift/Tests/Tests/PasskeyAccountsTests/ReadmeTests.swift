// What the README shows, run against a real server.

import Foundation
import PasskeyAccounts
import XCTest

/// Stands for an application's database.
private actor Database: PositionStore {
    let isWritten = Signal()
    private(set) var invoices: [String] = []
    private var position: Position?
    private var owner = 0

    func write(_ invoice: String, at position: Position?) async {
        invoices.append(invoice)
        self.position = position
        await isWritten.give()
    }

    func claim(consumer: String, lane: Int, lease: Int) throws -> String? {
        if lease < owner { throw Locked() }
        owner = lease
        return position?.id
    }
}

final class ReadmeTests: XCTestCase {
    func test_five_lines_tell_who_signs_in() async throws {
        let (url, apiKey) = (World.url, World.apiKey)
        let (printed, printing) = AsyncStream.makeStream(of: String.self)
        @Sendable func print(_ words: String, _ accountID: String) { printing.yield("\(words) \(accountID)") }
        let running = Task {
            let accounts = try Accounts.connect(url, apiKey: apiKey)
            for try await item in try accounts.events(.init(types: ["loggedIn"])) {
                if case .event(let event) = item, case .loggedIn(let login) = event.data {
                    print("signed in:", login.accountID)
                }
            }
        }
        // It is not known here when it has begun; whoever was there before that is not printed.
        var lines = printed.makeAsyncIterator()
        let seen = Collected<String>()
        // Not cancelled: a request of Foundation that is cancelled may never end on Linux.
        let signingIn = Task {
            while seen.count == 0 { try await World.signOut(try await World.signIn("five@shop.example")) }
        }
        let line = await lines.next() ?? ""
        seen.add(line)
        running.cancel()
        XCTAssertTrue(line.hasPrefix("signed in: acct_"), line)
        try await signingIn.value
    }

    func test_a_worker_handles_each_event_once() async throws {
        let database = Database()
        try await withAccounts { accounts in
            let live = try accounts.events(.init(start: .now, consumer: "billing"))
            await live.statusUpdates.reaches { $0 == .live }
            live.close()
            let page = try await World.signIn()
            let running = Task {
                let events = try accounts.events(.init(consumer: "billing", positions: database))
                for try await delivery in events.deliveries {
                    if case .event(let event) = delivery.item, case .loggedIn(let login) = event.data {
                        await database.write("invoice for \(login.accountID)", at: delivery.position)
                    }
                    delivery.ack()
                }
            }
            await database.isWritten.wait()
            running.cancel()
            let invoices = await database.invoices
            XCTAssertEqual(invoices, ["invoice for \(page.accountID)"])
            try await World.signOut(page)
        }
    }

    func test_who_is_signed_in_is_known() async throws {
        let page = try await World.signIn()
        try await withAccounts { accounts in
            try await accounts.sessions.inSync()
            let isThere = accounts.sessions.isLoggedIn(page.accountID)  // nothing while that is not known
            let session = try await accounts.sessions.waitFor(page.sessionID)
            let ended = Task { try await session.ended() }  // the moment to close what was opened in its name
            XCTAssertEqual(isThere, true)
            try await World.signOut(page)
            let end = try await ended.value
            XCTAssertEqual(end, .loggedOut(.user))
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

// Live sessions against a real server.

import Foundation
import PasskeyAccounts
import XCTest

final class SessionsTests: XCTestCase {
    func test_sessions_are_known_while_they_are_open() async throws {
        try await withAccounts { accounts in
            let live = accounts.sessions
            let stale = await refused("stale") { try live.freshWithin(.seconds(30)) }
            XCTAssertEqual(stale?.retryable, true)
            let ada = try await World.signIn()
            try await live.inSync()
            try live.freshWithin(.seconds(30))
            XCTAssertTrue(accounts.sessions === live, "one connection, however often it is asked for")
            var endings = live.endings().makeAsyncIterator()
            let session = try await live.waitFor(ada.sessionID)
            XCTAssertEqual(session.accountID, ada.accountID)
            XCTAssertNil(session.end)
            XCTAssertEqual(live.isLoggedIn(ada.accountID), true)
            XCTAssertTrue(session.since <= Date() && session.expiresAt > Date())
            XCTAssertLessThan(abs(try XCTUnwrap(live.serverTime).timeIntervalSinceNow), 10)

            let second = try await World.signIn()
            _ = try await live.waitFor(second.sessionID)
            XCTAssertEqual(
                Set(live.ofAccount(ada.accountID).map(\.sessionID)), [ada.sessionID, second.sessionID])
            XCTAssertGreaterThanOrEqual(live.count, 2)

            let ended = Task { try await session.ended() }
            try await World.signOut(ada)
            let end = try await ended.value
            XCTAssertEqual(end, .loggedOut(.user))
            XCTAssertEqual(session.end, .loggedOut(.user))
            XCTAssertNil(live.get(ada.sessionID))
            let first = try await endings.next()
            guard case .ended(let told)? = first else { return XCTFail("no end") }
            XCTAssertEqual(told.sessionID, ada.sessionID)
            XCTAssertFalse(told.accountIsGone)
            try await World.signOut(second)
            guard case .ended(let last)? = try await endings.next() else { return XCTFail("no end") }
            XCTAssertTrue(last.accountIsGone)
            XCTAssertEqual(live.isLoggedIn(ada.accountID), false)
            XCTAssertEqual(live.ofAccount(ada.accountID).count, 0)
        }
    }

    func test_cancelled_waits_return_at_once_and_take_no_end_with_them() async throws {
        try await withAccounts { accounts in
            let live = accounts.sessions
            try await live.inSync()
            let nobody = "ses_00000000000000000000000000"
            await refused("sessionGone") { _ = try await live.waitFor(nobody, atMost: .milliseconds(1)) }
            await refused("sessionGone") { _ = try await live.waitFor("nonsense", atMost: .milliseconds(1)) }
            let ada = try await World.signIn()
            let session = try await live.waitFor(ada.sessionID)
            let endings = live.endings()
            for _ in 0..<200 {
                let waits = [
                    Task { _ = try await live.waitFor(nobody, atMost: .seconds(600)) },
                    Task { _ = try await session.ended() },
                    Task { _ = try await endings.makeNext() },
                ]
                for wait in waits { wait.cancel() }
                for wait in waits { await refused("cancelled") { try await wait.value } }
            }
            try await World.signOut(ada)
            guard case .ended(let end)? = try await endings.makeNext() else { return XCTFail("no end") }
            XCTAssertEqual(end.sessionID, ada.sessionID)
        }
    }

    func test_a_restart_of_the_server_is_bridged() async throws {
        try await withAccounts { accounts in
            let live = accounts.sessions
            try await live.inSync()
            let before = try await live.waitFor(try await World.signIn("grace@shop.example").sessionID)
            try await World.order("restart")
            let again = try await World.signIn()
            _ = try await live.waitFor(again.sessionID, atMost: .seconds(20))
            // Its page has not come back yet, and may for its grace time.
            XCTAssertNil(before.end)
            XCTAssertEqual(live.get(before.sessionID)?.accountID, before.accountID)
            try await World.signOut(again)
        }
    }

    func test_a_kill_of_the_server_is_bridged_and_what_ended_meanwhile_is_told() async throws {
        try await withAccounts { accounts in
            let live = accounts.sessions
            try await live.inSync()
            let endings = live.endings()
            let ada = try await live.waitFor(try await World.signIn().sessionID)
            let grace = try await live.waitFor(try await World.signIn("grace@shop.example").sessionID)
            let ended = Task { try await ada.ended() }
            try await World.order("kill")
            let waiting = await live.statusUpdates.reaches { if case .waiting = $0 { true } else { false } }
            XCTAssertNotNil(waiting)
            // What was known is still said, and how old it is too.
            XCTAssertEqual(live.get(grace.sessionID)?.accountID, grace.accountID)
            try await World.order("start")
            // Most likely before the stream has come back; it is to be told either way.
            try await accounts.api.endSession(ada.sessionID)
            let again = try await World.signIn()
            let end = try await ended.value
            XCTAssertEqual(end, .loggedOut(.revoked))
            var iterator = endings.makeAsyncIterator()
            var told: SessionEnd?
            while told?.sessionID != ada.sessionID, case .ended(let next)? = try await iterator.next() { told = next }
            XCTAssertEqual(told?.ended, .loggedOut(.revoked))
            _ = try await live.waitFor(again.sessionID, atMost: .seconds(20))
            try live.freshWithin(.seconds(30))
            for account in [ada.accountID, grace.accountID] {
                let open = try await accounts.api.sessions(accountID: account).sessions
                XCTAssertEqual(
                    Set(live.ofAccount(account).map(\.sessionID)), Set(open.map(\.sessionID)), "as the server has them")
            }
            XCTAssertNil(grace.end)
            try await World.signOut(again)
        }
    }

    func test_who_holds_a_session_is_told_when_nobody_follows_it_any_more() async throws {
        let accounts = try World.connect()
        let live = accounts.sessions
        try await live.inSync()
        let ada = try await World.signIn()
        let session = try await live.waitFor(ada.sessionID)
        let ended = Task { try await session.ended() }
        await Task.yield()
        live.close()
        let end = try await ended.value
        XCTAssertEqual(end, .unfollowed)
        XCTAssertNil(live.get(ada.sessionID))
        XCTAssertNil(live.isLoggedIn(ada.accountID))
        XCTAssertFalse(accounts.sessions === live)
        try await accounts.sessions.inSync()
        XCTAssertEqual(accounts.sessions.isLoggedIn(ada.accountID), true)
        await accounts.close()
        try await World.signOut(ada)
    }

    func test_status_is_told_to_every_reader() async throws {
        try await withAccounts { accounts in
            let live = accounts.sessions
            async let first = live.statusUpdates.reaches { $0 == .live }
            async let second = live.statusUpdates.reaches { $0 == .live }
            let both = await [first, second]
            XCTAssertEqual(both, [.live, .live])
            XCTAssertEqual(live.status, .live)
            try await World.order("kill")
            let waiting = await live.statusUpdates.reaches { if case .waiting = $0 { true } else { false } }
            XCTAssertNotNil(waiting)
            try await World.order("start")
            await live.statusUpdates.reaches { $0 == .live }
            live.close()
            await live.statusUpdates.reaches { $0 == .closed }
            XCTAssertEqual(live.status, .closed)
        }
    }
}

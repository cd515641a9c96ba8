// The event stream against a real server.

import Foundation
import PasskeyAccounts
import XCTest

final class EventsTests: XCTestCase {
    func test_a_view_begins_with_the_open_sessions_and_follows_the_log() async throws {
        let before = try await World.signIn()
        try await withAccounts { accounts in
            let events = try accounts.events(.init(types: ["*"]))
            let items = events.makeAsyncIterator()
            guard case .snapshot(let snapshot)? = try await items.next() else { return XCTFail("no snapshot") }
            XCTAssertTrue(snapshot.first && snapshot.last)
            let session = try XCTUnwrap(snapshot.sessions.first { $0.sessionID == before.sessionID })
            XCTAssertEqual(session.accountID, before.accountID)
            XCTAssertTrue(session.since < session.expiresAt && session.expiresAt > Date())
            XCTAssertEqual(events.status, .live)

            try await World.order("confirm", ["page": before.number, "action": #"{"type":"pay","amount":10}"#])
            guard case .event(let paid)? = try await items.next(), case .confirmed(let confirmed) = paid.data else {
                return XCTFail("no confirmation")
            }
            XCTAssertEqual(confirmed.action, #"{"amount":10,"type":"pay"}"#)
            XCTAssertEqual(confirmed.evidence.kind, "confirm")

            try await World.signOut(before)
            guard case .event(let out)? = try await items.next(), case .loggedOut(let logout) = out.data else {
                return XCTFail("no sign-out")
            }
            XCTAssertEqual(logout.reason, .user)
            XCTAssertEqual(logout.sessionID, before.sessionID)
            XCTAssertEqual(out.name, "loggedOut")
            let json = try XCTUnwrap(try JSONSerialization.jsonObject(with: Data(out.json.utf8)) as? [String: Any])
            XCTAssertEqual(json["reason"] as? String, "user")

            let again = try await World.signIn()
            guard case .event(let come)? = try await items.next(), case .loggedIn(let login) = come.data else {
                return XCTFail("no sign-in")
            }
            XCTAssertEqual(login.sessionID, again.sessionID)
            XCTAssertEqual(login.sessionKey.x.count, 32)
            XCTAssertEqual(login.evidence?.kind, "signIn")
            XCTAssertTrue(login.expiresAt > come.time)
            try await World.signOut(again)
        }
    }

    func test_an_event_of_an_applications_test_equals_the_one_that_was_received() async throws {
        let page = try await World.signIn("twin@shop.example")
        try await World.signOut(page)
        _ = try await World.signIn("twin@shop.example")
        try await withAccounts { accounts in
            var deliveries = try accounts.events(.init(types: ["*"], start: .earliest)).deliveries.makeAsyncIterator()
            var (isSigned, received) = (false, Set<Event>())
            while !isSigned {
                let (delivery, event) = try await deliveries.event()
                delivery.ack()
                received.insert(event)
                let made = Event(
                    id: event.id, seq: event.seq, time: event.time, name: event.name, data: remade(event.data),
                    json: event.json)
                XCTAssertEqual(made, event)
                XCTAssertTrue(received.contains(made))
                XCTAssertTrue("\(event)".contains(event.id) && "\(event)".contains(event.name), "it prints its members")
                let other = Event(
                    id: event.id, seq: event.seq, time: event.time, name: event.name,
                    data: .accountErased(AccountErased(accountID: "acct_other")), json: event.json)
                XCTAssertNotEqual(other, event)
                guard case .loggedIn(let login) = event.data else { continue }
                let json = try XCTUnwrap(try JSONSerialization.jsonObject(with: Data(event.json.utf8)) as? [String: Any])
                assertEqual(login.sessionKey, json["sessionKey"])
                if let evidence = login.evidence { assertEqual(evidence, json["evidence"]) }
                isSigned = login.accountID == page.accountID && login.evidence != nil
            }
            // What the HTTP API says is the same event.
            let listed = try await accounts.api.events(types: ["*"])
            XCTAssertEqual(Set(listed.events).intersection(received).count, Swift.min(listed.events.count, received.count))
        }
    }

    /// The same, of its parts.
    private func remade(_ data: EventData) -> EventData {
        switch data {
        case .loggedIn(let login):
            .loggedIn(LoggedIn(
                accountID: login.accountID, sessionID: login.sessionID, passkeyID: login.passkeyID, origin: login.origin,
                sessionKey: SessionKey(x: login.sessionKey.x, y: login.sessionKey.y), expiresAt: login.expiresAt,
                userVerified: login.userVerified, backedUp: login.backedUp, accountSessions: login.accountSessions,
                evidence: login.evidence.map(remade)))
        case .loggedOut(let logout):
            .loggedOut(LoggedOut(
                accountID: logout.accountID, sessionID: logout.sessionID, reason: logout.reason,
                accountSessions: logout.accountSessions))
        case .passkeyAdded(let added):
            .passkeyAdded(PasskeyAdded(
                accountID: added.accountID, passkeyID: added.passkeyID, publicKey: added.publicKey, aaguid: added.aaguid,
                backedUp: added.backedUp, evidence: added.evidence.map(remade)))
        case .confirmed(let confirmed):
            .confirmed(Confirmed(
                accountID: confirmed.accountID, sessionID: confirmed.sessionID, passkeyID: confirmed.passkeyID,
                ceremonyID: confirmed.ceremonyID, action: confirmed.action, evidence: remade(confirmed.evidence)))
        default: data
        }
    }

    /// Whether all members of a value are what the JSON says.
    private func assertEqual(_ value: Any, _ json: Any?) {
        let json = json as? [String: Any] ?? [:]
        for (name, member) in Mirror(reflecting: value).children {
            let text = (member as? Data)?.base64EncodedString().filter { $0 != "=" }
                .replacing("+", with: "-").replacing("/", with: "_")
            XCTAssertEqual(json[name ?? ""] as? String, text ?? member as? String, name ?? "")
        }
    }

    private func remade(_ evidence: Evidence) -> Evidence {
        Evidence(
            random: evidence.random, kind: evidence.kind, origin: evidence.origin, thumbprint: evidence.thumbprint,
            credentialID: evidence.credentialID, authenticatorData: evidence.authenticatorData,
            clientDataJSON: evidence.clientDataJSON, signature: evidence.signature)
    }

    func test_kill_and_restart_of_the_server_lose_nothing_and_repeat_nothing() async throws {
        try await withAccounts { accounts in
            let events = try accounts.events(.init(start: .now))
            var deliveries = events.deliveries.makeAsyncIterator()
            try await deliveries.begin()
            var seen: [Int] = []
            for (number, stop) in ["kill", "restart"].enumerated() {
                try await World.append(10)
                while seen.count < 20 * number + 5 {
                    let (delivery, event) = try await deliveries.event()
                    seen.append(event.seq)
                    delivery.ack()
                }
                try await World.order(stop)
                if stop == "kill" { try await World.order("start") }
                try await World.append(10)
                while seen.count < 20 * (number + 1) {
                    let (delivery, event) = try await deliveries.event()
                    seen.append(event.seq)
                    delivery.ack()
                }
            }
            assertConsecutive(seen, count: 40)
        }
    }

    func test_what_failed_or_was_dropped_comes_again_and_what_follows_it_too() async throws {
        try await withAccounts { accounts in
            let events = try accounts.events(.init(start: .now))
            var deliveries = events.deliveries.makeAsyncIterator()
            try await deliveries.begin()
            try await World.append(4)
            let (first, one) = try await deliveries.event()
            let (second, two) = try await deliveries.event()
            XCTAssertEqual(two.seq, one.seq + 1)
            first.ack()
            second.fail()
            second.ack()
            let dropped = try await deliveries.event().event
            XCTAssertEqual(dropped.seq, two.seq)
            // Dropped without a word.
            var seen: [Int] = [one.seq]
            while seen.count < 4 {
                let (delivery, event) = try await deliveries.event()
                seen.append(event.seq)
                delivery.ack()
            }
            assertConsecutive(seen, count: 4)
        }
    }

    func test_a_loop_that_is_left_gets_its_last_item_again() async throws {
        try await withAccounts { accounts in
            let events = try accounts.events(.init(start: .now))
            var beginning = events.deliveries.makeAsyncIterator()
            try await beginning.begin()
            try await World.append(10)
            var seen: [Int] = []
            for try await item in events {
                guard case .event(let event) = item else { continue }
                seen.append(event.seq)
                if seen.count == 4 { break }
            }
            let left = try XCTUnwrap(seen.popLast())
            for try await item in events {
                guard case .event(let event) = item else { continue }
                if seen.count == 3 { XCTAssertEqual(event.seq, left) }
                seen.append(event.seq)
                if seen.count == 10 { break }
            }
            assertConsecutive(seen, count: 10)
        }
    }

    func test_hundreds_of_cancelled_waits_lose_no_event_and_return_at_once() async throws {
        try await withAccounts { accounts in
            let events = try accounts.events(.init(start: .now))
            var beginning = events.deliveries.makeAsyncIterator()
            try await beginning.begin()
            let appending = Task {
                for _ in 0..<30 { try await World.append(5) }
            }
            var seen: [Int] = []
            var cancelled = 0
            while seen.count < 150 || cancelled < 400 {
                let (started, starting) = AsyncStream.makeStream(of: Void.self)
                let wait = Task { () throws -> Int? in
                    starting.yield()
                    // A reader of its own: what it got and did not handle is not lost either.
                    var deliveries = events.deliveries.makeAsyncIterator()
                    while let delivery = try await deliveries.next() {
                        delivery.ack()
                        if case .event(let event) = delivery.item { return event.seq }
                    }
                    return nil
                }
                // Before it has begun, when it has begun, while it waits.
                if cancelled % 3 > 0 { for await _ in started { break } }
                if cancelled % 3 > 1 { await Task.yield() }
                wait.cancel()
                do {
                    if let seq = try await wait.value { seen.append(seq) }
                } catch let error as PasskeyAccountsError {
                    XCTAssertEqual(error.kind, .cancelled)
                    cancelled += 1
                }
                // The last ones are waited for.
                if cancelled >= 400 && seen.count < 150 {
                    var deliveries = events.deliveries.makeAsyncIterator()
                    let (delivery, event) = try await deliveries.event()
                    delivery.ack()
                    seen.append(event.seq)
                }
            }
            try await appending.value
            assertConsecutive(seen, count: 150)
        }
    }

    func test_a_slow_handler_is_not_sent_more_than_its_window_and_loses_nothing() async throws {
        try await withAccounts { accounts in
            let events = try accounts.events(.init(start: .now, window: 4, prefetch: 4))
            var deliveries = events.deliveries.makeAsyncIterator()
            try await deliveries.begin()
            try await World.append(50)
            var held: [Delivery] = []
            var seen: [Int] = []
            while held.count < 4 {
                let (delivery, event) = try await deliveries.event()
                held.append(delivery)
                seen.append(event.seq)
            }
            let fifth = Task {
                var more = events.deliveries.makeAsyncIterator()
                return try await more.event()
            }
            // Another stream of the same server has got far more by the time the fifth has not come.
            var others = try accounts.events(.init(after: held[0].position?.id)).deliveries.makeAsyncIterator()
            for _ in 0..<40 { try await others.event().delivery.ack() }
            fifth.cancel()
            await refused("cancelled") { _ = try await fifth.value }
            for delivery in held { delivery.ack() }
            while seen.count < 50 {
                let (delivery, event) = try await deliveries.event()
                seen.append(event.seq)
                delivery.ack()
            }
            assertConsecutive(seen, count: 50)
        }
    }

    func test_run_repeats_what_throws_and_keeps_the_order() async throws {
        try await withAccounts { accounts in
            let events = try accounts.events(.init(start: .now))
            let handled = Collected<Int>()
            let errors = Collected<String>()
            let isDone = Signal()
            let running = Task {
                try await events.run(concurrency: 2) { error, item in
                    errors.add("\(error) \(item.id ?? "")")
                } handler: { item, _ in
                    guard case .event(let event) = item else { return }
                    if handled.count == 1 && errors.count == 0 { throw Locked() }
                    handled.add(event.seq)
                    if handled.count == 5 { await isDone.give() }
                }
            }
            await events.statusUpdates.reaches { $0 == .live }
            try await World.append(5)
            await isDone.wait()
            running.cancel()
            await refused("cancelled") { try await running.value }
            assertConsecutive(handled.all, count: 5)
            XCTAssertEqual(errors.count, 1)
            XCTAssertTrue(errors.all[0].hasPrefix("Locked"))
        }
    }

    func test_a_revoked_key_ends_the_stream_unless_the_provider_has_another() async throws {
        let made = try await World.order("makeKey")
        let key = try XCTUnwrap(made.key)
        let current = Collected<String>([key])
        let rotating = try Accounts.connect(World.url, keyProvider: { current.all.last ?? "" })
        try await withAccounts(key) { accounts in
            let fixed = try accounts.events(.init(start: .now))
            var ours = fixed.deliveries.makeAsyncIterator()
            try await ours.begin()
            var others = try rotating.events(.init(start: .now)).deliveries.makeAsyncIterator()
            try await others.begin()
            current.add(World.apiKey)
            try await World.order("revokeKey", ["key": key])
            let error = await refused("keyRevoked") { _ = try await ours.event() }
            XCTAssertEqual(error?.retryable, false)
            XCTAssertEqual(error?.kind, .stream)
            let end = try await ours.next()
            XCTAssertNil(end)
            XCTAssertEqual(fixed.failure?.code, "keyRevoked")
            await fixed.statusUpdates.reaches { $0 == .closed }
            try await World.append(1)
            try await others.event().delivery.ack()
        }
        await rotating.close()
    }

    func test_a_key_provider_that_fails_is_asked_again() async throws {
        let asked = Collected<Int>()
        let accounts = try Accounts.connect(World.url, keyProvider: {
            asked.add(1)
            await Task.yield()
            if asked.count == 1 { throw Locked() }
            return World.apiKey
        })
        let events = try accounts.events(.init(start: .now))
        let waiting = await events.statusUpdates.reaches { if case .waiting = $0 { true } else { false } }
        guard case .waiting(_, let why)? = waiting else { return XCTFail("it did not wait") }
        XCTAssertTrue(why.contains("Locked"), why)
        var deliveries = events.deliveries.makeAsyncIterator()
        try await deliveries.begin()
        XCTAssertEqual(asked.count, 2)
        await accounts.close()
    }

    func test_what_can_never_work_is_said_with_a_code() async throws {
        for address in ["", "auth.example", "ftp://auth.example"] {
            let error = await refused("badAddress", address) {
                _ = try Accounts.connect(address, apiKey: World.apiKey)
            }
            XCTAssertEqual(error?.retryable, false)
        }
        let plain = try Accounts.connect("http://auth.example", apiKey: World.apiKey)
        await refused("badAddress") { for try await _ in try plain.events() {} }
        await plain.close()
        try await withAccounts("pa_dev_nonsense") { accounts in
            let events = try accounts.events()
            let error = await refused("badKey") { for try await _ in events {} }
            XCTAssertTrue(error?.reason.contains("API key") == true)
            await refused("badKey") { try await accounts.sessions.inSync() }
            XCTAssertEqual(accounts.sessions.failure?.code, "badKey")
        }
        try await withAccounts { accounts in
            await refused("unexpected") {
                _ = try accounts.events(.init(evidence: .init(appID: "x", rpID: "x", origins: [], pinsPath: "x")))
            }
        }
        let closed = try World.connect()
        await closed.close()
        await refused("connectionLost") { _ = try closed.events() }
    }

    func test_threads_end_when_a_handle_is_closed_and_whoever_waits_is_told() async throws {
        func threads() throws -> Int {
            let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
            let names = tasks.map { (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) ?? "" }
            return names.filter { $0.hasPrefix("passkey-") || $0.hasPrefix("tokio") }.count
        }
        let before = try threads()
        let accounts = try World.connect()
        let events = try accounts.events(.init(start: .now))
        var deliveries = events.deliveries.makeAsyncIterator()
        try await deliveries.begin()
        try await accounts.sessions.inSync()
        XCTAssertGreaterThan(try threads(), before)
        let waiting = Task {
            var more = events.deliveries.makeAsyncIterator()
            return try await more.next() == nil
        }
        let endings = accounts.sessions.endings()
        let ends = Task { try await endings.makeNext() == nil }
        let status = Task { await events.statusUpdates.reaches { $0 == .closed } }
        await accounts.close()
        let isOver = try await waiting.value
        XCTAssertTrue(isOver)
        let noEnds = try await ends.value
        XCTAssertTrue(noEnds)
        let closed = await status.value
        XCTAssertEqual(closed, .closed)
        // The system ends a thread a moment after it could be joined.
        let end = ContinuousClock.now + .seconds(10)
        while try threads() > before, ContinuousClock.now < end { await Task.yield() }
        XCTAssertLessThanOrEqual(try threads(), before)
    }
}

struct Locked: Error {}

/// What handlers have seen.
final class Collected<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [Value]

    init(_ values: [Value] = []) { self.values = values }
    var all: [Value] { lock.withLock { values } }
    var count: Int { all.count }
    func add(_ value: Value) { lock.withLock { values.append(value) } }
}

extension Endings {
    func makeNext() async throws -> Ending? {
        var iterator = makeAsyncIterator()
        return try await iterator.next()
    }
}

// Workers, in this process and in others.

import Foundation
import PasskeyAccounts
import XCTest

/// A worker in a process of its own: tells what it handles.
private final class Worker: Sendable {
    private let process: Process
    let lines: AsyncStream<String>

    init(_ consumer: String) throws {
        let process = Process()
        // Beside the tests.
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
            .deletingLastPathComponent().appendingPathComponent("Worker")
        process.arguments = [consumer]
        let pipe = Pipe()
        process.standardOutput = pipe
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        self.lines = lines
        self.process = process
        try process.run()
        // A thread that blocks: a handle whose handler takes itself away when all is read crashes in libdispatch at times.
        Thread.detachNewThread {
            var rest = Data()
            while case let data = pipe.fileHandleForReading.availableData, !data.isEmpty {
                rest.append(data)
                var parts = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                rest = Data(parts.removeLast())
                for line in parts { continuation.yield(String(decoding: line, as: UTF8.self)) }
            }
            continuation.finish()
        }
    }

    /// Its lines end once it is gone.
    func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
    }
}

final class WorkersTests: XCTestCase {
    func test_a_second_process_takes_over_where_the_first_one_was_killed() async throws {
        let first = try Worker("takeover")
        var firsts = first.lines.makeAsyncIterator()
        while let line = await firsts.next(), line != "status live" {}
        let second = try Worker("takeover")
        var seconds = second.lines.makeAsyncIterator()
        while let line = await seconds.next(), line != "status standby" {}
        try await World.append(100)
        var seen: [Int] = []
        while seen.count < 40, let line = await firsts.next() {
            if let seq = number(line) { seen.append(seq) }
        }
        first.kill()
        while let line = await firsts.next() {
            if let seq = number(line) { seen.append(seq) }
        }
        assertConsecutive(seen, count: seen.count)
        try await World.append(20)
        let last = seen[0] + 119
        var taken: [Int] = []
        while taken.last != last, let line = await seconds.next() {
            if let seq = number(line) { taken.append(seq) }
        }
        second.kill()
        XCTAssertEqual(Set(seen + taken).count, 120, "none is missing")
        assertConsecutive(taken, count: taken.count)
        XCTAssertLessThanOrEqual(try XCTUnwrap(taken.first), try XCTUnwrap(seen.last) + 1)
    }

    func test_the_applications_own_position_goes_before_the_servers_and_its_lease_rises() async throws {
        let ledger = Ledger()
        let options = EventsOptions(start: .now, consumer: "ledger", positions: ledger)
        var ids: [String] = []
        try await withAccounts { accounts in
            let first = try accounts.events(options)
            await first.statusUpdates.reaches { $0 == .live }
            try await World.append(3)
            for try await delivery in first.deliveries {
                guard case .event = delivery.item, let position = delivery.position else {
                    delivery.ack()
                    continue
                }
                XCTAssertEqual(position.consumer, "ledger")
                XCTAssertEqual(position.lease, ledger.claims.all[0].lease)
                ids.append(position.id)
                delivery.ack()
                if ids.count == 3 { break }
            }
        }
        // The effect of the last two was rolled back: they come again.
        ledger.stored.add(ids[0])
        try await withAccounts { accounts in
            var second = try accounts.events(options).deliveries.makeAsyncIterator()
            let again = try await second.event().delivery
            XCTAssertEqual(again.position?.id, ids[1])
            again.ack()
        }
        XCTAssertEqual(ledger.claims.all.map(\.lane), [0, 0])
        XCTAssertGreaterThan(ledger.claims.all[1].lease, ledger.claims.all[0].lease)
    }

    func test_a_position_store_that_fails_leaves_the_lane_to_others_and_is_asked_again() async throws {
        let ledger = Ledger(failures: 1)
        try await withAccounts { accounts in
            let events = try accounts.events(.init(start: .now, consumer: "unlucky", positions: ledger))
            let waiting = await events.statusUpdates.reaches { if case .waiting = $0 { true } else { false } }
            guard case .waiting(_, let why)? = waiting else { return XCTFail("it did not wait") }
            XCTAssertTrue(why.contains("Locked"), why)
            await events.statusUpdates.reaches { $0 == .live }
            XCTAssertEqual(ledger.claims.count, 2)
        }
    }

    func test_lanes_are_handled_side_by_side_and_each_in_its_order() async throws {
        try await withAccounts { accounts in
            let events = try accounts.events(.init(start: .now, consumer: "lanes", lanes: 4))
            await events.statusUpdates.reaches { $0 == .live }
            let handled = Collected<(lane: Int, seq: Int)>()
            let isDone = Signal()
            let people = 6
            let running = Task {
                try await events.run(concurrency: 4) { item, position in
                    guard case .event(let event) = item, let position else { return }
                    handled.add((position.lane, event.seq))
                    if handled.count == 2 * people { await isDone.give() }
                }
            }
            for number in 0..<people {
                let page = try await World.signIn("person\(number)@shop.example")
                try await World.signOut(page)
            }
            await isDone.wait()
            running.cancel()
            await refused("cancelled") { try await running.value }
            let lanes = Dictionary(grouping: handled.all, by: \.lane)
            XCTAssertGreaterThan(lanes.count, 1)
            for lane in lanes.values {
                XCTAssertEqual(lane.map(\.seq), lane.map(\.seq).sorted())
            }
        }
    }

    private func number(_ line: String) -> Int? {
        line.hasPrefix("seq ") ? Int(line.dropFirst(4)) : nil
    }
}

/// Positions in memory.
private final class Ledger: PositionStore {
    let claims = Collected<(lane: Int, lease: Int)>()
    let stored = Collected<String>()
    private let failures: Int

    init(failures: Int = 0) { self.failures = failures }

    func claim(consumer: String, lane: Int, lease: Int) async throws -> String? {
        claims.add((lane, lease))
        if claims.count <= failures { throw Locked() }
        return stored.all.last
    }
}

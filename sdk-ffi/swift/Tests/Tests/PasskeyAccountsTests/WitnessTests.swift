// The witness over a real server's log, which somebody rewrites in the end.

import Foundation
import PasskeyAccounts
import XCTest

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

final class WitnessTests: XCTestCase {
    func test_a_checkpoint_goes_on_over_a_restart_and_a_log_that_was_rewritten_meanwhile_is_noticed() async throws {
        let folder = try Folder()
        let witness = WitnessOptions(keys: try await keysOfTheServer(), checkpointPath: folder.path("log.checkpoint"))
        try await World.append(20)
        let first = try await read(witness, after: nil, 20)
        assertConsecutive(first.map(\.seq), count: 20)
        let before = try XCTUnwrap(first.last?.id)

        try await World.order("restart")
        try await World.append(10)
        let second = try await read(witness, after: before, 10)
        assertConsecutive((first + second).map(\.seq), count: 30)
        let after = try XCTUnwrap(second.last?.id)

        try await World.order("kill")
        try await World.order("rewrite")
        try await World.order("start")
        for start in [after, before] {
            try await withAccounts { accounts in
                let events = try accounts.events(.init(types: ["*"], after: start, witness: witness))
                let error = await refused("logRewritten", start) { for try await _ in events {} }
                XCTAssertEqual(error?.kind, .stream)
                XCTAssertEqual(error?.retryable, false)
                XCTAssertEqual(events.failure, error)
                await events.statusUpdates.reaches { $0 == .closed }
            }
        }
        let last = try Checkpoint(witness)
        XCTAssertEqual(last?.position, after, "what is remembered is what was read")
    }

    func test_what_is_no_checkpoint_and_what_is_no_key_is_said() async throws {
        let folder = try Folder()
        let keys = try await keysOfTheServer()
        try Data("{".utf8).write(to: URL(fileURLWithPath: folder.path("broken")))
        try await withAccounts { accounts in
            let broken = WitnessOptions(keys: keys, checkpointPath: folder.path("broken"))
            let events = try accounts.events(.init(types: ["*"], start: .earliest, witness: broken))
            let error = await refused("internal") { for try await _ in events {} }
            XCTAssertEqual(error?.reason.contains("the checkpoint cannot be read"), true)
            await refused("unexpected") {
                let none = WitnessOptions(keys: ["AQ"], checkpointPath: folder.path("none"))
                _ = try accounts.events(.init(types: ["*"], start: .earliest, witness: none))
            }
        }
    }

    /// So many events, handled before the stream is closed.
    private func read(_ witness: WitnessOptions, after: String?, _ count: Int) async throws -> [Event] {
        try await withAccounts { accounts in
            let start: EventsOptions.Start? = after == nil ? .earliest : nil
            let events = try accounts.events(.init(types: ["*"], after: after, start: start, witness: witness))
            var seen: [Event] = []
            var deliveries = events.deliveries.makeAsyncIterator()
            while seen.count < count {
                let (delivery, event) = try await deliveries.event()
                seen.append(event)
                delivery.ack()
            }
            // It is written beside what goes on here.
            while try Checkpoint(witness)?.position != seen.last?.id { await Task.yield() }
            return seen
        }
    }

    private func keysOfTheServer() async throws -> [String] {
        struct Keys: Decodable {
            struct Key: Decodable { let x: String }
            let keys: [Key]
        }
        let address = try XCTUnwrap(URL(string: "\(World.url)/.well-known/jwks.json"))
        let (data, _) = try await URLSession.shared.data(from: address)
        return try JSONDecoder().decode(Keys.self, from: data).keys.map(\.x)
    }
}

/// What the file says.
private struct Checkpoint: Decodable {
    let position: String

    /// Nothing before there is one.
    init?(_ witness: WitnessOptions) throws {
        guard let text = FileManager.default.contents(atPath: witness.checkpointPath) else { return nil }
        self = try JSONDecoder().decode(Self.self, from: text)
    }
}

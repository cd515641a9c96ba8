// Memory over two hundred thousand events.

import Foundation
import PasskeyAccounts
import XCTest

final class MemoryTests: XCTestCase {
    func test_memory_is_flat_over_two_hundred_thousand_events() async throws {
        let batch = 10_000
        try await withAccounts { accounts in
            try await accounts.sessions.inSync()
            let events = try accounts.events(.init(start: .now))
            let items = events.makeAsyncIterator()
            while let item = try await items.next() { if case .bookmark = item { break } }
            var sizes: [Int] = []
            for _ in 0..<20 {
                try await World.append(batch)
                var seen = 0
                while seen < batch, let item = try await items.next() {
                    if case .event = item { seen += 1 }
                }
                sizes.append(try residentBytes())
            }
            print("resident, in KiB: \(sizes.map { $0 / 1_024 })")
            // The allocator keeps freed pages for a while, so it goes up and down, and most at first. 80,000 events lie between the
            // two that are compared: 210 bytes kept of each would be seen.
            let (early, late) = try (XCTUnwrap(sizes[2..<10].min()), XCTUnwrap(sizes[10...].min()))
            XCTAssertLessThan(late - early, 16 << 20)
        }
    }

    private func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try XCTUnwrap(Int(pages[1])) * 4_096
    }
}

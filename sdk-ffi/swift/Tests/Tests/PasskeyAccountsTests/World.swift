// The server that the tests run against, and what can be done to it (tests/src/control.rs).

import Foundation
import PasskeyAccounts
import XCTest

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// What the control answers.
struct Said: Decodable, Sendable {
    let page: Int?
    let accountID: String?
    let sessionID: String?
    let key: String?
    let fields: [[String]]?
    let token: String?
}

/// Somebody's page.
struct Page: Sendable {
    let number: Int
    let accountID: String
    let sessionID: String
}

enum World {
    static let url = environment("PASSKEY_ACCOUNTS_URL")
    static let apiKey = environment("PASSKEY_ACCOUNTS_API_KEY")

    static func environment(_ name: String) -> String {
        ProcessInfo.processInfo.environment[name] ?? ""
    }

    /// Has something done.
    @discardableResult
    static func order(_ what: String, _ details: [String: any Sendable] = [:]) async throws -> Said {
        let address = try XCTUnwrap(URL(string: environment("PASSKEY_ACCOUNTS_CONTROL")))
        var request = URLRequest(url: address)
        request.httpMethod = "POST"
        request.timeoutInterval = 60
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        let command: [String: Any] = details.merging(["do": what]) { _, word in word }
        request.httpBody = try JSONSerialization.data(withJSONObject: command)
        let (data, _) = try await URLSession.shared.data(for: request)
        return try JSONDecoder().decode(Said.self, from: data)
    }

    static func signIn(_ email: String = "ada@shop.example") async throws -> Page {
        let said = try await order("signIn", ["email": email])
        return Page(
            number: try XCTUnwrap(said.page), accountID: try XCTUnwrap(said.accountID),
            sessionID: try XCTUnwrap(said.sessionID))
    }

    static func signOut(_ page: Page) async throws {
        try await order("signOut", ["page": page.number])
    }

    static func append(_ events: Int) async throws {
        try await order("append", ["events": events])
    }

    /// What a page would send for this request.
    static func prove(
        _ page: Page, _ method: String, origin: String, target: String, body: String? = nil
    ) async throws -> HTTPRequestHead {
        var details: [String: any Sendable] = [
            "page": page.number, "method": method, "origin": origin, "target": target,
        ]
        details["body"] = body
        let said = try await order("prove", details)
        let fields = try XCTUnwrap(said.fields)
        return HTTPRequestHead(method: method, target: target, fields: fields.map { HTTPField(name: $0[0], value: $0[1]) })
    }

    /// A handle that the test closes.
    static func connect(_ key: String = apiKey, origins: [String] = []) throws -> Accounts {
        try Accounts.connect(url, apiKey: key, origins: origins)
    }
}

extension XCTestCase {
    /// Gives a handle to the body, and closes it afterwards whatever happened.
    @discardableResult
    func withAccounts<Value>(
        _ key: String = World.apiKey, origins: [String] = [],
        _ body: (Accounts) async throws -> Value
    ) async throws -> Value {
        let accounts = try World.connect(key, origins: origins)
        do {
            let value = try await body(accounts)
            await accounts.close()
            return value
        } catch {
            await accounts.close()
            throw error
        }
    }

    /// The error that this throws, which must be one of ours with this code.
    @discardableResult
    func refused(
        _ code: String, _ what: String = "", file: StaticString = #filePath, line: UInt = #line,
        _ body: () async throws -> Void
    ) async -> PasskeyAccountsError? {
        do {
            try await body()
            XCTFail("\(what): nothing was thrown instead of \(code)", file: file, line: line)
        } catch let error as PasskeyAccountsError {
            XCTAssertEqual(error.code, code, "\(what): \(error)", file: file, line: line)
            return error
        } catch {
            XCTFail("\(what): \(error) instead of \(code)", file: file, line: line)
        }
        return nil
    }
}

extension Deliveries.Iterator {
    /// The next event; what is none is acknowledged.
    mutating func event() async throws -> (delivery: Delivery, event: Event) {
        while let delivery = try await next() {
            if case .event(let event) = delivery.item { return (delivery, event) }
            delivery.ack()
        }
        throw Ended()
    }

    /// Acknowledges the bookmark that a stream from now on begins with.
    mutating func begin() async throws {
        while let delivery = try await next() {
            delivery.ack()
            if case .bookmark = delivery.item { return }
        }
        throw Ended()
    }

    struct Ended: Error {}
}

extension AsyncStream<Status> {
    /// Returns once there is a status like this.
    @discardableResult
    func reaches(_ isWanted: (Status) -> Bool) async -> Status? {
        for await status in self where isWanted(status) { return status }
        return nil
    }
}

/// Whether the numbers are so many without a hole and without a repeat.
func assertConsecutive(_ numbers: [Int], count: Int, file: StaticString = #filePath, line: UInt = #line) {
    XCTAssertEqual(numbers.count, count, file: file, line: line)
    guard let first = numbers.first else { return }
    XCTAssertEqual(numbers, Array(first..<(first + count)), file: file, line: line)
}

/// A folder that is gone after the test.
final class Folder: Sendable {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    func path(_ name: String) -> String {
        folder.appendingPathComponent(name).path
    }
}

/// A condition that tasks wait for.
actor Signal {
    private var isGiven = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func give() {
        isGiven = true
        for continuation in waiting { continuation.resume() }
        waiting = []
    }

    func wait() async {
        if isGiven { return }
        await withCheckedContinuation { waiting.append($0) }
    }
}

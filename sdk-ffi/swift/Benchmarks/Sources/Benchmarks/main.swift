// CPU time of this process per event: this package against clients in plain Swift, over the same frames in the same run.
//
// The server is the one of the benchmark for JavaScript, in a process of its own; in the repository's folder:
//
//     node -e "require('node:child_process').fork('tests/node/bench/events.mjs').on('message', console.log)"
//
// It prints its port. Then, where Swift is, with the artifact of `cargo xtask dist` unpacked beside this folder:
//
//     swift run -c release Benchmarks PORT [ROUNDS]
import Foundation
import PasskeyAccounts

let port = UInt16(CommandLine.arguments.dropFirst().first ?? "") ?? 0
/// As many as the server sends.
let events = 200_000
let rounds = Int(CommandLine.arguments.dropFirst(2).first ?? "") ?? 5

/// Progress, beside the result.
func say(_ line: String) {
    FileHandle.standardError.write(Data("\(line)\n".utf8))
}

/// Processor time of all threads, in microseconds.
func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
}

/// Iterates, which acknowledges.
func ours() async throws {
    let accounts = try Accounts.connect("http://localhost:\(port)", apiKey: "pa_dev_x")
    let stream = try accounts.events(.init(start: .now, window: 4_096, prefetch: 4_096))
    for try await item in stream {
        if case .event(let event) = item, event.seq == events { break }
    }
    await accounts.close()
}

/// Iterates, and looks at everything that a sign-in says, as the decoder does.
func oursInFull() async throws {
    let accounts = try Accounts.connect("http://localhost:\(port)", apiKey: "pa_dev_x")
    let stream = try accounts.events(.init(start: .now, window: 4_096, prefetch: 4_096))
    var bytes = 0
    for try await item in stream {
        guard case .event(let event) = item else { continue }
        bytes += event.id.utf8.count + event.name.utf8.count + (event.time < .distantFuture ? 1 : 0)
        switch event.data {
        case .loggedIn(let login):
            bytes += login.accountID.utf8.count + login.sessionKey.x.count + login.sessionKey.y.count
            if let evidence = login.evidence {
                bytes += evidence.random.count + evidence.kind.utf8.count + evidence.origin.utf8.count
                bytes += evidence.thumbprint.count + evidence.credentialID.count + evidence.authenticatorData.count
                bytes += evidence.clientDataJSON.count + evidence.signature.count
            }
        case .loggedOut(let logout): bytes += logout.accountID.utf8.count
        default: break
        }
        if event.seq == events { break }
    }
    precondition(bytes > events)
    await accounts.close()
}

/// Acknowledges each by hand.
func ourDeliveries() async throws {
    let accounts = try Accounts.connect("http://localhost:\(port)", apiKey: "pa_dev_x")
    let stream = try accounts.events(.init(start: .now, window: 4_096, prefetch: 4_096))
    for try await delivery in stream.deliveries {
        delivery.ack()
        if case .event(let event) = delivery.item, event.seq == events { break }
    }
    await accounts.close()
}

var ways: [(name: String, run: () async throws -> Void)] = [
    ("plain socket, JSONSerialization", { try PlainClient(port: port).read { plainly($0) == events } }),
    ("plain socket, JSONDecoder", { try PlainClient(port: port).read { decoded($0) == events } }),
    ("URLSessionWebSocketTask, JSONDecoder", { try await readByURLSession(port: port) { decoded($0) == events } }),
    ("this package", ours),
    ("this package, everything read", oursInFull),
    ("this package, by hand", ourDeliveries),
]
var costs: [String: [Double]] = [:]
for round in 0...rounds {
    for (name, run) in ways {
        say("round \(round): \(name)")
        let before = processorTime()
        do {
            try await run()
        } catch {
            say("\(name): \(error)")
            ways.removeAll { $0.name == name }
            continue
        }
        // The first round warms up.
        if round > 0 { costs[name, default: []].append((processorTime() - before) / Double(events)) }
    }
}
let medians = costs.mapValues { $0.sorted()[$0.count / 2] }
let best = medians.filter { !$0.key.hasPrefix("this") }.values.min() ?? 0
for (name, _) in ways {
    guard let cost = medians[name] else { continue }
    let padded = name.padding(toLength: 40, withPad: " ", startingAt: 0)
    print("\(padded) \(String(format: "%6.2f us/event   the best plain one costs x%.2f of it", cost, best / cost))")
}

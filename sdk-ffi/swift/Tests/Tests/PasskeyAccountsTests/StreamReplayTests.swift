// Every transcript that is about a client, replayed in virtual time through the types that users get.

import Foundation
@_spi(Replay) import PasskeyAccounts
import XCTest

final class StreamReplayTests: XCTestCase {
    func test_the_client_says_and_shows_what_the_transcripts_say() throws {
        let clients = try Transcript.all().filter(\.isAboutAClient)
        for seed in seeds {
            for transcript in clients {
                if let difference = try replay(transcript, seed: seed) { XCTFail(difference) }
            }
        }
        let evidence = clients.filter { $0.header["evidence"] as? Bool ?? false }.count
        print("replayed stream \(clients.count - evidence)\nreplayed evidence \(evidence)")
    }

    func test_a_transcript_that_says_something_else_fails_at_that_line() throws {
        var changed = 0
        for transcript in try Transcript.all() where transcript.role == "client" {
            for (index, line) in transcript.lines.enumerated() {
                if !line.isExpectedOfTheClient || line.isExact { continue }
                var other = transcript
                let close: [String: Any] = ["clientCloses": ["code": 1]]
                let surprise: [String: Any] = ["surprise": true]
                other.lines[index].value = line.kind == "!" ? close : surprise
                let difference = try replay(other, seed: seeds[0])
                let isThere = difference?.hasPrefix("\(line.place): ") ?? false
                XCTAssertTrue(isThere, "\(line.place): \(difference ?? "no difference")")
                changed += 1
            }
        }
        XCTAssertGreaterThan(changed, 500)
    }
}

/// Jitter is drawn anew with each: every wait must be within the transcript's bounds.
private let seeds: [UInt64] = (0..<10).map { $0 * 0x0ccc_cccc_cccc_cccd + 1 }

private let knownKey = "pa_dev_040g2081040g2081_040g2081040g2081040g2081040g2081040g2081040g2081040g_8a296a36"
private let address = "wss://auth.example/v1/events"
/// The public half of the Ed25519 key whose seed is 32 bytes 7.
private let witnessKey = "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"
private let knownApp = EvidenceOptions(
    appID: "app_040g2081040g2081040g208104", rpID: "shop.example", origins: ["https://shop.example"], pinsPath: "")

/// Words that are about the server alone.
private let serversWords: Set<String> = [
    "login", "logins", "logout", "register", "cut", "restore", "drain", "stalls", "settled", "released",
]

/// Replays a transcript: what is off, or nothing.
private func replay(_ transcript: Transcript, seed: UInt64) throws -> String? {
    let client = try ReplayedClient(transcript.header, seed: seed)
    // What the machine's clock is ahead of the transcript's, in nanoseconds.
    var ahead: Int64 = 0
    let moment = { (t: Double) in UInt64(Int64(t * 1e6) + ahead) }
    for line in transcript.lines where line.isAboutTheClient(of: transcript.header) {
        guard line.isExpectedOfTheClient else {
            client.advance(to: moment(line.t)) { _ in false }
            if let unseen = client.unseen, unseen.at < moment(line.t) {
                return "\(line.place): before it the client said \(unseen.said)"
            }
            guard client.feed(line) else { return "\(line.place): there is no such word" }
            continue
        }
        let within = line.within ?? [line.t, line.t]
        let (from, to) = (moment(within[0]), moment(within[1]))
        let isSeen = line.kind == "="
        client.advance(to: to) { client in !(isSeen ? client.seen : client.wire).isEmpty }
        guard let (at, said) = isSeen ? client.seen.popFirst() : client.wire.popFirst() else {
            return "\(line.place): expected \(line.value), was nothing"
        }
        if let difference = line.difference(from: said) { return "\(line.place): \(difference)" }
        if at < from || at > to { return "\(line.place): expected between \(from) and \(to), was at \(at): \(said)" }
        // However long it took: from here on it is the transcript's time.
        if line.within != nil { ahead = Int64(at) - Int64(line.t * 1e6) }
    }
    return client.unseen.map { "\(transcript.lines.last?.place ?? ""): after it the client said \($0.said)" }
}

extension Line {
    /// Whether the line says what a client must do, instead of what happens to it.
    var isExpectedOfTheClient: Bool {
        kind == ">" || kind == "=" || (kind == "!" && word.name == "clientCloses")
    }

    func isAboutTheClient(of header: [String: Any]) -> Bool {
        if header["role"] as? String != "both" { return true }
        let isTheServers = (kind == "!" || kind == "=") && serversWords.contains(word.name)
        return on == "a" && !isTheServers
    }
}

/// A client in virtual time, with what it has said and nobody has looked at yet.
private final class ReplayedClient {
    typealias Entry = (at: UInt64, said: Line.Said)

    /// What goes out on the wire, and what the application sees: each in its own order.
    var wire: ArraySlice<Entry> = []
    var seen: ArraySlice<Entry> = []
    private let machine: StreamReplay
    private var now: UInt64 = 0
    private var keys: [String]
    private let keysByHand: Bool
    private let handlesByHand: Bool
    private var handedOver: [UInt64] = []

    init(_ header: [String: Any], seed: UInt64) throws {
        keys = header["keys"] as? [String] ?? [knownKey]
        keysByHand = header["keysByHand"] as? Bool ?? false
        handlesByHand = header["handlesByHand"] as? Bool ?? false
        let options = Self.options(header)
        machine = try StreamReplay(address: address, options: options, seed: seed)
    }

    private static func options(_ header: [String: Any]) -> EventsOptions {
        let wish = header["subscription"] as? [String: Any] ?? [:]
        let (hasEvidence, hasWitness) = (header["evidence"] as? Bool ?? false, header["witness"] as? Bool ?? false)
        let starts: [String: EventsOptions.Start] = ["state": .state, "now": .now, "earliest": .earliest]
        return EventsOptions(
            types: wish["types"] as? [String],
            after: wish["after"] as? String,
            start: (wish["start"] as? String).flatMap { starts[$0] },
            snapshot: wish["snapshot"] as? Bool,
            skip: wish["skip"] as? Bool,
            consumer: wish["consumer"] as? String,
            lanes: wish["lanes"] as? Int,
            window: wish["window"] as? Int,
            prefetch: wish["inHand"] as? Int ?? 1,
            ackTimeout: (wish["ackTimeoutMs"] as? Int).map { .milliseconds($0) },
            evidence: hasEvidence ? knownApp : nil,
            witness: hasWitness ? WitnessOptions(keys: [witnessKey], checkpointPath: "") : nil)
    }

    /// Lets time pass until then, or until that is so.
    func advance(to moment: UInt64, until isEnough: (ReplayedClient) -> Bool) {
        for _ in 0..<100_000 {
            collect()
            if isEnough(self) { return }
            guard let deadline = machine.pollTimeout(), deadline <= moment else {
                now = max(now, moment)
                return
            }
            now = max(now, deadline)
            machine.tick(now: now)
        }
        XCTFail("the client wants to be woken again and again at \(now)")
    }

    /// The first thing that was said and that nobody has looked at.
    var unseen: Entry? {
        guard let onWire = wire.first else { return seen.first }
        guard let shown = seen.first else { return onWire }
        return shown.at < onWire.at ? shown : onWire
    }

    /// Something happens to it.
    func feed(_ line: Line) -> Bool {
        defer { collect() }
        if line.kind == "<" {
            machine.message(now: now, line.frame)
            return true
        }
        let (name, value) = line.word
        let members = value as? [String: Any] ?? [:]
        let lane = members["lane"] as? Int ?? 0
        switch name {
        case "open": machine.opened(now: now)
        case "lost": machine.broken(now: now, why: "connection reset")
        case "refused":
            let retryAfter = (members["retryAfterMs"] as? Int).map { Duration.milliseconds($0) }
            machine.refused(now: now, status: members["status"] as? Int ?? 0, retryAfter: retryAfter)
        case "serverCloses":
            machine.closed(
                now: now, code: members["code"] as? Int ?? 0, reason: members["reason"] as? String ?? "")
        case "heard": machine.heard(now: now)
        case "key": machine.key(now: now, value as? String ?? "")
        case "keyFailed": machine.keyFailed(now: now, why: "the vault is closed")
        case "position": machine.position(now: now, lane: lane, id: members["id"] as? String)
        case "positionFailed": machine.positionFailed(now: now, lane: lane, why: "the database is locked")
        case "handled", "failed":
            guard let number = value as? Int, handedOver.indices.contains(number - 1) else { return false }
            machine.settle(now: now, handedOver[number - 1], isHandled: name == "handled")
        case "stop": machine.stop(now: now)
        case "wait": break
        default: return false
        }
        return true
    }

    private func collect() {
        while true {
            do {
                while let handed = try machine.pollItem(now: now) {
                    see(shown(handed))
                    handedOver.append(handed.receipt)
                    if !handlesByHand { machine.settle(now: now, handed.receipt, isHandled: true) }
                }
            } catch {
                see(["ends": error.code])
            }
            guard let output = machine.pollOutput() else { return }
            carryOut(output)
        }
    }

    private func carryOut(_ output: StreamReplay.Output) {
        switch output {
        case .key where keysByHand: see("asksForKey")
        case .key: machine.key(now: now, keys.count > 1 ? keys.removeFirst() : keys.first ?? "")
        case .connect(let address): see(["connects": address])
        case .send(let text): wire.append((now, .frame(text)))
        case .close(let code, let reason):
            wire.append((now, .word(["clientCloses": ["code": code, "reason": reason] as [String: Any]])))
        case .start(let lane, let lease): see(["asksForPosition": ["lane": lane, "lease": lease]])
        case .status(.waiting(let retryIn, _)):
            // The transcripts count whole milliseconds.
            see(["waiting": (retryIn / .milliseconds(1)).rounded(.down)])
        case .status(let status): see(["status": "\(status)"])
        case .end(let code): see(["ends": code])
        }
    }

    private func see(_ word: Any) {
        seen.append((now, .word(word)))
    }
}

/// An item as a transcript shows it.
private func shown(_ handed: StreamReplay.Handed) -> [String: Any] {
    var said: [String: Any] = ["position": handed.item.id ?? NSNull(), "lane": handed.lane, "lease": handed.lease]
    let name: String
    switch handed.item {
    case .event(let event):
        name = "event"
        said["type"] = event.name
        said["seq"] = event.seq
        said["time"] = rfc3339(event.time)
        let data = (try? JSONSerialization.jsonObject(with: Data(event.json.utf8))) ?? NSNull()
        said["data"] = data
        // What is typed says what the text says.
        if let difference = compare(shown(event.data), data, event.name) { XCTFail(difference) }
    case .snapshot(let snapshot):
        name = "snapshot"
        said["first"] = snapshot.first
        said["last"] = snapshot.last
        said["sessions"] = snapshot.sessions.map { session in
            [
                "accountID": session.accountID, "sessionID": session.sessionID, "passkeyID": session.passkeyID,
                "sessionKey": shown(session.sessionKey), "since": rfc3339(session.since),
                "expiresAt": rfc3339(session.expiresAt),
            ] as [String: Any]
        }
    case .gap(let gap):
        name = "gap"
        said["reason"] = gap.reason.rawValue
        said["after"] = gap.after
        said["next"] = gap.next.rawValue
    case .bookmark:
        name = "bookmark"
    }
    return [name: said]
}

/// Sign-ins and sign-outs as their text has them, from what is typed.
private func shown(_ data: EventData) -> [String: Any] {
    switch data {
    case .loggedIn(let login):
        return [
            "accountID": login.accountID, "sessionID": login.sessionID, "passkeyID": login.passkeyID,
            "origin": login.origin, "sessionKey": shown(login.sessionKey), "expiresAt": rfc3339(login.expiresAt),
            "userVerified": login.userVerified, "backedUp": login.backedUp,
            "accountSessions": login.accountSessions,
        ]
    case .loggedOut(let logout) where logout.reason != .other:
        return [
            "accountID": logout.accountID, "sessionID": logout.sessionID, "reason": logout.reason.rawValue,
            "accountSessions": logout.accountSessions,
        ]
    default:
        return [:]
    }
}

private func shown(_ key: SessionKey) -> [String: Any] {
    ["kty": "EC", "crv": "P-256", "x": base64url(key.x), "y": base64url(key.y)]
}

private func base64url(_ data: Data) -> String {
    data.base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
        .replacingOccurrences(of: "=", with: "")
}

private func rfc3339(_ date: Date) -> String {
    // A Date counts in fractions of seconds that are not exact, and the format cuts off.
    date.addingTimeInterval(0.000_5).formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true).timeZone(separator: .omitted))
}

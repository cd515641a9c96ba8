// The stream's machine and the checking of proofs with a clock that a test sets: replays tests/vectors through the types that
// users get. Not for applications; `@_spi(Replay) import PasskeyAccounts` has it.

import Foundation
internal import PasskeyAccountsNative

/// A client of the event stream without a socket. Every `now` is nanoseconds since one fixed moment.
@_spi(Replay) public final class StreamReplay: Sendable {
    /// What the machine wants done.
    public enum Output: Sendable, Hashable {
        /// The API key is asked for.
        case key
        /// A connection is asked for.
        case connect(address: String)
        /// This text frame goes to the server.
        case send(text: String)
        /// The connection is closed.
        case close(code: Int, reason: String)
        /// The application is asked for its position.
        case start(lane: Int, lease: Int)
        /// The connection is doing otherwise.
        case status(Status)
        /// It is over.
        case end(code: String)
    }

    /// An item, and by what to settle it.
    public struct Handed: Sendable {
        /// Names it.
        public let receipt: UInt64
        /// Its lane.
        public let lane: Int
        /// The number of the lane's ownership.
        public let lease: Int
        /// What to handle.
        public let item: Item
    }

    private let native: PasskeyAccountsNative.StreamReplay

    /// A client that connects at time 0.
    public init(address: String, options: EventsOptions, seed: UInt64) throws(PasskeyAccountsError) {
        native = try translating {
            try PasskeyAccountsNative.StreamReplay(address: address, options: options.native, seed: seed)
        }
    }

    /// The next thing to do.
    public func pollOutput() -> Output? {
        switch native.pollOutput() {
        case .key: .key
        case .connect(let address): .connect(address: address)
        case .send(let text): .send(text: text)
        case .close(let code, let reason): .close(code: Int(code), reason: reason)
        case .start(let lane, let lease): .start(lane: Int(lane), lease: Int(clamping: lease))
        case .status(let status): .status(Status(status))
        case .end(let code): .end(code: code)
        case nil: nil
        }
    }

    /// When to tick if nothing happens before.
    public func pollTimeout() -> UInt64? { native.pollTimeout() }

    /// The next item.
    public func pollItem(now: UInt64) throws(PasskeyAccountsError) -> Handed? {
        guard let batch = try translating({ try native.pollItemPacked(now: now) }) else { return nil }
        var records = Records(batch)
        return records.next().map { fetched in
            Handed(receipt: fetched.receipt, lane: fetched.lane, lease: fetched.lease, item: fetched.item)
        }
    }

    /// What became of an item.
    public func settle(now: UInt64, _ receipt: UInt64, isHandled: Bool) {
        native.settle(now: now, receipt: receipt, isHandled: isHandled)
    }

    /// Time has passed.
    public func tick(now: UInt64) { native.tick(now: now) }
    /// The API key to use.
    public func key(now: UInt64, _ apiKey: String) { native.key(now: now, apiKey: apiKey) }
    /// There is no API key to be had.
    public func keyFailed(now: UInt64, why: String) { native.keyFailed(now: now, why: why) }
    /// The connection is open.
    public func opened(now: UInt64) { native.opened(now: now) }
    /// A ping or a pong.
    public func heard(now: UInt64) { native.heard(now: now) }
    /// A text frame.
    public func message(now: UInt64, _ text: String) { native.message(now: now, text: text) }
    /// The server has sent a close frame.
    public func closed(now: UInt64, code: Int, reason: String) {
        native.closed(now: now, code: UInt16(clamping: code), reason: reason)
    }
    /// The server has answered the upgrade with an HTTP status.
    public func refused(now: UInt64, status: Int, retryAfter: Duration?) {
        native.refused(now: now, status: UInt16(clamping: status), retryAfter: retryAfter?.seconds)
    }
    /// The connection has broken, or cannot be made.
    public func broken(now: UInt64, why: String) { native.broken(now: now, why: why) }
    /// The application's own position in a lane.
    public func position(now: UInt64, lane: Int, id: String?) {
        native.position(now: now, lane: UInt32(clamping: lane), id: id)
    }
    /// The application's position cannot be had.
    public func positionFailed(now: UInt64, lane: Int, why: String) {
        native.positionFailed(now: now, lane: UInt32(clamping: lane), why: why)
    }
    /// Nobody wants the stream any more.
    public func stop(now: UInt64) { native.stop(now: now) }
}

/// Checks proofs against sessions that are given, at times that are given.
@_spi(Replay) public final class ProofReplay: Sendable {
    private let native: PasskeyAccountsNative.ProofReplay

    /// A back end at these origins that remembers no nonce. The sessions' keys are uncompressed points, 65 bytes.
    public init(origins: [String], keys: [String: Data]) throws(PasskeyAccountsError) {
        native = try translating { try PasskeyAccountsNative.ProofReplay(origins: origins, keys: keys) }
    }

    /// Checks a request at this time, milliseconds since 1970.
    public func request(now: UInt64, _ head: HTTPRequestHead, body: Data) throws(PasskeyAccountsError) {
        try translating { try native.request(now: now, request: head.native, body: body) }
    }

    /// Checks a token for a socket at this time, milliseconds since 1970.
    public func socket(now: UInt64, token: String, audience: String, nonce: String) throws(PasskeyAccountsError) {
        try translating { try native.socket(now: now, token: token, audience: audience, nonce: nonce) }
    }
}

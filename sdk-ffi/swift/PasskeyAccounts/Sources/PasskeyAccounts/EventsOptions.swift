// What to ask the stream for.

internal import PasskeyAccountsNative

/// What to ask the stream for. A *view* begins with the sessions that are open and then follows the log; with a `consumer` name
/// it is a *worker*, whose position the server keeps.
public struct EventsOptions: Sendable {
    /// Where to begin without a position.
    public enum Start: Sendable {
        /// With the open sessions.
        case state
        /// With what happens from now on.
        case now
        /// With the oldest event that is kept.
        case earliest
    }

    /// Event types to get, at most 64; `["*"]` for all, also those of later versions. Default: `loggedIn` and `loggedOut`.
    public var types: [String]?
    /// Views: resume strictly after this position instead of starting with the open sessions.
    public var after: String?
    /// Where to begin without a position. Default: with the open sessions.
    public var start: Start?
    /// `false`: never get the open sessions; a gap goes on at the oldest event that is kept. For log shippers.
    public var snapshot: Bool?
    /// `false`, with `snapshot` `false`: a gap ends the stream with `gone` instead of going on behind it.
    public var skip: Bool?
    /// Be a worker of this name, 1 to 64 of `A-Z a-z 0-9 . _ -`: the server keeps the position, processes share the work.
    public var consumer: String?
    /// How many lanes the consumer is made with, 1 to 64; later wishes are not heard. Default 1.
    public var lanes: Int?
    /// Items that may be on their way or unhandled here, 1 to 4,096: the bound of the stream's memory. Default 256.
    public var window: Int?
    /// Items of a lane that may be fetched before the first of them is settled. Default 256 for a view; 1 for a worker, whose
    /// lane may be wanted by others, and with `evidence` or `witness`.
    public var prefetch: Int?
    /// Workers: how long an item may wait in a process that does not get to it, while others wait for its lane; up to
    /// 15 minutes. Default 60 s.
    public var ackTimeout: Duration?
    /// Workers: ask this for the position of each lane that begins, so that what was done counts and not what was acknowledged.
    public var positions: (any PositionStore)?
    /// Views: believe nothing that a passkey should have signed and did not.
    public var evidence: EvidenceOptions?
    /// Views: check every item against the log that was read before.
    public var witness: WitnessOptions?

    /// What is not named is as the server and the library have it by default.
    public init(
        types: [String]? = nil,
        after: String? = nil,
        start: Start? = nil,
        snapshot: Bool? = nil,
        skip: Bool? = nil,
        consumer: String? = nil,
        lanes: Int? = nil,
        window: Int? = nil,
        prefetch: Int? = nil,
        ackTimeout: Duration? = nil,
        positions: (any PositionStore)? = nil,
        evidence: EvidenceOptions? = nil,
        witness: WitnessOptions? = nil
    ) {
        self.types = types
        self.after = after
        self.start = start
        self.snapshot = snapshot
        self.skip = skip
        self.consumer = consumer
        self.lanes = lanes
        self.window = window
        self.prefetch = prefetch
        self.ackTimeout = ackTimeout
        self.positions = positions
        self.evidence = evidence
        self.witness = witness
    }
}

/// What a back end knows of its own app, from its configuration and never from the server, and where it keeps what it knows of
/// passkeys.
public struct EvidenceOptions: Sendable, Hashable {
    /// The app: `app_...`.
    public var appID: String
    /// Its WebAuthn RP ID: `shop.example`.
    public var rpID: String
    /// The origins that its pages have, character for character: `https://shop.example`.
    public var origins: [String]
    /// The file of the pins; one for each stream. It is made when it is not there.
    public var pinsPath: String

    /// Everything is needed.
    public init(appID: String, rpID: String, origins: [String], pinsPath: String) {
        (self.appID, self.rpID, self.origins, self.pinsPath) = (appID, rpID, origins, pinsPath)
    }

    var native: PasskeyAccountsNative.EvidenceOptions {
        .init(appId: appID, rpId: rpID, origins: origins, pinsPath: pinsPath)
    }
}

/// A witness of the log: what to check it with, and where it keeps how far it has read.
public struct WitnessOptions: Sendable, Hashable {
    /// The server's Ed25519 keys: the members `x` of `/.well-known/jwks.json`, written down where the server cannot change them.
    /// Empty: signatures are not looked at.
    public var keys: [String]
    /// The file of the checkpoint; one for each stream. It is made when it is not there.
    public var checkpointPath: String

    /// Everything is needed.
    public init(keys: [String], checkpointPath: String) {
        (self.keys, self.checkpointPath) = (keys, checkpointPath)
    }

    var native: PasskeyAccountsNative.WitnessOptions {
        .init(keys: keys, checkpointPath: checkpointPath)
    }
}

extension EventsOptions {
    /// As the library wants them. A number that is out of every bound goes on as the nearest that can be said, and is refused
    /// there.
    var native: PasskeyAccountsNative.EventsOptions {
        .init(
            types: types,
            after: after,
            start: start?.native,
            snapshot: snapshot,
            skip: skip,
            consumer: consumer,
            lanes: lanes.map(UInt32.init(clamping:)),
            window: window.map(UInt32.init(clamping:)),
            prefetch: prefetch.map(UInt32.init(clamping:)),
            ackTimeout: ackTimeout?.seconds,
            positions: positions.map(AskedPositions.init),
            evidence: evidence?.native,
            witness: witness?.native)
    }
}

extension EventsOptions.Start {
    fileprivate var native: PasskeyAccountsNative.Start {
        switch self {
        case .state: .state
        case .now: .now
        case .earliest: .earliest
        }
    }
}

extension Duration {
    /// As Foundation counts; never negative.
    var seconds: Double {
        let (seconds, attoseconds) = components
        return max(0, Double(seconds) + Double(attoseconds) / 1e18)
    }
}

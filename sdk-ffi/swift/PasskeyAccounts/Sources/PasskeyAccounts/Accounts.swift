// One server as a back end sees it: its address and a key for it.

import Dispatch
import Synchronization
internal import PasskeyAccountsNative

/// A Passkey Accounts server and the key to it. Everything else is opened from here, and ends with it.
///
/// ```swift
/// let accounts = try Accounts.connect("https://auth.example", apiKey: key, origins: ["https://app.example"])
/// for try await item in try accounts.events() { ... }
/// let account = try await accounts.sessions.verify(head, body: body)
/// ```
public final class Accounts: Sendable {
    private let client: Client
    private let origins: [String]
    private let evidence: EvidenceOptions?
    private let live = Mutex<LiveSessions?>(nil)

    private init(_ options: ConnectOptions, origins: [String], evidence: EvidenceOptions?) throws(PasskeyAccountsError) {
        client = try translating { try Client.connect(options: options) }
        self.origins = origins
        self.evidence = evidence
    }

    /// A handle of the server. Nothing is sent before something is opened or asked.
    ///
    /// - Parameters:
    ///   - url: `https://HOST[:PORT]`, or the `wss://` address of the event stream.
    ///   - apiKey: `pa_<env>_<id>_<secret>_<crc32>`, or a key pair (`pa_pair_...`), which signs and is never sent.
    ///   - origins: the origins that this back end is reached at, as browsers write them: `https://app.example`. For
    ///     ``LiveSessions/verify(_:body:)`` and what is like it.
    ///   - allowPlaintext: send the API key unencrypted if the address says `http://` or `ws://`. Not needed for this machine
    ///     itself; elsewhere, whoever carries the bytes can read the key and the events.
    ///   - evidence: with it a session is live if and only if a passkey was seen to open it.
    /// - Throws: `badAddress` for what can never work.
    public static func connect(
        _ url: String,
        apiKey: String,
        origins: [String] = [],
        allowPlaintext: Bool = false,
        evidence: EvidenceOptions? = nil
    ) throws(PasskeyAccountsError) -> Accounts {
        let options = ConnectOptions(url: url, apiKey: apiKey, allowPlaintext: allowPlaintext)
        return try Accounts(options, origins: origins, evidence: evidence)
    }

    /// A handle of the server with keys that may change. Everything else is as with
    /// ``connect(_:apiKey:origins:allowPlaintext:evidence:)``.
    public static func connect(
        _ url: String,
        keyProvider: @escaping KeyProvider,
        origins: [String] = [],
        allowPlaintext: Bool = false,
        evidence: EvidenceOptions? = nil
    ) throws(PasskeyAccountsError) -> Accounts {
        let provider = AskedKeyProvider(keyProvider)
        let options = ConnectOptions(url: url, keyProvider: provider, allowPlaintext: allowPlaintext)
        return try Accounts(options, origins: origins, evidence: evidence)
    }

    /// Opens the event stream. An address or key that cannot work is thrown when its first item is asked for.
    ///
    /// - Throws: `unexpected` for options that cannot be, `connectionLost` once this is closed.
    public func events(_ options: EventsOptions = EventsOptions()) throws(PasskeyAccountsError) -> Events {
        let native = try translating { try client.events(options: options.native) }
        return Events(native, options)
    }

    /// The sessions that are open now: one connection, made when it is first asked for. After it was closed there is another.
    public var sessions: LiveSessions {
        live.withLock { live in
            if let live, !live.isClosed { return live }
            let options = evidence?.native
            let opened = LiveSessions(origins: origins, opened: Result { [client] in
                try client.liveSessions(evidence: options)
            })
            live = opened
            return opened
        }
    }

    /// The HTTP API.
    public var api: API {
        API(client: client)
    }

    /// Ends everything that was opened from here, and its threads. Returns when that is done: at once as a rule, after some
    /// seconds if a server does not answer or a key provider hangs.
    public func close() async {
        await withCheckedContinuation { continuation in
            // It blocks, which no thread of Swift's pool may.
            DispatchQueue.global().async { [client] in
                client.shutDown()
                continuation.resume()
            }
        }
    }
}

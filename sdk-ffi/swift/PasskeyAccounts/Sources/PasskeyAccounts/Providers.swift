// What the application is asked while a client runs.

import Dispatch
import Synchronization
internal import PasskeyAccountsNative

/// Where an application keeps its positions, in the transaction of the effect, so that effects happen once
/// (docs/effects-once.md).
public protocol PositionStore: Sendable {
    /// Records the new owner of a lane and returns the id stored for it, in one step; nothing if there is none, then the
    /// server's is used. It has 10 seconds.
    ///
    /// - Throws: a newer owner that is recorded already, or a fault: the lane is given up for others, and tried again later.
    func claim(consumer: String, lane: Int, lease: Int) async throws -> String?
}

/// Gives the API key for the next connection, so that keys can be rotated under a running process.
///
/// Asked before each connection, and once more when the server has refused its key: a different one is tried, the same one ends
/// the stream. It has 10 seconds. When it throws, the connection is tried again later.
public typealias KeyProvider = @Sendable () async throws -> String

/// The application's key provider as the library asks it.
final class AskedKeyProvider: PasskeyAccountsNative.KeyProvider {
    private let provider: KeyProvider

    init(_ provider: @escaping KeyProvider) {
        self.provider = provider
    }

    func apiKey() throws -> String {
        try answer(provider)
    }
}

/// The application's positions as the library asks them.
final class AskedPositions: PasskeyAccountsNative.Positions {
    private let store: any PositionStore

    init(_ store: any PositionStore) {
        self.store = store
    }

    func claim(consumer: String, lane: UInt32, lease: UInt64) throws -> String? {
        try answer { [store] in
            try await store.claim(consumer: consumer, lane: Int(lane), lease: Int(clamping: lease))
        }
    }
}

/// Waits for an answer of the application. The library asks on a thread of its own, which may be blocked: no thread of Swift's
/// pool waits here.
private func answer<Value: Sendable>(_ ask: @escaping @Sendable () async throws -> Value) throws -> Value {
    let answered = DispatchSemaphore(value: 0)
    let box = AnswerBox<Value>()
    Task.detached {
        do {
            box.put(.success(try await ask()))
        } catch {
            // What cannot be said to the library as it is, is said as text.
            box.put(.failure(.Failed(reason: "\(error)")))
        }
        answered.signal()
    }
    answered.wait()
    return try box.take()
}

private final class AnswerBox<Value: Sendable>: Sendable {
    private let answer = Mutex<Result<Value, ProviderError>?>(nil)

    func put(_ result: Result<Value, ProviderError>) {
        answer.withLock { answer in answer = result }
    }

    func take() throws -> Value {
        guard let answer = answer.withLock({ answer in answer }) else {
            throw ProviderError.Failed(reason: "there was no answer")
        }
        return try answer.get()
    }
}

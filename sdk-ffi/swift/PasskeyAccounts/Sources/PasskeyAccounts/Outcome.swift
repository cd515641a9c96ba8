// Waiting for calls of the library that cannot be interrupted, in tasks that can be cancelled.

import Synchronization

/// What comes of a call, for any number of tasks that wait for it. One that is cancelled gives up at once; the call goes on.
///
/// The cancellation of a task does not reach the library. So whatever waits there waits in a task of its own, once for all who
/// want to know.
final class Outcome<Value: Sendable>: Sendable {
    private struct State {
        var settled: Result<Value, PasskeyAccountsError>?
        var waiting: [Int: CheckedContinuation<Result<Value, PasskeyAccountsError>?, Never>] = [:]
        /// Waits that were cancelled before they had begun.
        var cancelled: Set<Int> = []
        var last = 0
    }

    private let state = Mutex(State())

    /// Tells everybody. Only the first word counts.
    func settle(_ result: Result<Value, PasskeyAccountsError>) {
        let waiting = state.withLock { state in
            if state.settled == nil { state.settled = result }
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume(returning: result) }
    }

    /// The outcome once it is there; throws `cancelled` when the task that waits is cancelled before.
    func value(_ what: String) async throws(PasskeyAccountsError) -> Value {
        guard let result = await wait() else { throw .cancelled(what) }
        return try result.get()
    }

    private func wait() async -> Result<Value, PasskeyAccountsError>? {
        let number = state.withLock { state in
            state.last += 1
            return state.last
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (isOver, result) = state.withLock { state -> (Bool, Result<Value, PasskeyAccountsError>?) in
                    if let settled = state.settled { return (true, settled) }
                    if state.cancelled.remove(number) != nil { return (true, nil) }
                    state.waiting[number] = continuation
                    return (false, nil)
                }
                if isOver { continuation.resume(returning: result) }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                let waiting = state.waiting.removeValue(forKey: number)
                if waiting == nil && state.settled == nil { state.cancelled.insert(number) }
                return waiting
            }
            continuation?.resume(returning: nil)
        }
    }
}

/// Waits for one call. When the task is cancelled this throws `cancelled` at once; the call goes on and what comes of it is
/// dropped.
func abandonable<Value: Sendable>(
    _ what: String,
    _ call: @escaping @Sendable () async throws -> Value
) async throws(PasskeyAccountsError) -> Value {
    // A cancelled task asks for nothing.
    if Task.isCancelled { throw .cancelled(what) }
    let outcome = Outcome<Value>()
    Task.detached { outcome.settle(await result(of: call)) }
    return try await outcome.value(what)
}

/// What comes of a call of the library, with an error of ours.
func result<Value: Sendable>(
    of call: @Sendable () async throws -> Value
) async -> Result<Value, PasskeyAccountsError> {
    do {
        return .success(try await call())
    } catch {
        return .failure(PasskeyAccountsError(error))
    }
}

// A worker that tells what it handles, one line each: `status WORD` and `seq NUMBER`. Killed when its test is over.
import Foundation
import PasskeyAccounts

let environment = ProcessInfo.processInfo.environment
let accounts = try Accounts.connect(
    environment["PASSKEY_ACCOUNTS_URL"] ?? "", apiKey: environment["PASSKEY_ACCOUNTS_API_KEY"] ?? "")
let events = try accounts.events(.init(start: .now, consumer: CommandLine.arguments[1]))

@Sendable func tell(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}

let following = Task {
    for await status in events.statusUpdates { tell("status \(status)") }
}
for try await item in events {
    if case .event(let event) = item { tell("seq \(event.seq)") }
}
following.cancel()

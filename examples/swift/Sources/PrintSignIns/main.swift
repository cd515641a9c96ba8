// Prints who signs in and out, for as long as it runs. Begins with those who are signed in.
import Foundation
import PasskeyAccounts

let environment = ProcessInfo.processInfo.environment
let url = environment["PASSKEY_ACCOUNTS_URL"] ?? "http://localhost:8080"
let apiKey = environment["PASSKEY_ACCOUNTS_API_KEY"] ?? ""

do {
    let accounts = try Accounts.connect(url, apiKey: apiKey)
    for try await item in try accounts.events() {
        switch item {
        case .snapshot(let snapshot):
            for session in snapshot.sessions { print("signed in:", session.accountID) }
        case .event(let event):
            if case .loggedIn(let login) = event.data { print("signed in:", login.accountID) }
            if case .loggedOut(let logout) = event.data { print("signed out:", logout.accountID) }
        case .gap, .bookmark:
            break
        }
        fflush(nil)  // at once, also into a pipe
    }
} catch {
    FileHandle.standardError.write(Data("\(error.localizedDescription)\n".utf8))
    exit(1)
}

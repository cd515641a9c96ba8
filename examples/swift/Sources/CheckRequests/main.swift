// A back end that knows which account sent each request: notes, kept in memory. No cookie, no token, no session store.
import Foundation
import PasskeyAccounts

let environment = ProcessInfo.processInfo.environment
let url = environment["PASSKEY_ACCOUNTS_URL"] ?? "http://localhost:8080"
let apiKey = environment["PASSKEY_ACCOUNTS_API_KEY"] ?? ""
let origin = environment["ORIGIN"] ?? "http://localhost:3000"
let port = UInt16(environment["PORT"] ?? "") ?? 3000

@Sendable func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}

/// Notes by account.
actor Notes {
    private var notes: [String: [String]] = [:]

    func add(_ note: String, to accountID: String) { notes[accountID, default: []].append(note) }
    func all(of accountID: String) -> [String] { notes[accountID] ?? [] }
}

/// What is answered as JSON.
struct Answer: Encodable {
    let accountID: String
    let notes: [String]
}

let notes = Notes()

@Sendable func answer(_ request: Connection, _ accounts: Accounts) async throws -> Response {
    do {
        // Lets a request through when a live session has signed it (`session.fetch` in the page). Nobody's body is not read.
        let (account, body) = try await accounts.sessions.verify(request.head, bodyLimit: 64 << 10, reading: request.read)
        if request.head.method == "POST" {
            await notes.add(String(decoding: body, as: UTF8.self), to: account.accountID)
            return Response(status: 201)
        }
        let answer = Answer(accountID: account.accountID, notes: await notes.all(of: account.accountID))
        let fields = [HTTPField(name: "content-type", value: "application/json"), HTTPField(name: "cache-control", value: "no-store")]
        return Response(status: 200, fields: fields, body: try JSONEncoder().encode(answer))
    } catch {
        // All others get the answer that says what is wrong.
        guard let problem = ProblemDetails(error) else { throw error }
        return Response(status: problem.status, fields: problem.fields, body: problem.body)
    }
}

do {
    let accounts = try Accounts.connect(url, apiKey: apiKey, origins: [origin])
    try await accounts.sessions.inSync()
    let ends = accounts.sessions.endings()
    Task {
        // What belongs to a session ends with it: close its sockets here, drop its caches.
        for try await case .ended(let end) in ends { say("signed out: \(end.accountID)") }
    }
    let server = try Server(port: port)
    say("listening on port \(server.port) for \(origin)")
    for await connection in server.connections {
        Task.detached { await connection.serve { try await answer($0, accounts) } }
    }
} catch {
    FileHandle.standardError.write(Data("\(error.localizedDescription)\n".utf8))
    exit(1)
}

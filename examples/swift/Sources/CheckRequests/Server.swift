// As much HTTP/1.1 as this example needs, on POSIX sockets, because Foundation has a client and no server. Not for use: one
// request a connection, bodies with a Content-Length only, no TLS. Take a real server, and hand its request to `verify`.
import Foundation
import PasskeyAccounts

/// What is sent back.
struct Response: Sendable {
    var status: Int
    var fields: [HTTPField] = []
    var body = Data()
}

/// Listens on this machine.
struct Server {
    let port: UInt16
    let connections: AsyncStream<Connection>

    init(port wanted: UInt16) throws {
        #if os(Linux)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let listener = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = wanted.bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, size) == 0 && listen(listener, 64) == 0 && getsockname(listener, pointer, &size) == 0
            }
        }
        guard isListening else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        port = UInt16(bigEndian: address.sin_port)
        let (connections, continuation) = AsyncStream.makeStream(of: Connection.self)
        self.connections = connections
        // Threads that block are not Swift's own.
        Thread.detachNewThread {
            while true {
                let accepted = accept(listener, nil, nil)
                if accepted >= 0 { continuation.yield(Connection(accepted)) }
            }
        }
    }
}

/// One connection, which carries one request.
final class Connection: @unchecked Sendable {
    private(set) var head = HTTPRequestHead(method: "", target: "", fields: [(String, String)]())
    private let descriptor: Int32
    /// What was read and not handed out yet.
    private var buffer = Data()
    private var left = 0

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Answers its request, and closes it.
    func serve(_ answer: @Sendable (Connection) async throws -> Response) async {
        defer { close(descriptor) }
        guard let end = await readHead(), parse(buffer[..<end.lowerBound]) else { return await send(Response(status: 400)) }
        buffer.removeSubrange(..<end.upperBound)
        do {
            await send(try await answer(self))
        } catch {
            await send(Response(status: 500))
        }
    }

    /// The next part of the body; nothing at its end.
    @Sendable func read() async throws -> Data? {
        if left == 0 { return nil }
        if buffer.isEmpty { buffer = await receive() }
        guard !buffer.isEmpty else { throw POSIXError(.ECONNRESET) }
        let part = buffer.prefix(left)
        buffer.removeFirst(part.count)
        left -= part.count
        return Data(part)
    }

    private func readHead() async -> Range<Data.Index>? {
        while buffer.count < 16 << 10 {
            if let end = buffer.range(of: Data("\r\n\r\n".utf8)) { return end }
            let more = await receive()
            if more.isEmpty { return nil }
            buffer.append(more)
        }
        return nil
    }

    private func parse(_ bytes: Data) -> Bool {
        let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
        let first = lines[0].components(separatedBy: " ")
        guard first.count == 3, first[2].hasPrefix("HTTP/1.") else { return false }
        var fields: [HTTPField] = []
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex, !line.hasPrefix(" ") else { return false }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            fields.append(HTTPField(name: String(line[..<colon]), value: value))
        }
        let values = { (name: String) in fields.filter { $0.name.lowercased() == name }.map(\.value) }
        // Two lengths, or a coding that is not read here, are how requests are smuggled.
        guard values("transfer-encoding").isEmpty, values("content-length").count <= 1 else { return false }
        let length = values("content-length").first ?? "0"
        guard length.allSatisfy(\.isNumber), let length = Int(length) else { return false }
        left = length
        head = HTTPRequestHead(method: first[0], target: first[1], fields: fields)
        return true
    }

    private func send(_ response: Response) async {
        var head = "HTTP/1.1 \(response.status) \(reasons[response.status] ?? "Error")\r\n"
        for field in response.fields { head += "\(field.name): \(field.value)\r\n" }
        head += "content-length: \(response.body.count)\r\nconnection: close\r\n\r\n"
        let bytes = [UInt8](Data(head.utf8) + response.body)
        await blocking { [descriptor] in
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count <= 0 { return }
                sent += count
            }
        }
    }

    private func receive() async -> Data {
        await blocking { [descriptor] in
            var bytes = [UInt8](repeating: 0, count: 16 << 10)
            let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            return Data(bytes.prefix(max(0, count)))
        }
    }

    private func blocking<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: work()) }
        }
    }
}

private let reasons = [200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 413: "Payload Too Large"]

// The best that plain Swift does with the same stream: a socket, frames, and Foundation's JSON.
import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A WebSocket client that reads text frames of a server that it trusts, and does nothing else.
struct PlainClient {
    private let descriptor: Int32

    init(port: UInt16) throws {
        #if os(Linux)
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw POSIXError(.ECONNREFUSED) }
        let upgrade =
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        // A text frame "{}", masked with zeros.
        let hello: [UInt8] = Array(upgrade.utf8) + [0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x7d]
        _ = hello.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    /// Reads until that is so.
    func read(until isLast: (Data) -> Bool) throws {
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        var (start, end) = (0, 0)
        var isUpgraded = false
        while true {
            if start > 0 {
                buffer.withUnsafeMutableBytes { bytes in
                    _ = memmove(bytes.baseAddress!, bytes.baseAddress! + start, end - start)
                }
                (start, end) = (0, end - start)
            }
            let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress.map { $0 + end }, $0.count - end, 0) }
            guard count > 0 else { throw POSIXError(.ECONNRESET) }
            end += count
            if !isUpgraded {
                guard let head = Data(buffer[..<end]).range(of: Data("\r\n\r\n".utf8)) else { continue }
                isUpgraded = true
                start = head.upperBound
            }
            while end - start >= 4 {
                var (size, header) = (Int(buffer[start + 1] & 0x7f), 2)
                if size == 126 {
                    (size, header) = (Int(buffer[start + 2]) << 8 | Int(buffer[start + 3]), 4)
                }
                guard end - start >= header + size else { break }
                let frame = buffer.withUnsafeBytes { Data(bytes: $0.baseAddress! + start + header, count: size) }
                start += header + size
                if isLast(frame) { return }
            }
        }
    }
}

/// Reads by Foundation's own WebSocket until that is so.
func readByURLSession(port: UInt16, until isLast: @Sendable (Data) -> Bool) async throws {
    guard let url = URL(string: "ws://localhost:\(port)/") else { return }
    let task = URLSession.shared.webSocketTask(with: url)
    task.resume()
    try await task.send(.string("{}"))
    while true {
        switch try await task.receive() {
        case .string(let text): if isLast(Data(text.utf8)) { return task.cancel() }
        case .data(let data): if isLast(data) { return task.cancel() }
        @unknown default: return
        }
    }
}

/// The frame's number, of a tree of dictionaries.
func plainly(_ frame: Data) -> Int? {
    let value = try? JSONSerialization.jsonObject(with: frame) as? [String: Any]
    return (value?["seq"] as? NSNumber)?.intValue
}

/// The frame's number, of a typed value with everything that was sent.
func decoded(_ frame: Data) -> Int? {
    (try? JSONDecoder().decode(Frame.self, from: frame))?.seq
}

struct Frame: Decodable {
    let type: String
    let id: String?
    let prev: String?
    let seq: Int?
    let time: String?
    let data: Body

    struct Body: Decodable {
        let accountID: String?
        let sessionID: String?
        let passkeyID: String?
        let origin: String?
        let sessionKey: Key?
        let expiresAt: String?
        let userVerified: Bool?
        let backedUp: Bool?
        let accountSessions: Int?
        let evidence: Evidence?
        let reason: String?
    }

    struct Key: Decodable {
        let x: String
        let y: String
    }

    struct Evidence: Decodable {
        let random: String
        let kind: String
        let origin: String
        let thumbprint: String
        let credentialID: String
        let authenticatorData: String
        let clientDataJSON: String
        let signature: String
    }
}

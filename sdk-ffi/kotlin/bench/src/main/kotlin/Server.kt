import java.io.BufferedOutputStream
import java.io.ByteArrayOutputStream
import java.io.DataInputStream
import java.net.ServerSocket
import java.net.Socket
import java.security.MessageDigest
import java.util.Base64
import kotlin.concurrent.thread

/** A server of the event stream that says everything at once, in a process of its own: its work is not what is measured. */
fun serve() {
    val apart = stream(isNdjson = false)
    val together = stream(isNdjson = true)
    ServerSocket(0).use { listener ->
        println(listener.localPort)
        while (true) {
            val socket = listener.accept()
            thread(isDaemon = true) { runCatching { socket.use { answer(it, apart, together) } } }
        }
    }
}

private fun answer(socket: Socket, apart: ByteArray, together: ByteArray) {
    socket.tcpNoDelay = true
    val input = DataInputStream(socket.getInputStream().buffered())
    val out = BufferedOutputStream(socket.getOutputStream(), 1 shl 16)
    var key = ""
    while (true) {
        val line = input.line()
        if (line.isEmpty()) break
        if (line.startsWith("sec-websocket-key:", ignoreCase = true)) key = line.substringAfter(':').trim()
    }
    val accept = MessageDigest.getInstance("SHA-1").digest("${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".toByteArray())
    out.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n".toByteArray())
    out.write("Sec-WebSocket-Accept: ${Base64.getEncoder().encodeToString(accept)}\r\n\r\n".toByteArray())
    out.flush()
    val isNdjson = "\"ndjson\":true" in input.message()
    // What comes later are acknowledgements.
    thread(isDaemon = true) { runCatching { input.transferTo(java.io.OutputStream.nullOutputStream()) } }
    out.write(if (isNdjson) together else apart)
    out.flush()
    Thread.sleep(Long.MAX_VALUE)
}

private fun DataInputStream.line(): String = buildString {
    while (true) {
        val byte = read()
        if (byte == '\n'.code) break
        if (byte != '\r'.code) append(byte.toChar())
    }
}

/** A short text frame of a client, which is masked. */
private fun DataInputStream.message(): String {
    readByte()
    val length = (readByte().toInt() and 0x7f).let { if (it == 126) readUnsignedShort() else it }
    val mask = readNBytes(4)
    val masked = readNBytes(length)
    return ByteArray(length) { (masked[it].toInt() xor mask[it % 4].toInt()).toByte() }.decodeToString()
}

/** A message a frame, or as many lines in one as the real server puts there. */
private fun stream(isNdjson: Boolean): ByteArray {
    val all = ByteArrayOutputStream(EVENTS * 800)
    val lines = StringBuilder()
    fun flush() {
        val bytes = lines.toString().toByteArray()
        lines.clear()
        all.write(0x81)
        if (bytes.size < 126) all.write(bytes.size)
        else {
            all.write(126)
            all.write(bytes.size shr 8)
            all.write(bytes.size)
        }
        all.write(bytes)
    }
    fun say(text: String) {
        if (lines.isNotEmpty() && (!isNdjson || lines.length + text.length > FRAME_BYTES)) flush()
        if (lines.isNotEmpty()) lines.append('\n')
        lines.append(text)
    }
    val time = "2026-11-22T18:00:00.000Z"
    say("""{"type":"ready","data":{"protocol":1,"connection":"con_00000000000000000000000000","idleMs":20000,"window":4096,"ndjson":$isNdjson,"time":"$time"}}""")
    flush()
    say("""{"type":"bookmark","data":{"time":"$time"},"id":"k3f9-0-Q7hB2cX0","prev":"k3f9-0-Q7hB2cX0"}""")
    for (seq in 1..EVENTS) {
        val beside = """"id":"k3f9-$seq-Q7hB2cX0","prev":"k3f9-${seq - 1}-Q7hB2cX0","seq":$seq,"time":"$time""""
        say(if (seq % 2 == 1) """{"type":"loggedIn","data":$LOGIN,$beside}""" else """{"type":"loggedOut","data":$LOGOUT,$beside}""")
    }
    flush()
    return all.toByteArray()
}

private const val FRAME_BYTES = 16_384

private fun bytes(size: Int): String =
    Base64.getUrlEncoder().withoutPadding().encodeToString(ByteArray(size) { 7 })

private val IDS = "00000000000000000000000000".let { """"accountID":"acct_$it","sessionID":"ses_$it"""" }
private val LOGOUT = """{$IDS,"reason":"user","accountSessions":0}"""
private val LOGIN = """{$IDS,"passkeyID":"pk_00000000000000000000000000","origin":"https://shop.example",""" +
    """"sessionKey":{"kty":"EC","crv":"P-256","x":"${bytes(32)}","y":"${bytes(32)}"},""" +
    """"expiresAt":"2026-11-23T06:00:00.000Z","userVerified":true,"backedUp":false,"accountSessions":1,""" +
    """"evidence":{"random":"${bytes(32)}","kind":"signIn","origin":"https://shop.example","thumbprint":"${bytes(32)}",""" +
    """"credentialID":"${bytes(32)}","authenticatorData":"${bytes(37)}","clientDataJSON":"${bytes(140)}",""" +
    """"signature":"${bytes(71)}"}}"""

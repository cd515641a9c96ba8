package passkey.accounts.tests

import Board
import board
import io.ktor.server.cio.CIO
import io.ktor.server.engine.embeddedServer
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import passkey.accounts.Accounts

class ExamplesTest {
    @Test
    fun `the example in Kotlin prints who signs in and out`() = prints("PrintSignInsKt")

    @Test
    fun `the example in Java prints who signs in and out`() = prints("PrintSignIns")

    private fun prints(program: String) {
        val process = start(program, API_KEY)
        try {
            val lines = process.inputReader()
            // It tells nothing of when it is connected: somebody comes until it has seen them.
            Person("first@shop.example").use { ada ->
                val (first, last) = generateSequence { Person("second@shop.example").also { it.close() } }.firstNotNullOf { eve ->
                    if (lines.ready()) lines.readLine() to eve.accountId else Thread.sleep(20).let { null }
                }
                assertTrue(first.startsWith("signed "), first)
                assertTrue(ada.accountId != last)
            }
            val left = generateSequence(lines::readLine).first { it.startsWith("signed out: ") }
            assertTrue(left.substringAfter(": ").startsWith("acct_"), left)
        } finally {
            process.destroyForcibly().waitFor()
        }
    }

    @Test
    fun `the examples stop with a sentence when the key is wrong`() {
        for (program in listOf("PrintSignInsKt", "PrintSignIns")) {
            val process = start(program, "pa_dev_nonsense")
            val said = process.errorReader().readText()
            assertEquals(1, process.waitFor())
            assertTrue(said.lines().first().startsWith("badKey: "), said)
            assertEquals(1, said.trim().lines().size, said)
        }
    }

    private fun start(program: String, key: String): Process {
        val java = ProcessHandle.current().info().command().get()
        val classes = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")
        val builder = ProcessBuilder(java, "-cp", classes, program)
        builder.environment()["PASSKEY_ACCOUNTS_API_KEY"] = key
        return builder.start()
    }

    /** On threads of its own: the test's waits for what pages are told. */
    private fun serve(accounts: Accounts, audience: String, board: Board) =
        embeddedServer(CIO, port = 0, host = "localhost") { board(accounts, audience, board) }.start()

    @Test
    fun `the board checks who posts and closes the socket of who has left`() = live { accounts ->
        accounts.sessions.inSync()
        val board = Board()
        val audience = "wss://app.example/live"
        val server = serve(accounts, audience, board)
        try {
            val port = server.engine.resolvedConnectors().single().port
            val (ada, eve) = Person("ada-board@shop.example") to Person("eve-board@shop.example")
            val sockets = listOf(ada, eve).map { person ->
                PageSocket(port).also {
                    it.say(person.proveSocket(audience, JSON.readTree(it.said())["nonce"].asText()))
                    assertEquals("you are ${person.accountId}", it.said())
                }
            }
            sockets[0].say("I was about to")
            assertEquals(401, ask(port, "POST", "/board", emptyMap(), "spam".toByteArray()).status)
            assertEquals(200, ask(port, "POST", "/board", eve.prove("POST", "/board", "hello"), "hello".toByteArray()).status)
            val posted = "${eve.accountId}: hello"
            assertEquals(listOf(posted, posted), sockets.map { it.said() })
            assertEquals(posted, ask(port, "GET", "/board", ada.prove("GET", "/board")).text)
            while (board.typing.isEmpty()) Thread.onSpinWait()
            ada.close()
            val left = "${ada.accountId} left"
            // The news may come first: the end of a session has two listeners.
            assertEquals("1008 sessionGone", generateSequence { sockets[0].said() }.first { it != left })
            assertEquals(left, sockets[1].said())
            assertTrue(board.typing.isEmpty())
            eve.close()
        } finally {
            server.stop(0, 0)
        }
    }
}

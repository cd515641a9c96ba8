package passkey.accounts.tests

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import passkey.accounts.Accounts
import passkey.accounts.Event

/** Says how it is doing and what it has handled, slowly. */
fun main(arguments: Array<String>): Unit = runBlocking {
    val events = Accounts.connect(URL, API_KEY).events { consumer = arguments[0] }
    launch(Dispatchers.Default) { events.status.collect { println("status $it") } }
    events.collect { item ->
        if (item is Event) println("handled ${item.seq}")
        delay(5)
    }
}

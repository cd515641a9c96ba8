// Prints who signs in and out, for as long as it runs.
import kotlin.system.exitProcess
import passkey.accounts.Accounts
import passkey.accounts.Event
import passkey.accounts.LoggedIn
import passkey.accounts.LoggedOut
import passkey.accounts.PasskeyException

suspend fun main() {
    val url = System.getenv("PASSKEY_ACCOUNTS_URL") ?: "ws://localhost:8080/"
    val apiKey = System.getenv("PASSKEY_ACCOUNTS_API_KEY").orEmpty()
    try {
        Accounts.connect(url, apiKey).use { accounts ->
            accounts.events().collect { item ->
                when (val data = (item as? Event)?.data) {
                    is LoggedIn -> println("signed in: ${data.accountId}")
                    is LoggedOut -> println("signed out: ${data.accountId}")
                    else -> {}
                }
            }
        }
    } catch (error: PasskeyException) {
        System.err.println(error.message)
        exitProcess(1)
    }
}

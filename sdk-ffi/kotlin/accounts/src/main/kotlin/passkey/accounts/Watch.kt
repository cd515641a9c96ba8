package passkey.accounts

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch
import passkey.accounts.ffi.Exception as FfiException
import passkey.accounts.ffi.Status as FfiStatus

/**
 * Follows how a connection is doing until it is over, and logs when it is lost: whoever waits for an item would otherwise not
 * learn that there is nobody to get it from.
 */
internal fun CoroutineScope.watch(
    what: String,
    first: FfiStatus,
    changed: suspend (FfiStatus) -> FfiStatus,
): StateFlow<Status> {
    val status = MutableStateFlow(first.toStatus())
    launch {
        val log = ConnectionLog(what)
        var seen = first
        while (seen !is FfiStatus.Closed) {
            log.note(status.value)
            seen = try {
                changed(seen)
            } catch (_: FfiException) {
                // The client was closed.
                FfiStatus.Closed
            }
            status.value = seen.toStatus()
        }
    }
    return status.asStateFlow()
}

/** Says once why a connection is lost, and once that it is there again. */
private class ConnectionLog(private val what: String) {
    private var why: String? = null

    fun note(status: Status) {
        when (status) {
            is Status.Waiting -> tell(System.Logger.Level.WARNING, status.why) { "not connected, trying again: ${status.why}" }
            Status.Live, Status.Standby -> tell(System.Logger.Level.INFO, null) { "connected again" }
            Status.Connecting, Status.Closed -> {}
        }
    }

    private fun tell(level: System.Logger.Level, now: String?, say: () -> String) {
        if (now == why) return
        why = now
        LOG.log(level, "$what: ${say()}")
    }
}

/** What an application sees of this package in its logs. */
internal val LOG: System.Logger = System.getLogger("passkey.accounts")

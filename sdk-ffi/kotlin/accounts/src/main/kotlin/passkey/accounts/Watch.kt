package passkey.accounts

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch
import passkey.accounts.ffi.Exception as FfiException
import passkey.accounts.ffi.Status as FfiStatus

/** Follows how a connection is doing until it is over. */
internal fun CoroutineScope.watch(first: FfiStatus, changed: suspend (FfiStatus) -> FfiStatus): StateFlow<Status> {
    val status = MutableStateFlow(first.toStatus())
    launch {
        var seen = first
        while (seen !is FfiStatus.Closed) {
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

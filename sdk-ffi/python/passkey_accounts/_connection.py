"""The native client: made when it is first needed, ended before the interpreter is, made anew in a forked process."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ._errors import StreamError, ours
from ._native import passkey_accounts_ffi as native
from ._providers import AskedKey, KeyProvider, Questions

Native = TypeVar("Native")

# What the generator made, beside what `native` declares of it.
_binding: Any = native


@_binding._UNIFFI_RUST_FUTURE_CONTINUATION_CALLBACK  # type: ignore[untyped-decorator,unused-ignore]
def _go_on(handle: int, poll_code: int) -> None:
    """As the generated one, which prints a traceback when an item arrives just after its loop was closed."""
    loop, future = _binding._UniffiContinuationHandleMap.remove(handle)
    # Nobody waits on a loop that is closed.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_binding._uniffi_set_future_result, future, poll_code)


_binding._uniffi_continuation_callback = _go_on


class Connection:
    """A server and the key to it, with the threads behind them once something was opened."""

    def __init__(self, url: str, api_key: KeyProvider, allow_plaintext: bool) -> None:
        self._url = url
        self._api_key = api_key
        self._allow_plaintext = allow_plaintext
        self._client: native.Client | None = None
        self._finalizer: weakref.finalize[..., Connection] | None = None
        self._is_closed = False
        self._lock = threading.Lock()
        self.questions = Questions()
        self.forget: list[Callable[[], None]] = []
        _connections.add(self)

    def client(self) -> native.Client:
        """The client, with its threads. Raises `StreamError` for an address that can never work."""
        self.questions.use_running_loop()
        with self._lock:
            if self._is_closed:
                raise StreamError("connectionLost", "this was closed; connect again", True)
            if self._client is None:
                self._client = self._connect()
                _open[id(self._client)] = (self._client, self.questions)
                # Where nobody closes it: not here, for this may be the garbage collector, which must not wait.
                self._finalizer = weakref.finalize(self, _retire, self._client, self.questions)
                self._finalizer.atexit = False
            return self._client

    def _connect(self) -> native.Client:
        key = self._api_key
        options = native.ConnectOptions(
            url=self._url,
            api_key=key if isinstance(key, str) else None,
            key_provider=None if isinstance(key, str) else AskedKey(self.questions, key),
            allow_plaintext=self._allow_plaintext,
        )
        try:
            return native.Client.connect(options)
        except native.Error as error:
            raise ours(error) from None

    def shut_down(self) -> None:
        """Ends everything that was opened, and the threads. Waits for that, some seconds at the most."""
        with self._lock:
            client, self._client = self._client, None
            self._is_closed = True
            finalizer, self._finalizer = self._finalizer, None
        if client is not None:
            end(client, self.questions)
        if finalizer is not None:
            finalizer.detach()
        # It would hold whoever holds it.
        self.forget.clear()

    def start_over(self) -> None:
        """In a forked process: none of the threads is there, and locks may be held by them for ever."""
        self._client = None
        self._lock = threading.Lock()
        self.questions = Questions()
        for forget in self.forget:
            forget()


def kept(opened: Native) -> Native:
    """Remembers something native, so that a forked process does not take it apart."""
    _natives.add(opened)
    return opened


def end(client: native.Client, questions: Questions) -> None:
    """Ends a client. Afterwards nothing of it calls into the interpreter."""
    questions.close()
    client.shut_down()
    _open.pop(id(client), None)


def _retire(client: native.Client, questions: Questions) -> None:
    if id(client) not in _open:
        return
    thread = threading.Thread(target=end, args=(client, questions), name="passkey-accounts-end", daemon=True)
    _retiring.append(thread)
    thread.start()


def _end_all() -> None:
    # A thread of a client that calls into an interpreter that has ended aborts the process.
    for thread in _retiring:
        thread.join(LONGEST_END)
    for client, questions in list(_open.values()):
        end(client, questions)
    for then in after_all_ended:
        then()


def _start_over_all() -> None:
    _inherited.extend(_natives)
    _inherited.extend(_open.values())
    _open.clear()
    _retiring.clear()
    for connection in list(_connections):
        connection.start_over()


_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_natives: weakref.WeakSet[Any] = weakref.WeakSet()
_open: dict[int, tuple[native.Client, Questions]] = {}
_retiring: list[threading.Thread] = []
after_all_ended: list[Callable[[], None]] = []
"""What is to be done when the interpreter ends, after everything native."""
# What a forked process got from its parent and must not touch, not even to free it.
_inherited: list[object] = []

LONGEST_END = 10.0

atexit.register(_end_all)
os.register_at_fork(after_in_child=_start_over_all)

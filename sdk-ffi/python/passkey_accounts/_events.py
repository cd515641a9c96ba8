"""The event stream."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable
from types import TracebackType

from . import _convert
from ._errors import StreamError
from ._items import Item
from ._native import passkey_accounts_ffi as native

_BATCH = 256
_ACKNOWLEDGE_AFTER = 16


class Events:
    """A live, gapless stream of an app's auth events.

    It starts with the sessions that are open now, then follows the log. Lost connections are made again and resumed
    where they were. Iterate over it in one task; leaving the `async with` block ends it. Cancelling a wait loses nothing.

    Asking for the next item says that the last one is handled: it is acknowledged then, or a few items later.

    url: `wss://HOST/v1/events`. `ws://` only reaches this machine, unless `allow_plaintext` is given.
    types: event types to get; default `loggedIn` and `loggedOut`; `["*"]` for all, also those of later versions.
    after: resume behind this `position` instead of starting with the open sessions.
    allow_plaintext: send the API key unencrypted. Whoever carries the bytes can read it.

    Raises `StreamError` for what trying again cannot mend, such as a wrong key.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        types: Iterable[str] | None = None,
        after: str | None = None,
        allow_plaintext: bool = False,
    ) -> None:
        self._options = native.StreamOptions(
            url=url,
            api_key=api_key,
            types=None if types is None else list(types),
            after=after,
            allow_plaintext=allow_plaintext,
        )
        self._stream: native.EventStream | None = None
        self._taken: deque[native.Item] = deque()
        self._in_hand = False
        self._handled = 0
        self._closed = False

    async def __aenter__(self) -> Events:
        self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Item:
        if self._closed:
            raise StopAsyncIteration
        stream = self._open()
        self._handled += self._in_hand
        self._in_hand = False
        # Each call costs more than an item, so a batch is not acknowledged one by one.
        if self._handled and (not self._taken or self._handled >= _ACKNOWLEDGE_AFTER):
            stream.acknowledge(self._handled)
            self._handled = 0
        while not self._taken:
            # Carries nothing: a cancellation here leaves everything where it is.
            await stream.ready()
            try:
                batch = stream.take(_BATCH)
            except native.StreamError.Ended as ended:
                raise StreamError(ended.code, ended.reason, ended.retryable) from None
            if batch is None:
                raise StopAsyncIteration
            self._taken.extend(batch)
        self._in_hand = True
        return _convert.item(self._taken.popleft())

    def close(self) -> None:
        """Ends the stream; whoever waits for an item is told that there is none."""
        self._closed = True
        self._taken.clear()
        if self._stream is not None:
            self._stream.stop()

    def _open(self) -> native.EventStream:
        if self._stream is None:
            try:
                self._stream = native.EventStream.open(self._options)
            except native.StreamError.Ended as ended:
                raise StreamError(ended.code, ended.reason, ended.retryable) from None
            # At the latest when the interpreter ends: afterwards no thread may call into it.
            weakref.finalize(self, self._stream.stop)
        return self._stream

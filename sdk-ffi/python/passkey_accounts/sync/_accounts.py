"""One server as a back end sees it."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Literal

from .._accounts import Accounts as AsyncAccounts
from .._options import EvidenceOptions, WitnessOptions
from .._providers import KeyProvider, PositionStore
from ._api import Api
from ._events import Events
from ._loop import Loop
from ._sessions import LiveSessions


class Accounts:
    """A Passkey Accounts server and the key to it: `passkey_accounts.Accounts`, which says what the arguments are, without
    asyncio. A private thread waits; yours can be interrupted (Ctrl-C) at any time. May be used by several threads.
    """

    sessions: LiveSessions
    """Who is signed in, and who sent a request. One connection, made when it is used first."""

    api: Api
    """The HTTP API."""

    def __init__(
        self,
        url: str,
        api_key: KeyProvider,
        *,
        origins: Iterable[str] = (),
        allow_plaintext: bool = False,
        evidence: EvidenceOptions | None = None,
        fresh_within: float = 30.0,
    ) -> None:
        self._loop = Loop()
        self._inner = AsyncAccounts(
            url,
            api_key,
            origins=origins,
            allow_plaintext=allow_plaintext,
            evidence=evidence,
            fresh_within=fresh_within,
        )
        self._inner._connection.forget.append(self._loop.start_over)
        self.sessions = LiveSessions(self._inner.sessions, self._loop)
        self.api = Api(self._inner.api, self._loop)

    def events(
        self,
        *,
        types: Iterable[str] | None = None,
        after: str | None = None,
        start: Literal["state", "now", "earliest"] | None = None,
        snapshot: bool | None = None,
        skip: bool | None = None,
        consumer: str | None = None,
        lanes: int | None = None,
        window: int | None = None,
        prefetch: int | None = None,
        ack_timeout: float | None = None,
        positions: PositionStore | None = None,
        evidence: EvidenceOptions | None = None,
        witness: WitnessOptions | None = None,
    ) -> Events:
        """The event stream; `passkey_accounts.Accounts.events` says what the arguments are."""
        events = self._inner.events(
            types=types,
            after=after,
            start=start,
            snapshot=snapshot,
            skip=skip,
            consumer=consumer,
            lanes=lanes,
            window=window,
            prefetch=prefetch,
            ack_timeout=ack_timeout,
            positions=positions,
            evidence=evidence,
            witness=witness,
        )
        return Events(events, self._loop)

    def close(self) -> None:
        """Ends everything that was opened from here, and the threads behind it."""
        self._inner._connection.shut_down()
        self._inner.sessions.stop()
        self._loop.stop()

    def __enter__(self) -> Accounts:
        # An address that can never work is said here.
        self._inner._connection.client()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

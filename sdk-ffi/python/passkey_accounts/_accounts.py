"""One server as a back end sees it: its address and a key for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Literal

from ._api import Api
from ._connection import Connection
from ._events import Events, options
from ._options import EvidenceOptions, WitnessOptions
from ._providers import KeyProvider, PositionStore
from ._sessions import LiveSessions


class Accounts:
    """A Passkey Accounts server and the key to it. Everything else is opened from here, and ends with it.

    url: `https://HOST[:PORT]`, or any address of its event stream.
    api_key: the key, or a function or coroutine function that gives it: keys can be rotated under a running process.
    origins: where this back end is reached, as browsers write it; needed to check requests.
    allow_plaintext: send the API key unencrypted if the address says `http://`. Not needed for this machine itself.
    evidence: have `sessions` believe nothing that a passkey should have signed and did not.
    fresh_within: how old the knowledge of who is signed in may be for a request to pass, in seconds.

    Opens nothing before it is used. In a forked process everything is opened anew as it is used; a stream that was open
    before the fork says so (`StreamError`).

    >>> async def main() -> None:
    ...     async with Accounts("https://auth.example", "pa_live_...", origins=["https://app.example"]) as accounts:
    ...         async for event in accounts.events(consumer="billing"):
    ...             match event:
    ...                 case Event(data=LoggedIn(account_id=account)):
    ...                     print("signed in:", account)
    """

    sessions: LiveSessions
    """Who is signed in, and who sent a request. One connection, made when it is used first."""

    api: Api
    """The HTTP API."""

    origins: tuple[str, ...]
    """Where this back end is reached."""

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
        if isinstance(origins, str):
            raise TypeError("origins is a list of origins, not an origin")
        if not isinstance(api_key, str) and not callable(api_key):
            # Where it comes from the environment, it is not set.
            raise TypeError(f"api_key is a key, or a function that gives one, not {api_key!r}")
        self.origins = tuple(origins)
        self._connection = Connection(url, api_key, allow_plaintext)
        self.sessions = LiveSessions(self._connection, self.origins, evidence, fresh_within)
        self.api = Api(self._connection)

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
        """The event stream. A *view* begins with the sessions that are open and then follows the log; with a `consumer`
        name it is a *worker*, whose position the server keeps and whose work several processes share.

        types: event types to get, at most 64; `["*"]` for all, also those of later versions. By default `loggedIn` and
            `loggedOut`.
        after: resume strictly after this position instead of starting with the open sessions. For views.
        start: where to begin without a position. By default with the open sessions (`state`).
        snapshot: `False`: never get the open sessions; a gap goes on at the oldest event that is kept. For log shippers.
        skip: `False`, with `snapshot=False`: a gap ends the stream (`gone`) instead of going on behind it.
        consumer: be a worker of this name: 1 to 64 of `A-Z a-z 0-9 . _ -`.
        lanes: how many lanes the consumer is made with, 1 to 64; later wishes are not heard. By default 1.
        window: items that may be on their way or unhandled here, 1 to 4,096. By default 1,024 for a view, and 256 for a
            worker and with `evidence` or `witness`. 0: nothing is acknowledged.
        prefetch: items of a lane that may be fetched before the first of them is settled. By default 1,024 for a view, or
            256 with a `window` of your own; 1 for a worker, whose lane may be wanted by others, and with `evidence` or
            `witness`.
        ack_timeout: for workers: how many seconds an item may wait here while others wait for its lane. By default 60.
        positions: for workers: asked for the position of each lane that begins.
        evidence: for views: believe nothing that a passkey should have signed and did not.
        witness: for views: check every item against the log that was read before.
        """
        return Events(
            self._connection,
            options(
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
                connection=self._connection,
            ),
        )

    async def close(self) -> None:
        """Ends everything that was opened from here, and the threads behind it.

        At once as a rule; some seconds if the server does not answer. What was handled is told the server before.
        """
        # On another thread: a key provider may need this loop to come to its end.
        await asyncio.to_thread(self._connection.shut_down)
        await self.sessions.close()

    async def __aenter__(self) -> Accounts:
        # An address that can never work is said here.
        self._connection.client()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

"""Who is signed in, answered from memory; what waits, blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from .. import _session, _sessions
from .._errors import PasskeyAccountsError, body_too_large
from .._requests import Request, SyncRequest, body_at_hand, declared_length, head_of
from .._session import Ended, MissedEnds, SessionEnd
from .._sessions import BODY_LIMIT
from .._status import Status
from ._loop import Loop, LoopStopped, following


@dataclass(frozen=True, slots=True)
class LiveSession:
    """An open session, as of the moment it was looked up."""

    _looked_up: _session.LiveSession
    _loop: Loop

    @property
    def session_id(self) -> str:
        """The session."""
        return self._looked_up.session_id

    @property
    def account_id(self) -> str:
        """Whose session."""
        return self._looked_up.account_id

    @property
    def passkey_id(self) -> str:
        """The passkey that opened it."""
        return self._looked_up.passkey_id

    @property
    def since(self) -> datetime:
        """When it was opened, by the server's clock."""
        return self._looked_up.since

    @property
    def expires_at(self) -> datetime:
        """When it ends at the latest, by the server's clock."""
        return self._looked_up.expires_at

    @property
    def end(self) -> Ended | None:
        """How it ended; `None` while it is open."""
        return self._looked_up.end

    def ended(self, timeout: float | None = None) -> Ended | None:
        """Waits for its end, so many seconds at the most; `None` if it is open still."""
        try:
            return self._loop.wait(self._looked_up.ended(), timeout)
        except TimeoutError:
            return None

    def __repr__(self) -> str:
        return repr(self._looked_up)


@dataclass(frozen=True, slots=True)
class Account:
    """Who sent a request: an account, and the session that proved it."""

    account_id: str
    session: LiveSession
    """The session whose key has signed. Whoever holds it is told when it ends."""


class LiveSessions:
    """The sessions that are open now: `passkey_accounts.LiveSessions`, which says more, without asyncio."""

    def __init__(self, sessions: _sessions.LiveSessions, loop: Loop) -> None:
        self._sessions = sessions
        self._loop = loop

    def in_sync(self, timeout: float | None = None) -> None:
        """Waits until the state has arrived: at the start, and after events were missed. `TimeoutError` if it has not."""
        self._loop.wait(self._sessions.in_sync(), timeout)

    def get(self, session_id: str) -> LiveSession | None:
        """The session, if it is open."""
        found = self._opened().get(session_id)
        return None if found is None else LiveSession(found, self._loop)

    def of_account(self, account_id: str) -> list[LiveSession]:
        """The open sessions of the account, in no order."""
        return [LiveSession(found, self._loop) for found in self._opened().of_account(account_id)]

    def is_logged_in(self, account_id: str) -> bool | None:
        """Whether the account has an open session; `None` while that is not known."""
        return self._opened().is_logged_in(account_id)

    @property
    def count(self) -> int:
        """How many sessions are open."""
        return self._opened().count

    def fresh_within(self, max_age: float) -> None:
        """Raises `StreamError` (`stale`) unless everything is known here that the server had so many seconds ago."""
        self._opened().fresh_within(max_age)

    def wait_for(self, session_id: str, at_most: float = 2.0) -> LiveSession:
        """The session as soon as it is open, waiting so many seconds: a request may overtake its own `loggedIn`."""
        return LiveSession(self._loop.wait(self._sessions.wait_for(session_id, at_most)), self._loop)

    def endings(self) -> Endings:
        """The ends of all sessions from now on: ask for this first, look sessions up then."""
        return Endings(self._opened().endings(), self._loop)

    def verify(self, request: SyncRequest, *, body_limit: int = BODY_LIMIT) -> Account:
        """Who sent this request? Takes those of Django, Flask and Werkzeug, and `RawRequest`.

        The body is read after the signature was found good, up to `body_limit` bytes, and stays there for others. Raises
        `ProofError`, of which `passkey_accounts.problem` makes the answer.
        """
        head = head_of(request)
        if declared_length(request) > body_limit:
            raise body_too_large()
        checked = _sessions.verify_head_at_once(self._checks(), head)
        if checked is None:
            checked = self._loop.wait(self._sessions.verify_head(head, self._checks()))
        body = body_at_hand(request, body_limit)
        if body is None:
            raise TypeError(f"the body of {type(request).__name__} must be awaited; use passkey_accounts.Accounts")
        return self._account(_sessions.verify_body(checked, body))

    async def averify(self, request: Request, *, body_limit: int = BODY_LIMIT) -> Account:
        """The same for a coroutine, on whatever event loop it runs; takes requests of Starlette, too."""
        if not self._sessions.was_in_sync:
            await asyncio.to_thread(self._checks)
        return self._account(await self._sessions.verify(request, body_limit=body_limit))

    def verify_socket(self, token: str, audience: str, nonce: str) -> Account:
        """Who opened this socket? `token` is what a page made for this `audience` and the `nonce` that you gave it."""
        return self._account(self._loop.wait(self._sessions.verify_socket(token, audience, nonce)))

    @property
    def status(self) -> Status:
        """How the connection is doing."""
        return self._sessions.status

    def statuses(self) -> Iterator[Status]:
        """The status as it is, and each one after it, until it is closed."""
        statuses = self._loop.call(self._sessions.statuses)
        while True:
            try:
                yield self._loop.wait(following(statuses))
            except StopAsyncIteration:
                return

    @property
    def failure(self) -> PasskeyAccountsError | None:
        """Why the stream is over for good, if it is."""
        return self._sessions.failure

    def close(self) -> None:
        """Ends the connection. Whoever waits for a session or an end is told; proofs are refused."""
        self._loop.wait(self._sessions.close())

    def _opened(self) -> _sessions.LiveSessions:
        if not self._sessions.is_open:
            # On the loop, which follows its status.
            self._loop.call(self._sessions.open)
        return self._sessions

    def _checks(self) -> _sessions.Checks:
        if self._sessions.was_in_sync:
            return self._sessions.checks_at_once()
        return self._loop.wait(self._sessions.checks())

    def _account(self, found: _session.Account) -> Account:
        return Account(found.account_id, LiveSession(found.session, self._loop))


class Endings:
    """The ends of all sessions: an iterator."""

    def __init__(self, endings: _session.Endings, loop: Loop) -> None:
        self._endings = endings
        self._loop = loop

    def __iter__(self) -> Endings:
        return self

    def __next__(self) -> SessionEnd | MissedEnds:
        try:
            self._loop.wait(self._endings.arrival())
        except (StopAsyncIteration, LoopStopped):
            raise StopIteration from None
        return self._endings.next()

    def close(self) -> None:
        """No more are wanted."""
        self._endings.close()

    def __enter__(self) -> Endings:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

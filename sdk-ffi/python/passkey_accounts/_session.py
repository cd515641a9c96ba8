"""An open session, its end, and who sent a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import Union

from ._connection import kept
from ._data import EndReason
from ._native import passkey_accounts_ffi as native


class Unobserved(Enum):
    """How a session ended whose end the log does not tell, as far as this process knows."""

    EXPIRED = "expired"
    """Its time is over. Its `loggedOut` may be under way still."""
    VANISHED = "vanished"
    """It was open before events were missed, and is not among the open sessions after it."""
    UNFOLLOWED = "unfollowed"
    """The live sessions were closed, or their stream is over for good. The session itself may go on."""


Ended = Union[EndReason, Unobserved]
"""How a session ended."""


@dataclass(frozen=True, slots=True)
class LiveSession:
    """An open session, as of the moment it was looked up."""

    session_id: str
    account_id: str
    """Whose session."""
    passkey_id: str
    """The passkey that opened it."""
    since: datetime
    """When it was opened, by the server's clock."""
    expires_at: datetime
    """When it ends at the latest, by the server's clock."""
    _handle: native.SessionHandle = field(repr=False, compare=False)

    @property
    def end(self) -> Ended | None:
        """How it ended; `None` while it is open."""
        said = self._handle.end()
        return None if said is None else ended(said)

    async def ended(self) -> Ended:
        """Waits for its end: the moment to close sockets that were opened in its name. Cancelling it loses nothing."""
        return ended(await self._handle.ended())


@dataclass(frozen=True, slots=True)
class Account:
    """Who sent a request: an account, and the session that proved it."""

    account_id: str
    session: LiveSession
    """The session whose key has signed. Whoever holds it is told when it ends."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """A session has ended."""

    session_id: str
    account_id: str
    ended: Ended
    account_is_gone: bool
    """It was the account's last: nobody is signed in to it now."""


@dataclass(frozen=True, slots=True)
class MissedEnds:
    """This reader was too slow: look up every session that you hold anything for."""

    missed: int


class Endings:
    """The ends of all sessions: an asynchronous iterator. One that is not read any more is closed, or dropped."""

    def __init__(self, endings: native.Endings) -> None:
        self._endings = kept(endings)
        self._unread: list[SessionEnd | MissedEnds] = []
        self._is_over = False

    def __aiter__(self) -> Endings:
        return self

    async def __anext__(self) -> SessionEnd | MissedEnds:
        await self.arrival()
        return self.next()

    async def arrival(self) -> None:
        """Waits until there is one. Carries nothing: a cancellation leaves everything where it is."""
        while not self._unread:
            if self._is_over:
                raise StopAsyncIteration
            await self._endings.ready()
            self._fetch()

    def next(self) -> SessionEnd | MissedEnds:
        """The one that has arrived."""
        return self._unread.pop()

    def close(self) -> None:
        """No more are wanted."""
        self._is_over = True
        self._unread.clear()
        self._endings.stop()

    def __enter__(self) -> Endings:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _fetch(self) -> None:
        if self._is_over:
            return
        taken = self._endings.take(ENDS)
        if taken is None:
            self._is_over = True
            return
        # The first is taken from the end.
        self._unread = [session_end(end) for end in reversed(taken.ends)]
        if taken.missed:
            self._unread.append(MissedEnds(taken.missed))


def ended(said: native.Ended) -> Ended:
    """How a session ended."""
    if isinstance(said, native.Ended.LOGGED_OUT):
        return EndReason[said.reason.name]
    for theirs, mine in _ENDS:
        if isinstance(said, theirs):
            return mine
    raise AssertionError(f"the binding knows an end that this package does not: {said!r}")


_ENDS: list[tuple[type, Unobserved]] = [
    (native.Ended.EXPIRED, Unobserved.EXPIRED),
    (native.Ended.VANISHED, Unobserved.VANISHED),
    (native.Ended.UNFOLLOWED, Unobserved.UNFOLLOWED),
]


def live_session(found: native.LiveSession) -> LiveSession:
    """A session that was looked up."""
    ids = (found.session_id, found.account_id, found.passkey_id)
    return LiveSession(*ids, found.since, found.expires_at, kept(found.handle))


def account(found: native.Account) -> Account:
    """Who it was."""
    return Account(found.account_id, live_session(found.session))


def session_end(end: native.SessionEnd) -> SessionEnd:
    """An end."""
    return SessionEnd(end.session_id, end.account_id, ended(end.ended), end.account_is_gone)


# Ends that are fetched at once.
ENDS = 256

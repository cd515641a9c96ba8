"""How a connection is doing, for dashboards, readiness probes and logs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Union

from ._native import passkey_accounts_ffi as native

logger = logging.getLogger("passkey_accounts")


@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection is being made."""

    def __str__(self) -> str:
        return "connecting"


@dataclass(frozen=True, slots=True)
class Live:
    """The server has accepted the key and sends what happens."""

    def __str__(self) -> str:
        return "live"


@dataclass(frozen=True, slots=True)
class Standby:
    """A worker that has no lane: others have them all, and it steps in when one of them leaves."""

    def __str__(self) -> str:
        return "standby"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The connection was lost; the stream resumes where it was."""

    retry_in: timedelta
    """How long until the next try, counted from the moment of this status."""
    why: str
    """What happened, for people."""

    def __str__(self) -> str:
        return f"waiting {self.retry_in.total_seconds():.1f} s: {self.why}"


@dataclass(frozen=True, slots=True)
class Closed:
    """It is over: the stream has ended with an error, or was stopped."""

    def __str__(self) -> str:
        return "closed"


Status = Union[Connecting, Live, Standby, Waiting, Closed]
"""How a stream is doing. Items say nothing about it: a quiet stream can be live or lost."""


def status(said: native.Status) -> Status:
    """The binding's word for it."""
    if isinstance(said, native.Status.WAITING):
        return Waiting(said.retry_in, said.why)
    for theirs, mine in _PLAIN:
        if isinstance(said, theirs):
            return mine
    raise AssertionError(f"the binding knows a status that this package does not: {said!r}")


_PLAIN: list[tuple[type, Status]] = [
    (native.Status.CONNECTING, Connecting()),
    (native.Status.LIVE, Live()),
    (native.Status.STANDBY, Standby()),
    (native.Status.CLOSED, Closed()),
]


async def changes(
    now: Callable[[], native.Status], changed: Callable[[native.Status], Awaitable[native.Status]]
) -> AsyncIterator[Status]:
    """The status as it is, and each one after it, until it is closed."""
    seen = now()
    while True:
        yield status(seen)
        if isinstance(seen, native.Status.CLOSED):
            return
        try:
            seen = await changed(seen)
        except native.Error:
            # The client was closed meanwhile.
            yield Closed()
            return


async def log_changes(what: str, statuses: AsyncIterator[Status], is_closing: Callable[[], bool]) -> None:
    """Logs each status: a lost connection as a warning, everything else for whoever looks closely."""
    async for now in statuses:
        if isinstance(now, Waiting) and is_closing():
            # Whoever closes it knows.
            continue
        level = logging.WARNING if isinstance(now, Waiting) else logging.INFO
        logger.log(level, "%s: %s", what, now)

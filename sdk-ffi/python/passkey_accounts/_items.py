"""What a stream hands out, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Union

from ._data import EventData, SessionKey
from ._read import EPOCH, FIELD, MILLISECOND, compact, draft_of, event_data, string


class Event:
    """Something happened: an entry of the app's log. Cannot be changed.

    It is read from its text only as far as it is looked at. Match on `data`:

    >>> def greet(item: Item) -> str:
    ...     match item:
    ...         case Event(data=LoggedIn(account_id=account)):
    ...             return f"welcome {account}"
    ...         case _:
    ...             return ""
    """

    __slots__ = {
        "_record": None,
        "data": "What happened; `Unknown` for a type that is newer than this version.",
    }
    __match_args__ = ("id", "seq", "time", "name", "data", "json")

    # As the binding writes it (sdk-ffi/src/text.rs).
    _record: str
    data: EventData

    def __init__(self, id: str, seq: int, time: datetime, name: str, data: EventData, json: str) -> None:
        set_record(self, record_of(id, seq, time, name, json))
        set_data(self, data)

    @property
    def id(self) -> str:
        """Cursor and dedupe key. Opaque."""
        return string(self._record.split(FIELD, 6)[5])

    @property
    def seq(self) -> int:
        """Its number in the app's log, from 1."""
        return int(self._record.split(FIELD, 4)[3])

    @property
    def time(self) -> datetime:
        """When it was committed, in UTC."""
        return EPOCH + int(self._record.split(FIELD, 5)[4]) * MILLISECOND

    @property
    def name(self) -> str:
        """The type on the wire, for example `loggedIn`."""
        return string(self._record.rsplit(FIELD, 2)[1])

    @property
    def json(self) -> str:
        """The data as JSON text, byte for byte as the log's hash chain covers it."""
        return self._record.rsplit(FIELD, 1)[1]

    @property
    def position(self) -> str | None:
        """Give it as `after` to resume behind this event."""
        return self.id

    # Otherwise type checkers believe every name.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> EventData:
            # `data` that was not read along with the batch.
            if name != "data":
                raise AttributeError(f"an event has no {name!r}", name=name, obj=self)
            data = event_data(self.name, self.json)
            set_data(self, data)
            return data

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        # How it was handed over does not count.
        return self._record.split(FIELD, 2)[2] == other._record.split(FIELD, 2)[2]

    def __hash__(self) -> int:
        return hash(self._record.split(FIELD, 2)[2])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__[:-1])
        return f"Event({shown})"

    def __reduce__(self) -> tuple[Callable[[str], Event], tuple[str]]:
        return event, (self._record,)


# The slots of an object that cannot be changed.
set_record: Callable[[Event, str], None] = vars(Event)["_record"].__set__
set_data: Callable[[Event, EventData], None] = vars(Event)["data"].__set__
draft_event: Callable[[], Event] = draft_of(Event)


def event(record: str) -> Event:
    """An event whose data is read when it is looked at."""
    made = draft_event()
    made._record = record
    made.__class__ = Event
    return made


def record_of(id: str, seq: int, time: datetime, name: str, json: str) -> str:
    """The record of an event that no stream has handed over."""
    millis = (time - EPOCH) // MILLISECOND
    return FIELD.join(["0", "0", "event", str(seq), str(millis), compact(id), compact(name), json])


class GapReason(Enum):
    """Why a position cannot be continued."""

    TRUNCATED = "truncated"
    AHEAD = "ahead"
    DIVERGED = "diverged"
    EPOCH = "epoch"
    OTHER = "other"
    """A newer server's word."""


class GapNext(Enum):
    """What follows a gap."""

    SNAPSHOT = "snapshot"
    OLDEST = "oldest"
    OTHER = "other"
    """A newer server's word."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is open as of a snapshot."""

    account_id: str
    session_id: str
    passkey_id: str
    session_key: SessionKey
    since: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A page of the open sessions. With `first`, forget what was known; with `last`, the state is whole."""

    sessions: tuple[OpenSession, ...]
    first: bool
    last: bool
    id: str
    """On the last page the position; on the others good for nothing."""
    hash: bytes | None = None
    """On the last page: the hash chain up to the position, 32 bytes."""

    @property
    def position(self) -> str | None:
        """Give it as `after` to resume behind this state. Only the last page is a position."""
        return self.id if self.last else None


@dataclass(frozen=True, slots=True)
class Gap:
    """Events are missing here: the position cannot be continued. What follows says how it goes on."""

    reason: GapReason
    after: str
    """The position that was asked for."""
    next: GapNext
    oldest: str | None = None
    """The position before the oldest event that is kept."""

    @property
    def position(self) -> str | None:
        """A gap is no position."""
        return None


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The server's word for how long its log is and what it says."""

    epoch: str
    """The log's lineage."""
    seq: int
    """The number of its last entry."""
    hash: bytes
    """The hash chain up to it, 32 bytes."""
    time: datetime
    key_id: str
    """Which key signed; the keys are at `/.well-known/jwks.json`."""
    sig: bytes
    """Ed25519, 64 bytes."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Up to here nothing happened that was asked for."""

    id: str
    time: datetime
    """The server's clock."""
    hash: bytes | None = None
    """The hash chain up to the position, 32 bytes."""
    head: SignedHead | None = None
    """The newest head of the log that the server has signed, where one is due."""

    @property
    def position(self) -> str | None:
        """Give it as `after` to resume from here."""
        return self.id


Item = Union[Event, Snapshot, Gap, Bookmark]
"""One thing to handle."""

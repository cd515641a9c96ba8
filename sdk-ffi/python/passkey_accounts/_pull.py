"""What was fetched from a stream, and the word that is owed for it: the same for the asynchronous and the synchronous face."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ._connection import kept
from ._errors import PasskeyAccountsError, ours
from ._items import Item, event
from ._native import passkey_accounts_ffi as native
from ._read import FIELD, RECORD
from ._records import EVENT, item


@dataclass(frozen=True, slots=True)
class Position:
    """How far a lane of a consumer was handled, and under which ownership."""

    consumer: str
    """The consumer's name; empty for a view."""
    lane: int
    """The lane; 0 where there is one only."""
    id: str
    """Everything up to this id is handled. Opaque."""
    lease: int
    """The fencing token: higher for every later owner of the lane. 0 for a view."""


class Delivery:
    """One item to handle. `ack` it when that is done.

    One that is neither acknowledged nor kept when the next is asked for counts as not handled. What was not handled comes
    again: the connection is made anew and resumes before it.
    """

    __slots__ = ("__weakref__", "_forgotten", "_is_kept", "_is_settled", "_lane", "_number", "_pull", "item", "position")

    item: Item
    """What to handle."""
    position: Position | None
    """What to store together with the item's effect; `None` for what is no position."""

    def __init__(self, pull: Pull, record: str) -> None:
        self._pull = pull
        self._number, self._lane, lease, _ = record.split(FIELD, 3)
        self._is_settled = False
        self._is_kept = False
        self._forgotten: weakref.finalize[..., Delivery] | None = None
        self.item = item(record)
        id = self.item.position
        self.position = None if id is None else Position(pull.consumer, int(self._lane), id, int(lease))

    @property
    def lane(self) -> int:
        """The lane; 0 where there is one only. Items of one lane are in order."""
        return int(self._lane)

    @property
    def is_void(self) -> bool:
        """An item of its lane before it has failed: it comes again after that one, and need not be handled now."""
        return self._pull.is_void(int(self._number), self._lane)

    def ack(self) -> None:
        """It is handled. Only the first of `ack` and `fail` counts."""
        self._settle(True)

    def fail(self) -> None:
        """It is not handled and is to come again, and with it everything of its lane that came after it."""
        self._settle(False)

    def keep(self) -> None:
        """It will be settled later: the next one may be asked for. Lost without a word, it comes again."""
        if not self._is_kept and not self._is_settled:
            self._is_kept = True
            # Not `__del__`: the garbage collector may free the stream before.
            self._forgotten = weakref.finalize(self, self._pull.settle, int(self._number), False, self._lane)
            self._forgotten.atexit = False

    def passed(self) -> None:
        """The next one is asked for."""
        if not self._is_kept:
            self.fail()

    def _settle(self, is_handled: bool) -> None:
        if not self._is_settled:
            self._is_settled = True
            if self._forgotten is not None:
                self._forgotten.detach()
            self._pull.settle(int(self._number), is_handled, self._lane)


class Pull:
    """A stream whose items are fetched in batches and handed out one by one."""

    def __init__(self, open: Callable[[], native.EventStream], consumer: str) -> None:
        self._open = open
        self.consumer = consumer
        self.stream: native.EventStream | None = None
        self.records: deque[str] = deque()
        self.failure: PasskeyAccountsError | None = None
        self.is_over = False
        # Much came at once, and not as much as could: more is on its way.
        self.is_busy = False
        # The record that was handed out last, to be acknowledged when the next is asked for.
        self.in_hand: str | None = None
        self.is_handled = False
        self.told = 0
        self._last: weakref.ref[Delivery] | None = None
        self._newest = 0
        # By lane: the newest item that was handed out when one before it failed.
        self._void: dict[str, int] = {}
        # Of the synchronous face: a timer on another thread may acknowledge, too.
        self._lock = threading.Lock()

    def opened(self) -> native.EventStream:
        """The stream, which is opened now if it was not."""
        if self.stream is None:
            try:
                self.stream = kept(self._open())
            except native.Error as error:
                raise ours(error) from None
        return self.stream

    def next(self) -> Item:
        """The next of what was fetched. Asking for it says that the one before is handled."""
        record = self.records.popleft()
        # In this order: a timer may look in between.
        self.is_handled = False
        self.in_hand = record
        return item(record)

    def some(self) -> Iterator[Item]:
        """As `next`, for so many items that it is time to say that they are handled: faster than one by one."""
        for _ in range(ACKNOWLEDGE_AFTER):
            if not self.records:
                return
            record = self.records.popleft()
            self.is_handled = False
            self.in_hand = record
            yield event(record) if EVENT in record else item(record)

    @property
    def is_time_to_acknowledge(self) -> bool:
        """Whether it is time to say what was handled."""
        return len(self.records) % ACKNOWLEDGE_AFTER == 0

    def next_delivery(self) -> Delivery:
        """The next of what was fetched, to be settled by hand."""
        record = self.records.popleft()
        self._newest = number(record)
        delivery = Delivery(self, record)
        self._last = weakref.ref(delivery)
        return delivery

    def pass_on(self) -> None:
        """The next is about to be asked for."""
        self.is_handled = True
        last = None if self._last is None else self._last()
        self._last = None
        if last is not None:
            last.passed()

    def acknowledge(self) -> None:
        """Tells what was handled and is not told yet."""
        in_hand = self.in_hand
        if in_hand is None or self.stream is None:
            return
        # Receipts rise by one with each item, and whatever came before the one in hand is handled.
        through = number(in_hand) - (0 if self.is_handled else 1)
        with self._lock:
            is_news, self.told = through > self.told, max(through, self.told)
        if is_news:
            self.stream.acknowledge(through)

    def fetch(self) -> bool:
        """Fetches what is there without waiting; whether there was something, or it is over."""
        if self.is_over:
            return True
        self.is_busy = False
        try:
            text = self.opened().take_text(BATCH)
        except native.Error as error:
            self.is_over = True
            self.failure = ours(error)
            raise self.failure from None
        if text is None:
            self.is_over = True
        elif text:
            self.records.extend(text.split(RECORD))
            self.is_busy = BUSY <= len(self.records) < BATCH
        return self.is_over or bool(text)

    def is_void(self, receipt: int, lane: str) -> bool:
        """Whether an item before this one has failed after both were handed out."""
        return receipt <= self._void.get(lane, 0)

    def settle(self, receipt: int, is_handled: bool, lane: str) -> None:
        """What became of one item."""
        if self.stream is None or self.is_over or self.is_void(receipt, lane):
            return
        if not is_handled:
            # It comes again, and so does all of its lane that was fetched after it.
            self._void[lane] = self._newest
            self.records = deque(record for record in self.records if record.split(FIELD, 2)[1] != lane)
        self.stream.settle(receipt, is_handled)

    def stop(self) -> None:
        """Ends the stream: what was handled is told, what was not comes again."""
        self.acknowledge()
        self.is_over = True
        self.records.clear()
        if self.stream is not None:
            self.stream.stop()


def number(record: str) -> int:
    """The receipt of a record."""
    return int(record[: record.index(FIELD)])


# Items that are fetched at once, and after how many the server is told that they are handled: each call across the
# boundary costs more than an item.
BATCH = 256
BUSY = 16
ACKNOWLEDGE_AFTER = 64

# How long it may stay untold that items were handled, in seconds, while others of the same batch are being handled.
UNTOLD = 0.05

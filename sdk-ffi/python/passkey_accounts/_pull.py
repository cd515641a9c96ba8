"""What was fetched from a stream, and the word that is owed for it: the same for the asynchronous and the synchronous face."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ._connection import kept
from ._errors import PasskeyAccountsError, ours
from ._items import Item
from ._native import passkey_accounts_ffi as native
from ._read import STOPPED
from ._records import batch, ownership


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

    __slots__ = ("__weakref__", "_forgotten", "_is_kept", "_is_settled", "_number", "_pull", "item", "lane", "position")

    item: Item
    """What to handle."""
    lane: int
    """The lane; 0 where there is one only. Items of one lane are in order."""
    position: Position | None
    """What to store together with the item's effect; `None` for what is no position."""

    def __init__(self, pull: Pull, receipt: int, record: str, item: Item) -> None:
        self._pull = pull
        self._number = receipt
        self.lane, lease = ownership(record)
        self._is_settled = False
        self._is_kept = False
        self._forgotten: weakref.finalize[..., Delivery] | None = None
        self.item = item
        id = item.position
        self.position = None if id is None else Position(pull.consumer, self.lane, id, lease)

    @property
    def is_void(self) -> bool:
        """An item of its lane before it has failed: it comes again after that one, and need not be handled now."""
        return self._pull.is_void(self._number, self.lane)

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
            self._forgotten = weakref.finalize(self, self._pull.settle, self._number, False, self.lane)
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
            self._pull.settle(self._number, is_handled, self.lane)


class Pull:
    """A stream whose items are fetched in batches and handed out one by one, or a batch at a time."""

    def __init__(self, open: Callable[[], native.EventStream], consumer: str) -> None:
        self._open = open
        self.consumer = consumer
        self.stream: native.EventStream | None = None
        self.failure: PasskeyAccountsError | None = None
        self.is_over = False
        # Much came at once, and not as much as could: more is on its way.
        self.is_busy = False
        # What was fetched last: items, their receipts and their records; how many were handed out, and the others.
        self._items: list[Item] = []
        self._receipts: Sequence[int] = ()
        self._records: list[str] = []
        self._handed_out = 0
        self._rest: Iterator[Item] = iter(())
        # How many of those that were handed out last are not handled.
        self._in_hand = 0
        self._told = 0
        self._last: weakref.ref[Delivery] | None = None
        # By lane: the newest item that was handed out when one before it failed.
        self._void: dict[int, int] = {}
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

    @property
    def left(self) -> int:
        """How many items were fetched and not handed out."""
        return len(self._items) - self._handed_out

    def next(self) -> Item:
        """The next of what was fetched. Asking for it says that the one before is handled."""
        # In this order: a timer may look in between.
        self._in_hand = 1
        self._handed_out += 1
        return next(self._rest)

    def some(self) -> Iterator[Item]:
        """As `next`, for all that was fetched: faster than one by one."""
        self._in_hand = 1
        for item in self._rest:
            self._handed_out += 1
            yield item

    def batch(self) -> list[Item]:
        """All that was fetched. Asking for what comes next says that all of it is handled."""
        self._in_hand = self.left
        self._handed_out = len(self._items)
        return list(self._rest)

    def next_delivery(self) -> Delivery:
        """The next of what was fetched, to be settled by hand."""
        self.acknowledge()
        at = self._handed_out
        item = self.next()
        # The word about it is not ours.
        self._told = self._receipts[at]
        delivery = Delivery(self, self._receipts[at], self._records[at], item)
        self._last = weakref.ref(delivery)
        return delivery

    def pass_on(self) -> None:
        """The next is about to be asked for."""
        self._in_hand = 0
        last = None if self._last is None else self._last()
        self._last = None
        if last is not None:
            last.passed()

    def acknowledge(self) -> None:
        """Tells what was handled and is not told yet."""
        handled = self._handed_out - self._in_hand
        if handled <= 0 or self.stream is None:
            return
        through = self._receipts[handled - 1]
        with self._lock:
            is_news, self._told = through > self._told, max(through, self._told)
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
        if text == STOPPED:
            self.is_over = True
        elif text:
            self.hold(text)
            self.is_busy = BUSY <= len(self._items) < BATCH
        return self.is_over or bool(text)

    def hold(self, text: str) -> None:
        """A batch was fetched, and everything before was handed out."""
        receipt, records, items = batch(text)
        self._handed_out = 0
        self._receipts, self._records, self._items = range(receipt, receipt + len(items)), records, items
        self._rest = iter(items)

    def is_void(self, receipt: int, lane: int) -> bool:
        """Whether an item before this one has failed after both were handed out."""
        return receipt <= self._void.get(lane, 0)

    def settle(self, receipt: int, is_handled: bool, lane: int) -> None:
        """What became of one item."""
        if self.stream is None or self.is_over or self.is_void(receipt, lane):
            return
        if not is_handled:
            # It comes again, and so does all of its lane that was fetched after it.
            self._void[lane] = self._told
            self._drop(lane)
        self.stream.settle(receipt, is_handled)

    def _drop(self, lane: int) -> None:
        places = range(len(self._items))
        kept = [at for at in places if at < self._handed_out or ownership(self._records[at])[0] != lane]
        self._receipts = [self._receipts[at] for at in kept]
        self._records = [self._records[at] for at in kept]
        # In its place: whoever iterates goes on where it was.
        self._items[:] = [self._items[at] for at in kept]

    def stop(self) -> None:
        """Ends the stream: what was handled is told, what was not comes again."""
        self.acknowledge()
        self.is_over = True
        del self._items[self._handed_out :]
        if self.stream is not None:
            self.stream.stop()


# Items that are fetched at once, and told to be handled at once: each call across the boundary costs more than an item.
BATCH = 256
BUSY = 16

# How long it may stay untold that items were handled, in seconds, while others of the same batch are being handled.
UNTOLD = 0.05

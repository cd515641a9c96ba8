"""The event stream, blocking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType

from .._errors import PasskeyAccountsError
from .._events import Events as AsyncEvents
from .._items import Item
from .._pull import Delivery
from .._status import Status
from ._loop import Loop, LoopStopped, following


class Events:
    """A live, gapless stream of an app's auth events: an iterator over items.

    Lost connections are made again and resumed where they were; what trying again cannot mend is raised, and is the last
    thing. Iterate in one thread. Asking for the next item says that the last one is handled; the server is told soon after,
    of many at once. An item that was in hand when the stream was closed, or the process died, comes again.
    """

    def __init__(self, events: AsyncEvents, loop: Loop) -> None:
        self._events = events
        self._pull = events._pull
        self._loop = loop

    def __iter__(self) -> Iterator[Item]:
        while True:
            try:
                self._wait(None)
            except StopIteration:
                return
            yield from self._pull.some()

    def __next__(self) -> Item:
        if not self._pull.left:
            self._wait(None)
        return self._pull.next()

    def batches(self) -> Iterator[list[Item]]:
        """The items that have come meanwhile together, 1 to 256: for whoever stores many at once.

        Asking for the next batch says that all of the last one is handled. A batch that was in hand when the stream was
        closed comes again.
        """
        while True:
            try:
                self._wait(None)
            except StopIteration:
                return
            yield self._pull.batch()

    def next(self, timeout: float) -> Item | None:
        """The next item, waiting so many seconds; `None` if there is none by then. Nothing is lost.

        Raises `StopIteration` when the stream was stopped.
        """
        try:
            self._wait(timeout)
        except TimeoutError:
            return None
        return self._pull.next()

    def deliveries(self) -> Deliveries:
        """The items with how to acknowledge each by hand. Use this or the stream itself, not both at once."""
        return Deliveries(self)

    def run(
        self, handler: Callable[[Item], object], *, on_error: Callable[[Exception, Item], object] | None = None
    ) -> None:
        """Handles items until the stream ends, one after the other.

        An item is acknowledged when its handler is through. If it raises, the item comes again and `on_error` hears of it;
        without one, the error is raised here.
        """
        for delivery in self.deliveries():
            try:
                handler(delivery.item)
            except Exception as error:
                delivery.fail()
                if on_error is None:
                    raise
                on_error(error, delivery.item)
            else:
                delivery.ack()

    @property
    def status(self) -> Status:
        """How the connection is doing."""
        return self._events.status

    def statuses(self) -> Iterator[Status]:
        """The status as it is, and each one after it, until it is closed. Opens the stream."""
        statuses = self._loop.call(self._events.statuses)
        while True:
            try:
                yield self._loop.wait(following(statuses))
            except StopAsyncIteration:
                return

    @property
    def failure(self) -> PasskeyAccountsError | None:
        """Why the stream is over for good, if it is."""
        return self._events.failure

    def close(self) -> None:
        """Ends the stream; whoever waits for an item is told that there is none. What was handled is told the server."""
        self._loop.wait(self._events.close())

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, timeout: float | None) -> None:
        try:
            self._loop.wait(self._events._arrival(), timeout)
        except (StopAsyncIteration, LoopStopped):
            raise StopIteration from None


class Deliveries:
    """The items of a stream with how to acknowledge each by hand: an iterator."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __iter__(self) -> Deliveries:
        return self

    def __next__(self) -> Delivery:
        pull = self._events._pull
        pull.pass_on()
        if not pull.left:
            self._events._wait(None)
        return pull.next_delivery()

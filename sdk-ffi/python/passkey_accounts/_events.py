"""The event stream: items to handle, one after the other or lane by lane."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Literal

from ._connection import Connection
from ._errors import PasskeyAccountsError
from ._items import Item
from ._native import passkey_accounts_ffi as native
from ._options import EvidenceOptions, WitnessOptions
from ._providers import AskedPositions, PositionStore
from ._pull import UNTOLD, Delivery, Position, Pull
from ._status import Closed, Connecting, Status, changes, log_changes, logger, status

Handler = Callable[[Item, "Position | None"], Awaitable[object]]
"""What `Events.run` calls for each item."""


class Events:
    """A live, gapless stream of an app's auth events: an asynchronous iterator over items.

    Lost connections are made again and resumed where they were; what trying again cannot mend is raised, and is the last
    thing. Nothing is sent before the first item is asked for. Iterate in one task. Cancelling a wait loses nothing.

    Asking for the next item says that the last one is handled; the server is told soon after, of many at once. An item
    that was in hand when the stream was closed, or the process died, comes again. By hand: `deliveries`.
    """

    def __init__(self, connection: Connection, options: native.EventsOptions) -> None:
        self._connection = connection
        self._pull = Pull(lambda: connection.client().events(options), options.consumer or "")
        self._name = f"events of {options.consumer!r}" if options.consumer else "events"
        self._is_asked = False
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[None] | None = None

    async def __aiter__(self) -> AsyncIterator[Item]:
        # A generator, because it costs a third of as many calls of `__anext__`.
        pull = self._pull
        while True:
            try:
                await self._arrival()
            except StopAsyncIteration:
                return
            for item in pull.some():
                yield item

    async def __anext__(self) -> Item:
        pull = self._pull
        if self._is_asked or not pull.left:
            await self._arrival()
        return pull.next()

    async def batches(self) -> AsyncIterator[list[Item]]:
        """The items that have come meanwhile together, 1 to 256: for whoever stores many at once.

        Asking for the next batch says that all of the last one is handled. A batch that was in hand when the stream was
        closed comes again. Where items come singly (`prefetch`), so do they here.

        >>> async def archive(events: Events) -> None:
        ...     async for batch in events.batches():
        ...         await save_all(batch)
        """
        while True:
            try:
                await self._arrival()
            except StopAsyncIteration:
                return
            yield self._pull.batch()

    def deliveries(self) -> Deliveries:
        """The items with how to acknowledge each by hand. Use this or the stream itself, not both at once.

        >>> async def bill(events: Events) -> None:
        ...     async for delivery in events.deliveries():
        ...         store(delivery.item, delivery.position)
        ...         delivery.ack()
        """
        return Deliveries(self)

    async def run(
        self,
        handler: Handler,
        *,
        concurrency: int = 1,
        on_error: Callable[[Exception, Item], object] | None = None,
    ) -> None:
        """Handles items until the stream ends: up to `concurrency` lanes at a time, the items of a lane in their order.

        An item is acknowledged when its handler is through. If it raises, the item comes again and `on_error` hears of it;
        without one, it is logged. Cancelling it cancels the handlers, whose items come again.
        """
        handling: set[asyncio.Task[None]] = set()

        async def handle(delivery: Delivery) -> None:
            try:
                await handler(delivery.item, delivery.position)
            except Exception as error:
                delivery.fail()
                if on_error is None:
                    logger.log(logging.ERROR, "%s: a handler failed, its item comes again", self._name, exc_info=error)
                else:
                    on_error(error, delivery.item)
            except BaseException:
                delivery.fail()
                raise
            else:
                delivery.ack()

        try:
            lanes: dict[int, asyncio.Task[None]] = {}
            async for delivery in self.deliveries():
                delivery.keep()
                lane = delivery.lane
                before = lanes.get(lane)

                async def after(before: asyncio.Task[None] | None, delivery: Delivery) -> None:
                    if before is not None:
                        await asyncio.wait([before])
                    if not delivery.is_void:
                        await handle(delivery)

                task = asyncio.create_task(after(before, delivery))
                lanes[lane] = task
                handling.add(task)
                task.add_done_callback(handling.discard)
                while len(handling) >= concurrency:
                    await asyncio.wait(handling, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            for task in handling:
                task.cancel()
            raise
        finally:
            if handling:
                await asyncio.wait(handling)

    @property
    def status(self) -> Status:
        """How the connection is doing."""
        stream = self._pull.stream
        if stream is None:
            return Closed() if self._pull.is_over else Connecting()
        return status(stream.status())

    def statuses(self) -> AsyncIterator[Status]:
        """The status as it is, and each one after it, until it is closed. Opens the stream."""
        stream = self._opened()
        return changes(stream.status, stream.status_changed)

    @property
    def failure(self) -> PasskeyAccountsError | None:
        """Why the stream is over for good, if it is."""
        return self._pull.failure

    async def close(self) -> None:
        """Ends the stream; whoever waits for an item is told that there is none. What was handled is told the server."""
        self._stop_timer()
        self._pull.stop()
        watch, self._watch = self._watch, None
        if watch is not None:
            # It has only the end to log.
            await asyncio.wait([watch], timeout=1)

    async def __aenter__(self) -> Events:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _opened(self) -> native.EventStream:
        stream = self._pull.stream
        if stream is None:
            stream = self._pull.opened()
            # Not `__del__`: the garbage collector may free the stream before.
            weakref.finalize(self, stream.stop).atexit = False
            statuses = changes(stream.status, stream.status_changed)
            self._watch = asyncio.create_task(log_changes(self._name, statuses, self._is_closing()))
        return stream

    def _is_closing(self) -> Callable[[], bool]:
        # Not `self`: who watches must not hold what is watched.
        questions = self._connection.questions
        return lambda: questions.is_closed

    async def _arrival(self) -> None:
        """Waits until something was fetched. Says before that what was handled."""
        if self._is_asked:
            raise RuntimeError("another task waits for an item of this stream; iterate in one task")
        pull = self._pull
        pull.pass_on()
        pull.acknowledge()
        self._is_asked = True
        try:
            if not pull.left:
                # Others get their turn, however much there is to do here. A busy stream is given a moment, in which more
                # comes: each waking costs as much as thirty items.
                await asyncio.sleep(GATHER if pull.is_busy and not pull.is_over else 0)
                stream = self._opened()
                while not self._fetch():
                    # Carries nothing: a cancellation here leaves everything where it is.
                    await stream.ready()
            if not pull.left:
                raise StopAsyncIteration
        finally:
            self._is_asked = False
        if pull.left > 1 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(UNTOLD, self._tell)

    def _fetch(self) -> bool:
        try:
            return self._pull.fetch()
        except PasskeyAccountsError as error:
            logger.error("%s: ended: %s", self._name, error)
            raise

    def _tell(self) -> None:
        """A handler takes its time: what was handled before it need not wait for it."""
        self._timer = None
        pull = self._pull
        pull.acknowledge()
        if pull.left:
            self._timer = asyncio.get_running_loop().call_later(UNTOLD, self._tell)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


# How long a busy stream is left alone, in seconds.
GATHER = 0.002


class Deliveries:
    """The items of a stream with how to acknowledge each by hand: an asynchronous iterator."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __aiter__(self) -> Deliveries:
        return self

    async def __anext__(self) -> Delivery:
        pull = self._events._pull
        pull.pass_on()
        if not pull.left or self._events._is_asked:
            await self._events._arrival()
        return pull.next_delivery()


def options(
    *,
    types: Iterable[str] | None,
    after: str | None,
    start: Literal["state", "now", "earliest"] | None,
    snapshot: bool | None,
    skip: bool | None,
    consumer: str | None,
    lanes: int | None,
    window: int | None,
    prefetch: int | None,
    ack_timeout: float | None,
    positions: PositionStore | None,
    evidence: EvidenceOptions | None,
    witness: WitnessOptions | None,
    connection: Connection,
) -> native.EventsOptions:
    """What the binding wants to know."""
    if isinstance(types, str):
        raise TypeError("types is a list of names, not a name")
    if window is None and consumer is None and evidence is None and witness is None:
        window = VIEW_WINDOW
        prefetch = VIEW_WINDOW if prefetch is None else prefetch
    return native.EventsOptions(
        types=None if types is None else list(types),
        after=after,
        start=None if start is None else _STARTS[start],
        snapshot=snapshot,
        skip=skip,
        consumer=consumer,
        lanes=lanes,
        window=window,
        prefetch=prefetch,
        ack_timeout=None if ack_timeout is None else timedelta(seconds=ack_timeout),
        positions=None if positions is None else AskedPositions(connection.questions, positions),
        evidence=None if evidence is None else evidence.native(),
        witness=None if witness is None else witness.native(),
    )


# Of a view that nothing reads along with: nobody else waits for what is here, and fewer waits cost a fifth less of the CPU.
VIEW_WINDOW = 1_024

_STARTS = {
    "state": native.Start.STATE,
    "now": native.Start.NOW,
    "earliest": native.Start.EARLIEST,
}

"""The private thread that waits: one event loop for each `Accounts`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from .._connection import after_all_ended
from .._errors import StreamError

Answer = TypeVar("Answer")


class LoopStopped(StreamError):
    """The loop was stopped while somebody waited."""


class Loop:
    """An event loop on a thread of its own, started when it is needed and ended before the interpreter is."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        _loops.add(self)

    def wait(self, coroutine: Coroutine[Any, Any, Answer], timeout: float | None = None) -> Answer:
        """What becomes of it. An exception here, such as Ctrl-C, cancels it; so does `timeout`, in seconds."""
        loop = self._started()
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("this was called by a coroutine of a provider, which must not wait for its own loop")
        outcome: Future[Answer] = Future()
        tasks: list[asyncio.Task[Answer]] = []

        def start() -> None:
            task = loop.create_task(coroutine)
            task.add_done_callback(lambda task: settle(outcome, task))
            tasks.append(task)

        def cancel() -> None:
            for task in tasks:
                task.cancel()

        loop.call_soon_threadsafe(start)
        try:
            return outcome.result(timeout)
        except CancelledError:
            raise LoopStopped("connectionLost", "this was closed; connect again", True) from None
        except BaseException:
            if not outcome.done():
                loop.call_soon_threadsafe(cancel)
                # Whoever asks again at once must not find it waiting.
                concurrent.futures.wait([outcome], CANCELLATION)
            raise

    def call(self, what: Callable[[], Answer]) -> Answer:
        """Calls it on the loop's thread, for what belongs to a loop."""

        async def called() -> Answer:
            return what()

        return self.wait(called())

    def stop(self) -> None:
        """Ends the thread. What still waits is cancelled."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join()

    def start_over(self) -> None:
        """In a forked process: the thread is not there."""
        self._loop = None
        self._thread = None
        self._lock = threading.Lock()

    def __del__(self) -> None:
        # Nobody waits any more, or it would be held.
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon, because the interpreter waits for others before it tells anybody that it ends.
                self._thread = threading.Thread(
                    target=run, args=(self._loop,), name="passkey-accounts-loop", daemon=True
                )
                self._thread.start()
            return self._loop


def settle(outcome: Future[Answer], task: asyncio.Task[Answer]) -> None:
    """Hands over what became of a task."""
    if task.cancelled():
        outcome.cancel()
        outcome.set_running_or_notify_cancel()
        return
    error = task.exception()
    if error is None:
        outcome.set_result(task.result())
    else:
        outcome.set_exception(error)


async def following(iterator: AsyncIterator[Answer]) -> Answer:
    """The next of an asynchronous iterator, as a coroutine."""
    return await anext(iterator)


def run(loop: asyncio.AbstractEventLoop) -> None:
    """Runs until it is stopped, and ends what is left."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def stop_all() -> None:
    """Ends every thread, before the interpreter does it in the middle of something."""
    for loop in list(_loops):
        loop.stop()


_loops: weakref.WeakSet[Loop] = weakref.WeakSet()

# How long a task may take to hear that it is cancelled, in seconds.
CANCELLATION = 5.0

after_all_ended.append(stop_all)

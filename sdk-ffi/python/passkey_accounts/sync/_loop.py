"""The private thread that waits: one event loop for each `Accounts`."""

from __future__ import annotations

import asyncio
import atexit
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Loop:
    """An event loop on a thread of its own, started when it is needed and ended before the interpreter is."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        _loops.add(self)

    def wait(self, task: Coroutine[Any, Any, Answer], timeout: float | None = None) -> Answer:
        """What becomes of the task. An exception here, such as Ctrl-C, cancels it; so does `timeout`, in seconds."""
        loop = self._started()
        if threading.current_thread() is self._thread:
            task.close()
            raise RuntimeError("this was called by a coroutine of a provider, which must not wait for its own loop")
        future = asyncio.run_coroutine_threadsafe(task, loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
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

atexit.register(stop_all)

"""What the application is asked while it runs: keys and positions.

The binding asks on a thread of its own and waits. The application's code never runs on that thread: where the interpreter
ends while somebody else's thread is inside of it, the process is aborted. So it runs on a thread of Python, or on the event
loop, and the asking thread is let go as soon as the client is closed.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol, TypeVar, Union, runtime_checkable

from ._native import passkey_accounts_ffi as native

KeyProvider = Union[str, Callable[[], str], Callable[[], Awaitable[str]]]
"""The API key or key pair (`pa_pair_...`, which signs and is never sent), or what gives it: asked before each connection, and
once more when the server has refused its key; a different one is tried, the same one ends the stream. A plain function may
block, for 10 seconds at the most."""


@runtime_checkable
class PositionStore(Protocol):
    """Where an application keeps its positions, in the transaction of the effect, so that effects happen once."""

    def claim(self, consumer: str, lane: int, lease: int) -> str | None | Awaitable[str | None]:
        """Records the new owner of a lane and gives the id stored for it, in one step; `None` if there is none.

        A newer owner that is recorded already, or a fault, is raised: the lane is given up for others, and tried again
        later. Plain or a coroutine function. A plain one may block, for 10 seconds at the most.
        """
        ...


Answer = TypeVar("Answer")


class Questions:
    """The questions to the application that are not answered yet."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self.is_closed = False

    def use_running_loop(self) -> None:
        """Coroutine functions run on the loop that this is called in."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            pass

    def ask(self, answer: Callable[..., Any], *arguments: object) -> Any:
        """What it answers. Called on a thread of the binding."""
        question: Future[Any] = Future()
        with self._lock:
            if self.is_closed:
                raise native.ProviderError.Failed("the client was closed")
            self._open.add(question)
        try:
            self._start(question, answer, arguments)
            return question.result()
        except CancelledError:
            raise native.ProviderError.Failed("the client was closed") from None
        except native.ProviderError:
            raise
        except Exception as error:
            raise native.ProviderError.Failed(f"{type(error).__name__}: {error}") from error
        finally:
            with self._lock:
                self._open.discard(question)

    def close(self) -> None:
        """Lets everybody go who waits for an answer."""
        with self._lock:
            self.is_closed = True
            waiting = list(self._open)
        for question in waiting:
            question.cancel()

    def _start(self, question: Future[Any], answer: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        def call() -> None:
            try:
                said = answer(*arguments)
                if inspect.isawaitable(said):
                    said = self._on_loop(said).result()
                settle(question, said, None)
            except BaseException as error:
                settle(question, None, error)

        # A daemon: one that hangs does not keep the process.
        threading.Thread(target=call, name="passkey-accounts-provider", daemon=True).start()

    def _on_loop(self, awaitable: Awaitable[Any]) -> Future[Any]:
        async def wait() -> Any:
            return await awaitable

        loop = self._loop
        if loop is None or loop.is_closed():
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError("a coroutine function needs the event loop that the stream was opened in")
        return asyncio.run_coroutine_threadsafe(wait(), loop)


def settle(question: Future[Any], said: object, error: BaseException | None) -> None:
    """Answers, unless nobody waits any more."""
    if not question.set_running_or_notify_cancel():
        return
    if error is None:
        question.set_result(said)
    else:
        question.set_exception(error)


class AskedKey(native.KeyProvider):
    """A key provider as the binding wants it."""

    def __init__(self, questions: Questions, provider: Callable[[], Any]) -> None:
        self._questions = questions
        self._provider = provider

    def api_key(self) -> str:
        return str(self._questions.ask(self._provider))


class AskedPositions(native.Positions):
    """A store of positions as the binding wants it."""

    def __init__(self, questions: Questions, store: PositionStore) -> None:
        self._questions = questions
        self._store = store

    def claim(self, consumer: str, lane: int, lease: int) -> str | None:
        id = self._questions.ask(self._store.claim, consumer, lane, lease)
        return None if id is None else str(id)

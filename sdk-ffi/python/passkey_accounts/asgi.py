"""Middleware for every ASGI server and framework: lets through what a live session has signed.

>>> accounts = Accounts("https://auth.example", "pa_live_...", origins=["https://app.example"])
>>> async def app(scope: Scope, receive: Receive, send: Send) -> None:
...     account: Account = scope["state"]["account"]
>>> protected = ProofMiddleware(app, accounts)
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ._accounts import Accounts
from ._errors import ProofError, body_too_large
from ._requests import asgi_head, asgi_length, has_proof
from ._session import Account
from ._sessions import BODY_LIMIT, verify_body
from .problem import problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ProofMiddleware:
    """Puts the `Account` that sent a request into `scope["state"]["account"]`, in Starlette and FastAPI
    `request.state.account`. Everything else is answered with problem details and a code of the one table.

    The body is read whole, up to `body_limit` bytes, and only after the signature was found good; the application gets it as
    it came. Put it outside of whatever decodes or changes requests, and CORS outside of it. A response without
    `Cache-Control` gets `no-store`.

    optional: lets requests without any proof through, with `None` for the account. One that does not hold is refused all
        the same.
    sockets: a WebSocket begins with a proof: the middleware sends `{"nonce": ...}`, and the page answers `{"proof": await
        session.prove({audience, nonce})}`, where `audience` is the socket's own address. The application gets the socket
        after that, and it is closed when the session ends: 4500, `sessionGone`. `False`: sockets are left alone.
    proof_wait: how many seconds a page may take for its proof.
    """

    def __init__(
        self,
        app: App,
        accounts: Accounts,
        *,
        optional: bool = False,
        body_limit: int = BODY_LIMIT,
        sockets: bool = True,
        proof_wait: float = 10.0,
    ) -> None:
        self._app = app
        self._sessions = accounts.sessions
        self._origins = accounts.origins
        self._is_optional = optional
        self._body_limit = body_limit
        self._has_sockets = sockets
        self._proof_wait = proof_wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket" and self._has_sockets:
            await self._websocket(scope, receive, send)
        else:
            if scope["type"] == "lifespan":
                # So that the state is there when the first request is.
                self._sessions.open()
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = asgi_head(scope)
        state = scope.setdefault("state", {})
        state["account"] = None
        if self._is_optional and not has_proof(head):
            await self._app(scope, receive, send)
            return
        try:
            if asgi_length(scope) > self._body_limit:
                raise body_too_large()
            checked = await self._sessions.verify_head(head, await self._sessions.checks())
            body = await read_body(receive, self._body_limit)
            if body is None:
                return
            state["account"] = verify_body(checked, body)
        except ProofError as error:
            await refuse(error, send)
            return
        await self._app(scope, replay(body, receive), without_storing(send))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["account"] = None
        if (await receive())["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})
        nonce = secrets.token_urlsafe(32)
        await send({"type": "websocket.send", "text": json.dumps({"nonce": nonce})})
        try:
            account = await self._proved(scope, receive, nonce)
        except ProofError as error:
            await send(close(error.code, error.retryable))
            return
        if account is None:
            return
        scope["state"]["account"] = account
        # Its answer was given already.
        extensions: dict[str, Any] = scope.get("extensions") or {}
        scope["extensions"] = {name: extensions[name] for name in extensions if name != "websocket.http.response"}
        await Socket(account, receive, send).carry(self._app, scope)

    async def _proved(self, scope: Scope, receive: Receive, nonce: str) -> Account | None:
        try:
            message = await asyncio.wait_for(receive(), self._proof_wait)
        except TimeoutError:
            raise ProofError("proofMissing", "no proof arrived in time", False, 401) from None
        if message["type"] != "websocket.receive":
            return None
        try:
            token = str(json.loads(message.get("text") or "")["proof"])
        except (ValueError, KeyError, TypeError):
            raise ProofError("proofInvalid", 'the answer to the nonce is {"proof": token}', False, 401) from None
        audience = self._audience(scope)
        return await self._sessions.verify_socket(token, audience, nonce)

    def _audience(self, scope: Scope) -> str:
        """The socket's address as the page knows it: of the origin that it was asked for at."""
        hosts = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        for origin in self._origins:
            if hosts == [urlsplit(origin).netloc.lower()]:
                path: str = (scope.get("raw_path") or scope["path"].encode()).split(b"?")[0].decode("latin-1")
                return origin.replace("http", "ws", 1) + path
        raise ProofError("proofInvalid", "the socket was asked for at none of this back end's origins", False, 401)


class Socket:
    """A WebSocket in a session's name: the application's until the session ends."""

    def __init__(self, account: Account, receive: Receive, send: Send) -> None:
        self._account = account
        self._receive = receive
        self._send = send
        self._is_told = False
        self._ended: asyncio.Task[Any] | None = None
        self._receiving: asyncio.Future[Message] | None = None

    async def carry(self, app: App, scope: Scope) -> None:
        """Runs the application on it."""
        self._ended = asyncio.create_task(self._end())
        try:
            await app(scope, self.receive, self.send)
        finally:
            for task in (self._ended, self._receiving):
                if task is not None:
                    task.cancel()

    async def receive(self) -> Message:
        """What the application gets: the connection is new to it."""
        if not self._is_told:
            self._is_told = True
            return {"type": "websocket.connect"}
        assert self._ended is not None
        if self._receiving is None:
            self._receiving = asyncio.ensure_future(self._receive())
        await asyncio.wait([self._receiving, self._ended], return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            return {"type": "websocket.disconnect", "code": GONE, "reason": "sessionGone"}
        message, self._receiving = self._receiving.result(), None
        return message

    async def send(self, message: Message) -> None:
        """What the application says. It was accepted already."""
        if self._ended is not None and self._ended.done():
            raise OSError("the session has ended, and its socket with it")
        if message["type"] != "websocket.accept":
            await self._send(message)

    async def _end(self) -> None:
        await self._account.session.ended()
        await self._send({"type": "websocket.close", "code": GONE, "reason": "sessionGone"})


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; `None` where the sender has gone."""
    chunks: list[bytes] = []
    size, is_more = 0, True
    while is_more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise body_too_large()
        chunks.append(chunk)
        is_more = message.get("more_body", False)
    return b"".join(chunks)


def replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body once more, and then what comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


def without_storing(send: Send) -> Send:
    """A shared cache does not know that a signature says whose the answer is."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                message = {**message, "headers": [*headers, (b"cache-control", b"no-store")]}
        await send(message)

    return sending


async def refuse(error: ProofError, send: Send) -> None:
    """Answers with problem details."""
    answer = problem(error)
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def close(code: str, retryable: bool) -> Message:
    """Closes with a code of the one table: its number says whether to try again."""
    return {"type": "websocket.close", "code": 4000 if retryable else 4500, "reason": code}


GONE = 4500

"""One socket of a back end: a view, or the worker that has the lane (docs/protocol.md section 2)."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from ._server import FakeServer


class Link:
    """What one back end has been told."""

    def __init__(self, server: FakeServer, socket: ServerConnection) -> None:
        self.more = asyncio.Event()
        self._server = server
        self._socket = socket
        self._types: frozenset[str] = frozenset()
        self._consumer: str | None = None
        # How far the log was read, and the position that was told last.
        self._read = 0
        self._told = ""
        self._window = 0
        # Items that await acknowledgement, in their order.
        self._unsettled: list[str] = []
        self._is_going = True
        self._refusal = ""

    async def carry(self) -> None:
        """Serves until the connection is over."""
        try:
            hello = json.loads(await self._socket.recv())
            if hello.get("apiKey") != self._server.api_key or not self._server.api_key:
                await self._refuse("badKey")
                return
            await self._begin(hello)
            reading = asyncio.create_task(self._listen(hello))
            try:
                await self._tell(hello)
            finally:
                reading.cancel()
            if self._refusal:
                await self._refuse(self._refusal)
        except ConnectionClosed:
            return

    def refuse(self, code: str) -> None:
        """Ends it with an error."""
        self._refusal = code
        self._is_going = False
        self.more.set()

    def drop(self) -> None:
        """Loses the connection, as networks do."""
        self._socket.transport.abort()

    def release(self) -> None:
        """A worker gives its lane back."""
        consumer = self._consumer
        if consumer is not None and self._server.owners.get(consumer) is self:
            del self._server.owners[consumer]
            for link in list(self._server.links):
                link.more.set()

    async def _begin(self, hello: dict[str, Any]) -> None:
        self._types = frozenset(hello.get("types") or ["loggedIn", "loggedOut"])
        self._window = hello.get("window", 256)
        self._consumer = hello.get("consumer")
        await self._say(
            "ready",
            {
                "protocol": 1,
                "connection": "con_00000000000000000000000000",
                "idleMs": 20_000,
                "window": self._window,
                "lanes": 1,
                "maxMessageBytes": 8192,
                "appID": self._server.app_id,
                "epoch": self._server.epoch,
                "time": now(),
            },
        )

    async def _tell(self, hello: dict[str, Any]) -> None:
        if self._consumer is None:
            await self._start(hello, hello.get("after"))
        else:
            await self._own(hello, self._consumer)
        while self._is_going:
            self.more.clear()
            while self._read < len(self._server.log) and self._has_room():
                await self._tell_next()
            try:
                await asyncio.wait_for(self.more.wait(), QUIET)
            except TimeoutError:
                await self._bookmark()

    def _has_room(self) -> bool:
        return self._is_going and (self._window == 0 or len(self._unsettled) < self._window)

    async def _tell_next(self) -> None:
        entry = self._server.log[self._read]
        self._read += 1
        if "*" in self._types or entry["type"] in self._types:
            prev, self._told = self._told, entry["id"]
            self._unsettled.append(entry["id"])
            await self._socket.send(json.dumps({**entry, "prev": prev}))

    async def _start(self, hello: dict[str, Any], after: str | None) -> None:
        """Says where it begins."""
        server = self._server
        begins = hello.get("start") or ("state" if hello.get("snapshot", True) else "earliest")
        if after is not None:
            self._read, self._told = server.seq_of(after), after
        elif begins == "state":
            self._read = len(server.log)
            self._told = server.position(self._read)
            self._unsettled.append(self._told)
            sessions = [said for _, said in server.sessions.values()]
            page = {"sessions": sessions, "first": True, "last": True}
            await self._say("snapshot", page, id=self._told)
        else:
            self._read = len(server.log) if begins == "now" else 0
            self._told = server.position(self._read)
            await self._bookmark()

    async def _own(self, hello: dict[str, Any], consumer: str) -> None:
        """Waits for the lane of a consumer."""
        server = self._server
        while consumer in server.owners and self._is_going:
            self.more.clear()
            await self.more.wait()
        if not self._is_going:
            return
        server.owners[consumer] = self
        lease = max(server.leases.get(consumer, 0) + 1, int(time.time() * 1000))
        server.leases[consumer] = lease
        stored = server.positions.get(consumer)
        self._offer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        await self._say("assigned", {"lease": lease}, lane=0, id=stored)
        await self._start(hello, await self._offer)

    async def _bookmark(self) -> None:
        prev, self._told = self._told, self._server.position(self._read)
        await self._say("bookmark", {"time": now()}, id=self._told, prev=prev)

    async def _listen(self, hello: dict[str, Any]) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if message.get("type") != "ack":
                continue
            id = message["data"].get("id")
            offer = getattr(self, "_offer", None)
            if offer is not None and not offer.done():
                offer.set_result(id)
            elif id in self._unsettled:
                del self._unsettled[: self._unsettled.index(id) + 1]
            if self._consumer is not None and id is not None:
                self._server.positions[self._consumer] = id
            if message["data"].get("release"):
                self.release()
            self.more.set()
        self._is_going = False
        self.more.set()

    async def _refuse(self, code: str) -> None:
        await self._say("error", {"code": code, "message": code})
        await self._socket.close(CLOSES[code], json.dumps({"error": code}))

    async def _say(self, type: str, data: dict[str, Any], **beside: object) -> None:
        await self._socket.send(json.dumps({"type": type, "data": data, **beside}))


def now() -> str:
    """The time as it stands on the wire."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


CLOSES = {"badKey": 4501, "keyRevoked": 4502}

# A quiet connection is told so.
QUIET = 15.0

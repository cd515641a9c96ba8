"""The server: its log and its sessions, and the sockets of back ends."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import Server, ServerConnection, serve

from ._link import Link
from ._session import FakeSession

Answer = TypeVar("Answer")


class FakeServer:
    """A server on a port of its own, until it is closed. Methods may be called from any thread."""

    url: str
    """Where it is."""

    api_key: str
    """The key that it takes."""

    def __init__(self) -> None:
        self.api_key = "pa_dev_fake"
        self.app_id = identifier("app")
        self.epoch = "fake"
        self.log: list[dict[str, Any]] = []
        self.sessions: dict[str, tuple[FakeSession, dict[str, Any]]] = {}
        self.positions: dict[str, str | None] = {}
        self.leases: dict[str, int] = {}
        self.owners: dict[str, Link] = {}
        self.links: set[Link] = set()
        self._accounts: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        started: threading.Event = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="fake-server", daemon=True)
        self._thread.start()
        started.wait()

    def sign_in(self, who: str = "ada") -> FakeSession:
        """Somebody signs in, and up before if need be. The same name is the same account."""
        return self._call(lambda: self._sign_in(who))

    def sign_out(self, session: FakeSession, reason: str = "user") -> None:
        """A session ends, for one of the reasons of `EndReason`."""
        self._call(lambda: self._sign_out(session.session_id, reason))

    def revoke(self, session: FakeSession) -> None:
        """A back end or an operator ends a session."""
        self.sign_out(session, "revoked")

    def revoke_key(self) -> None:
        """The API key is taken back: every stream ends with `keyRevoked`."""

        def revoke() -> None:
            self.api_key = ""
            for link in list(self.links):
                link.refuse("keyRevoked")

        self._call(revoke)

    def drop(self) -> None:
        """Every connection is lost. Clients come back and resume."""

        def drop() -> None:
            for link in list(self.links):
                link.drop()

        self._call(drop)

    def append(self, type: str, data: dict[str, Any]) -> None:
        """Any other event."""
        self._call(lambda: self._append(type, data))

    def close(self) -> None:
        """Ends it, and its connections."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def position(self, seq: int) -> str:
        """The position of an entry; 0 is the one before the first."""
        return f"{self.epoch}-{seq}-AAAAAAAA"

    def seq_of(self, position: str) -> int:
        """The number in a position of this server."""
        return int(position.split("-")[1])

    def _run(self, started: threading.Event) -> None:
        loop = self._loop
        server: Server = loop.run_until_complete(self._serve())
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        started.set()
        try:
            loop.run_forever()
        finally:
            server.close()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _serve(self) -> Server:
        return await serve(self._carry, "127.0.0.1", 0, compression=None)

    async def _carry(self, socket: ServerConnection) -> None:
        link = Link(self, socket)
        self.links.add(link)
        try:
            await link.carry()
        finally:
            self.links.discard(link)
            link.release()

    def _call(self, what: Callable[[], Answer]) -> Answer:
        async def called() -> Answer:
            return what()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(10)

    def _sign_in(self, who: str) -> FakeSession:
        account_id = self._accounts.get(who)
        if account_id is None:
            account_id = self._accounts[who] = identifier("acct")
            self._append("registered", {"accountID": account_id})
        key = ec.generate_private_key(ec.SECP256R1())
        session = FakeSession(account_id, identifier("ses"), identifier("pk"), key)
        now = datetime.now(timezone.utc)
        ids = {"accountID": account_id, "sessionID": session.session_id, "passkeyID": session.passkey_id}
        expires_at = stamp(now + timedelta(hours=12))
        self.sessions[session.session_id] = (
            session,
            {**ids, "sessionKey": session.jwk(), "since": stamp(now), "expiresAt": expires_at},
        )
        facts = {"userVerified": True, "backedUp": False, "accountSessions": self._count(account_id)}
        origin = {"origin": "https://fake.example", "sessionKey": session.jwk(), "expiresAt": expires_at}
        self._append("loggedIn", {**ids, **origin, **facts})
        return session

    def _sign_out(self, session_id: str, reason: str) -> None:
        found = self.sessions.pop(session_id, None)
        if found is not None:
            account_id = found[0].account_id
            ids = {"accountID": account_id, "sessionID": session_id}
            self._append("loggedOut", {**ids, "reason": reason, "accountSessions": self._count(account_id)})

    def _count(self, account_id: str) -> int:
        return sum(session.account_id == account_id for session, _ in self.sessions.values())

    def _append(self, type: str, data: dict[str, Any]) -> None:
        seq = len(self.log) + 1
        time = stamp(datetime.now(timezone.utc))
        self.log.append({"type": type, "data": data, "id": self.position(seq), "seq": seq, "time": time})
        for link in list(self.links):
            link.more.set()


def identifier(kind: str) -> str:
    """A new id."""
    return f"{kind}_{''.join(secrets.choice(ALPHABET) for _ in range(25))}{secrets.choice('048cgkos')}"


def stamp(time: datetime) -> str:
    """A time as it stands on the wire."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Base32hex of 16 bytes ends with three bits.
ALPHABET = "0123456789abcdefghijklmnopqrstuv"


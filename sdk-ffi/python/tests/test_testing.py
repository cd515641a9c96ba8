"""The fake server says what the real one says: the same program runs against both, and sees the same."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol

import control
import pytest
from passkey_accounts import Accounts, Event, LoggedIn, LoggedOut, ProofError, RawRequest, Snapshot, StreamError, sync
from passkey_accounts.testing import FakeServer, FakeSession

ORIGIN = control.ORIGIN


class Session(Protocol):
    """What both give."""

    @property
    def account_id(self) -> str: ...

    @property
    def session_id(self) -> str: ...


class Fake:
    """The fake one, for the program below."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.url, self.key = server.url, server.api_key
        self._sessions: dict[str, FakeSession] = {}

    def sign_in(self, who: str) -> Session:
        session = self._server.sign_in(who)
        self._sessions[session.session_id] = session
        return session

    def sign_out(self, session: Session) -> None:
        self._server.sign_out(self._sessions[session.session_id])

    def sign(self, session: Session, method: str, target: str, body: str | None) -> RawRequest:
        said = None if body is None else body.encode()
        return self._sessions[session.session_id].sign(method, ORIGIN + target, said)

    def prove(self, session: Session, audience: str, nonce: str) -> str:
        return self._sessions[session.session_id].prove(audience, nonce)


class Real:
    """The real one."""

    def __init__(self) -> None:
        self.url, self.key = control.URL, control.KEY
        self._pages: dict[str, control.Page] = {}

    def sign_in(self, who: str) -> Session:
        page = control.sign_in(f"{who}@shop.example")
        self._pages[page.session_id] = page
        return page

    def sign_out(self, session: Session) -> None:
        self._pages[session.session_id].sign_out()

    def sign(self, session: Session, method: str, target: str, body: str | None) -> RawRequest:
        return self._pages[session.session_id].sign(method, target, body)

    def prove(self, session: Session, audience: str, nonce: str) -> str:
        return self._pages[session.session_id].prove(audience, nonce)


async def seen(server: Fake | Real) -> list[object]:
    """What a back end sees while people come and go, without the names of anything."""
    found: list[object] = []
    names: dict[str, str] = {}

    def name(id: str) -> str:
        return names.setdefault(id, f"{id.split('_')[0]} {len(names)}")

    async def do(what: Callable[..., object], *arguments: object) -> object:
        return await asyncio.to_thread(what, *arguments)

    async with Accounts(server.url, server.key, origins=[ORIGIN]) as accounts:
        for consumer in (None, f"compare-{secrets.token_hex(4)}"):
            first = await asyncio.to_thread(server.sign_in, f"before-{consumer}")
            async with accounts.events(consumer=consumer) as events:
                state = await anext(events)
                assert isinstance(state, Snapshot)
                found += [type(state), state.first, state.last]
                assert first.session_id in {session.session_id for session in state.sessions}
                await accounts.sessions.wait_for(first.session_id)
                ada = await asyncio.to_thread(server.sign_in, f"ada-{consumer}")
                again = await asyncio.to_thread(server.sign_in, f"ada-{consumer}")
                request = await asyncio.to_thread(server.sign, ada, "POST", "/notes?a=1", "hello")
                account = await accounts.sessions.verify(request)
                found += [name(account.account_id) == name(ada.account_id), ada.account_id == again.account_id]
                for refused in (request, RawRequest("GET", "/", {"Host": "app.example"})):
                    try:
                        await accounts.sessions.verify(refused)
                    except ProofError as error:
                        found.append(error.code)
                token = await asyncio.to_thread(server.prove, ada, "wss://app.example/live", "n")
                socket = await accounts.sessions.verify_socket(token, "wss://app.example/live", "n")
                found.append(socket.account_id == ada.account_id)
                await do(server.sign_out, ada)
                found.append(await account.session.ended())
                await do(server.sign_out, again)
                count = 0
                async for item in events:
                    match item:
                        case Event(name=kind, data=LoggedIn(account_sessions=sessions, user_verified=verified)):
                            found += [kind, sessions, verified]
                        case Event(name=kind, data=LoggedOut(account_sessions=sessions, reason=reason)):
                            found += [kind, sessions, reason]
                        case _:
                            continue
                    count += 1
                    if count == 4:
                        break
    return found


def test_the_fake_server_and_the_real_one_look_the_same() -> None:
    with FakeServer() as server:
        fake = asyncio.run(asyncio.wait_for(seen(Fake(server)), 30))
    assert fake == asyncio.run(asyncio.wait_for(seen(Real()), 30))
    assert len(fake) > 30


def test_a_lost_connection_of_the_fake_server_is_resumed() -> None:
    async def test() -> None:
        with FakeServer() as server:
            async with Accounts(server.url, server.api_key) as accounts:
                events = accounts.events()
                await anext(events)
                server.sign_in("ada")
                item = await anext(events)
                assert isinstance(item, Event) and isinstance(item.data, LoggedIn)
                server.drop()
                session = server.sign_in("bob")
                async for after in events:
                    if isinstance(after, Event):
                        assert after.seq == item.seq + 2 and isinstance(after.data, LoggedIn)
                        assert after.data.session_id == session.session_id
                        break

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_key_of_the_fake_server_can_be_wrong_and_revoked() -> None:
    with FakeServer() as server:
        with sync.Accounts(server.url, "pa_dev_wrong") as accounts, pytest.raises(StreamError, match="badKey"):
            next(accounts.events())
        with sync.Accounts(server.url, server.api_key) as accounts:
            events = accounts.events()
            next(events)
            server.revoke(server.sign_in())
            server.revoke_key()
            with pytest.raises(StreamError, match="keyRevoked"):
                for _ in events:
                    pass

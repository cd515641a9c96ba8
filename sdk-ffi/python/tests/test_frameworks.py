"""The pieces for frameworks, with the frameworks: who is let through, who is refused, and with what answer."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Annotated, Any
from urllib.parse import unquote

import django
import httpx
import passkey_accounts.django as for_django
import passkey_accounts.flask as for_flask
import pytest
import uvicorn
from control import KEY, ORIGIN, URL, Page, fields, sign_in
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory
from django.urls import path
from fastapi import Depends, FastAPI, Request, WebSocket
from starlette.responses import PlainTextResponse
from flask import Flask, request as flask_request
from passkey_accounts import Account, Accounts, RawRequest, sync
from passkey_accounts.asgi import ProofMiddleware
from passkey_accounts.fastapi import refuse_with_problems, sender, signed_by, signed_by_if_at_all
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="tests",
    MIDDLEWARE=["passkey_accounts.django.proof_middleware"],
    PASSKEY_ACCOUNTS={"url": URL, "api_key": KEY, "origins": [ORIGIN], "body_limit": 1000},
)
django.setup()

Send = Callable[[RawRequest], "tuple[int, dict[str, str], bytes]"]


def check(page: Page, send: Send, is_optional: bool = False, has_limit: bool = True) -> None:
    """What every piece must do. The back end answers `<account> <body>`."""
    request = page.sign("POST", "/notes?tag=a%20b&x=1", "hello")
    status, headers, body = send(request)
    assert (status, body.decode()) == (200, f"{page.account_id} hello")
    assert headers.get("cache-control", "no-store") == "no-store"
    assert refused(send(request)) == (401, "proofReplayed")
    request = page.sign("POST", "/notes?tag=a%20b&x=1", "hello")
    other = RawRequest(request.method, request.target, request.headers, b"hallo")
    assert refused(send(other)) == (401, "proofInvalid")
    bare = RawRequest("POST", "/notes", [("Host", "app.example")], b"hello")
    if is_optional:
        assert send(bare)[2] == b"nobody hello"
    else:
        assert refused(send(bare)) == (401, "proofMissing")
    if has_limit:
        assert refused(send(page.sign("POST", "/notes", "x" * 1001))) == (413, "tooLarge")


def refused(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """The answer is one that refuses, in every member."""
    status, headers, body = answer
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json" and headers["cache-control"] == "no-store"
    assert (headers.get("www-authenticate") == "passkey-accounts") == (status == 401)
    assert problem["type"] == "about:blank" and problem["status"] == status
    assert set(problem) == {"type", "title", "status", "code", "detail"}
    return status, problem["code"]


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str, None]:
    """A real server on a port of its own."""
    config = uvicorn.Config(app, port=0, log_level="error", ws="websockets-sansio")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def check_asgi(app: Any, **how: bool) -> None:
    async with served(app) as address:
        page = await asyncio.to_thread(sign_in, "asgi@shop.example")

        def send(request: RawRequest) -> tuple[int, dict[str, str], bytes]:
            with httpx.Client() as client:
                url = f"http://{address}{request.target}"
                # A long body comes in pieces and does not say how long it is.
                content = iter([request.body[:900], request.body[900:]]) if len(request.body) > 900 else request.body
                answer = client.request(request.method, url, headers=fields(request), content=content)
                return answer.status_code, dict(answer.headers), answer.content

        await asyncio.to_thread(check, page, send, **how)


@pytest.mark.parametrize("optional", [False, True])
def test_fastapi_depends_on_who_has_signed(optional: bool) -> None:
    async def test() -> None:
        async with Accounts(URL, KEY, origins=[ORIGIN]) as accounts:
            app = FastAPI()
            refuse_with_problems(app)
            signed = signed_by_if_at_all if optional else signed_by

            @app.post("/notes")
            async def notes(
                request: Request, account: Annotated[Account | None, Depends(signed(accounts, body_limit=1000))]
            ) -> PlainTextResponse:
                name = account.account_id if account else "nobody"
                return PlainTextResponse(f"{name} {(await request.body()).decode()}")

            await check_asgi(app, is_optional=optional)

    asyncio.run(asyncio.wait_for(test(), 60))


@pytest.mark.parametrize("optional", [False, True])
def test_the_asgi_middleware_lets_through_what_is_signed(optional: bool) -> None:
    async def test() -> None:
        async with Accounts(URL, KEY, origins=[ORIGIN]) as accounts:

            async def app(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "lifespan":
                    return
                body = (await receive())["body"]
                account = scope["state"]["account"]
                name = account.account_id if account else "nobody"
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": f"{name} {body.decode()}".encode()})

            protected = ProofMiddleware(app, accounts, optional=optional, body_limit=1000)
            await check_asgi(protected, is_optional=optional)

    asyncio.run(asyncio.wait_for(test(), 60))


def test_a_websocket_begins_with_a_proof_and_ends_with_its_session() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY, origins=[ORIGIN]) as accounts:
            app = FastAPI()

            @app.websocket("/live")
            async def live(socket: WebSocket, account: Annotated[Account, Depends(sender)]) -> None:
                await socket.accept()
                await socket.send_text(account.account_id)
                async for text in socket.iter_text():
                    await socket.send_text(text.upper())

            async with served(ProofMiddleware(app, accounts)) as address:
                page = await asyncio.to_thread(sign_in, "live@shop.example")

                async def opened(audience: str) -> ClientConnection:
                    socket = await connect(f"ws://app.example/live", host="127.0.0.1", port=int(address.split(":")[1]), proxy=None)
                    nonce = json.loads(await socket.recv())["nonce"]
                    proof = await asyncio.to_thread(page.prove, audience, nonce)
                    await socket.send(json.dumps({"proof": proof}))
                    return socket

                wrong = await opened("wss://evil.example/live")
                with pytest.raises(ConnectionClosed) as raised:
                    await wrong.recv()
                assert raised.value.rcvd is not None
                assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4500, "proofInvalid")
                socket = await opened("wss://app.example/live")
                assert await socket.recv() == page.account_id
                await socket.send("hello")
                assert await socket.recv() == "HELLO"
                await asyncio.to_thread(page.sign_out)
                with pytest.raises(ConnectionClosed) as raised:
                    await socket.recv()
                assert raised.value.rcvd is not None
                assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4500, "sessionGone")

    asyncio.run(asyncio.wait_for(test(), 60))


@pytest.fixture
def accounts() -> Iterator[sync.Accounts]:
    with sync.Accounts(URL, KEY, origins=[ORIGIN]) as accounts:
        yield accounts


@pytest.mark.parametrize("how", ["every view", "one view", "optional"])
def test_flask_lets_through_what_is_signed(accounts: sync.Accounts, how: str) -> None:
    app = Flask("notes")

    def notes() -> str:
        from flask import g

        name = for_flask.sender().account_id if "passkey_account" in g else "nobody"
        return f"{name} {flask_request.get_data(as_text=True)}"

    if how == "one view":
        app.post("/notes")(for_flask.signed_by(accounts, body_limit=1000)(notes))
    else:
        for_flask.protect(app, accounts, optional=how == "optional", body_limit=1000)
        app.post("/notes")(notes)

    def send(request: RawRequest) -> tuple[int, dict[str, str], bytes]:
        answer = app.test_client().open(
            request.target, method=request.method, headers=fields(request), data=request.body
        )
        return answer.status_code, {name.lower(): value for name, value in answer.headers}, answer.data

    check(sign_in("flask@shop.example"), send, is_optional=how == "optional")


def notes_of_django(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{for_django.sender(request).account_id} {request.body.decode()}")


async def live_notes_of_django(request: HttpRequest) -> HttpResponse:
    return notes_of_django(request)


urlpatterns = [path("notes", notes_of_django)]


def django_headers(request: RawRequest) -> dict[str, str]:
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in fields(request)}


def test_django_lets_through_what_is_signed(accounts: sync.Accounts) -> None:
    for_django.use(accounts)
    handler = for_django.proof_middleware(notes_of_django)

    def send(request: RawRequest) -> tuple[int, dict[str, str], bytes]:
        made = RequestFactory().generic(
            request.method, request.target, request.body, **django_headers(request)  # type: ignore[arg-type]
        )
        answer = handler(made)
        return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content

    check(sign_in("django@shop.example"), send)
    decorated = for_django.signed(notes_of_django)
    page = sign_in("decorated@shop.example")
    request = page.sign("POST", "/notes", "hello")
    made = RequestFactory().generic("POST", "/notes", b"hello", **django_headers(request))  # type: ignore[arg-type]
    assert decorated(made).content == f"{page.account_id} hello".encode()  # type: ignore[attr-defined] # pyright: ignore
    assert decorated(RequestFactory().get("/notes")).status_code == 401
    for_django.use(None)


def test_django_lets_through_what_is_signed_under_asgi(accounts: sync.Accounts) -> None:
    for_django.use(accounts)
    handler = for_django.proof_middleware(live_notes_of_django)

    def send(request: RawRequest) -> tuple[int, dict[str, str], bytes]:
        target, _, query = request.target.partition("?")
        scope = {
            "type": "http",
            "method": request.method,
            "path": unquote(target),
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields(request)],
        }
        made = ASGIRequest(scope, io.BytesIO(request.body))
        answer = asyncio.run(handler(made))
        return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content

    check(sign_in("django-asgi@shop.example"), send)
    for_django.use(None)

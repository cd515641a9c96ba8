"""The example back end, as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from control import ORIGIN, Page, fields, sign_in
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

EXAMPLES = Path(__file__).resolve().parents[3] / "examples/python"


@pytest.fixture
def port() -> Iterator[int]:
    command = [sys.executable, "-m", "uvicorn", "--port", "0", "--no-access-log", "notes:app"]
    environment = {**os.environ, "ORIGIN": ORIGIN, "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(command, cwd=EXAMPLES, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if "Uvicorn running on" in line:
            break
    else:
        pytest.fail("".join(lines))
    yield int(lines[-1].split("127.0.0.1:")[1].split(" ")[0])
    process.terminate()
    assert process.wait(20) in (0, -15)


def send(port: int, page: Page, method: str, target: str, body: str | None = None) -> httpx.Response:
    request = page.sign(method, target, body)
    headers = [*fields(request), ("content-type", "text/plain")]
    address = f"http://127.0.0.1:{port}{target}"
    return httpx.request(method, address, headers=headers, content=request.body, timeout=20)


def test_notes_are_kept_for_who_signs_their_requests(port: int) -> None:
    ada, bob = sign_in("ada@notes.example"), sign_in("bob@notes.example")
    assert send(port, ada, "POST", "/notes", "milk").status_code == 201
    assert send(port, ada, "PUT", "/draft", "bread").status_code == 204
    assert send(port, ada, "GET", "/notes").json() == ["milk"]
    assert send(port, bob, "GET", "/notes").json() == []
    refused = httpx.get(f"http://127.0.0.1:{port}/notes", timeout=20)
    assert (refused.status_code, refused.json()["code"]) == (401, "proofMissing")


def test_what_is_open_in_a_sessions_name_ends_with_it(port: int) -> None:
    ada = sign_in("ending@notes.example")

    async def test() -> None:
        socket = await connect("ws://app.example/live", host="127.0.0.1", port=port, proxy=None)
        nonce = json.loads(await socket.recv())["nonce"]
        proof = await asyncio.to_thread(ada.prove, "wss://app.example/live", nonce)
        await socket.send(json.dumps({"proof": proof}))
        assert await socket.recv() == ada.account_id
        request = await asyncio.to_thread(ada.sign, "GET", "/changes")
        async with httpx.AsyncClient(timeout=20) as client:
            address = f"http://127.0.0.1:{port}/changes"
            async with client.stream("GET", address, headers=fields(request)) as response:
                said = response.aiter_lines()
                assert await anext(said) == "data: 0"
                await asyncio.to_thread(send, port, ada, "POST", "/notes", "milk")
                assert [await anext(said), await anext(said)] == ["", "data: 1"]
                await asyncio.to_thread(ada.sign_out)
                assert [line async for line in said] == [""]
        with pytest.raises(ConnectionClosed) as raised:
            await socket.recv()
        assert raised.value.rcvd is not None and raised.value.rcvd.reason == "sessionGone"

    asyncio.run(asyncio.wait_for(test(), 50))

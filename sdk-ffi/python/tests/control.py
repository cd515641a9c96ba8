"""The real server that tests are about, and what can be done to it (tests/src/control.rs)."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from passkey_accounts import RawRequest

URL = os.environ.get("PASSKEY_ACCOUNTS_URL", "")
KEY = os.environ.get("PASSKEY_ACCOUNTS_API_KEY", "")
ORIGIN = "https://app.example"


def obey(do: str, **arguments: Any) -> Any:
    """Has something done, and waits until it is."""
    body = json.dumps({"do": do, **arguments}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(os.environ["PASSKEY_ACCOUNTS_CONTROL"], body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


async def have(do: str, **arguments: Any) -> Any:
    """The same beside an event loop."""
    return await asyncio.to_thread(obey, do, **arguments)


@dataclass(frozen=True)
class Page:
    """Somebody's page."""

    number: int
    account_id: str
    session_id: str

    def sign(self, method: str, target: str, body: str | None = None) -> RawRequest:
        """What `session.fetch` would send."""
        said = {} if body is None else {"body": body}
        fields = obey("prove", page=self.number, method=method, origin=ORIGIN, target=target, **said)["fields"]
        return RawRequest(method, target, [(name, value) for name, value in fields], (body or "").encode())

    def prove(self, audience: str, nonce: str) -> str:
        """What `session.prove` would give."""
        return str(obey("proveSocket", page=self.number, audience=audience, nonce=nonce)["token"])

    def sign_out(self) -> None:
        obey("signOut", page=self.number)


def fields(request: RawRequest) -> list[tuple[str, str]]:
    """The fields of a request, one by one."""
    headers: Any = request.headers
    return list(headers.items() if isinstance(headers, dict) else headers)  # pyright: ignore


def library_threads() -> set[str]:
    """The ids of this process's threads that belong to the library, by the names it gives them."""
    found: set[str] = set()
    for task in os.listdir("/proc/self/task"):
        with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/self/task/{task}/comm") as name:
            if name.read().startswith("passkey"):
                found.add(task)
    return found


def those_end_beside(before: set[str]) -> bool:
    """Whether all threads of the library but those ended: the system ends one a moment after it could be joined."""
    end = time.monotonic() + 10
    while not library_threads() <= before and time.monotonic() < end:
        os.sched_yield()
    return library_threads() <= before


def sign_in(email: str = "ada@shop.example") -> Page:
    """Somebody signs in on a new page."""
    said = obey("signIn", email=email)
    return Page(said["page"], said["accountID"], said["sessionID"])

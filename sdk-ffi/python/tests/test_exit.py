"""The interpreter ends while things are open: at once, with its own exit code, and without a word."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest

PRELUDE = """
import asyncio, os, sys, threading, time
from passkey_accounts import Accounts, sync
url, key = os.environ["PASSKEY_ACCOUNTS_URL"], os.environ["PASSKEY_ACCOUNTS_API_KEY"]
"""

ENDS = {
    "events, sessions and a wait are open": """
        async def main():
            global accounts, events, waiting
            accounts = Accounts(url, key)
            events = accounts.events()
            await anext(events)
            await accounts.sessions.in_sync()
            waiting = asyncio.create_task(anext(events))
            await asyncio.sleep(0.05)
        asyncio.run(main())
    """,
    "a coroutine is raised out of": """
        async def main():
            async for item in Accounts(url, key).events():
                sys.exit(0)
        asyncio.run(main())
    """,
    "the synchronous twin waits in a daemon": """
        accounts = sync.Accounts(url, key)
        events = accounts.events(types=["nothingHasThisType"])
        next(events)
        threading.Thread(target=lambda: list(events), daemon=True).start()
        time.sleep(0.05)
    """,
    "a key provider hangs": """
        asked = threading.Event()
        def provide():
            asked.set()
            time.sleep(60)
        accounts = sync.Accounts(url, provide)
        threading.Thread(target=lambda: list(accounts.events()), daemon=True).start()
        asked.wait()
    """,
    "a coroutine that gives the key hangs": """
        asked = threading.Event()
        async def provide():
            asked.set()
            await asyncio.sleep(60)
        accounts = sync.Accounts(url, provide)
        threading.Thread(target=lambda: list(accounts.events()), daemon=True).start()
        asked.wait()
    """,
    "nothing holds what was opened": """
        for _ in range(5):
            sync.Accounts(url, key).sessions.in_sync(10)
    """,
    "events rush in": """
        accounts = sync.Accounts(url, key)
        events = accounts.events(start="earliest", snapshot=False, types=["*"])
        next(events)
        asyncio.run(asyncio.sleep(0))
    """,
}


@pytest.mark.parametrize("how", ENDS)
def test_the_interpreter_ends_at_once_and_quietly_while(how: str) -> None:
    program = PRELUDE + textwrap.dedent(ENDS[how])
    for _ in range(3):
        began = time.monotonic()
        process = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", program], capture_output=True, text=True, timeout=30
        )
        assert process.returncode == 0, process.stderr
        assert process.stderr == ""
        assert time.monotonic() - began < 10

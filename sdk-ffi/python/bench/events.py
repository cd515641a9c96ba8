"""CPU per event, of this package and of `websockets` with `json.loads`, over the same stream of the same server.

Rounds take turns, so that a busy machine slows both. Every round is a process of its own, and its time is all that the
process used (`time.process_time`: all threads, user and system), from the first event on. The pure client is there twice: with
a frame for each event, as clients get them, and with the lines in a frame that ours asks for (`ndjson`). Needs
PASSKEY_ACCOUNTS_URL, PASSKEY_ACCOUNTS_API_KEY and, to make events, PASSKEY_ACCOUNTS_CONTROL: what
`cargo run --release -p passkey-accounts-tests --bin control` prints. A slow server would have its clients wait and wake up.

    python bench/events.py [--events 50000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request

URL = os.environ.get("PASSKEY_ACCOUNTS_URL", "")
KEY = os.environ.get("PASSKEY_ACCOUNTS_API_KEY", "")


async def with_websockets(events: int, *, ndjson: bool = False) -> float:
    """A pure client: every event is read and looked at; nothing is acknowledged, checked or resumed."""
    from websockets.asyncio.client import connect

    address = URL.replace("http", "ws", 1) + "/v1/events"
    async with connect(address, max_size=None, compression=None) as socket:
        wish = {"apiKey": KEY, "protocol": 1, "start": "earliest", "snapshot": False, "window": 0, "types": ["loggedOut"]}
        await socket.send(json.dumps({**wish, "ndjson": ndjson}))
        seen, began = 0, time.process_time()
        async for text in socket:
            for line in str(text).split("\n"):
                message = json.loads(line)
                if message["type"] == "loggedOut" and message["data"]["accountID"]:
                    seen += 1
                    if seen == 1:
                        began = time.process_time()
            if seen >= events:
                break
        return (time.process_time() - began) * events / seen


async def with_lines(events: int) -> float:
    """The same, reading many events from one frame."""
    return await with_websockets(events, ndjson=True)


async def with_this(events: int) -> float:
    """Ours: acknowledged, checked against what came before, resumed when lost; every event is matched by its data."""
    from passkey_accounts import Accounts, Event, LoggedOut

    async with Accounts(URL, KEY) as accounts:
        seen, began = 0, time.process_time()
        async for item in accounts.events(start="earliest", snapshot=False, types=["loggedOut"]):
            match item:
                case Event(data=LoggedOut(account_id=account)) if account:
                    seen += 1
                    if seen == 1:
                        began = time.process_time()
                    if seen == events:
                        break
        return time.process_time() - began


async def with_this_in_batches(events: int) -> float:
    """Ours, handled a batch at a time."""
    from passkey_accounts import Accounts, Event, LoggedOut

    async with Accounts(URL, KEY) as accounts:
        seen, began = 0, time.process_time()
        stream = accounts.events(start="earliest", snapshot=False, types=["loggedOut"], window=4096, prefetch=4096)
        async for batch in stream.batches():
            for item in batch:
                match item:
                    case Event(data=LoggedOut(account_id=account)) if account:
                        seen += 1
                        if seen == 1:
                            began = time.process_time()
            if seen >= events:
                break
        return (time.process_time() - began) * events / seen


WAYS = {
    "websockets": with_websockets,
    "websockets, lines": with_lines,
    "ours": with_this,
    "ours, in batches": with_this_in_batches,
}


def make_events(events: int) -> None:
    """Has the server's log grow."""
    command = json.dumps({"do": "append", "events": events}).encode()
    headers = {"content-type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(os.environ["PASSKEY_ACCOUNTS_CONTROL"], command, headers), timeout=300
    ) as answer:
        answer.read()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=50_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--once", choices=WAYS)
    asked = arguments.parse_args()
    if asked.once:
        print(asyncio.run(WAYS[asked.once](asked.events)))
        return
    if "PASSKEY_ACCOUNTS_CONTROL" in os.environ:
        make_events(asked.events)
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(asked.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--events", str(asked.events), "--once", way]
            taken[way].append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    base = statistics.median(taken["websockets"])
    for way, times in taken.items():
        median = statistics.median(times)
        print(f"{way:<17} {median / asked.events * 1e6:6.2f} us of CPU per event, {base / median:5.2f}x")
    print(f"ratio {base / statistics.median(taken['ours, in batches']):.2f}")


if __name__ == "__main__":
    main()

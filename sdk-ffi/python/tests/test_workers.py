"""Workers: the server keeps the position, and processes share the work."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap

import pytest
from control import KEY, URL, have
from passkey_accounts import Accounts, Event, Position, Standby, Waiting

WORKER = textwrap.dedent(
    """
    import asyncio, os, sys
    from passkey_accounts import Accounts, Event

    async def main():
        url, key = os.environ["PASSKEY_ACCOUNTS_URL"], os.environ["PASSKEY_ACCOUNTS_API_KEY"]
        async with Accounts(url, key) as accounts:
            async for item in accounts.events(consumer=sys.argv[1], types=["*"], start="now", snapshot=False):
                if isinstance(item, Event):
                    print(item.seq, flush=True)
                else:
                    print("began", flush=True)

    asyncio.run(main())
    """
)


def worker(consumer: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WORKER, consumer], stdout=subprocess.PIPE, text=True)


async def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return (await asyncio.to_thread(process.stdout.readline)).strip()


def test_another_process_takes_over_where_a_killed_one_was() -> None:
    async def test() -> None:
        first = worker("takeover")
        assert await said(first) == "began"
        async with Accounts(URL, KEY) as accounts:
            events = accounts.events(consumer="takeover", types=["*"])
            statuses = events.statuses()
            async for status in statuses:
                if isinstance(status, Standby):
                    break
            await have("append", events=10)
            seqs = [int(await said(first)) for _ in range(10)]
            first.kill()
            first.wait()
            await have("append", events=10)
            async for item in events:
                if isinstance(item, Event):
                    seqs.append(item.seq)
                    if item.seq == seqs[0] + 19:
                        break
            # The one that was in the killed process's hands may come twice, and none is missing.
            assert sorted(set(seqs)) == list(range(seqs[0], seqs[0] + 20))

    asyncio.run(asyncio.wait_for(test(), 50))


def test_lanes_are_handled_beside_each_other_and_each_in_its_order() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            events = accounts.events(consumer="lanes", lanes=4, types=["*"], start="now", snapshot=False, prefetch=4)
            busy: set[int] = set()
            most = 0
            order: dict[int, list[int]] = {}

            async def handle(item: object, position: Position | None) -> None:
                nonlocal most
                if not isinstance(item, Event) or position is None:
                    return
                assert position.consumer == "lanes" and position.lease > 0
                assert position.lane not in busy
                busy.add(position.lane)
                most = max(most, len(busy))
                await asyncio.sleep(0.002)
                busy.discard(position.lane)
                order.setdefault(position.lane, []).append(item.seq)
                if sum(map(len, order.values())) == 100:
                    await events.close()

            running = asyncio.create_task(events.run(handle, concurrency=16))
            while not order:
                await have("append", events=10)
            for _ in range(10):
                await have("append", events=10)
            await running
            assert all(seqs == sorted(seqs) for seqs in order.values())
            assert most > 1 or len(order) == 1

    asyncio.run(asyncio.wait_for(test(), 50))


class Store:
    """Positions as an application keeps them."""

    def __init__(self, id: str | None) -> None:
        self.id = id
        self.claims: list[tuple[str, int, int]] = []
        self.failures = 1

    async def claim(self, consumer: str, lane: int, lease: int) -> str | None:
        await asyncio.sleep(0)
        self.claims.append((consumer, lane, lease))
        if self.failures:
            self.failures -= 1
            raise OSError("the database is locked")
        return self.id


def test_the_position_of_the_application_goes_before_the_servers() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            async with accounts.events(types=["*"], start="now") as view:
                await anext(view)
                await have("append", events=3)
                first = await anext(view)
            store = Store(first.position)
            async with accounts.events(consumer="stored", types=["*"], positions=store) as events:
                async for item in events:
                    if isinstance(item, Event):
                        assert isinstance(first, Event) and item.seq == first.seq + 1
                        break
            assert [claim[:2] for claim in store.claims] == [("stored", 0)] * 2
            assert store.claims[0][2] < store.claims[1][2]

    asyncio.run(asyncio.wait_for(test(), 50))


def test_a_slow_handler_keeps_its_lane_and_its_connection() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            async with accounts.events(consumer="slow", types=["*"], start="now", snapshot=False) as events:
                await anext(events)
                await have("append", events=3)
                seqs: list[int] = []
                # As long as a server waits before it takes silence for a lost connection, nothing here answers.
                for item in [await anext(events) for _ in range(2)]:
                    seqs += [item.seq] if isinstance(item, Event) else []
                await asyncio.to_thread(__import__("time").sleep, 1.5)
                assert not isinstance(events.status, Waiting)
                item = await anext(events)
                assert isinstance(item, Event) and item.seq > seqs[-1]

    asyncio.run(asyncio.wait_for(test(), 50))


def test_options_that_cannot_be_are_refused() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            with pytest.raises(TypeError, match="list of names"):
                accounts.events(types="loggedIn")

    asyncio.run(test())

"""Workers: the server keeps the position, and processes share the work."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import textwrap
import time

import pytest
from control import KEY, URL, have
from passkey_accounts import Accounts, Event, Position, Standby, Waiting

# A server that is used again remembers consumers.
RUN = secrets.token_hex(4)

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
        first = worker(f"takeover-{RUN}")
        assert await said(first) == "began"
        async with Accounts(URL, KEY) as accounts:
            events = accounts.events(consumer=f"takeover-{RUN}", types=["*"])
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


def test_what_was_in_hand_when_it_was_closed_comes_again_and_what_was_handled_does_not() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            async with accounts.events(consumer=f"in-hand-{RUN}", types=["*"], start="now", snapshot=False) as events:
                await anext(events)
                await have("append", events=3)
                handled, in_hand = await anext(events), await anext(events)
                assert isinstance(handled, Event) and isinstance(in_hand, Event)
            async for item in accounts.events(consumer=f"in-hand-{RUN}", types=["*"]):
                if isinstance(item, Event):
                    assert item == in_hand
                    break

    asyncio.run(asyncio.wait_for(test(), 50))


def test_a_batch_is_handled_when_the_next_is_asked_for_and_not_before() -> None:
    async def test() -> None:
        options = {"consumer": f"batches-{RUN}", "types": ["*"], "snapshot": False, "prefetch": 16}
        async with Accounts(URL, KEY) as accounts:
            async with accounts.events(start="now", **options) as events:  # type: ignore[arg-type] # pyright: ignore
                await anext(events.batches())
                await have("append", events=100)
                handled: list[int] = []
                in_hand: list[int] = []
                async for batch in events.batches():
                    assert 1 <= len(batch) <= 16
                    handled += in_hand
                    in_hand = [item.seq for item in batch if isinstance(item, Event)]
                    # Longer than items of a batch may be handled and not told.
                    await asyncio.sleep(0.06)
                    if len(handled) + len(in_hand) >= 50:
                        break
            async for item in accounts.events(**options):  # type: ignore[arg-type] # pyright: ignore
                if isinstance(item, Event):
                    assert item.seq == in_hand[0]
                    break
        assert handled == list(range(in_hand[0] - len(handled), in_hand[0]))

    asyncio.run(asyncio.wait_for(test(), 50))


def test_lanes_are_handled_beside_each_other_and_each_in_its_order() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            events = accounts.events(consumer=f"lanes-{RUN}", lanes=4, types=["*"], start="now", snapshot=False, prefetch=4)
            busy: set[int] = set()
            most = 0
            order: dict[int, list[int]] = {}

            async def handle(item: object, position: Position | None) -> None:
                nonlocal most
                if not isinstance(item, Event) or position is None:
                    return
                assert position.consumer == f"lanes-{RUN}" and position.lease > 0
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
            async with accounts.events(consumer=f"stored-{RUN}", types=["*"], positions=store) as events:
                async for item in events:
                    if isinstance(item, Event):
                        assert isinstance(first, Event) and item.seq == first.seq + 1
                        break
            assert [claim[:2] for claim in store.claims] == [(f"stored-{RUN}", 0)] * 2
            assert store.claims[0][2] < store.claims[1][2]

    asyncio.run(asyncio.wait_for(test(), 50))


def test_a_slow_handler_keeps_its_lane_and_its_connection() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            async with accounts.events(consumer=f"slow-{RUN}", types=["*"], start="now", snapshot=False) as events:
                await anext(events)
                await have("append", events=3)
                seqs: list[int] = []
                # The loop stands still; the connection is not the loop's.
                for item in [await anext(events) for _ in range(2)]:
                    seqs += [item.seq] if isinstance(item, Event) else []
                time.sleep(1.5)
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

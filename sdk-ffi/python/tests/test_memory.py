"""A hundred thousand events leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os

from control import KEY, URL, library_threads, obey, those_end_beside
from passkey_accounts import Accounts, Event

EVENTS = 100_000


def resident_kib() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def test_memory_stays_flat() -> None:
    obey("append", events=EVENTS)

    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            await accounts.sessions.in_sync()
            count, sizes = 0, list[int]()
            async for item in accounts.events(start="earliest", snapshot=False, types=["*"]):
                if not isinstance(item, Event):
                    continue
                count += 1
                if count % (EVENTS // 10) == 0:
                    gc.collect()
                    sizes.append(resident_kib())
                if count == EVENTS:
                    break
            # The allocator keeps freed pages for a while, so it goes up and down, and most at first. 50,000 events lie between
            # the two that are compared: 340 bytes kept of each would be seen.
            assert min(sizes[6:]) - min(sizes[1:6]) < 16 * 1024, sizes

    asyncio.run(asyncio.wait_for(test(), 100))


def test_what_was_closed_leaves_no_threads_and_no_descriptors() -> None:
    async def once() -> None:
        async with Accounts(URL, KEY) as accounts:
            await anext(accounts.events())
            await accounts.sessions.in_sync()

    async def test() -> None:
        await once()
        before, descriptors = library_threads(), len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            await once()
        assert len(os.listdir("/proc/self/fd")) <= descriptors
        assert those_end_beside(before)

    asyncio.run(asyncio.wait_for(test(), 50))

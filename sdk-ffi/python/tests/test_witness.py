"""The witness over the real server's log, which somebody rewrites in the end."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from control import KEY, URL, have
from passkey_accounts import Accounts, Closed, Event, StreamError, WitnessOptions


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 50))


def keys_of_the_server() -> tuple[str, ...]:
    with urllib.request.urlopen(f"{URL}/.well-known/jwks.json", timeout=10) as answer:
        return tuple(key["x"] for key in json.load(answer)["keys"])


def position(checkpoint: Path) -> str | None:
    """What the file remembers; `None` before there is one."""
    return str(json.loads(checkpoint.read_text())["position"]) if checkpoint.exists() else None


async def read(checkpoint: Path, after: str | None, count: int) -> list[Event]:
    """So many events, handled and remembered before the stream is closed."""
    witness = WitnessOptions(checkpoint, keys_of_the_server())
    seen: list[Event] = []
    async with Accounts(URL, KEY) as accounts:
        events = accounts.events(types=["*"], after=after, start=None if after else "earliest", witness=witness)
        async for delivery in events.deliveries():
            delivery.ack()
            if isinstance(delivery.item, Event):
                seen.append(delivery.item)
            if len(seen) == count:
                break
        # It is written beside what goes on here.
        while position(checkpoint) != seen[-1].id:
            await asyncio.sleep(0)
    return seen


def test_a_checkpoint_goes_on_over_a_restart_and_a_log_rewritten_meanwhile_is_noticed(tmp_path: Path) -> None:
    async def test() -> None:
        checkpoint = tmp_path / "log.checkpoint"
        await have("append", events=20)
        first = await read(checkpoint, None, 20)
        await have("restart")
        await have("append", events=10)
        second = await read(checkpoint, first[-1].id, 10)
        seqs = [event.seq for event in first + second]
        assert seqs == list(range(seqs[0], seqs[0] + 30))

        await have("kill")
        await have("rewrite")
        await have("start")
        for after in (second[-1].id, first[-1].id):
            witness = WitnessOptions(checkpoint, keys_of_the_server())
            async with Accounts(URL, KEY) as accounts:
                events = accounts.events(types=["*"], after=after, witness=witness)
                with pytest.raises(StreamError) as raised:
                    async for _ in events:
                        pass
                assert (raised.value.code, raised.value.retryable) == ("logRewritten", False)
                assert events.failure is raised.value
                assert isinstance([status async for status in events.statuses()][-1], Closed)
        assert position(checkpoint) == second[-1].id, "what is remembered is what was read"

    run(test())


def test_what_is_no_checkpoint_and_what_is_no_key_is_said(tmp_path: Path) -> None:
    async def test() -> None:
        broken = tmp_path / "broken"
        broken.write_text("{")
        for witness, code, why in (
            (WitnessOptions(broken, keys_of_the_server()), "internal", "the checkpoint cannot be read"),
            (WitnessOptions(tmp_path / "none", ("AQ",)), "unexpected", "AQ"),
        ):
            async with Accounts(URL, KEY) as accounts:
                with pytest.raises(StreamError, match=why) as raised:
                    await anext(accounts.events(types=["*"], start="earliest", witness=witness))
                assert raised.value.code == code

    run(test())


def test_a_head_that_another_key_signed_is_worth_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        # Nobody's key of this server: that of the transcripts.
        witness = WitnessOptions(tmp_path / "log.checkpoint", ("6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw",))
        await have("append", events=1_000)
        async with Accounts(URL, KEY) as accounts:
            with pytest.raises(StreamError, match="signed with a key that is not pinned") as raised:
                async for _ in accounts.events(types=["*"], start="earliest", witness=witness):
                    pass
            assert raised.value.code == "logRewritten"

    run(test())

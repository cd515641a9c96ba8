"""The event stream against the real server."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import logging
import pickle
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import passkey_accounts
import pytest
from control import KEY, URL, have, obey, sign_in
from passkey_accounts import (
    Accounts,
    Bookmark,
    Closed,
    Confirmed,
    Delivery,
    EndReason,
    Event,
    Events,
    Item,
    Live,
    LoggedIn,
    LoggedOut,
    PasskeyAccountsError,
    Snapshot,
    StreamError,
    Waiting,
)

def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 50))


async def following(events: Events) -> Item | None:
    return await anext(events, None)


async def only_events(items: AsyncIterator[Item]) -> AsyncIterator[Event]:
    async for item in items:
        if isinstance(item, Event):
            yield item


async def next_event(events: Events) -> Event:
    while True:
        item = await anext(events)
        if isinstance(item, Event):
            return item


def test_state_comes_first_then_what_happens() -> None:
    async def test() -> None:
        page = await asyncio.to_thread(sign_in, "state@shop.example")
        async with Accounts(URL, KEY) as accounts, accounts.events() as events:
            state = await anext(events)
            assert isinstance(state, Snapshot) and state.first and state.last
            assert page.session_id in [session.session_id for session in state.sessions]
            assert state.position == state.id
            await asyncio.to_thread(page.sign_out)
            gone = await next_event(events)
            match gone:
                case Event(name="loggedOut", data=LoggedOut(account_id=account, account_sessions=0)):
                    assert account == page.account_id
                case _:
                    pytest.fail(repr(gone))
            assert gone.data == LoggedOut(page.account_id, page.session_id, EndReason.USER, 0)
            assert page.account_id in gone.json

    run(test())


def test_a_sign_in_and_a_confirmation_have_all_their_members() -> None:
    async def test() -> None:
        (await asyncio.to_thread(sign_in, "members@shop.example"))
        async with Accounts(URL, KEY) as accounts, accounts.events(types=["loggedIn", "confirmed"]) as events:
            await anext(events)
            page = await asyncio.to_thread(sign_in, "members@shop.example")
            login = await next_event(events)
            assert isinstance(login.data, LoggedIn) and login.data.evidence is not None
            assert len(login.data.session_key.x) == 32 and len(login.data.evidence.thumbprint) == 32
            assert login.data.evidence.kind == "signIn" and login.data.expires_at > login.time
            await have("confirm", page=page.number, action='{"type":"pay","amount":10}')
            confirmed = (await next_event(events)).data
            assert isinstance(confirmed, Confirmed)
            assert confirmed.action == '{"amount":10,"type":"pay"}'
            assert confirmed.evidence.kind == "confirm" and confirmed.session_id == page.session_id

    run(test())


def test_an_event_is_a_value_that_cannot_be_changed() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts, accounts.events(start="now") as events:
            await anext(events)
            await have("append", events=2)
            event, another = await next_event(events), await next_event(events)
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.id = "another"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.data.account_id = "x"  # type: ignore[union-attr, misc] # pyright: ignore
        assert event != another and len({event, another, copy.copy(event)}) == 2
        assert pickle.loads(pickle.dumps(event)) == event
        made = Event(event.id, event.seq, event.time, event.name, event.data, event.json)
        assert made == event and made.data == event.data and repr(made) == repr(event)

    run(test())


def test_cancelled_waits_lose_nothing() -> None:
    async def test() -> None:
        seqs: list[int] = []
        cancelled = 0
        async with Accounts(URL, KEY) as accounts, accounts.events(types=["*"], start="now") as events:
            await anext(events)

            is_enough = False

            async def busy() -> None:
                while not is_enough:
                    await have("append", events=10)

            making = asyncio.create_task(busy())
            while len(seqs) < 300 or cancelled < 100:
                # From a cancellation at once to one that comes just as the item does.
                try:
                    item = await asyncio.wait_for(anext(events), 0.0002 * (cancelled % 40))
                except TimeoutError:
                    cancelled += 1
                    continue
                seqs += [item.seq] if isinstance(item, Event) else []
            is_enough = True
            await making
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))

    run(test())


def test_events_go_on_over_a_killed_and_a_restarted_server() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts, accounts.events(types=["*"], start="now") as events:
            await anext(events)
            statuses = events.statuses()
            seen = [await anext(statuses)]
            await have("append", events=50)
            seqs = [(await next_event(events)).seq for _ in range(20)]
            await have("kill")
            while not isinstance(seen[-1], Waiting):
                seen.append(await anext(statuses))
            await have("start")
            await have("append", events=50)
            await have("restart")
            await have("append", events=50)
            async for event in only_events(events):
                seqs.append(event.seq)
                if len(seqs) >= 150:
                    break
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
            while not isinstance(seen[-1], Live):
                seen.append(await anext(statuses))
        assert isinstance(events.status, Closed)

    run(test())


def test_a_position_resumes_the_stream() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            async with accounts.events(types=["*"], start="now") as events:
                await anext(events)
                await have("append", events=5)
                first = await next_event(events)
            async with accounts.events(types=["*"], after=first.position) as events:
                second = await next_event(events)
        assert second.seq == first.seq + 1

    run(test())


def test_what_failed_comes_again_and_what_follows_it_too() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts, accounts.events(types=["*"], start="now") as events:
            deliveries = events.deliveries()
            (await anext(deliveries)).ack()
            await have("append", events=6)
            seqs: list[int] = []
            async for delivery in deliveries:
                if not isinstance(delivery.item, Event):
                    delivery.ack()
                    continue
                seqs.append(delivery.item.seq)
                if len(seqs) == 3:
                    delivery.fail()
                elif len(seqs) == 7:
                    break
                elif len(seqs) != 5:
                    delivery.ack()
                # The fifth is forgotten, which says the same as `fail`.
            first = seqs[0]
            assert [seq - first for seq in seqs] == [0, 1, 2, 2, 3, 3, 4]

    run(test())


def test_handlers_of_a_view_run_in_order_and_a_failed_one_runs_again() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts, accounts.events(types=["*"], start="now") as events:
            seqs: list[int] = []
            failures: list[Exception] = []

            async def handle(item: Item, _position: object) -> None:
                if not isinstance(item, Event):
                    if not seqs:
                        await have("append", events=5)
                    return
                await asyncio.sleep(0)
                if len(seqs) == 2 and not failures:
                    raise ValueError("the database is locked")
                seqs.append(item.seq)
                if len(seqs) == 5:
                    await events.close()

            await events.run(handle, concurrency=4, on_error=lambda error, _item: failures.append(error))
            assert seqs == list(range(seqs[0], seqs[0] + 5)) and len(failures) == 1

    run(test())


def test_a_bad_key_is_an_exception_with_a_sentence() -> None:
    async def test() -> None:
        async with Accounts(URL, "pa_dev_nonsense") as accounts:
            events = accounts.events()
            with pytest.raises(PasskeyAccountsError, match="the API key is missing, misspelt or unknown") as raised:
                await anext(events)
            assert isinstance(raised.value, StreamError) and raised.value.code == "badKey"
            assert not raised.value.retryable and events.failure is raised.value
            assert await anext(events, None) is None

    run(test())


def test_a_revoked_key_ends_the_stream_unless_there_is_another() -> None:
    async def test() -> None:
        old, new = (await have("makeKey"))["key"], (await have("makeKey"))["key"]
        keys = [old, new]

        async def provide() -> str:
            await asyncio.sleep(0)
            return str(keys[0])

        async with Accounts(URL, old) as accounts, Accounts(URL, provide) as rotating:
            ending, going = accounts.events(types=["*"]), rotating.events(types=["*"], start="now")
            await anext(ending)
            await anext(going)
            keys.pop(0)
            await have("revokeKey", key=old)
            with pytest.raises(StreamError) as raised:
                async for _ in ending:
                    pass
            assert raised.value.code == "keyRevoked"
            await have("append", events=1)
            assert (await next_event(going)).name

    run(test())


def test_a_plain_function_gives_the_key_and_its_failure_is_told() -> None:
    async def test() -> None:
        answers: list[str] = []

        def provide() -> str:
            if not answers:
                answers.append("asked")
                raise OSError("the vault is closed")
            return KEY

        async with Accounts(URL, provide) as accounts, accounts.events() as events:
            statuses = events.statuses()
            why = ""
            async for status in statuses:
                if isinstance(status, Waiting):
                    why = status.why
                if isinstance(status, Live):
                    break
            assert "the vault is closed" in why
            assert isinstance(await anext(events), Snapshot)

    run(test())


def test_a_key_does_not_travel_in_the_clear() -> None:
    async def test() -> None:
        with pytest.raises(StreamError) as raised:
            async with Accounts("ws://auth.example/", KEY) as accounts:
                await anext(accounts.events())
        assert raised.value.code == "badAddress"

    run(test())


def test_closing_ends_the_wait_of_another_task() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            events = accounts.events(types=["nothingHasThisType"])
            await anext(events)
            waiting = asyncio.create_task(following(events))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task"):
                await anext(events)
            await events.close()
            assert await asyncio.wait_for(waiting, 5) is None
            assert await anext(events, None) is None

    run(test())


def test_other_tasks_get_their_turn_however_much_comes() -> None:
    async def test() -> None:
        obey("append", events=5_000)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with Accounts(URL, KEY) as accounts:
            counting = asyncio.create_task(other())
            count = 0
            async for _ in accounts.events(start="earliest", snapshot=False, types=["*"]):
                count += 1
                if count == 5_000:
                    break
            counting.cancel()
        assert turns > 15

    run(test())


def test_the_log_says_how_the_connection_does_and_never_a_key(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            await anext(accounts.events())
        with pytest.raises(StreamError):
            async with Accounts(URL, "pa_dev_nonsense") as accounts:
                await anext(accounts.events(consumer="billing"))

    with caplog.at_level(logging.DEBUG, "passkey_accounts"):
        run(test())
    said = caplog.text
    assert "events: live" in said and "events of 'billing': ended: badKey" in said
    assert KEY not in said and "nonsense" not in said


def test_a_bookmark_says_that_nothing_happened() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts, accounts.events(start="now") as events:
            item = await anext(events)
            assert isinstance(item, Bookmark) and item.position == item.id

    run(test())


def test_a_delivery_that_is_kept_and_lost_comes_again() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts, accounts.events(types=["*"], start="now") as events:
            deliveries = events.deliveries()
            (await anext(deliveries)).ack()
            await have("append", events=1)

            async def event() -> Delivery:
                while True:
                    delivery = await anext(deliveries)
                    if isinstance(delivery.item, Event):
                        return delivery
                    delivery.ack()

            kept = await event()
            kept.keep()
            item = kept.item
            del kept
            assert (await event()).item == item

    run(test())


def test_everything_public_is_named() -> None:
    public = {name for name in vars(passkey_accounts) if not name.startswith("_")}
    modules = {"problem", "testing", "sync", "asgi", "fastapi", "django", "flask"}
    assert public - modules == set(passkey_accounts.__all__) - modules

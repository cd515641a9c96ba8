"""The event stream in Python, against the server named in the environment, where people sign in and out all the time."""

import asyncio
import os
import unittest

import passkey_accounts
from passkey_accounts import (
    Bookmark,
    Confirmed,
    Event,
    Events,
    LoggedIn,
    LoggedOut,
    PasskeyAccountsError,
    Snapshot,
    StreamError,
)

URL = os.environ["PASSKEY_ACCOUNTS_URL"]
KEY = os.environ["PASSKEY_ACCOUNTS_API_KEY"]


class EventsTest(unittest.IsolatedAsyncioTestCase):
    async def test_state_comes_first_then_what_happens(self) -> None:
        async with Events(URL, KEY) as events:
            state = await anext(events)
            self.assertIsInstance(state, Snapshot)
            self.assertTrue(state.first and state.last)
            kinds = set()
            async for item in events:
                if isinstance(item, Event):
                    kinds.add(type(item.data))
                    self.assertTrue(item.data.account_id.startswith("acct_"))
                    self.assertIn(item.data.account_id, item.json)
                    self.assertEqual(item.position, item.id)
                if kinds == {LoggedIn, LoggedOut}:
                    break

    async def test_a_sign_in_has_all_its_members(self) -> None:
        async with Events(URL, KEY, types=["loggedIn"]) as events:
            login = await anext(item async for item in events if isinstance(item, Event))
        self.assertEqual(login.name, "loggedIn")
        self.assertEqual(len(login.data.session_key.x), 32)
        self.assertEqual(len(login.data.evidence.thumbprint), 32)
        self.assertEqual(login.data.evidence.kind, "signIn")
        self.assertGreater(login.data.expires_at, login.time)

    async def test_a_confirmation_has_all_its_members(self) -> None:
        async with Events(URL, KEY, types=["confirmed"]) as events:
            confirmed = (await anext(item async for item in events if isinstance(item, Event))).data
        self.assertIsInstance(confirmed, Confirmed)
        self.assertEqual(confirmed.action, '{"amount":10,"type":"pay"}')
        self.assertEqual(confirmed.evidence.kind, "confirm")
        self.assertTrue(confirmed.ceremony_id.startswith("cer_"))
        self.assertTrue(confirmed.session_id.startswith("ses_"))

    async def test_cancelled_waits_lose_nothing(self) -> None:
        seqs, cancelled = [], 0
        async with Events(URL, KEY, types=["*"]) as events:
            while len(seqs) < 200:
                # From a cancellation at once to one that comes just as the item does.
                timeout = 0.0002 * (len(seqs) % 40)
                try:
                    item = await asyncio.wait_for(anext(events), timeout)
                except TimeoutError:
                    cancelled += 1
                    await asyncio.sleep(0)
                    if cancelled % 50 == 0:
                        seqs += [item.seq] if isinstance(item := await anext(events), Event) else []
                    continue
                seqs += [item.seq] if isinstance(item, Event) else []
        self.assertGreater(cancelled, 100)
        self.assertEqual(seqs, list(range(seqs[0], seqs[0] + len(seqs))))

    async def test_a_position_resumes_the_stream(self) -> None:
        async with Events(URL, KEY, types=["*"]) as events:
            first = await anext(item async for item in events if isinstance(item, Event))
        async with Events(URL, KEY, types=["*"], after=first.position) as events:
            second = await anext(item async for item in events if not isinstance(item, Bookmark))
        self.assertEqual(second.seq, first.seq + 1)

    async def test_a_bad_key_is_an_exception_with_a_sentence(self) -> None:
        with self.assertRaises(PasskeyAccountsError) as raised:
            async with Events(URL, "pa_dev_nonsense") as events:
                await anext(events)
        self.assertIsInstance(raised.exception, StreamError)
        self.assertEqual(raised.exception.code, "badKey")
        self.assertFalse(raised.exception.retryable)
        self.assertIn("the API key is missing, misspelt or unknown", str(raised.exception))

    async def test_a_key_does_not_travel_in_the_clear(self) -> None:
        with self.assertRaises(StreamError) as raised:
            await anext(Events("ws://auth.example/", KEY))
        self.assertEqual(raised.exception.code, "badAddress")

    async def test_closing_ends_the_wait_of_another_task(self) -> None:
        events = Events(URL, KEY, types=["nothingHasThisType"])
        await anext(events)
        waiting = asyncio.create_task(anext(events, "the end"))
        await asyncio.sleep(0)
        events.close()
        self.assertEqual(await asyncio.wait_for(waiting, 5), "the end")
        self.assertEqual(await anext(events, "the end"), "the end")

    async def test_items_cannot_be_changed(self) -> None:
        async with Events(URL, KEY) as events:
            state = await anext(events)
        with self.assertRaises(AttributeError):
            state.id = "another"

    async def test_everything_public_is_named(self) -> None:
        public = {name for name in vars(passkey_accounts) if not name.startswith("_")}
        self.assertEqual(public, set(passkey_accounts.__all__))


class ForkTest(unittest.TestCase):
    def test_a_forked_process_is_told_and_can_open_its_own_stream(self) -> None:
        events = Events(URL, KEY)
        asyncio.run(self.first(events))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with self.assertRaises(StreamError) as raised:
                    for _ in range(1000):
                        asyncio.run(self.first(events))
                assert "forked" in raised.exception.reason
                asyncio.run(self.first(Events(URL, KEY)))
                code = 0
            finally:
                os._exit(code)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        events.close()

    @staticmethod
    async def first(events: Events) -> None:
        await anext(events)


if __name__ == "__main__":
    unittest.main()

"""Live sessions, proofs and the HTTP API against the real server."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from typing import Any

import pytest
from control import KEY, ORIGIN, URL, fields, have, sign_in
from passkey_accounts import (
    Accounts,
    ApiError,
    EndReason,
    EvidenceOptions,
    Live,
    ProofError,
    RawRequest,
    SessionEnd,
    Snapshot,
    StreamError,
    Unobserved,
    Waiting,
    problem,
)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 50))


def accounts_of(key: str = KEY) -> Accounts:
    return Accounts(URL, key, origins=[ORIGIN])


def test_sessions_are_known_from_their_beginning_to_their_end() -> None:
    async def test() -> None:
        async with accounts_of() as accounts:
            sessions = accounts.sessions
            await sessions.in_sync()
            endings = sessions.endings()
            page = await asyncio.to_thread(sign_in, "life@shop.example")
            session = await sessions.wait_for(page.session_id)
            assert session.account_id == page.account_id and session.end is None
            assert sessions.get(page.session_id) == session
            assert sessions.of_account(page.account_id) == [session]
            assert sessions.is_logged_in(page.account_id) is True and sessions.count >= 1
            sessions.fresh_within(30)
            assert isinstance(sessions.status, Live) and session.expires_at > session.since
            ended = asyncio.create_task(session.ended())
            await asyncio.to_thread(page.sign_out)
            assert await ended is EndReason.USER and session.end is EndReason.USER
            end = await anext(endings)
            assert end == SessionEnd(page.session_id, page.account_id, EndReason.USER, True)
            assert sessions.get(page.session_id) is None and sessions.is_logged_in(page.account_id) is False
        assert [end async for end in endings] == []

    run(test())


def test_who_holds_a_session_is_told_when_nobody_follows_it_any_more() -> None:
    async def test() -> None:
        page = await asyncio.to_thread(sign_in, "unfollowed@shop.example")
        async with accounts_of() as accounts:
            session = await accounts.sessions.wait_for(page.session_id)
            ended = asyncio.create_task(session.ended())
            await asyncio.sleep(0)
        assert await ended is Unobserved.UNFOLLOWED
        with pytest.raises(StreamError, match="closed"):
            accounts.sessions.get(page.session_id)

    run(test())


def test_a_session_that_does_not_come_is_not_waited_for_for_ever() -> None:
    async def test() -> None:
        async with accounts_of() as accounts:
            await accounts.sessions.in_sync()
            with pytest.raises(StreamError) as raised:
                await accounts.sessions.wait_for("ses_00000000000000000000000000", 0.05)
            assert raised.value.code == "sessionGone"

    run(test())


def test_a_request_passes_once_with_its_body_and_no_other() -> None:
    async def test() -> None:
        page = await asyncio.to_thread(sign_in, "proof@shop.example")
        async with accounts_of() as accounts:

            async def code(request: RawRequest) -> str:
                with pytest.raises(ProofError) as raised:
                    await accounts.sessions.verify(request)
                answer = problem(raised.value)
                assert answer.status == raised.value.status and raised.value.code.encode() in answer.body
                return raised.value.code

            request = await asyncio.to_thread(page.sign, "POST", "/notes?tag=a%20b", "hello")
            account = await accounts.sessions.verify(request)
            assert account.account_id == page.account_id and account.session.session_id == page.session_id
            assert await code(request) == "proofReplayed"
            other = await asyncio.to_thread(page.sign, "POST", "/notes", "hello")
            assert await code(dataclasses.replace(other, body=b"hallo")) == "proofInvalid"
            assert await code(dataclasses.replace(other, target="/other")) == "proofInvalid"
            assert await code(RawRequest("GET", "/notes", {"Host": "app.example"})) == "proofMissing"
            with pytest.raises(ProofError) as raised:
                await accounts.sessions.verify(other, body_limit=3)
            assert (raised.value.code, raised.value.status) == ("tooLarge", 413)
            forged = [
                (name, value.replace("pa=:A", "pa=:B") if "A" in value[4:5] else value[:5] + "A" + value[6:])
                if name == "Signature"
                else (name, value)
                for name, value in fields(other)
            ]
            assert await code(dataclasses.replace(other, headers=forged)) == "proofInvalid"
            last = await asyncio.to_thread(page.sign, "GET", "/notes")
            await asyncio.to_thread(page.sign_out)
            await account.session.ended()
            assert await code(last) == "sessionGone"

    run(test())


def test_the_request_that_overtakes_its_own_sign_in_is_waited_for() -> None:
    async def test() -> None:
        async with accounts_of() as accounts:
            await accounts.sessions.in_sync()
            for number in range(5):
                page = await asyncio.to_thread(sign_in, f"fast{number}@shop.example")
                request = await asyncio.to_thread(page.sign, "GET", "/")
                assert (await accounts.sessions.verify(request)).account_id == page.account_id

    run(test())


def test_a_socket_passes_with_its_nonce_and_no_other() -> None:
    async def test() -> None:
        page = await asyncio.to_thread(sign_in, "socket@shop.example")
        async with accounts_of() as accounts:
            token = await asyncio.to_thread(page.prove, "wss://app.example/live", "n1")
            for audience, nonce in (("wss://app.example/live", "n2"), ("wss://evil.example/live", "n1")):
                with pytest.raises(ProofError) as raised:
                    await accounts.sessions.verify_socket(token, audience, nonce)
                assert raised.value.code == "proofInvalid"
            account = await accounts.sessions.verify_socket(token, "wss://app.example/live", "n1")
            assert account.account_id == page.account_id

    run(test())


def test_nothing_passes_while_the_server_was_not_heard_for_too_long() -> None:
    async def test() -> None:
        page = await asyncio.to_thread(sign_in, "stale@shop.example")
        async with Accounts(URL, KEY, origins=[ORIGIN], fresh_within=0.2) as accounts:
            await accounts.sessions.in_sync()
            request = await asyncio.to_thread(page.sign, "GET", "/")
            await have("kill")
            async for status in accounts.sessions.statuses():
                if isinstance(status, Waiting):
                    break
            with pytest.raises(ProofError) as raised:
                while True:
                    await accounts.sessions.verify(request)
                    await asyncio.sleep(0)
            assert (raised.value.code, raised.value.status) in {("stale", 503), ("proofReplayed", 401)}
            await asyncio.sleep(0.3)
            with pytest.raises(ProofError) as raised:
                await accounts.sessions.verify(request)
            assert (raised.value.code, raised.value.status) == ("stale", 503)
            assert problem(raised.value).headers["retry-after"] == "1"
            await have("start")

    run(test())


@pytest.mark.parametrize("stop", ["kill", "restart"])
def test_a_server_that_went_away_is_bridged_and_what_ended_meanwhile_is_told(stop: str) -> None:
    async def test() -> None:
        async with accounts_of() as accounts:
            sessions = accounts.sessions
            await sessions.in_sync()
            endings = sessions.endings()
            leaving = await asyncio.to_thread(sign_in, "leaving@shop.example")
            staying = await asyncio.to_thread(sign_in, "staying@shop.example")
            left, stayed = [await sessions.wait_for(page.session_id) for page in (leaving, staying)]
            await have(stop)
            if stop == "kill":
                async for status in sessions.statuses():
                    if isinstance(status, Waiting):
                        break
                # What was known is still said, and how old it is too.
                assert sessions.get(staying.session_id) == stayed
                await have("start")
            # Most likely before the stream has come back; it is to be told either way.
            await accounts.api.end_session(leaving.session_id)
            assert await left.ended() is EndReason.REVOKED
            async for end in endings:
                if isinstance(end, SessionEnd) and end.session_id == leaving.session_id:
                    assert end == SessionEnd(leaving.session_id, leaving.account_id, EndReason.REVOKED, True)
                    break
            again = await asyncio.to_thread(sign_in, "staying@shop.example")
            await sessions.wait_for(again.session_id, 20)
            # The page that was there before has not come back yet, and may for its grace time.
            assert stayed.end is None
            for page in (leaving, staying):
                listed = (await accounts.api.sessions(account_id=page.account_id)).sessions
                known = {session.session_id for session in sessions.of_account(page.account_id)}
                assert known == {session.session_id for session in listed}, "as the server has them"
            sessions.fresh_within(30)
            await asyncio.to_thread(again.sign_out)

    run(test())


def test_origins_are_asked_for_where_they_are_needed() -> None:
    async def test() -> None:
        async with Accounts(URL, KEY) as accounts:
            with pytest.raises(TypeError, match="name the origins"):
                await accounts.sessions.verify(RawRequest("GET", "/", {}))
        async with Accounts(URL, KEY, origins=["app.example"]) as accounts:
            with pytest.raises(StreamError, match="origin"):
                await accounts.sessions.verify(RawRequest("GET", "/", {}))
        async with accounts_of() as accounts:
            with pytest.raises(TypeError, match="RawRequest"):
                await accounts.sessions.verify("GET /")  # type: ignore[arg-type] # pyright: ignore

    run(test())


def test_the_http_api_answers_and_refuses_with_types() -> None:
    async def test() -> None:
        page = await asyncio.to_thread(sign_in, "api@shop.example")
        async with accounts_of() as accounts:
            api = accounts.api
            app = await api.app()
            assert app.name == "Test Shop" and app.app_id.startswith("app_")
            listed = await api.sessions(account_id=page.account_id)
            assert [session.session_id for session in listed.sessions] == [page.session_id]
            assert (await api.account(page.account_id)).passkeys == 1
            (passkey,) = await api.passkeys(page.account_id)
            assert passkey.passkey_id == listed.sessions[0].passkey_id
            read = await api.events(limit=2, types=["*"])
            assert len(read.events) == 2 and read.more and read.events[1].seq == read.events[0].seq + 1
            assert (await api.checkpoint()).app_id == app.app_id
            with pytest.raises(ApiError) as raised:
                await api.remove_passkey(page.account_id, passkey.passkey_id)
            assert (raised.value.code, raised.value.status) == ("lastPasskey", 409)
            created = await api.create_key("tests", scopes=["events:read"])
            assert created.api_key not in repr(created) and created.key.scopes == ("events:read",)
            async with accounts_of(created.api_key) as weaker:
                with pytest.raises(ApiError) as raised:
                    await weaker.api.keys()
                assert (raised.value.code, raised.value.status) == ("forbidden", 403)
            rotated = await api.rotate_key(created.key.key_id, overlap=60)
            assert rotated.key.key_id in {key.key_id for key in await api.keys()}
            await api.revoke_key(rotated.key.key_id)
            await api.end_session(page.session_id)
            with pytest.raises(ApiError) as raised:
                await api.end_session(page.session_id)
            assert (raised.value.code, raised.value.retryable) == ("notFound", False)
            await api.erase_account(page.account_id)
            with pytest.raises(ApiError):
                await api.account(page.account_id)
            with pytest.raises(ApiError) as raised:
                await api.events(after="0000-1-AAAAAAAA")
            assert raised.value.code == "gone" and raised.value.gap is not None

    run(test())


def test_a_key_pair_signs_for_the_stream_and_for_the_api() -> None:
    key_pair = "pa_pair_1040g2081040g2081040g2081040g2081040g2081040g2081040_d8e1ec3e"
    public_key = "E5j2LG0aRXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8o"

    async def test() -> None:
        async with accounts_of() as accounts, accounts_of(key_pair) as paired:
            known = await accounts.api.register_key_pair(public_key, "pair", scopes=["events:read"])
            assert known.public_key == public_key
            assert (await paired.api.app()).app_id.startswith("app_")
            async for item in paired.events():
                assert isinstance(item, Snapshot)
                break
            await accounts.api.revoke_key(known.key_id)
            with pytest.raises(ApiError) as raised:
                await paired.api.app()
            assert raised.value.code == "keyRevoked"

    run(test())


def test_a_passkey_must_have_signed_where_evidence_is_asked_for(tmp_path: Any) -> None:
    async def test() -> None:
        async with accounts_of() as accounts:
            app = await accounts.api.app()
        evidence = EvidenceOptions(app.app_id, app.rp_id, app.origins, tmp_path / "pins")
        async with Accounts(URL, KEY, evidence=evidence) as accounts:
            await accounts.sessions.in_sync()
            page = await asyncio.to_thread(sign_in, "pinned@shop.example")
            assert (await accounts.sessions.wait_for(page.session_id)).account_id == page.account_id
        assert (tmp_path / "pins").exists()

    run(test())

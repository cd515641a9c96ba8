"""The synchronous twin against the real server: the same, and Ctrl-C, threads and forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request

import pytest
from control import KEY, ORIGIN, URL, fields, library_threads, obey, sign_in, those_end_beside
from passkey_accounts import sync
from passkey_accounts.sync import Accounts, Event, LoggedOut, ProofError, RawRequest, Snapshot, StreamError


def accounts_of() -> Accounts:
    return Accounts(URL, KEY, origins=[ORIGIN])


def test_events_come_one_after_the_other_and_none_is_missing() -> None:
    with accounts_of() as accounts:
        events = accounts.events(types=["*"], start="now")
        next(events)
        assert events.next(0.01) is None
        obey("append", events=500)
        seqs: list[int] = []
        for item in events:
            match item:
                case Event(seq=seq, data=LoggedOut()):
                    seqs.append(seq)
                case _:
                    continue
            if len(seqs) == 500:
                break
        assert seqs == list(range(seqs[0], seqs[0] + 500))
        obey("append", events=2)
        failed: list[int] = []
        for delivery in events.deliveries():
            if isinstance(delivery.item, Event) and delivery.item.seq == seqs[-1] + 1:
                failed.append(delivery.item.seq)
                if len(failed) == 2:
                    break
                delivery.fail()
            else:
                delivery.ack()
        events.close()
        assert list(events) == []


def test_batches_miss_nothing() -> None:
    with accounts_of() as accounts, accounts.events(types=["*"], start="now") as events:
        batches = events.batches()
        next(batches)
        obey("append", events=1_000)
        seqs: list[int] = []
        for batch in batches:
            assert 1 <= len(batch) <= 256
            seqs += [item.seq for item in batch if isinstance(item, Event)]
            if len(seqs) >= 1_000:
                break
        assert seqs == list(range(seqs[0], seqs[0] + 1_000))
        events.close()
        assert list(batches) == []


def test_sessions_and_proofs_are_asked_without_awaiting() -> None:
    with accounts_of() as accounts:
        page = sign_in("sync@shop.example")
        accounts.sessions.in_sync(10)
        session = accounts.sessions.wait_for(page.session_id)
        assert session.account_id == page.account_id and session.ended(0.01) is None
        request = page.sign("POST", "/notes", "hello")
        assert accounts.sessions.verify(request).account_id == page.account_id
        with pytest.raises(ProofError, match="proofReplayed"):
            accounts.sessions.verify(request)
        token = page.prove("wss://app.example/", "n")
        assert accounts.sessions.verify_socket(token, "wss://app.example/", "n").account_id == page.account_id
        endings = accounts.sessions.endings()
        page.sign_out()
        end = next(endings)
        assert isinstance(end, sync.SessionEnd) and end.session_id == page.session_id
        assert session.ended() is sync.EndReason.USER
        assert accounts.api.app().name == "Test Shop"


def test_ctrl_c_ends_a_wait_and_nothing_else() -> None:
    with accounts_of() as accounts:
        events = accounts.events(types=["nothingHasThisType"])
        next(events)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            for _ in events:
                pass
        # It can be asked again.
        assert events.next(0.01) is None


def test_threads_of_a_closed_one_are_gone() -> None:
    before = library_threads()
    for _ in range(3):
        with accounts_of() as accounts:
            next(accounts.events())
            accounts.sessions.in_sync(10)
            assert library_threads() > before
    assert those_end_beside(before)


def test_closing_ends_the_wait_of_another_thread() -> None:
    accounts = accounts_of()
    events = accounts.events(types=["nothingHasThisType"])
    next(events)
    left: list[object] = []
    waiting = threading.Thread(target=lambda: left.extend(events))
    waiting.start()
    accounts.close()
    waiting.join(10)
    assert not waiting.is_alive() and left == []
    with pytest.raises(StreamError, match="closed"):
        next(accounts.events())


def test_a_forked_process_is_told_and_opens_its_own() -> None:
    accounts = accounts_of()
    events = accounts.events()
    next(events)
    page = sign_in("fork@shop.example")
    accounts.sessions.wait_for(page.session_id)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with pytest.raises(StreamError, match="forked"):
                for _ in range(1_000):
                    next(events)
            assert accounts.sessions.wait_for(page.session_id).account_id == page.account_id
            assert isinstance(next(accounts.events()), Snapshot)
            accounts.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert accounts.sessions.get(page.session_id) is not None
    accounts.close()


APP = textwrap.dedent(
    """
    import os
    from flask import Flask
    from passkey_accounts.flask import sender, signed_by
    from passkey_accounts.sync import Accounts

    accounts = Accounts(os.environ["PASSKEY_ACCOUNTS_URL"], os.environ["PASSKEY_ACCOUNTS_API_KEY"],
                        origins=["https://app.example"])
    # Before the fork, on purpose.
    accounts.sessions.in_sync(10)
    app = Flask("forked")

    @app.get("/")
    @signed_by(accounts)
    def root():
        return f"{os.getpid()} {sender().account_id}"
    """
)


def test_gunicorn_forks_what_was_used_before(tmp_path: object) -> None:
    folder = str(tmp_path)
    with open(f"{folder}/forked.py", "w") as file:
        file.write(APP)
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:0", "forked:app"]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        address = next(line.split("at: ")[1].split(" ")[0] for line in server.stderr if "Listening at" in line)
        page = sign_in("gunicorn@shop.example")
        for _ in range(6):
            request = page.sign("GET", "/")
            headers = dict(fields(request))
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as answer:
                process, account = answer.read().decode().split()
            assert account == page.account_id and int(process) != server.pid
    finally:
        server.terminate()
        began = time.monotonic()
        server.wait(20)
    assert server.returncode == 0 and time.monotonic() - began < 10
    assert isinstance(RawRequest("GET", "/", {}), RawRequest)

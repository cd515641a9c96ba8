"""Every transcript that is about a client, and every proof, through the types that users get."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from passkey_accounts import ProofError, RawRequest
from passkey_accounts._errors import ours
from passkey_accounts._native import passkey_accounts_ffi as native
from passkey_accounts._read import octets
from passkey_accounts._requests import head_of
from replay import is_expected_of_the_client, replay
from transcripts import VECTORS, transcripts

# Jitter is drawn anew with each: every wait must be within the transcript's bounds.
SEEDS = range(5)

CLIENTS = [transcript for transcript in transcripts() if transcript.header["role"] != "server"]


def test_the_client_says_and_shows_what_the_transcripts_say(capfd: pytest.CaptureFixture[str]) -> None:
    differences: list[str] = []
    for transcript in CLIENTS:
        differences += filter(None, (replay(transcript, seed) for seed in SEEDS))
    assert differences == []
    with capfd.disabled():
        evidence = sum(bool(transcript.header.get("evidence")) for transcript in CLIENTS)
        print(f"\nreplayed stream {len(CLIENTS) - evidence}\nreplayed evidence {evidence}")


def test_a_transcript_that_says_something_else_fails_at_that_line() -> None:
    changed = 0
    for transcript in CLIENTS[::5]:
        if transcript.header["role"] != "client":
            continue
        for index, line in enumerate(transcript.lines):
            if not is_expected_of_the_client(line) or line.is_exact:
                continue
            value = {"clientCloses": {"code": 1}} if line.kind == "!" else {"surprise": True}
            lines = list(transcript.lines)
            lines[index] = dataclasses.replace(line, value=value)
            off = replay(dataclasses.replace(transcript, lines=lines), 1)
            assert off is not None and off.startswith(f"{line.place}: "), (line.place, off)
            changed += 1
    assert changed > 100


def test_proofs_have_the_outcome_that_the_vectors_say(capfd: pytest.CaptureFixture[str]) -> None:
    differences, cases = judged()
    assert differences == []
    with capfd.disabled():
        print(f"\nreplayed proof {cases}")


def test_a_proof_that_is_said_to_have_another_outcome_is_noticed() -> None:
    differences, cases = judged(lambda expected: "tooLarge" if expected == "accepted" else expected)
    assert 0 < len(differences) < cases


def judged(expectation: Callable[[str], str] = lambda said: said) -> tuple[list[str], int]:
    """What has another outcome than it should, and how many cases there are."""
    differences: list[str] = []
    cases = 0
    for file in ("requests.json", "sockets.json"):
        vectors = json.loads((VECTORS / "proof" / file).read_text())
        origins = vectors.get("origins") or ["https://app.example"]
        keys = {session["sessionID"]: point(session["sessionKey"]) for session in vectors["sessions"]}
        for case in vectors["cases"]:
            cases += 1
            checks = native.ProofReplay(origins, keys)
            for step in case["steps"]:
                outcome = outcome_of(checks, step)
                if outcome != expectation(step["expect"]):
                    differences.append(f"{case['name']}: {outcome} instead of {step['expect']}")
    return differences, cases


def outcome_of(checks: native.ProofReplay, step: dict[str, Any]) -> str:
    try:
        if "token" in step:
            checks.socket(step["now"], step["token"], step["audience"], step["nonce"])
        else:
            headers = [("host", step["host"]), *((name, value) for name, value in step["fields"])]
            request = RawRequest(step["method"], step["target"], headers, step["body"].encode())
            checks.request(step["now"], head_of(request), request.body)
    except native.Error as error:
        refusal = ours(error)
        assert isinstance(refusal, ProofError)
        return refusal.code
    return "accepted"


def point(key: dict[str, str]) -> bytes:
    return b"\x04" + octets(key["x"]) + octets(key["y"])

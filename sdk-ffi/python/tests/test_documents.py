"""What README.md and the docstrings show is code that runs."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import passkey_accounts
import pytest
import snippets
from declarations import declarations
from passkey_accounts import Accounts, Event, LoggedIn
from passkey_accounts._native import passkey_accounts_ffi as native
from passkey_accounts.testing import FakeServer

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def test_snippets_of_the_readme_stand_in_a_file_that_runs() -> None:
    source = Path(snippets.__file__).read_text()
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    shown = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(shown) == 7
    for snippet in shown:
        wanted = [line.strip() for line in snippet.splitlines() if line.strip()]
        starts = [index for index in range(len(lines)) if lines[index : index + len(wanted)] == wanted]
        assert starts, snippet


def test_the_five_lines_say_who_signs_in(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        with FakeServer() as server:
            real = Accounts

            def accounts_of(_url: str, key: str, *, origins: list[str]) -> Accounts:
                return real(server.url, key, origins=origins)

            monkeypatch.setattr(snippets, "Accounts", accounts_of)
            running = asyncio.create_task(snippets.five_lines(server.api_key))
            async with real(server.url, server.api_key, origins=["https://app.example"]) as accounts:
                by_hand = asyncio.create_task(snippets.by_hand(accounts))
                said, session = "", server.sign_in("ada")
                while "signed in: acct_" not in said or len(snippets.stored) < 2:
                    session = server.sign_in("ada")
                    await asyncio.sleep(0.05)
                    said += capsys.readouterr().out
                who = asyncio.create_task(snippets.who(accounts, session.sign("GET", "https://app.example/")))
                await accounts.sessions.wait_for(session.session_id)
                while session.session_id not in said:
                    await asyncio.sleep(0.01)
                    said += capsys.readouterr().out
                server.sign_out(session)
                await who
                snippets.with_fastapi(accounts)
            for task in (running, by_hand):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    asyncio.run(asyncio.wait_for(test(), 40))
    monkeypatch.undo()
    asyncio.run(asyncio.wait_for(snippets.tests_of_users(), 10))


def test_examples_in_docstrings_compile_and_what_they_show_is_so() -> None:
    count = 0
    names = {"store": snippets.store}
    for info in pkgutil.walk_packages(passkey_accounts.__path__, "passkey_accounts."):
        if "._native" in info.name or info.name == "passkey_accounts.django":
            continue
        module = importlib.import_module(info.name)
        globs = {**vars(passkey_accounts), **vars(module), **names, **EXTRA()}
        for found in doctest.DocTestFinder(exclude_empty=True).find(module, globs=globs):
            if found.examples:
                runner = doctest.DocTestRunner()
                assert runner.run(found).failed == 0, found.name
                count += 1
    assert count >= 7


def EXTRA() -> dict[str, object]:
    from typing import Annotated

    from fastapi import Depends, FastAPI
    from flask import Flask
    from passkey_accounts.testing import FakeServer

    names: dict[str, object] = {"Annotated": Annotated, "Depends": Depends, "FastAPI": FastAPI}
    return {**names, "Flask": Flask, "FakeServer": FakeServer, "LoggedIn": LoggedIn, "Event": Event}


def test_the_binding_is_declared_as_it_was_generated() -> None:
    """To mend it: `python tests/declarations.py GENERATED.py > passkey_accounts/_native/passkey_accounts_ffi.pyi`."""
    generated = Path(str(native.__file__))
    declared = Path(__file__).resolve().parents[1] / "passkey_accounts/_native/passkey_accounts_ffi.pyi"
    assert declarations(generated.read_text()) == declared.read_text()


def test_the_example_that_prints_has_at_most_thirty_lines() -> None:
    example = Path(__file__).resolve().parents[3] / "examples/python/print_sign_ins.py"
    text = example.read_text()
    assert len(text.splitlines()) <= 30
    ast.parse(textwrap.dedent(text))


@pytest.mark.parametrize("module", ["fastapi", "flask", "django", "testing"])
def test_what_is_not_installed_is_named_with_its_extra(module: str) -> None:
    missing = {"fastapi": "fastapi", "flask": "flask", "django": "asgiref", "testing": "cryptography"}[module]
    program = f"import sys; sys.modules[{missing!r}] = None; import passkey_accounts.{module}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert f"pip install passkey-accounts[{module}]" in ended.stderr


def test_a_key_that_is_not_set_is_said_at_once() -> None:
    with pytest.raises(TypeError, match="not None"):
        Accounts("https://auth.example", None)  # type: ignore[arg-type] # pyright: ignore

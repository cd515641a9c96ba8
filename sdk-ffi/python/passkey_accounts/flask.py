"""Who sent this request, for Flask.

>>> accounts = Accounts("https://auth.example", "pa_live_...", origins=["https://app.example"])
>>> app = Flask("notes")
>>> @app.get("/notes")
... @signed_by(accounts)
... def notes() -> str:
...     return f"notes of {sender().account_id}"

or, for every route: `protect(app, accounts)`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

try:
    from flask import Flask, Response, g, request
except ImportError as _missing:
    raise ImportError("this needs Flask: pip install passkey-accounts[flask]") from _missing

from ._errors import ProofError
from ._requests import has_proof, head_of
from ._sessions import BODY_LIMIT
from .problem import problem
from .sync import Account, Accounts

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def signed_by(
    accounts: Accounts, *, body_limit: int = BODY_LIMIT
) -> Callable[[Callable[Arguments, Answer]], Callable[Arguments, Answer | Response]]:
    """Has a view called for requests that a live session has signed; all others are refused. Inside, ask `sender`."""

    def decorate(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer | Response]:
        @functools.wraps(view)
        def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer | Response:
            refusal = _check(accounts, body_limit)
            return view(*args, **kwargs) if refusal is None else refusal

        return checked

    return decorate


def protect(app: Flask, accounts: Accounts, *, optional: bool = False, body_limit: int = BODY_LIMIT) -> None:
    """Checks every request of an application before anything else sees it. Inside, ask `sender`.

    optional: lets requests without any proof through. One that does not hold is refused all the same.
    """

    @app.before_request
    def check() -> Response | None:
        if optional and not has_proof(head_of(request)):
            return None
        return _check(accounts, body_limit)

    @app.after_request
    def do_not_store(response: Response) -> Response:
        # A shared cache does not know that a signature says whose the answer is.
        if "passkey_account" in g and "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response


def sender() -> Account:
    """Who sent the request. Raises `ProofError` (`proofMissing`) where nothing has checked it."""
    account = g.get("passkey_account")
    if account is None:
        raise ProofError(
            "proofMissing", "the request carries no proof of its session; send it with session.fetch()", False, 401
        )
    return cast(Account, account)


def problem_response(error: ProofError) -> Response:
    """The answer that refuses for this error."""
    answer = problem(error)
    return Response(answer.body, answer.status, answer.headers)


def _check(accounts: Accounts, body_limit: int) -> Response | None:
    try:
        g.passkey_account = accounts.sessions.verify(request, body_limit=body_limit)
    except ProofError as error:
        return problem_response(error)
    return None

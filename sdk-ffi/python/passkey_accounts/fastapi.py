"""Who sent this request, as a dependency of FastAPI (and of Starlette, whose requests these are).

>>> accounts = Accounts("https://auth.example", "pa_live_...", origins=["https://app.example"])
>>> Signed = Annotated[Account, Depends(signed_by(accounts))]
>>> app = FastAPI()
>>> refuse_with_problems(app)
>>> @app.get("/notes")
... async def notes(account: Signed) -> str:
...     return f"notes of {account.account_id}"

For a whole application, `passkey_accounts.asgi.ProofMiddleware` checks before the body is read; then the dependency is
`Depends(sender)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

try:
    from fastapi import FastAPI, Request
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
except ImportError as _missing:
    raise ImportError("this needs FastAPI: pip install passkey-accounts[fastapi]") from _missing

from ._accounts import Accounts
from ._errors import ProofError
from ._requests import has_proof, head_of
from ._session import Account
from ._sessions import BODY_LIMIT
from .problem import problem


def signed_by(accounts: Accounts, *, body_limit: int = BODY_LIMIT) -> Callable[[Request], Awaitable[Account]]:
    """A dependency that gives the `Account` and refuses whatever has no proof.

    FastAPI reads the body of a route that declares one before it asks dependencies: what strangers send is then held by its
    own limits only.
    """

    async def account(request: Request) -> Account:
        return await accounts.sessions.verify(request, body_limit=body_limit)

    return account


def signed_by_if_at_all(
    accounts: Accounts, *, body_limit: int = BODY_LIMIT
) -> Callable[[Request], Awaitable[Account | None]]:
    """A dependency that gives `None` for a request without any proof. One that does not hold is refused all the same."""

    async def account(request: Request) -> Account | None:
        if not has_proof(head_of(request)):
            return None
        return await accounts.sessions.verify(request, body_limit=body_limit)

    return account


def sender(connection: HTTPConnection) -> Account:
    """The dependency behind a `ProofMiddleware`: who sent the request, or opened the socket."""
    account = getattr(connection.state, "account", None)
    if not isinstance(account, Account):
        raise ProofError(
            "proofMissing", "the request carries no proof of its session; send it with session.fetch()", False, 401
        )
    return account


def refuse_with_problems(app: FastAPI | Starlette) -> None:
    """Has the application answer refused proofs with problem details and a code of the one table."""
    app.add_exception_handler(ProofError, _refuse)


def problem_response(error: ProofError) -> Response:
    """The answer that refuses for this error."""
    answer = problem(error)
    return Response(answer.body, answer.status, answer.headers)


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProofError)
    return problem_response(error)

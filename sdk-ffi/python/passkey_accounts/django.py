"""Who sent this request, for Django: a middleware for every view, or a decorator for some.

    # settings.py
    PASSKEY_ACCOUNTS = {
        "url": "https://auth.example",
        "api_key": os.environ["PASSKEY_ACCOUNTS_API_KEY"],
        "origins": ["https://app.example"],
    }
    MIDDLEWARE = ["passkey_accounts.django.proof_middleware", ...]

Further members: `optional` and `body_limit` of the middleware, and the further arguments of `passkey_accounts.Accounts`. A
signed request cannot be forged by another site: views that are only reached this way may be `csrf_exempt`.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, cast

try:
    from asgiref.sync import iscoroutinefunction
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.utils.decorators import sync_and_async_middleware
except ImportError as _missing:
    raise ImportError("this needs Django: pip install passkey-accounts[django]") from _missing

from ._errors import ProofError
from ._requests import has_proof, head_of
from ._sessions import BODY_LIMIT
from .problem import problem
from .sync import Account, Accounts

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]

_used: Accounts | None = None


def accounts() -> Accounts:
    """The one of this process, made from the settings when it is asked for first."""
    global _used
    if _used is None:
        configured: dict[str, Any] = dict(settings.PASSKEY_ACCOUNTS)
        for name in OF_MIDDLEWARE:
            configured.pop(name, None)
        _used = Accounts(**configured)
    return _used


def use(instead: Accounts | None) -> None:
    """Has this one used instead of one made from the settings; `None`: makes a new one when it is needed. For tests."""
    global _used
    _used = instead


@sync_and_async_middleware
def proof_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Puts who sent a request into `request.account`; everything else is answered with problem details.

    The signature is checked before the body is read, and the body up to `body_limit` bytes. Put it first. A response without
    `Cache-Control` gets `no-store`.
    """
    configured = settings.PASSKEY_ACCOUNTS
    is_optional = bool(configured.get("optional", False))
    body_limit = int(configured.get("body_limit", BODY_LIMIT))

    def is_let_through(request: HttpRequest) -> bool:
        _set(request, None)
        return is_optional and not has_proof(head_of(request))

    # Python's own does not know what Django has marked, before 3.12.
    if iscoroutinefunction(get_response):  # pyright: ignore[reportDeprecated]

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            if not is_let_through(request):
                try:
                    _set(request, await accounts().sessions.averify(request, body_limit=body_limit))
                except ProofError as error:
                    return problem_response(error)
            following = cast(Callable[[HttpRequest], Awaitable[HttpResponseBase]], get_response)
            return _unstored(request, await following(request))

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        if not is_let_through(request):
            try:
                _set(request, accounts().sessions.verify(request, body_limit=body_limit))
            except ProofError as error:
                return problem_response(error)
        return _unstored(request, get_response(request))

    return synchronous


def signed(view: View[Arguments]) -> View[Arguments]:
    """Has a view called for requests that a live session has signed; all others are refused. Inside, ask `sender`."""

    @functools.wraps(view)
    def checked(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
        if getattr(request, "account", None) is None:
            try:
                _set(request, accounts().sessions.verify(request))
            except ProofError as error:
                return problem_response(error)
        return _unstored(request, view(request, *args, **kwargs))

    return checked


def sender(request: HttpRequest) -> Account:
    """Who sent the request: `request.account`, with its type. Raises `ProofError` where nothing has checked it."""
    account = getattr(request, "account", None)
    if account is None:
        raise ProofError(
            "proofMissing", "the request carries no proof of its session; send it with session.fetch()", False, 401
        )
    return cast(Account, account)


def problem_response(error: ProofError) -> HttpResponse:
    """The answer that refuses for this error."""
    answer = problem(error)
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


def _set(request: HttpRequest, account: Account | None) -> None:
    request.account = account  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def _unstored(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    # A shared cache does not know that a signature says whose the answer is.
    if getattr(request, "account", None) is not None:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


OF_MIDDLEWARE = ("optional", "body_limit")

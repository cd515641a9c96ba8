"""Requests of the frameworks, as far as a proof is about them: method, target, four fields, and the body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Union
from urllib.parse import quote

from ._errors import ProofError, body_too_large
from ._native import passkey_accounts_ffi as native


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request of any server, as it came over the wire."""

    method: str
    """`POST`"""
    target: str
    """Path and query byte for byte as they came, or the absolute address."""
    headers: Mapping[str, str] | Iterable[tuple[str, str]]
    """Needed are `Host`, `Signature-Input`, `Signature` and `Content-Digest`, in any case."""
    body: bytes = b""


class AsgiRequest(Protocol):
    """What is used of the requests of Starlette and FastAPI."""

    @property
    def scope(self) -> Any: ...

    def stream(self) -> AsyncIterator[bytes]: ...


class DjangoRequest(Protocol):
    """What is used of the requests of Django."""

    @property
    def META(self) -> Any: ...

    @property
    def body(self) -> Any: ...


class WerkzeugRequest(Protocol):
    """What is used of the requests of Flask and Werkzeug."""

    @property
    def environ(self) -> Any: ...

    @property
    def max_content_length(self) -> int | None: ...

    def get_data(self, cache: bool = ...) -> Any: ...


SyncRequest = Union[RawRequest, DjangoRequest, WerkzeugRequest]
"""A request whose body can be read without awaiting it."""

Request = Union[AsgiRequest, SyncRequest]
"""Any request that can be checked."""


def head_of(request: Any) -> native.RequestHead:
    """The request apart from its body. `TypeError` for what is no request."""
    if isinstance(request, RawRequest):
        return native.RequestHead(
            method=request.method, target=request.target, fields=_fields(_pairs(request.headers))
        )
    # Django first: its requests under ASGI have a scope, too.
    if hasattr(request, "META"):
        scope: Mapping[str, Any] | None = getattr(request, "scope", None)
        return wsgi_head(request.META) if scope is None else asgi_head(scope)
    if hasattr(request, "environ"):
        return wsgi_head(request.environ)
    if hasattr(request, "scope"):
        return asgi_head(request.scope)
    raise TypeError(f"{type(request).__name__} is no request that is known here; make a RawRequest of it")


def asgi_head(scope: Mapping[str, Any]) -> native.RequestHead:
    """Of an ASGI scope of the type `http`."""
    raw: bytes | None = scope.get("raw_path")
    # Not every server tells the path as it came; what was escaped needlessly then cannot be checked and is refused.
    path = quote(scope["path"], safe=UNESCAPED) if raw is None else raw.split(b"?")[0].decode("latin-1")
    query: bytes | str = scope.get("query_string", b"")
    # Django's own test client has text there.
    text = query if isinstance(query, str) else query.decode("latin-1")
    target = f"{path}?{text}" if text else path
    pairs = ((name.decode("latin-1").lower(), value) for name, value in scope["headers"])
    return native.RequestHead(method=scope["method"], target=target, fields=_fields(pairs))


def wsgi_head(environ: Mapping[str, Any]) -> native.RequestHead:
    """Of a WSGI environment."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not target:
        # As under ASGI: the server does not say how it came.
        path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
        query = environ.get("QUERY_STRING", "")
        target = quote(path, safe=UNESCAPED) + (f"?{query}" if query else "")
    pairs = ((name, environ[key].encode("latin-1")) for name, key in _WSGI_NAMES if key in environ)
    return native.RequestHead(method=environ["REQUEST_METHOD"], target=target, fields=_fields(pairs))


def has_proof(head: native.RequestHead) -> bool:
    """Whether any of the fields is there that a proof travels in."""
    return any(field.name != "host" for field in head.fields)


def declared_length(request: object) -> int:
    """How long its sender says that the body is; 0 where it does not say."""
    if isinstance(request, RawRequest):
        return len(request.body)
    scope: Mapping[str, Any] | None = getattr(request, "scope", None)
    if scope is not None:
        return asgi_length(scope)
    environ = getattr(request, "META", None) or getattr(request, "environ", {})
    return _number(environ.get("CONTENT_LENGTH"))


def asgi_length(scope: Mapping[str, Any]) -> int:
    """How long the body of an ASGI request is said to be; 0 where nothing is said."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return _number(value.decode("latin-1"))
    return 0


def body_at_hand(request: object, limit: int) -> bytes | None:
    """The body, read up to the limit; `None` where it has to be awaited."""
    if isinstance(request, RawRequest):
        return within(request.body, limit)
    if hasattr(request, "META"):
        return _django_body(request, limit)
    if hasattr(request, "environ"):
        return _werkzeug_body(request, limit)
    return None


def within(body: bytes, limit: int) -> bytes:
    """The body, or the refusal of one that is too large."""
    if len(body) > limit:
        raise body_too_large()
    return body


async def awaited_body(request: Any, limit: int) -> bytes:
    """The body of a request of Starlette, which stays there for whoever reads it after this."""
    size = 0
    chunks: list[bytes] = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise body_too_large()
        chunks.append(chunk)
    body = b"".join(chunks)
    # Where Starlette itself keeps a body that was read.
    request._body = body
    return body


def _django_body(request: Any, limit: int) -> bytes:
    try:
        return within(bytes(request.body), limit)
    except Exception as error:
        # Django has a limit of its own, and is not imported here.
        if type(error).__name__ == "RequestDataTooBig":
            raise body_too_large() from None
        raise


def _werkzeug_body(request: Any, limit: int) -> bytes:
    allowed = request.max_content_length
    # So that what comes without a length is not read for ever.
    request.max_content_length = limit if allowed is None else min(limit, allowed)
    try:
        return bytes(request.get_data(cache=True))
    except Exception as error:
        if getattr(error, "code", None) == 413:
            raise body_too_large() from None
        raise
    finally:
        request.max_content_length = allowed


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    given: Any = headers
    pairs: Iterable[tuple[str, str]] = given.items() if hasattr(given, "items") else given
    return ((name.lower(), value.encode("latin-1")) for name, value in pairs)


def _fields(pairs: Iterable[tuple[str, bytes]]) -> list[native.Field]:
    return [native.Field(name=name, value=value) for name, value in pairs if name in NEEDED]


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0


NEEDED = frozenset({"host", ":authority", "content-digest", "signature", "signature-input"})

_WSGI_NAMES = (
    ("host", "HTTP_HOST"),
    ("content-digest", "HTTP_CONTENT_DIGEST"),
    ("signature", "HTTP_SIGNATURE"),
    ("signature-input", "HTTP_SIGNATURE_INPUT"),
)

# What browsers leave as it is in a path.
UNESCAPED = "/!$&'()*+,;=:@-._~|[]"

__all__ = ["ProofError", "RawRequest", "Request", "SyncRequest"]

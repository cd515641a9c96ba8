"""Exceptions. All of them are a `PasskeyAccountsError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._native import passkey_accounts_ffi as native

if TYPE_CHECKING:
    from ._items import Gap


class PasskeyAccountsError(Exception):
    """Something went wrong. `str()` is the code and a sentence that says what to do."""

    code: str
    """The word of the one table of codes, the same in every language, for example `badKey`."""

    reason: str
    """A sentence: what happened and what to do."""

    retryable: bool
    """Whether the same call can succeed later."""

    def __init__(self, code: str, reason: str, retryable: bool) -> None:
        super().__init__(code, reason, retryable)
        self.code = code
        self.reason = reason
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


class StreamError(PasskeyAccountsError):
    """The event stream, or the live sessions that it feeds, cannot be had or are over.

    What can pass by itself was tried again inside and is never raised.
    """


class ProofError(PasskeyAccountsError):
    """A request or a socket is not known to be of a session."""

    status: int
    """The HTTP status of an answer that says so: 401, 413 or 503."""

    def __init__(self, code: str, reason: str, retryable: bool, status: int) -> None:
        super().__init__(code, reason, retryable)
        self.args = (code, reason, retryable, status)
        self.status = status


class ApiError(PasskeyAccountsError):
    """A call of the HTTP API did not work."""

    status: int | None
    """The HTTP status, if there was an answer."""

    retry_after: float | None
    """Not before this many seconds, if the server said so."""

    gap: Gap | None
    """With `gone`: why the position cannot be continued, and where the log goes on."""

    def __init__(
        self,
        code: str,
        reason: str,
        retryable: bool,
        status: int | None = None,
        retry_after: float | None = None,
        gap: Gap | None = None,
    ) -> None:
        super().__init__(code, reason, retryable)
        self.args = (code, reason, retryable, status, retry_after, gap)
        self.status = status
        self.retry_after = retry_after
        self.gap = gap


for _error in (PasskeyAccountsError, StreamError, ProofError, ApiError):
    # Tracebacks name them as users import them.
    _error.__module__ = "passkey_accounts"


def ours(error: native.Error) -> PasskeyAccountsError:
    """The error of the binding as users see it."""
    if isinstance(error, native.Error.Stream):
        return StreamError(error.code, error.reason, error.retryable)
    if isinstance(error, native.Error.Proof):
        return ProofError(error.code, error.reason, error.retryable, error.status)
    if isinstance(error, native.Error.Api):
        from ._convert import gap

        after = error.retry_after_ms
        return ApiError(
            error.code,
            error.reason,
            error.retryable,
            error.status,
            None if after is None else after / 1000,
            None if error.gap is None else gap(error.gap),
        )
    raise AssertionError(f"the binding knows an error that this package does not: {error!r}")


def body_too_large() -> ProofError:
    """The refusal of a body that is larger than is read to check it."""
    refusal = native.body_too_large()
    return ProofError(refusal.code, refusal.reason, refusal.retryable, refusal.status)

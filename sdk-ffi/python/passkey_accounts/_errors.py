"""Exceptions. All of them are a `PasskeyAccountsError`."""


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
    """The event stream is over. What can pass by itself is retried inside and never raised."""

"""Who is signed in, answered from memory and kept exact by a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

from ._connection import Connection, kept
from ._errors import PasskeyAccountsError, StreamError, body_too_large, ours
from ._native import passkey_accounts_ffi as native
from ._options import EvidenceOptions
from ._requests import Request, awaited_body, body_at_hand, declared_length, head_of
from ._session import Account, Endings, LiveSession, account, live_session
from ._status import Closed, Connecting, Status, changes, log_changes, logger, status

BODY_LIMIT = 1 << 20
"""How large a body may be unless told otherwise, in bytes."""


Checks = native.Proofs
"""The checking of proofs."""


class LiveSessions:
    """The sessions that are open now. One connection, made when something of it is used first.

    Look-ups are answered from memory and say what was known last, also while the connection is interrupted. Whoever decides
    by them asks `fresh_within` first, which fails closed; `verify` does.
    """

    def __init__(
        self,
        connection: Connection,
        origins: Iterable[str],
        evidence: EvidenceOptions | None,
        fresh_within: float,
    ) -> None:
        self._connection = connection
        self._origins = list(origins)
        self._evidence = evidence
        self._max_age = timedelta(seconds=fresh_within)
        self._live: native.LiveSessions | None = None
        self._checks: Checks | None = None
        self.was_in_sync = False
        self._is_closed = False
        self._failure: PasskeyAccountsError | None = None
        self._watch: asyncio.Task[None] | None = None
        connection.forget.append(self._start_over)

    async def in_sync(self) -> None:
        """Waits until the state has arrived: at the start, and after events were missed. Raises how the stream ended."""
        try:
            await self._opened().in_sync()
        except native.Error as error:
            raise ours(error) from None
        self.was_in_sync = True

    def get(self, session_id: str) -> LiveSession | None:
        """The session, if it is open."""
        try:
            found = self._opened().get(session_id)
        except native.Error as error:
            raise ours(error) from None
        return None if found is None else live_session(found)

    def of_account(self, account_id: str) -> list[LiveSession]:
        """The open sessions of the account, in no order."""
        try:
            return [live_session(found) for found in self._opened().of_account(account_id)]
        except native.Error as error:
            raise ours(error) from None

    def is_logged_in(self, account_id: str) -> bool | None:
        """Whether the account has an open session; `None` while that is not known."""
        try:
            return self._opened().is_logged_in(account_id)
        except native.Error as error:
            raise ours(error) from None

    @property
    def count(self) -> int:
        """How many sessions are open."""
        try:
            return self._opened().count()
        except native.Error as error:
            raise ours(error) from None

    def fresh_within(self, max_age: float) -> None:
        """Raises `StreamError` (`stale`) unless everything is known here that the server had so many seconds ago.

        A quiet server says so every 20 s: less than 25 makes it fail now and then.
        """
        try:
            self._opened().fresh_within(timedelta(seconds=max_age))
        except native.Error as error:
            raise ours(error) from None

    async def wait_for(self, session_id: str, at_most: float = 2.0) -> LiveSession:
        """The session as soon as it is open, waiting so many seconds: a request may overtake its own `loggedIn`.

        Raises `StreamError`: `sessionGone` when it has not appeared in time, `overCapacity` beside 10,000 others, `stale`
        when the stream is over.
        """
        try:
            return live_session(await self._opened().wait_for(session_id, timedelta(seconds=at_most)))
        except native.Error as error:
            raise ours(error) from None

    def endings(self) -> Endings:
        """The ends of all sessions from now on: ask for this first, look sessions up then."""
        try:
            return Endings(self._opened().endings())
        except native.Error as error:
            raise ours(error) from None

    async def verify(self, request: Request, *, body_limit: int = BODY_LIMIT) -> Account:
        """Who sent this request? Takes those of Starlette, FastAPI, Django, Flask and Werkzeug, and `RawRequest`.

        The body is read after the signature was found good, up to `body_limit` bytes, and stays there for others. Raises
        `ProofError`, of which `passkey_accounts.problem` makes the answer. Waits up to 2 s for a session whose sign-in is
        not known here yet; as a rule for nothing.
        """
        checks = await self.checks()
        head = head_of(request)
        if declared_length(request) > body_limit:
            raise body_too_large()
        checked = await self.verify_head(head, checks)
        body = body_at_hand(request, body_limit)
        if body is None:
            body = await awaited_body(request, body_limit)
        return verify_body(checked, body)

    async def verify_socket(self, token: str, audience: str, nonce: str) -> Account:
        """Who opened this socket? `token` is what a page made for this `audience` and the `nonce` that you gave it.

        Both have at most 256 characters. Make the nonce random, and forget it after the first try. What is proved holds
        until the session ends: close the socket then.
        """
        checks = await self.checks()
        try:
            return account(await checks.verify_socket(token, audience, nonce))
        except native.Error as error:
            raise ours(error) from None

    @property
    def status(self) -> Status:
        """How the connection is doing."""
        if self._live is None:
            return Closed() if self._is_closed else Connecting()
        try:
            return status(self._live.status())
        except native.Error:
            return Closed()

    def statuses(self) -> AsyncIterator[Status]:
        """The status as it is, and each one after it, until it is closed."""
        live = self._opened()
        return changes(live.status, live.status_changed)

    @property
    def failure(self) -> PasskeyAccountsError | None:
        """Why the stream is over for good, if it is."""
        failure = None if self._live is None else self._live.failure()
        return self._failure if failure is None else ours(failure)

    async def close(self) -> None:
        """Ends the connection. Whoever waits for a session or an end is told; proofs are refused."""
        self.stop()
        watch, self._watch = self._watch, None
        if watch is not None and watch.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([watch], timeout=1)

    def stop(self) -> None:
        """As `close`, without waiting for the log to say so."""
        self._is_closed = True
        self._checks = None
        live, self._live = self._live, None
        if live is not None:
            failure = live.failure()
            self._failure = None if failure is None else ours(failure)
            live.stop()

    async def checks(self) -> Checks:
        """The checking of proofs, once the state has arrived; later than 2 s the check itself says what is wrong."""
        if not self.was_in_sync:
            try:
                await asyncio.wait_for(self.in_sync(), FIRST_STATE)
            except (TimeoutError, StreamError):
                pass
        return self.checks_at_once()

    def checks_at_once(self) -> Checks:
        """The checking of proofs."""
        if self._checks is None:
            if not self._origins:
                raise TypeError('name the origins of this back end: Accounts(url, key, origins=["https://app.example"])')
            try:
                self._checks = kept(self._opened().proofs(self._origins, self._max_age))
            except native.Error as error:
                raise ours(error) from None
        return self._checks

    async def verify_head(self, head: native.RequestHead, checks: Checks) -> native.VerifiedHead:
        """Checks everything but the body. Nearly always at once."""
        checked = verify_head_at_once(checks, head)
        if checked is not None:
            return checked
        try:
            return await checks.verify_head(head)
        except native.Error as error:
            raise ours(error) from None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, or was one."""
        return self._live is not None

    def open(self) -> None:
        """Makes the connection; whatever needs it does, too."""
        self._opened()

    def _opened(self) -> native.LiveSessions:
        if self._live is None:
            if self._is_closed:
                raise StreamError("connectionLost", "the live sessions were closed; connect again", True)
            evidence = None if self._evidence is None else self._evidence.native()
            try:
                self._live = kept(self._connection.client().live_sessions(evidence))
            except native.Error as error:
                raise ours(error) from None
            self._log(self._live)
        return self._live

    def _log(self, live: native.LiveSessions) -> None:
        questions = self._connection.questions

        async def watch() -> None:
            statuses = changes(live.status, live.status_changed)
            await log_changes("sessions", statuses, lambda: questions.is_closed)
            failure = live.failure()
            if failure is not None:
                logger.error("sessions: ended: %s", ours(failure))

        try:
            self._watch = asyncio.create_task(watch())
        except RuntimeError:
            # Opened outside of an event loop, where nobody can follow it.
            self._watch = None

    def _start_over(self) -> None:
        self._live = None
        self._checks = None
        self.was_in_sync = False
        self._watch = None


def verify_head_at_once(checks: Checks, head: native.RequestHead) -> native.VerifiedHead | None:
    """Checks everything but the body; `None` if that has to wait for a session."""
    try:
        return checks.verify_head_at_once(head)
    except native.Error as error:
        raise ours(error) from None


def verify_body(checked: native.VerifiedHead, body: bytes) -> Account:
    """Checks that this is the body that was signed, and that the session is still open."""
    try:
        return account(checked.verify_body(body))
    except native.Error as error:
        raise ours(error) from None


# How long the first request may wait for the state, in seconds.
FIRST_STATE = 2.0

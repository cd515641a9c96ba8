"""The HTTP API: what is known of the app, and commands."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeVar

from ._connection import Connection
from ._errors import ours
from ._items import Event, OpenSession, SignedHead
from ._native import passkey_accounts_ffi as native


class Policy(Enum):
    """How passkeys are asked for."""

    STRICT = "strict"
    """A passkey that only an address brings up."""
    RECOVERABLE = "recoverable"
    """A passkey that shows up in the platform's list and in its backups."""
    HARDWARE = "hardware"
    """A passkey on a security key of a model that the server lists."""


@dataclass(frozen=True, slots=True)
class AppInfo:
    """The app that an API key speaks for."""

    app_id: str
    name: str
    """For people."""
    rp_id: str
    """The domain that its passkeys belong to."""
    origins: tuple[str, ...]
    """Where its pages are."""
    policy: Policy


@dataclass(frozen=True, slots=True)
class SessionsPage:
    """Open sessions, oldest first."""

    sessions: tuple[OpenSession, ...]
    next: str | None
    """Give it as `after` for the next page; `None` on the last one."""
    head: str
    """The position in the log that this page is exact at."""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account. Its address is not said: a back end never needs it, and it is nobody's business."""

    account_id: str
    created_at: datetime
    passkeys: int
    """How many passkeys it has."""
    sessions: int
    """How many sessions of it are open."""


@dataclass(frozen=True, slots=True)
class PasskeyInfo:
    """A passkey."""

    passkey_id: str
    name: str | None
    """What the person calls it; `None` until they do."""
    created_at: datetime
    last_used_at: datetime | None
    """To the day; `None` when it was never used since it was made."""
    aaguid: bytes
    """The authenticator's model, 16 bytes; all zero when it does not say."""
    backup_eligible: bool
    """It may be in a backup; this never changes."""
    backed_up: bool
    """It was in a backup when it was last used."""


@dataclass(frozen=True, slots=True)
class EventsPage:
    """A stretch of the log."""

    events: tuple[Event, ...]
    """Of the types asked for, in the order of the log."""
    next: str
    """Give it as `after` for what follows. It moves on also where no event was of the types asked for."""
    more: bool
    """More is in the log already; otherwise `next` is its end."""
    oldest: str
    """The position before the oldest event that is kept."""
    oldest_hash: bytes
    """The hash chain up to `oldest`, 32 bytes."""
    head: str
    """The position of the newest event."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The newest signed head of an app's log."""

    app_id: str
    head: SignedHead


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What is known of an API key."""

    key_id: str
    """Its public name: the third part of the key itself."""
    name: str
    """For people."""
    scopes: tuple[str, ...]
    """What it may be used for, for example `events:read`."""
    created_at: datetime
    expires_at: datetime | None
    """When it stops working; `None` where it does not by itself."""
    revoked_at: datetime | None
    """When it was taken back."""
    public_key: str | None = None
    """Of a key pair: the public half, 43 characters of base64url. `None`: it is an API key."""


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new API key, shown once: the server stores its hash only."""

    api_key: str = field(repr=False)
    """The key itself: the secret."""
    key: KeyInfo


Answer = TypeVar("Answer")


class Api:
    """The HTTP API of the server. Every call raises `ApiError`; each needs the scope that is named with it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def app(self) -> AppInfo:
        """The app that the key speaks for. A good first call: it needs no scope."""
        return convert.app(await asked(self._client.app()))

    async def sessions(
        self, *, after: str | None = None, limit: int | None = None, account_id: str | None = None
    ) -> SessionsPage:
        """Open sessions, oldest first: at most `limit` (1 to 500, by default 100), of this account only.

        Needs `sessions:read`.
        """
        return convert.sessions(await asked(self._client.list_sessions(after, limit, account_id)))

    async def end_session(self, session_id: str) -> None:
        """Ends a session: its page is told, its socket is closed. `notFound` when it is not open.

        Needs `sessions:write`.
        """
        await asked(self._client.end_session(session_id))

    async def account(self, account_id: str) -> AccountInfo:
        """What is known of an account; `notFound` when there is none. Needs `accounts:read`."""
        return convert.account(await asked(self._client.account(account_id)))

    async def erase_account(self, account_id: str) -> None:
        """Erases an account for ever: its address, its passkeys and its sessions. Needs `accounts:write`."""
        await asked(self._client.erase_account(account_id))

    async def cancel_recovery(self, account_id: str) -> None:
        """Cancels the recovery of an account; `notFound` when there is none. Needs `accounts:write`."""
        await asked(self._client.cancel_recovery(account_id))

    async def passkeys(self, account_id: str) -> tuple[PasskeyInfo, ...]:
        """The passkeys of an account, oldest first. Needs `accounts:read`."""
        return tuple(map(convert.passkey, await asked(self._client.passkeys(account_id))))

    async def remove_passkey(self, account_id: str, passkey_id: str) -> None:
        """Removes a passkey and ends the sessions that it opened; `lastPasskey` when it is the account's last.

        Needs `accounts:write`.
        """
        await asked(self._client.remove_passkey(account_id, passkey_id))

    async def events(
        self, *, after: str | None = None, limit: int | None = None, types: Iterable[str] = ()
    ) -> EventsPage:
        """Reads the log from a position on: at most `limit` events (1 to 500, by default 100) of these types.

        Without types, sign-ins and sign-outs. `gone` when the position cannot be continued. Needs `events:read`.
        """
        return convert.events(await asked(self._client.list_events(after, limit, list(types))))

    async def checkpoint(self) -> Checkpoint:
        """The newest signed head of the log. Needs `events:read`."""
        return convert.checkpoint(await asked(self._client.checkpoint()))

    async def keys(self) -> tuple[KeyInfo, ...]:
        """The app's keys, oldest first, without their secrets. Needs `keys:write`."""
        return tuple(map(convert.key, await asked(self._client.keys())))

    async def create_key(
        self, name: str, *, scopes: Iterable[str] | None = None, expires_at: datetime | None = None
    ) -> CreatedKey:
        """Makes a key. It may do nothing that this one may not; by default, what this one may. Needs `keys:write`."""
        wanted = None if scopes is None else list(scopes)
        return convert.created_key(await asked(self._client.create_key(name, wanted, expires_at)))

    async def register_key_pair(
        self,
        public_key: str,
        name: str,
        *,
        scopes: Iterable[str] | None = None,
        expires_at: datetime | None = None,
    ) -> KeyInfo:
        """Registers the public half of a key pair (43 characters of base64url), which works from now on like a key.

        It may do nothing that this one may not; by default, what this one may. Needs `keys:write`.
        """
        wanted = None if scopes is None else list(scopes)
        return convert.key(await asked(self._client.register_key_pair(public_key, name, wanted, expires_at)))

    async def rotate_key(self, key_id: str, *, overlap: float) -> CreatedKey:
        """Makes a key like `key_id`, which still works for so many seconds (at most 30 days) and expires then.

        Needs `keys:write`.
        """
        return convert.created_key(await asked(self._client.rotate_key(key_id, timedelta(seconds=overlap))))

    async def revoke_key(self, key_id: str) -> None:
        """Takes a key back; its event sockets are closed at once. Needs `keys:write`."""
        await asked(self._client.revoke_key(key_id))

    @property
    def _client(self) -> native.Client:
        return self._connection.client()


async def asked(answer: Awaitable[Answer]) -> Answer:
    """The answer, or what went wrong."""
    try:
        return await answer
    except native.Error as error:
        raise ours(error) from None


# After the types that it makes.
from . import _convert as convert  # noqa: E402

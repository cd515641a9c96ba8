"""The HTTP API, blocking."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from .._api import AccountInfo, AppInfo, Checkpoint, CreatedKey, EventsPage, KeyInfo, PasskeyInfo, SessionsPage
from .._api import Api as AsyncApi
from ._loop import Loop


class Api:
    """The HTTP API of the server. Every call raises `ApiError`; each needs the scope that is named with it."""

    def __init__(self, api: AsyncApi, loop: Loop) -> None:
        self._api = api
        self._loop = loop

    def app(self) -> AppInfo:
        """The app that the key speaks for. A good first call: it needs no scope."""
        return self._loop.wait(self._api.app())

    def sessions(
        self, *, after: str | None = None, limit: int | None = None, account_id: str | None = None
    ) -> SessionsPage:
        """Open sessions, oldest first: at most `limit` (1 to 500, by default 100), of this account only.

        Needs `sessions:read`.
        """
        return self._loop.wait(self._api.sessions(after=after, limit=limit, account_id=account_id))

    def end_session(self, session_id: str) -> None:
        """Ends a session: its page is told, its socket is closed. `notFound` when it is not open.

        Needs `sessions:write`.
        """
        return self._loop.wait(self._api.end_session(session_id))

    def account(self, account_id: str) -> AccountInfo:
        """What is known of an account; `notFound` when there is none. Needs `accounts:read`."""
        return self._loop.wait(self._api.account(account_id))

    def erase_account(self, account_id: str) -> None:
        """Erases an account for ever: its address, its passkeys and its sessions. Needs `accounts:write`."""
        return self._loop.wait(self._api.erase_account(account_id))

    def cancel_recovery(self, account_id: str) -> None:
        """Cancels the recovery of an account; `notFound` when there is none. Needs `accounts:write`."""
        return self._loop.wait(self._api.cancel_recovery(account_id))

    def passkeys(self, account_id: str) -> tuple[PasskeyInfo, ...]:
        """The passkeys of an account, oldest first. Needs `accounts:read`."""
        return self._loop.wait(self._api.passkeys(account_id))

    def remove_passkey(self, account_id: str, passkey_id: str) -> None:
        """Removes a passkey and ends the sessions that it opened; `lastPasskey` when it is the account's last.

        Needs `accounts:write`.
        """
        return self._loop.wait(self._api.remove_passkey(account_id, passkey_id))

    def events(
        self, *, after: str | None = None, limit: int | None = None, types: Iterable[str] = ()
    ) -> EventsPage:
        """Reads the log from a position on: at most `limit` events (1 to 500, by default 100) of these types.

        Without types, sign-ins and sign-outs. `gone` when the position cannot be continued. Needs `events:read`.
        """
        return self._loop.wait(self._api.events(after=after, limit=limit, types=types))

    def checkpoint(self) -> Checkpoint:
        """The newest signed head of the log. Needs `events:read`."""
        return self._loop.wait(self._api.checkpoint())

    def keys(self) -> tuple[KeyInfo, ...]:
        """The app's keys, oldest first, without their secrets. Needs `keys:write`."""
        return self._loop.wait(self._api.keys())

    def create_key(
        self, name: str, *, scopes: Iterable[str] | None = None, expires_at: datetime | None = None
    ) -> CreatedKey:
        """Makes a key. It may do nothing that this one may not; by default, what this one may. Needs `keys:write`."""
        return self._loop.wait(self._api.create_key(name, scopes=scopes, expires_at=expires_at))

    def register_key_pair(
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
        return self._loop.wait(
            self._api.register_key_pair(public_key, name, scopes=scopes, expires_at=expires_at)
        )

    def rotate_key(self, key_id: str, *, overlap: float) -> CreatedKey:
        """Makes a key like `key_id`, which still works for so many seconds (at most 30 days) and expires then.

        Needs `keys:write`.
        """
        return self._loop.wait(self._api.rotate_key(key_id, overlap=overlap))

    def revoke_key(self, key_id: str) -> None:
        """Takes a key back; its event sockets are closed at once. Needs `keys:write`."""
        return self._loop.wait(self._api.revoke_key(key_id))

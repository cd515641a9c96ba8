"""From the records of the binding to our types. What streams hand over comes as text instead (`_records.py`)."""

from __future__ import annotations

from . import _api as api
from . import _items as items
from ._data import SessionKey
from ._native import passkey_accounts_ffi as native


def gap(said: native.Gap) -> items.Gap:
    """Why a position cannot be continued."""
    return items.Gap(items.GapReason[said.reason.name], said.after, items.GapNext[said.next.name], said.oldest)


def event(said: native.Event) -> items.Event:
    """An event of the HTTP API."""
    return items.event(items.record_of(said.id, said.seq, said.time, said.name, said.data))


def head(said: native.SignedHead) -> items.SignedHead:
    """A signed head of the log."""
    return items.SignedHead(said.epoch, said.seq, said.hash, said.time, said.key_id, said.sig)


def open_session(said: native.OpenSession) -> items.OpenSession:
    """An open session."""
    key = SessionKey(said.session_key.x, said.session_key.y)
    ids = (said.account_id, said.session_id, said.passkey_id)
    return items.OpenSession(*ids, key, said.since, said.expires_at)


def app(said: native.AppInfo) -> api.AppInfo:
    """An app."""
    policy = api.Policy[said.policy.name]
    return api.AppInfo(said.app_id, said.name, said.rp_id, tuple(said.origins), policy)


def sessions(said: native.SessionsPage) -> api.SessionsPage:
    """A page of open sessions."""
    return api.SessionsPage(tuple(map(open_session, said.sessions)), said.next, said.head)


def account(said: native.AccountInfo) -> api.AccountInfo:
    """An account."""
    return api.AccountInfo(said.account_id, said.created_at, said.passkeys, said.sessions)


def passkey(said: native.PasskeyInfo) -> api.PasskeyInfo:
    """A passkey."""
    return api.PasskeyInfo(
        said.passkey_id,
        said.name,
        said.created_at,
        said.last_used_at,
        said.aaguid,
        said.backup_eligible,
        said.backed_up,
    )


def events(said: native.EventsPage) -> api.EventsPage:
    """A stretch of the log."""
    found = tuple(map(event, said.events))
    return api.EventsPage(found, said.next, said.more, said.oldest, said.oldest_hash, said.head)


def checkpoint(said: native.Checkpoint) -> api.Checkpoint:
    """The newest signed head."""
    return api.Checkpoint(said.app_id, head(said.head))


def key(said: native.KeyInfo) -> api.KeyInfo:
    """An API key."""
    times = (said.created_at, said.expires_at, said.revoked_at)
    return api.KeyInfo(said.key_id, said.name, tuple(said.scopes), *times, said.public_key)


def created_key(said: native.CreatedKey) -> api.CreatedKey:
    """A new API key."""
    return api.CreatedKey(said.api_key, key(said.key))

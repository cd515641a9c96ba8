"""From the generated types to ours. Nothing else."""

from __future__ import annotations

from . import _items as ours
from ._native import passkey_accounts_ffi as native

_END_REASONS = {reason: ours.EndReason[reason.name] for reason in native.EndReason}
_REMOVAL_REASONS = {reason: ours.RemovalReason[reason.name] for reason in native.RemovalReason}
_GAP_REASONS = {reason: ours.GapReason[reason.name] for reason in native.GapReason}
_GAP_NEXT = {following: ours.GapNext[following.name] for following in native.GapNext}


def item(item: native.Item) -> ours.Item:
    """One item."""
    match item:
        case native.Item.EVENT(event=event):
            return ours.Event(event.id, event.seq, event.time, event.name, _data(event.kind), event.data)
        case native.Item.SNAPSHOT(snapshot=page):
            return ours.Snapshot(tuple(map(_open_session, page.sessions)), page.first, page.last, page.id)
        case native.Item.GAP(gap=gap):
            return ours.Gap(_GAP_REASONS[gap.reason], gap.after, _GAP_NEXT[gap.next])
        case native.Item.BOOKMARK(bookmark=bookmark):
            return ours.Bookmark(bookmark.id, bookmark.time)
    raise AssertionError(f"the binding knows an item that this package does not: {item}")


def _data(kind: native.EventKind) -> ours.EventData:
    match kind:
        case native.EventKind.LOGGED_IN(login=login):
            return ours.LoggedIn(
                login.account_id,
                login.session_id,
                login.passkey_id,
                login.origin,
                _session_key(login.session_key),
                login.expires_at,
                login.user_verified,
                login.backed_up,
                login.account_sessions,
                _evidence(login.evidence),
            )
        case native.EventKind.LOGGED_OUT(account_id=account, session_id=session, reason=reason):
            return ours.LoggedOut(account, session, _END_REASONS[reason], kind.account_sessions)
        case native.EventKind.REGISTERED(account_id=account):
            return ours.Registered(account)
        case native.EventKind.PASSKEY_ADDED(account_id=account, passkey_id=passkey, public_key=key):
            evidence = _evidence(kind.evidence)
            return ours.PasskeyAdded(account, passkey, key, kind.aaguid, kind.backed_up, evidence)
        case native.EventKind.CONFIRMED(confirmation=done):
            return ours.Confirmed(
                done.account_id,
                done.session_id,
                done.passkey_id,
                done.ceremony_id,
                done.action,
                _signed(done.evidence),
            )
        case native.EventKind.PASSKEY_RENAMED(account_id=account, passkey_id=passkey):
            return ours.PasskeyRenamed(account, passkey)
        case native.EventKind.PASSKEY_REMOVED(account_id=account, passkey_id=passkey, reason=reason):
            return ours.PasskeyRemoved(account, passkey, _REMOVAL_REASONS[reason], _evidence(kind.evidence))
        case native.EventKind.ACCOUNT_ERASED(account_id=account):
            return ours.AccountErased(account)
        case native.EventKind.API_KEY_CREATED(key_id=key, name=name, scopes=scopes):
            return ours.ApiKeyCreated(key, name, tuple(scopes))
        case native.EventKind.API_KEY_REVOKED(key_id=key):
            return ours.ApiKeyRevoked(key)
        case native.EventKind.COUNTER_REGRESSED(account_id=account, passkey_id=passkey):
            return ours.CounterRegressed(account, passkey, kind.stored, kind.received)
        case native.EventKind.OTHER():
            return ours.Unknown()
    raise AssertionError(f"the binding knows an event that this package does not: {kind}")


def _session_key(key: native.SessionKey) -> ours.SessionKey:
    return ours.SessionKey(key.x, key.y)


def _evidence(evidence: native.Evidence | None) -> ours.Evidence | None:
    return None if evidence is None else _signed(evidence)


def _signed(evidence: native.Evidence) -> ours.Evidence:
    return ours.Evidence(
        evidence.random,
        evidence.kind,
        evidence.origin,
        evidence.thumbprint,
        evidence.credential_id,
        evidence.authenticator_data,
        evidence.client_data_json,
        evidence.signature,
    )


def _open_session(session: native.OpenSession) -> ours.OpenSession:
    return ours.OpenSession(
        session.account_id,
        session.session_id,
        session.passkey_id,
        _session_key(session.session_key),
        session.since,
        session.expires_at,
    )

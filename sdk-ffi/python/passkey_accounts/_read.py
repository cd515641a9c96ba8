"""From the text of the binding to our types. The core has checked everything; what is left is spelling."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from ._data import (
    AccountErased,
    ApiKeyCreated,
    ApiKeyRevoked,
    CancelReason,
    Confirmed,
    CounterRegressed,
    EndReason,
    EventData,
    Evidence,
    LoggedIn,
    LoggedOut,
    PasskeyAdded,
    PasskeyRemoved,
    PasskeyRenamed,
    RecoveryCancelled,
    RecoveryCompleted,
    RecoveryStarted,
    Registered,
    RemovalReason,
    SessionKey,
    TamperedRow,
    TamperingDetected,
    Unknown,
)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)

# Between the parts of a batch, its items, and the fields of an item (sdk-ffi/src/text.rs); none of them stands in JSON.
PART, RECORD, FIELD = "\x1d", "\x1e", "\x1f"
STOPPED = "\x04"

_decoder = json.JSONDecoder()
decode: Callable[[str], tuple[Any, int]] = _decoder.raw_decode
_encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
compact: Callable[[object], str] = _encoder.encode


def string(text: str) -> str:
    """What a JSON string says. Nearly all of them are ids, which have nothing escaped."""
    return text[1:-1] if "\\" not in text else str(decode(text)[0])


def instant(text: str) -> datetime:
    """A time as it stands on the wire."""
    return datetime.fromisoformat(text)


def octets(text: str) -> bytes:
    """Bytes as they stand on the wire: unpadded base64url."""
    return urlsafe_b64decode(text + "==")


def optional_octets(text: str | None) -> bytes | None:
    """Bytes that may not be there."""
    return None if text is None else octets(text)


def session_key(key: dict[str, str]) -> SessionKey:
    """The public half of a session key."""
    return SessionKey(octets(key["x"]), octets(key["y"]))


def _evidence(data: dict[str, Any]) -> Evidence | None:
    said = data.get("evidence")
    if said is None:
        return None
    return Evidence(
        octets(said["random"]),
        said["kind"],
        said["origin"],
        octets(said["thumbprint"]),
        octets(said["credentialID"]),
        octets(said["authenticatorData"]),
        octets(said["clientDataJSON"]),
        octets(said["signature"]),
    )


def _logged_in(text: str) -> EventData:
    data = decode(text)[0]
    return LoggedIn(
        data["accountID"],
        data["sessionID"],
        data["passkeyID"],
        data["origin"],
        session_key(data["sessionKey"]),
        instant(data["expiresAt"]),
        data["userVerified"],
        data["backedUp"],
        data["accountSessions"],
        _evidence(data),
    )


def _passkey_added(text: str) -> EventData:
    data = decode(text)[0]
    return PasskeyAdded(
        data["accountID"],
        data["passkeyID"],
        octets(data["publicKey"]),
        octets(data["aaguid"]),
        data["backedUp"],
        _evidence(data),
    )


def _confirmed(text: str) -> EventData:
    data = decode(text)[0]
    evidence = _evidence(data)
    assert evidence is not None, "the core lets no confirmation through without"
    action = _action(data["action"], text)
    ids = (data["accountID"], data["sessionID"], data["passkeyID"], data["ceremonyID"])
    return Confirmed(*ids, action, evidence)


def _action(action: object, text: str) -> str:
    """The text of the action as it was signed: numbers have several spellings, and only one was."""
    start = text.find('"action":') + len('"action":')
    read, length = decode(text[start:])
    return text[start : start + length] if read == action else compact(action)


def _passkey_removed(text: str) -> EventData:
    data = decode(text)[0]
    reason = _REMOVAL_REASONS.get(data["reason"], RemovalReason.OTHER)
    return PasskeyRemoved(data["accountID"], data["passkeyID"], reason, _evidence(data))


def draft_of(made: type) -> Callable[[], Any]:
    """Makes objects with the members of a class whose objects cannot be changed.

    To set them, and then `__class__`, takes a third of the time that the class's own setters take.
    """
    return type(made.__name__, (), {"__slots__": tuple(vars(made)["__slots__"])})


def _logged_out(said: list[Any]) -> Any:
    # What there is most of, beside `loggedIn`.
    made = _draft_logged_out()
    _, made.account_id, made.session_id, reason, made.account_sessions = said
    made.reason = _END_REASONS[reason] if reason in _END_REASONS else _OTHER
    made.__class__ = LoggedOut
    return made


_draft_logged_out = draft_of(LoggedOut)


def _tampering_detected(text: str) -> EventData:
    data = decode(text)[0]
    row = _TAMPERED_ROWS.get(data["row"], TamperedRow.OTHER)
    return TamperingDetected(row, data.get("accountID"), data.get("keyID"))


def _recovery_started(text: str) -> EventData:
    data = decode(text)[0]
    return RecoveryStarted(data["accountID"], instant(data["until"]))


def _recovery_cancelled(text: str) -> EventData:
    data = decode(text)[0]
    return RecoveryCancelled(data["accountID"], _CANCEL_REASONS.get(data["reason"], CancelReason.OTHER))


def _recovery_completed(text: str) -> EventData:
    data = decode(text)[0]
    key, aaguid = octets(data["publicKey"]), octets(data["aaguid"])
    return RecoveryCompleted(data["accountID"], data["passkeyID"], key, aaguid, data["backedUp"])


_END_REASONS = {reason.value: reason for reason in EndReason}
# To look a member up takes longer than to look a word up.
_OTHER = EndReason.OTHER
_REMOVAL_REASONS = {reason.value: reason for reason in RemovalReason}
_CANCEL_REASONS = {reason.value: reason for reason in CancelReason}
_TAMPERED_ROWS = {row.value: row for row in TamperedRow}

# By the name of the type: what is made of a name and the members after it, which the core has read.
makers: dict[str, Callable[[list[Any]], EventData]] = {
    "registered": lambda said: Registered(said[1]),
    "loggedOut": _logged_out,
    "passkeyRenamed": lambda said: PasskeyRenamed(*said[1:]),
    "accountErased": lambda said: AccountErased(said[1]),
    "counterRegressed": lambda said: CounterRegressed(*said[1:]),
    "apiKeyCreated": lambda said: ApiKeyCreated(said[1], said[2], tuple(said[3])),
    "apiKeyRevoked": lambda said: ApiKeyRevoked(said[1]),
}

_MEMBERS = {
    "registered": ("accountID",),
    "loggedOut": ("accountID", "sessionID", "reason", "accountSessions"),
    "passkeyRenamed": ("accountID", "passkeyID"),
    "accountErased": ("accountID",),
    "counterRegressed": ("accountID", "passkeyID", "stored", "received"),
    "apiKeyCreated": ("keyID", "name", "scopes"),
    "apiKeyRevoked": ("keyID",),
}

_READERS: dict[str, Callable[[str], EventData]] = {
    "loggedIn": _logged_in,
    "passkeyAdded": _passkey_added,
    "confirmed": _confirmed,
    "passkeyRemoved": _passkey_removed,
    "tamperingDetected": _tampering_detected,
    "recoveryStarted": _recovery_started,
    "recoveryCancelled": _recovery_cancelled,
    "recoveryCompleted": _recovery_completed,
}


def event_data(name: str, text: str) -> EventData:
    """The data of an event of this type, from its JSON text."""
    if name in _READERS:
        return _READERS[name](text)
    if name not in makers:
        return Unknown()
    data = decode(text)[0]
    return makers[name]([name, *(data[member] for member in _MEMBERS[name])])

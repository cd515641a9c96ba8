"""From the text of the binding to our types. The core has checked everything; what is left is spelling."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

from ._data import (
    AccountErased,
    ApiKeyCreated,
    ApiKeyRevoked,
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
    Registered,
    RemovalReason,
    SessionKey,
    Unknown,
)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)

# Between records, and between the fields of a record (sdk-ffi/src/text.rs); neither stands in JSON.
RECORD, FIELD = "\x1e", "\x1f"

_decoder = json.JSONDecoder()
decode: Callable[[str], tuple[Any, int]] = _decoder.raw_decode
# What `decode` calls; half of its time is around it.
scan: Callable[[str, int], tuple[Any, int]] = getattr(_decoder, "scan_once", _decoder.raw_decode)
_encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
compact: Callable[[object], str] = _encoder.encode


def string(text: str) -> str:
    """What a JSON string says. Nearly all of them are ids, which have nothing escaped."""
    return text[1:-1] if "\\" not in text else str(decode(text)[0])


def unknown(_text: str) -> EventData:
    """The data of a type that is newer than this version."""
    return Unknown()


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


def _registered(text: str) -> EventData:
    data = scan(text, 0)[0]
    return Registered(data["accountID"])


def _logged_in(text: str) -> EventData:
    data = scan(text, 0)[0]
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


def _logged_out(text: str) -> EventData:
    data = scan(text, 0)[0]
    # What there is most of, beside `loggedIn`: its own `__init__` would take three times as long.
    made = _new_logged_out(LoggedOut)
    _set_account_id(made, data["accountID"])
    _set_session_id(made, data["sessionID"])
    _set_reason(made, _END_REASONS.get(data["reason"], EndReason.OTHER))
    _set_account_sessions(made, data["accountSessions"])
    return made


_new_logged_out: Callable[[type[LoggedOut]], LoggedOut] = object.__new__
_set_account_id, _set_session_id, _set_reason, _set_account_sessions = (
    vars(LoggedOut)[field.name].__set__ for field in fields(LoggedOut)
)


def _passkey_added(text: str) -> EventData:
    data = scan(text, 0)[0]
    return PasskeyAdded(
        data["accountID"],
        data["passkeyID"],
        octets(data["publicKey"]),
        octets(data["aaguid"]),
        data["backedUp"],
        _evidence(data),
    )


def _confirmed(text: str) -> EventData:
    data = scan(text, 0)[0]
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


def _passkey_renamed(text: str) -> EventData:
    data = scan(text, 0)[0]
    return PasskeyRenamed(data["accountID"], data["passkeyID"])


def _passkey_removed(text: str) -> EventData:
    data = scan(text, 0)[0]
    reason = _REMOVAL_REASONS.get(data["reason"], RemovalReason.OTHER)
    return PasskeyRemoved(data["accountID"], data["passkeyID"], reason, _evidence(data))


def _account_erased(text: str) -> EventData:
    data = scan(text, 0)[0]
    return AccountErased(data["accountID"])


def _counter_regressed(text: str) -> EventData:
    data = scan(text, 0)[0]
    return CounterRegressed(data["accountID"], data["passkeyID"], data["stored"], data["received"])


def _api_key_created(text: str) -> EventData:
    data = scan(text, 0)[0]
    return ApiKeyCreated(data["keyID"], data["name"], tuple(data["scopes"]))


def _api_key_revoked(text: str) -> EventData:
    data = scan(text, 0)[0]
    return ApiKeyRevoked(data["keyID"])


_END_REASONS = {reason.value: reason for reason in EndReason}
_REMOVAL_REASONS = {reason.value: reason for reason in RemovalReason}

# By the type as it stands in the text.
readers: dict[str, Callable[[str], EventData]] = {
    '"registered"': _registered,
    '"loggedIn"': _logged_in,
    '"loggedOut"': _logged_out,
    '"passkeyAdded"': _passkey_added,
    '"confirmed"': _confirmed,
    '"passkeyRenamed"': _passkey_renamed,
    '"passkeyRemoved"': _passkey_removed,
    '"accountErased"': _account_erased,
    '"counterRegressed"': _counter_regressed,
    '"apiKeyCreated"': _api_key_created,
    '"apiKeyRevoked"': _api_key_revoked,
}

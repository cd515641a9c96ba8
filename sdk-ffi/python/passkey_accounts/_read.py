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

decode: Callable[[str], tuple[Any, int]] = json.JSONDecoder().raw_decode
_encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
compact: Callable[[object], str] = _encoder.encode


def string(text: str) -> str:
    """What a JSON string says. Nearly all of them are ids, which have nothing escaped."""
    return text[1:-1] if "\\" not in text else str(decode(text)[0])


def read_data(name: str, text: str) -> EventData:
    """The data of an event of this type; of an unknown type, `Unknown`."""
    reader = _READERS.get(name)
    return Unknown() if reader is None else reader(decode(text)[0], text)


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


def _registered(data: dict[str, Any], _text: str) -> EventData:
    return Registered(data["accountID"])


def _logged_in(data: dict[str, Any], _text: str) -> EventData:
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


def _logged_out(data: dict[str, Any], _text: str) -> EventData:
    reason = _END_REASONS.get(data["reason"], EndReason.OTHER)
    return LoggedOut(data["accountID"], data["sessionID"], reason, data["accountSessions"])


def _passkey_added(data: dict[str, Any], _text: str) -> EventData:
    return PasskeyAdded(
        data["accountID"],
        data["passkeyID"],
        octets(data["publicKey"]),
        octets(data["aaguid"]),
        data["backedUp"],
        _evidence(data),
    )


def _confirmed(data: dict[str, Any], text: str) -> EventData:
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


def _passkey_renamed(data: dict[str, Any], _text: str) -> EventData:
    return PasskeyRenamed(data["accountID"], data["passkeyID"])


def _passkey_removed(data: dict[str, Any], _text: str) -> EventData:
    reason = _REMOVAL_REASONS.get(data["reason"], RemovalReason.OTHER)
    return PasskeyRemoved(data["accountID"], data["passkeyID"], reason, _evidence(data))


def _account_erased(data: dict[str, Any], _text: str) -> EventData:
    return AccountErased(data["accountID"])


def _counter_regressed(data: dict[str, Any], _text: str) -> EventData:
    return CounterRegressed(data["accountID"], data["passkeyID"], data["stored"], data["received"])


def _api_key_created(data: dict[str, Any], _text: str) -> EventData:
    return ApiKeyCreated(data["keyID"], data["name"], tuple(data["scopes"]))


def _api_key_revoked(data: dict[str, Any], _text: str) -> EventData:
    return ApiKeyRevoked(data["keyID"])


_END_REASONS = {reason.value: reason for reason in EndReason}
_REMOVAL_REASONS = {reason.value: reason for reason in RemovalReason}

_READERS: dict[str, Callable[[dict[str, Any], str], EventData]] = {
    "registered": _registered,
    "loggedIn": _logged_in,
    "loggedOut": _logged_out,
    "passkeyAdded": _passkey_added,
    "confirmed": _confirmed,
    "passkeyRenamed": _passkey_renamed,
    "passkeyRemoved": _passkey_removed,
    "accountErased": _account_erased,
    "counterRegressed": _counter_regressed,
    "apiKeyCreated": _api_key_created,
    "apiKeyRevoked": _api_key_revoked,
}

"""A batch of items as the binding writes it (sdk-ffi/src/text.rs), and items from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._items import Bookmark, Gap, GapNext, GapReason, Item, OpenSession, SignedHead, Snapshot, event
from ._read import EPOCH, FIELD, MILLISECOND, decode, instant, octets, optional_octets, session_key

def item(record: str) -> Item:
    """The item of a record: receipt, lane, lease, kind, and what the kind has."""
    if EVENT in record:
        return event(record)
    _, _, _, kind, text = record.split(FIELD)
    return _READERS[kind](decode(text)[0])


EVENT = f"{FIELD}event{FIELD}"


def _snapshot(said: dict[str, Any]) -> Snapshot:
    page = said["data"]
    sessions = tuple(map(open_session, page["sessions"]))
    return Snapshot(sessions, page["first"], page["last"], said["id"], optional_octets(page.get("hash")))


def open_session(said: dict[str, Any]) -> OpenSession:
    """A session of a snapshot."""
    return OpenSession(
        said["accountID"],
        said["sessionID"],
        said["passkeyID"],
        session_key(said["sessionKey"]),
        instant(said["since"]),
        instant(said["expiresAt"]),
    )


def _gap(said: dict[str, Any]) -> Gap:
    gap = said["data"]
    reason = _GAP_REASONS.get(gap["reason"], GapReason.OTHER)
    return Gap(reason, gap["after"], _GAP_NEXT.get(gap["next"], GapNext.OTHER), gap.get("oldest"))


def _bookmark(said: dict[str, Any]) -> Bookmark:
    data = said["data"]
    time = EPOCH + data["time"] * MILLISECOND
    return Bookmark(said["id"], time, optional_octets(data["hash"]), _head(data["head"]))


def _head(said: dict[str, Any] | None) -> SignedHead | None:
    if said is None:
        return None
    hash, sig = octets(said["hash"]), octets(said["sig"])
    return SignedHead(said["epoch"], said["seq"], hash, instant(said["time"]), said["keyID"], sig)


_GAP_REASONS = {reason.value: reason for reason in GapReason}
_GAP_NEXT = {following.value: following for following in GapNext}

_READERS: dict[str, Callable[[dict[str, Any]], Item]] = {
    "snapshot": _snapshot,
    "gap": _gap,
    "bookmark": _bookmark,
}

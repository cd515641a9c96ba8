"""A batch of items as the binding writes it (sdk-ffi/src/text.rs), and items from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._items import (
    Bookmark,
    Event,
    Gap,
    GapNext,
    GapReason,
    Item,
    OpenSession,
    SignedHead,
    Snapshot,
    draft_event,
    event,
)
from ._read import (
    EPOCH,
    FIELD,
    MILLISECOND,
    PART,
    RECORD,
    decode,
    instant,
    makers,
    octets,
    optional_octets,
    session_key,
)


def batch(text: str) -> tuple[int, list[str], list[Item]]:
    """The receipt of the first item, the records of all, and the items."""
    receipt, joined, members = text.split(PART)
    records = joined.split(RECORD)
    items: list[Item] = []
    for record, said in zip(records, decode(members)[0], strict=True):
        if said:
            # Faster than a call for each.
            made = draft_event()
            made._record = record
            made.data = makers[said[0]](said)
            made.__class__ = Event
            items.append(made)
        else:
            items.append(event(record) if said is None else _item(record))
    return int(receipt), records, items


def _item(record: str) -> Item:
    _, _, kind, text = record.split(FIELD, 3)
    return _READERS[kind](decode(text)[0])


def ownership(record: str) -> tuple[int, int]:
    """The lane that an item came in, and the lease of its owner."""
    lane, lease, _ = record.split(FIELD, 2)
    return int(lane), int(lease)


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

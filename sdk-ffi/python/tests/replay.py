"""The machine of the binding in virtual time, replaying what its server and its application do in a transcript.

Everything that the application sees goes through the types that users get: records of text to items.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from passkey_accounts import Bookmark, Event, Gap, OpenSession, Snapshot, Waiting
from passkey_accounts._errors import ours
from passkey_accounts._native import passkey_accounts_ffi as native
from passkey_accounts._pull import Delivery, Pull
from passkey_accounts._read import event_data
from passkey_accounts._records import batch, ownership
from passkey_accounts._status import status
from passkey_accounts.testing._session import part
from transcripts import Line, Said, Transcript, difference

KEY = "pa_dev_040g2081040g2081_040g2081040g2081040g2081040g2081040g2081040g2081040g_8a296a36"
ADDRESS = "wss://auth.example/v1/events"
# The public half of the Ed25519 key whose seed is 32 bytes 7.
HEAD_KEY = part(Ed25519PrivateKey.from_private_bytes(bytes([7] * 32)).public_key().public_bytes_raw())

MILLISECOND = 1_000_000

SERVERS_WORDS = frozenset(
    {"login", "logins", "logout", "register", "cut", "restore", "drain", "stalls", "settled", "released"}
)


def replay(transcript: Transcript, seed: int) -> str | None:
    """What is off; `None` if nothing is."""
    header, client = transcript.header, Client(transcript.header, seed)
    # What the machine's clock is ahead of the transcript's, in nanoseconds.
    ahead = 0
    for line in transcript.lines:
        if not is_about_the_client(header["role"], line):
            continue
        at = line.t * MILLISECOND + ahead
        if not is_expected_of_the_client(line):
            client.advance(at, lambda: False)
            unseen = client.unseen()
            if unseen is not None and unseen.at < at:
                return f"{line.place}: before it the client said {unseen}"
            client.feed(line)
            continue
        earliest, latest = (t * MILLISECOND + ahead for t in line.within or (line.t, line.t))
        queue = client.seen if line.kind == "=" else client.wire
        client.advance(latest, lambda: bool(queue))
        if not queue:
            return f"{line.place}: expected {line.value}, was nothing"
        said = queue.popleft()
        if off := difference(line, said):
            return f"{line.place}: {off}"
        if not earliest <= said.at <= latest:
            return f"{line.place}: expected between {earliest} and {latest}, was at {said.at}: {said}"
        if line.within:
            ahead = said.at - line.t * MILLISECOND
    unseen = client.unseen()
    return None if unseen is None else f"{transcript.lines[-1].place}: after it the client said {unseen}"


def is_about_the_client(role: str, line: Line) -> bool:
    is_the_servers = line.kind in "!=" and line.word[0] in SERVERS_WORDS
    return role != "both" or (line.on == "a" and not is_the_servers)


def is_expected_of_the_client(line: Line) -> bool:
    return line.kind in ">=" or (line.kind == "!" and line.word[0] == "clientCloses")


class Client:
    def __init__(self, header: dict[str, Any], seed: int) -> None:
        self.wire: deque[Said] = deque()
        self.seen: deque[Said] = deque()
        self._now = 0
        self._header = header
        self._keys = list(header.get("keys") or [KEY])
        self._stream = native.StreamReplay(ADDRESS, options(header), seed)
        self._handed_over: list[Delivery] = []
        self._pull = Pull(no_stream, header.get("subscription", {}).get("consumer") or "")
        self._pull.stream = cast(native.EventStream, Settling(self))

    def advance(self, to: int, is_enough: Callable[[], bool]) -> None:
        """Lets time pass until `to`, or until that is so."""
        for _ in range(100_000):
            self._collect()
            if is_enough():
                return
            deadline = self._stream.poll_timeout()
            if deadline is None or deadline > to:
                self._now = max(self._now, to)
                return
            self._now = max(self._now, deadline)
            self._stream.tick(self._now)
        raise AssertionError(f"the client wants to be woken again and again at {self._now}")

    def unseen(self) -> Said | None:
        """The first thing that was said and that nobody has looked at."""
        first = [queue[0] for queue in (self.wire, self.seen) if queue]
        return min(first, key=lambda said: said.at, default=None)

    def settle(self, receipt: int, is_handled: bool) -> None:
        """What the application says of an item."""
        self._stream.settle(self._now, receipt, is_handled)

    def feed(self, line: Line) -> None:
        """Something happens to it."""
        stream, now = self._stream, self._now
        if line.kind == "<":
            stream.message(now, line.frame)
        else:
            word, value = line.word
            match word:
                case "open":
                    stream.opened(now)
                case "lost":
                    stream.broken(now, "connection reset")
                case "refused":
                    after = value.get("retryAfterMs")
                    wait = None if after is None else timedelta(milliseconds=after)
                    stream.refused(now, value["status"], wait)
                case "serverCloses":
                    stream.closed(now, value["code"], value.get("reason", ""))
                case "heard":
                    stream.heard(now)
                case "key":
                    stream.key(now, value)
                case "keyFailed":
                    stream.key_failed(now, "the vault is closed")
                case "position":
                    stream.position(now, value.get("lane", 0), value.get("id"))
                case "positionFailed":
                    stream.position_failed(now, value.get("lane", 0), "the database is locked")
                case "handled":
                    self._settled(value).ack()
                case "failed":
                    self._settled(value).fail()
                case "stop":
                    stream.stop(now)
                case "wait":
                    pass
                case _:
                    raise AssertionError(f"{line.place}: no such word")
        self._collect()

    def _settled(self, number: int) -> Delivery:
        return self._handed_over[number - 1]

    def _see(self, word: Any) -> None:
        self.seen.append(Said(self._now, word=word))

    def _collect(self) -> None:
        while True:
            self._take()
            output = self._stream.poll_output()
            if output is None:
                return
            self._carry_out(output)

    def _take(self) -> None:
        while True:
            try:
                text = self._stream.poll_item_text(self._now)
            except native.Error as error:
                self._see({"ends": ours(error).code})
                return
            if text is None:
                return
            self._pull.hold(text)
            delivery = self._pull.next_delivery()
            delivery.keep()
            self._see(shown(delivery, text))
            self._handed_over.append(delivery)
            if not self._header.get("handlesByHand"):
                delivery.ack()

    def _carry_out(self, wanted: native.ReplayOutput) -> None:
        outputs = native.ReplayOutput
        if isinstance(wanted, outputs.KEY):
            if self._header.get("keysByHand"):
                self._see("asksForKey")
            else:
                key = self._keys.pop(0) if len(self._keys) > 1 else (self._keys or [""])[0]
                self._stream.key(self._now, key)
        elif isinstance(wanted, outputs.CONNECT):
            self._see({"connects": wanted.address})
        elif isinstance(wanted, outputs.SEND):
            self.wire.append(Said(self._now, frame=wanted.text))
        elif isinstance(wanted, outputs.CLOSE):
            self.wire.append(
                Said(self._now, word={"clientCloses": {"code": wanted.code, "reason": wanted.reason}})
            )
        elif isinstance(wanted, outputs.START):
            self._see({"asksForPosition": {"lane": wanted.lane, "lease": wanted.lease}})
        elif isinstance(wanted, outputs.STATUS):
            now = status(wanted.status)
            if isinstance(now, Waiting):
                self._see({"waiting": now.retry_in // timedelta(milliseconds=1)})
            else:
                self._see({"status": str(now)})
        elif isinstance(wanted, outputs.END):
            self._see({"ends": wanted.code})
        else:
            raise AssertionError(f"no such output: {wanted}")


def no_stream() -> native.EventStream:
    raise AssertionError("the machine is driven by hand")


class Settling:
    """The part of a stream that deliveries settle with."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def settle(self, receipt: int, is_handled: bool) -> None:
        self._client.settle(receipt, is_handled)


def options(header: dict[str, Any]) -> native.EventsOptions:
    wish = header.get("subscription", {})
    timeout = wish.get("ackTimeoutMs")
    starts = {"state": native.Start.STATE, "now": native.Start.NOW, "earliest": native.Start.EARLIEST}
    witness = native.WitnessOptions(keys=[HEAD_KEY], checkpoint_path="") if header.get("witness") else None
    app = native.EvidenceOptions(
        app_id="app_040g2081040g2081040g208104",
        rp_id="shop.example",
        origins=["https://shop.example"],
        pins_path="",
    )
    return native.EventsOptions(
        types=wish.get("types"),
        after=wish.get("after"),
        start=starts.get(wish.get("start")),
        snapshot=wish.get("snapshot"),
        skip=wish.get("skip"),
        consumer=wish.get("consumer"),
        lanes=wish.get("lanes"),
        window=wish.get("window"),
        prefetch=wish.get("inHand", 0),
        ack_timeout=None if timeout is None else timedelta(milliseconds=timeout),
        evidence=app if header.get("evidence") else None,
        witness=witness,
    )


def shown(delivery: Delivery, text: str) -> Any:
    """An item as a transcript shows it."""
    _, (record,), (found,) = batch(text)
    assert found == delivery.item
    lane, lease = ownership(record)
    said: dict[str, Any] = {"position": found.position, "lane": lane, "lease": lease}
    if delivery.position is not None:
        position = delivery.position
        assert (position.lane, position.lease, position.id) == (said["lane"], said["lease"], found.position)
    match found:
        case Event(seq=seq, time=time, name=name, data=data, json=raw):
            assert data == event_data(name, raw), "what came beside the text says the same as the text"
            return {"event": {**said, "type": name, "seq": seq, "time": stamp(time), "data": json.loads(raw)}}
        case Snapshot(first=first, last=last, sessions=sessions):
            shown_sessions = [session(one) for one in sessions]
            return {"snapshot": {**said, "first": first, "last": last, "sessions": shown_sessions}}
        case Gap(reason=reason, after=after, next=next):
            return {"gap": {**said, "reason": reason.value, "after": after, "next": next.value}}
        case Bookmark():
            return {"bookmark": said}


def session(one: OpenSession) -> Any:
    key = {"kty": "EC", "crv": "P-256", "x": part(one.session_key.x), "y": part(one.session_key.y)}
    ids = {"accountID": one.account_id, "sessionID": one.session_id, "passkeyID": one.passkey_id}
    return {**ids, "sessionKey": key, "since": stamp(one.since), "expiresAt": stamp(one.expires_at)}


def stamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

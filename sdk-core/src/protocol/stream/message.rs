//! What the server says after the first message to a client that named a protocol.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::WholeEvent;
use crate::protocol::{
    AccountID, AppID, ConnectionID, DecodeError, PasskeyID, SessionID, UnixMillis,
    base64url::Base64Url,
    decode::object,
    event::EventKind,
    gateway::{Failure, SessionKey},
    text::Text,
};

/// What the server may send after the first message to a client that named a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The answer to a first message that names a key pair.
    Challenge(Challenge),
    /// The answer to the first message.
    Ready(Ready),
    /// Open sessions, in pages.
    Snapshot(Snapshot),
    /// The position asked for cannot be continued.
    Gap(Gap),
    /// Nothing for this subscription up to here.
    Bookmark(Bookmark),
    /// Leave within that time and come back.
    Drain(Drain),
    /// A lane is offered to this worker.
    Assigned(Assigned),
    /// A lane is wanted back.
    Revoked(Revoked),
    /// The connection is about to end.
    Error(Failure),
    /// Something happened. Also every unknown type that carries `id` and `prev`: it moves the position.
    Event(RawEvent),
}

/// A message as it is read fastest.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<'a> {
    /// An event whose data was read along the way.
    Event(WholeEvent<'a>),
    /// Everything else, and an event that had to be read in two passes.
    Other(Message),
}

/// Data of `challenge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// What the key pair is to sign: 32 random bytes in unpadded base64url, used once.
    pub nonce: String,
}

/// Data of `ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// The version spoken from here on.
    pub protocol: u32,
    /// Names this socket, for logs and support.
    pub connection: ConnectionID,
    /// The server says something at least this often, in milliseconds.
    pub idle_ms: u64,
    /// Items that may await acknowledgement; 0: none wanted.
    pub window: u32,
    /// Lanes of the consumer; 1 for a view.
    #[serde(default = "one")]
    pub lanes: u32,
    /// The largest message that the server takes, in bytes.
    #[serde(default = "smallest_limit")]
    pub max_message_bytes: u32,
    /// The app whose log this is: the hash chain covers it.
    #[serde(rename = "appID", default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<AppID>,
    /// The log's lineage: the hash chain covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// From here on a frame holds one message a line. Only where the client has asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ndjson: bool,
    /// The server's clock.
    pub time: UnixMillis,
}

const fn one() -> u32 {
    1
}

const fn smallest_limit() -> u32 {
    8 * 1024
}

/// One page of `snapshot`. The pages together are the exact state as of the last page's `id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Open sessions, a page of them.
    pub sessions: Vec<OpenSession>,
    /// Forget what was held before this page.
    pub first: bool,
    /// The state is whole with this page, as of `id`.
    pub last: bool,
    /// On the last page the position; on the others a receipt, good for an acknowledgement and nothing else.
    pub id: String,
    /// On the last page: the hash chain up to the position, 32 bytes.
    pub hash: Option<Base64Url>,
    /// The lane; 0 where there is one only.
    pub lane: u32,
}

/// `data` of one page of `snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPage {
    /// Open sessions, a page of them.
    pub sessions: Vec<OpenSession>,
    /// The first page.
    pub first: bool,
    /// The last page.
    pub last: bool,
    /// On the last page: the hash chain up to the position, 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Base64Url>,
}

/// A session in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenSession {
    /// Whose session.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The session.
    #[serde(rename = "sessionID")]
    pub session_id: SessionID,
    /// The passkey that opened it.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
    /// The public key that its proofs are checked with.
    pub session_key: SessionKey,
    /// When it was opened.
    pub since: UnixMillis,
    /// When it ends at the latest.
    pub expires_at: UnixMillis,
}

/// A `gap`: said aloud, so that nothing is missed in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Why the position cannot be continued.
    pub reason: GapReason,
    /// The position that was asked for.
    pub after: String,
    /// What follows.
    pub next: GapNext,
    /// The position before the oldest event that is kept.
    pub oldest: Option<String>,
    /// The lane; 0 where there is one only.
    pub lane: u32,
}

/// `data` of a `gap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GapData {
    /// Why the position cannot be continued.
    pub reason: GapReason,
    /// The position that was asked for.
    pub after: String,
    /// What follows.
    pub next: GapNext,
    /// The position before the oldest event that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

/// Why a position cannot be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum GapReason {
    /// Events right after it are no longer kept.
    Truncated,
    /// The log does not reach that far: a backup was restored.
    Ahead,
    /// The log has another entry there: a backup was restored, or history rewritten.
    Diverged,
    /// An operator restored the log and said so.
    Epoch,
    /// A newer server's reason.
    #[serde(other)]
    Other,
}

/// What follows a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum GapNext {
    /// A snapshot of the present state.
    Snapshot,
    /// The oldest event that is kept.
    Oldest,
    /// A newer server's choice.
    #[serde(other)]
    Other,
}

/// A `bookmark`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// The new position.
    pub id: String,
    /// The position it follows.
    pub prev: String,
    /// The server's clock.
    pub time: UnixMillis,
    /// The hash chain up to the position, 32 bytes.
    pub hash: Option<Base64Url>,
    /// The newest head that the server has signed, where one is due.
    pub head: Option<SignedHead>,
    /// The lane; 0 where there is one only.
    pub lane: u32,
}

/// `data` of a `bookmark`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookmarkData {
    /// The server's clock.
    pub time: UnixMillis,
    /// The hash chain up to the position, 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Base64Url>,
    /// The newest head that the server has signed, where one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<SignedHead>,
}

/// A head of the log, signed: Ed25519 over
/// `passkey-events-head-v1\n<appID>\n<epoch>\n<seq>\n<hash>\n<time>\n`, the parts as they are spelt here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignedHead {
    /// The log's lineage.
    pub epoch: String,
    /// The number of its last entry.
    pub seq: u64,
    /// The hash chain up to it, 32 bytes.
    pub hash: Base64Url,
    /// When it was signed.
    pub time: UnixMillis,
    /// Which key signed: its RFC 7638 thumbprint in base64url; the keys are at `/.well-known/jwks.json`.
    #[serde(rename = "keyID")]
    pub key_id: String,
    /// 64 bytes.
    pub sig: Base64Url,
}

/// An `assigned`: the lane is this worker's once it has acknowledged where to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The lane.
    pub lane: u32,
    /// The number of this ownership: rises with every new owner of the lane, for ever.
    pub lease: u64,
    /// The position that the server has stored; the worker's own word goes before it.
    pub id: Option<String>,
}

/// `data` of an `assigned`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The number of this ownership.
    pub lease: u64,
}

/// A `revoked`: finish, acknowledge, release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The lane.
    pub lane: u32,
    /// Within this many milliseconds.
    pub within_ms: u64,
}

/// `data` of a `revoked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevokedData {
    /// Within this many milliseconds.
    pub within_ms: u64,
}

/// Data of `drain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// `restart`, `keyExpiring`, `rebalance`, or a newer server's reason.
    pub reason: String,
    /// Leave within this many milliseconds.
    pub within_ms: u64,
    /// Where to come back to, if not to the same address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// An event as it travels: `data` kept as the bytes that the hash chain covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// `loggedIn`, `loggedOut`, ...
    pub name: String,
    /// JSON text.
    pub data: String,
    /// Cursor and dedupe key. Opaque to clients.
    pub id: String,
    /// The position that it follows.
    pub prev: String,
    /// The event's number in the app's log, from 1, without holes.
    pub seq: u64,
    /// When it was committed.
    pub time: UnixMillis,
    /// The lane; 0 where there is one only.
    pub lane: u32,
}

/// Every member that a message of this socket can have.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    prev: Option<Text<'a>>,
    seq: Option<u64>,
    time: Option<UnixMillis>,
    lane: Option<u32>,
}

impl Frame<'_> {
    fn data_json(&self) -> &str {
        self.data.map_or("{}", RawValue::get)
    }

    fn data<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, DecodeError> {
        object(self.data_json()).map_err(|reason| DecodeError::BadData { name, reason })
    }

    fn id(&self, name: &'static str) -> Result<String, DecodeError> {
        let missing = || DecodeError::BadData { name, reason: "no id beside it".to_owned() };
        self.id.as_ref().map(|id| id.0.clone().into_owned()).ok_or_else(missing)
    }

    fn prev(&self, name: &'static str) -> Result<String, DecodeError> {
        let missing = || DecodeError::BadData { name, reason: "no prev beside it".to_owned() };
        self.prev.as_ref().map(|prev| prev.0.clone().into_owned()).ok_or_else(missing)
    }
}

impl Message {
    /// As [`decode`](Self::decode), and in one pass where that is enough.
    ///
    /// # Errors
    /// As of `decode`.
    #[doc(hidden)]
    pub fn read(text: &str) -> Result<Option<Read<'_>>, DecodeError> {
        match WholeEvent::read(text) {
            Some(event) => Ok(Some(Read::Event(event))),
            None => Ok(Self::decode(text)?.map(Read::Other)),
        }
    }

    /// Reads one text frame. `Ok(None)` is a type of a newer server that does not move the position.
    ///
    /// # Errors
    /// [`DecodeError`] when the frame is not a message or its data does not fit its type.
    pub fn decode(text: &str) -> Result<Option<Self>, DecodeError> {
        let frame: Frame<'_> = object(text).map_err(DecodeError::NotAMessage)?;
        let lane = frame.lane.unwrap_or(0);
        Ok(Some(match &*frame.name {
            "challenge" => Self::Challenge(frame.data("challenge")?),
            "ready" => Self::Ready(frame.data("ready")?),
            "gap" => {
                let GapData { reason, after, next, oldest } = frame.data("gap")?;
                Self::Gap(Gap { reason, after, next, oldest, lane })
            }
            "drain" => Self::Drain(frame.data("drain")?),
            "error" => Self::Error(frame.data("error")?),
            "assigned" => {
                let Lease { lease } = frame.data("assigned")?;
                let id = frame.id.as_ref().map(|id| id.0.clone().into_owned());
                Self::Assigned(Assigned { lane, lease, id })
            }
            "revoked" => {
                let RevokedData { within_ms } = frame.data("revoked")?;
                Self::Revoked(Revoked { lane, within_ms })
            }
            "snapshot" => {
                let SnapshotPage { sessions, first, last, hash } = frame.data("snapshot")?;
                Self::Snapshot(Snapshot { sessions, first, last, id: frame.id("snapshot")?, hash, lane })
            }
            "bookmark" => {
                let BookmarkData { time, hash, head } = frame.data("bookmark")?;
                let (id, prev) = (frame.id("bookmark")?, frame.prev("bookmark")?);
                Self::Bookmark(Bookmark { id, prev, time, hash, head, lane })
            }
            _ => match (&frame.id, &frame.prev, frame.seq, frame.time) {
                (Some(id), Some(prev), Some(seq), Some(time)) => Self::Event(RawEvent {
                    name: frame.name.clone().into_owned(),
                    data: frame.data_json().to_owned(),
                    id: id.0.clone().into_owned(),
                    prev: prev.0.clone().into_owned(),
                    seq,
                    time,
                    lane,
                }),
                _ => return Ok(None),
            },
        }))
    }
}

impl RawEvent {
    /// The event with its data read; `None` for a type that this version does not know.
    ///
    /// # Errors
    /// [`DecodeError::BadData`] when the type is known and the data does not fit it.
    pub fn kind(&self) -> Result<Option<EventKind>, DecodeError> {
        EventKind::from_parts(&self.name, &self.data)
            .map_err(|error| DecodeError::BadData { name: "event", reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Assigned, Gap, GapNext, GapReason, Message, Revoked};

    #[test]
    fn an_event_keeps_its_data_byte_for_byte() {
        let text = r#"{"type":"later","data":{"b": 1.0,"a":2},"id":"e-2-bb","prev":"e-1-aa","seq":2,
                       "time":"2026-11-22T18:00:00.123Z","more":true}"#;
        let Some(Message::Event(event)) = Message::decode(text).unwrap() else { panic!("not an event") };
        assert_eq!((event.name.as_str(), event.data.as_str()), ("later", r#"{"b": 1.0,"a":2}"#));
        assert_eq!((event.id.as_str(), event.prev.as_str(), event.seq), ("e-2-bb", "e-1-aa", 2));
        assert_eq!(event.kind(), Ok(None));
    }

    #[test]
    fn an_unknown_type_without_a_position_is_ignored() {
        assert_eq!(Message::decode(r#"{"type":"later","data":{}}"#), Ok(None));
    }

    #[test]
    fn an_unknown_gap_reason_is_still_a_gap() {
        let text = r#"{"type":"gap","data":{"reason":"flood","after":"e-9-zz","next":"snapshot"}}"#;
        let (reason, next) = (GapReason::Other, GapNext::Snapshot);
        let expected = Gap { reason, after: "e-9-zz".into(), next, oldest: None, lane: 0 };
        assert_eq!(Message::decode(text), Ok(Some(Message::Gap(expected))));
    }

    #[test]
    fn a_bookmark_without_a_position_is_refused() {
        let text = r#"{"type":"bookmark","data":{"time":"2026-11-22T18:00:00.123Z"},"id":"e-1-aa"}"#;
        assert!(Message::decode(text).unwrap_err().to_string().contains("no prev"));
    }

    #[test]
    fn an_offered_lane_may_have_no_position_yet() {
        let offer = r#"{"type":"assigned","data":{"lease":7},"lane":3,"id":null}"#;
        let expected = Assigned { lane: 3, lease: 7, id: None };
        assert_eq!(Message::decode(offer), Ok(Some(Message::Assigned(expected))));
        let wanted = r#"{"type":"revoked","data":{"withinMs":10000},"lane":3}"#;
        let expected = Revoked { lane: 3, within_ms: 10_000 };
        assert_eq!(Message::decode(wanted), Ok(Some(Message::Revoked(expected))));
    }
}

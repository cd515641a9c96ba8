//! Messages of the back-end socket, `GET /v1/events` and `GET /` (docs/protocol.md section 2).

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    AccountID, ConnectionID, DecodeError, PasskeyID, SessionID, UnixMillis,
    decode::object,
    event::EventKind,
    gateway::{Failure, SessionKey},
    text::Text,
};

/// The version of the stream protocol that this code speaks.
pub const PROTOCOL: u32 = 1;

/// The largest message a back end may send, in bytes.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 8 * 1024;

/// The largest message the server sends, in bytes.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 64 * 1024;

/// The types that a subscription gets when it names none.
pub const DEFAULT_TYPES: [&str; 2] = ["loggedIn", "loggedOut"];

/// The most types that a subscription may name.
pub const MAX_TYPES: usize = 64;

/// The first message: who asks, and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstMessage {
    /// `pa_<env>_<id>_<secret>_<crc32>`.
    #[serde(default)]
    pub api_key: Option<String>,
    /// The highest version the client speaks. Absent: the shortest client, which gets account edges only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// Resume strictly after this event id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Where to begin without `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// Event types wanted; absent means [`DEFAULT_TYPES`], `["*"]` all, future ones too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// What the client calls itself, for the server's logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl FirstMessage {
    /// Reads the first message.
    ///
    /// # Errors
    /// [`DecodeError::NotAMessage`] when it is not an object with members of these kinds.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        object(text).map_err(DecodeError::NotAMessage)
    }
}

/// Where a subscription begins that does not resume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// The open sessions, then everything after that very position.
    #[default]
    State,
    /// Everything from now on.
    Now,
    /// Everything that is kept.
    Earliest,
}

/// What the server may send after the first message to a client that named a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
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
    /// The connection is about to end.
    Error(Failure),
    /// Something happened. Also every unknown type that carries `id` and `prev`: it moves the position.
    Event(RawEvent),
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
    /// The server's clock.
    pub time: UnixMillis,
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
    /// The position.
    pub id: String,
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
}

/// A session in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Data of `gap`: said aloud, so that nothing is missed in silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why the position cannot be continued.
    pub reason: GapReason,
    /// The position that was asked for.
    pub after: String,
    /// What follows.
    pub next: GapNext,
}

/// Why a position cannot be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// `data` of a `bookmark`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookmarkData {
    /// The server's clock.
    pub time: UnixMillis,
}

/// Data of `drain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// `restart`, `keyExpiring`, `rebalance`, or a newer server's reason.
    pub reason: String,
    /// Leave within this many milliseconds.
    pub within_ms: u64,
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
    /// Reads one text frame. `Ok(None)` is a type of a newer server that does not move the position.
    ///
    /// # Errors
    /// [`DecodeError`] when the frame is not a message or its data does not fit its type.
    pub fn decode(text: &str) -> Result<Option<Self>, DecodeError> {
        let frame: Frame<'_> = object(text).map_err(DecodeError::NotAMessage)?;
        Ok(Some(match &*frame.name {
            "ready" => Self::Ready(frame.data("ready")?),
            "gap" => Self::Gap(frame.data("gap")?),
            "drain" => Self::Drain(frame.data("drain")?),
            "error" => Self::Error(frame.data("error")?),
            "snapshot" => {
                let SnapshotPage { sessions, first, last } = frame.data("snapshot")?;
                Self::Snapshot(Snapshot { sessions, first, last, id: frame.id("snapshot")? })
            }
            "bookmark" => {
                let BookmarkData { time } = frame.data("bookmark")?;
                Self::Bookmark(Bookmark { id: frame.id("bookmark")?, prev: frame.prev("bookmark")?, time })
            }
            _ => match (&frame.id, &frame.prev, frame.seq, frame.time) {
                (Some(id), Some(prev), Some(seq), Some(time)) => Self::Event(RawEvent {
                    name: frame.name.clone().into_owned(),
                    data: frame.data_json().to_owned(),
                    id: id.0.clone().into_owned(),
                    prev: prev.0.clone().into_owned(),
                    seq,
                    time,
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
    use super::{FirstMessage, Gap, GapNext, GapReason, Message};

    #[test]
    fn the_shortest_first_message_is_the_promised_one() {
        let first = FirstMessage { api_key: Some("pa_dev_x".into()), ..FirstMessage::default() };
        assert_eq!(serde_json::to_string(&first).unwrap(), r#"{"apiKey":"pa_dev_x"}"#);
    }

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
        let expected = Gap { reason: GapReason::Other, after: "e-9-zz".into(), next: GapNext::Snapshot };
        assert_eq!(Message::decode(text), Ok(Some(Message::Gap(expected))));
    }

    #[test]
    fn a_bookmark_without_a_position_is_refused() {
        let text = r#"{"type":"bookmark","data":{"time":"2026-11-22T18:00:00.123Z"},"id":"e-1-aa"}"#;
        assert!(Message::decode(text).unwrap_err().to_string().contains("no prev"));
    }
}

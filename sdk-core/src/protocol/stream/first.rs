//! The first message of a back end: who asks, and for what.

use serde::{Deserialize, Serialize};

use crate::protocol::{DecodeError, decode::object};

/// The first message: who asks, and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstMessage {
    /// `pa_<env>_<id>_<secret>_<crc32>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// In place of `apiKey`: the public name of a key pair, which is to sign what the server answers.
    #[serde(rename = "keyID", default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The highest version the client speaks. Absent: the shortest client, which gets account edges only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// Resume strictly after this event id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Where to begin without `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// `false`: never send the open sessions; a gap goes on at the oldest event that is kept. For log shippers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<bool>,
    /// `false`, with `snapshot: false`: rather end the stream (`gone`) than go on after a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<bool>,
    /// A name of 1 to 64 of `[A-Za-z0-9._-]` whose positions the server keeps: makes the client a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// 1 to 64; only read when the consumer is made. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<u32>,
    /// Event types wanted; absent means [`DEFAULT_TYPES`], `["*"]` all, future ones too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Items that may await acknowledgement, 1 to 4096; 0: none are acknowledged. Default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// Worker: how long one item may stay unsettled while others wait for the lane. Default 60,000, at most 900,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_timeout_ms: Option<u64>,
    /// `true`: one frame may hold several messages, one a line, from `ready` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ndjson: Option<bool>,
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

#[cfg(test)]
mod tests {
    use super::FirstMessage;

    #[test]
    fn the_shortest_first_message_is_the_promised_one() {
        let first = FirstMessage { api_key: Some("pa_dev_x".into()), ..FirstMessage::default() };
        assert_eq!(serde_json::to_string(&first).unwrap(), r#"{"apiKey":"pa_dev_x"}"#);
    }
}

//! What a back end says after its first message.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::{DecodeError, base64url::Base64Url, decode::object};

/// A message of a back end after its first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The answer to a challenge.
    Signature(Proven),
    /// Items are handled, or a lane is taken or given back.
    Ack(Ack),
}

/// Data of `signature`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The key pair's signature, 64 bytes.
    pub signature: Base64Url,
}

/// Data of `ack`.
///
/// The first of an offered lane says where to start: after `id`, or, with none, as if there were no position yet. Every
/// other one says that everything up to `id` is handled. To repeat one says "still working".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The lane; 0 where there is one only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lane: u32,
    /// Everything up to it is handled.
    #[serde(default)]
    pub id: Option<String>,
    /// The lane is given back with this.
    #[serde(default, skip_serializing_if = "is_false")]
    pub release: bool,
}

impl Reply {
    /// Reads one text frame.
    ///
    /// # Errors
    /// [`DecodeError`] when the frame is not a message, its type is unknown, or its data does not fit.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Frame<'a> {
            #[serde(rename = "type")]
            name: String,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        let frame: Frame<'_> = object(text).map_err(DecodeError::NotAMessage)?;
        let data = frame.data.map_or("{}", RawValue::get);
        let bad = |name| move |reason| DecodeError::BadData { name, reason };
        match frame.name.as_str() {
            "ack" => object(data).map(Self::Ack).map_err(bad("ack")),
            "signature" => object(data).map(Self::Signature).map_err(bad("signature")),
            _ => Err(DecodeError::UnknownType(frame.name)),
        }
    }

    /// The text frame.
    pub fn encode(&self) -> String {
        let (name, data) = match self {
            Self::Signature(proven) => ("signature", serde_json::to_string(proven)),
            Self::Ack(ack) => ("ack", serde_json::to_string(ack)),
        };
        let data = data.expect("a reply holds nothing that JSON cannot");
        format!(r#"{{"type":"{name}","data":{data}}}"#)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::{Ack, Reply};

    #[test]
    fn acks_have_the_shapes_of_the_protocol() {
        for (ack, text) in [
            (Ack { id: Some("e-1-a".into()), ..Ack::default() }, r#"{"type":"ack","data":{"id":"e-1-a"}}"#),
            (Ack { lane: 3, ..Ack::default() }, r#"{"type":"ack","data":{"lane":3,"id":null}}"#),
            (
                Ack { lane: 3, id: Some("e-1-a".into()), release: true },
                r#"{"type":"ack","data":{"lane":3,"id":"e-1-a","release":true}}"#,
            ),
        ] {
            assert_eq!(Reply::Ack(ack.clone()).encode(), text);
            assert_eq!(Reply::decode(text), Ok(Reply::Ack(ack)));
        }
        let left_out = Ack { release: true, ..Ack::default() };
        assert_eq!(Reply::decode(r#"{"type":"ack","data":{"release":true}}"#), Ok(Reply::Ack(left_out)));
    }
}

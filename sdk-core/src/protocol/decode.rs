//! Reading one text frame: first the envelope, then the data of its type.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Code, RequestID};

/// Why a frame could not be read. The text is for the developer on the other end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a JSON object with a `type`.
    #[error("not one JSON object with a \"type\": {0}")]
    NotAMessage(String),
    /// A type that this side does not know.
    #[error("no message has the type {0:?}")]
    UnknownType(String),
    /// The type is known; its data is not as it must be.
    #[error("the data of {name:?} is not as it must be: {reason}")]
    BadData {
        /// The message's type.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl DecodeError {
    /// The code of the table that goes with it.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotAMessage(_) | Self::BadData { .. } => Code::BadMessage,
            Self::UnknownType(_) => Code::UnknownType,
        }
    }
}

/// `{"type": ..., "id": ..., "data": ...}` before `data` is read. Unknown members are ignored.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) name: std::borrow::Cow<'a, str>,
    pub(super) id: Option<RequestID>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    pub(super) fn decode(text: &'a str) -> Result<Self, DecodeError> {
        object(text).map_err(DecodeError::NotAMessage)
    }

    pub(super) fn data<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, DecodeError> {
        let text = self.data.map_or("{}", RawValue::get);
        object(text).map_err(|reason| DecodeError::BadData { name, reason })
    }
}

/// Reads a JSON object. The parser alone would also take an array of the members' values in order.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err("it is not an object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

//! What a client shows that it may read: an API key, or a key pair's name.

use std::fmt;

use crate::{
    key_pair::{KeyPair, NotAKeyPair},
    protocol::{
        base64url::Base64Url,
        stream::{Challenge, FirstMessage, Proven, Reply},
    },
};

/// The key that was given last. `Debug` does not show it.
pub(super) enum Credential {
    /// It is sent.
    ApiKey(String),
    /// It signs, and stays here.
    KeyPair(KeyPair),
}

impl Credential {
    /// Reads what the application's key provider gave.
    pub(super) fn read(text: String) -> Result<Self, NotAKeyPair> {
        if KeyPair::is_one(&text) { KeyPair::parse(&text).map(Self::KeyPair) } else { Ok(Self::ApiKey(text)) }
    }

    /// The first message, to be completed: all that the server may see of the key.
    pub(super) fn first_message(&self) -> FirstMessage {
        match self {
            Self::ApiKey(key) => FirstMessage { api_key: Some(key.clone()), ..FirstMessage::default() },
            Self::KeyPair(pair) => {
                FirstMessage { key_id: Some(pair.public_key().key_id()), ..FirstMessage::default() }
            }
        }
    }

    /// The answer to a challenge of the server at `origin`; none of a key that cannot sign.
    pub(super) fn answer(&self, origin: &str, challenge: &Challenge) -> Option<Reply> {
        let Self::KeyPair(pair) = self else { return None };
        let signature = Base64Url(pair.answer(origin, &challenge.nonce).to_vec());
        Some(Reply::Signature(Proven { signature }))
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ApiKey(one), Self::ApiKey(other)) => one == other,
            (Self::KeyPair(one), Self::KeyPair(other)) => one.public_key() == other.public_key(),
            (Self::ApiKey(_), Self::KeyPair(_)) | (Self::KeyPair(_), Self::ApiKey(_)) => false,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

//! The endings that trying again cannot mend.

use crate::protocol::{Code, DecodeError};

/// Why the stream is over. Everything that can pass by itself is retried inside and never gets here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct StreamError {
    code: Code,
    reason: String,
}

impl StreamError {
    /// The word of the one table of codes, the same in every language.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// A sentence for people: what happened and what to do.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether another API key could mend it.
    pub(crate) const fn is_about_the_key(&self) -> bool {
        matches!(self.code, Code::BadKey | Code::KeyRevoked | Code::KeyExpired)
    }

    /// An ending with the server's own sentence where it sent one, else the table's.
    pub(crate) fn refused(code: Code, sentence: Option<String>) -> Self {
        Self { code, reason: sentence.unwrap_or_else(|| code.message().to_owned()) }
    }

    /// A message of a known type whose data this version cannot read. Skipping it could mean to miss a sign-out, and
    /// asking again would bring the same bytes.
    pub(crate) fn unreadable(error: &DecodeError) -> Self {
        Self {
            code: Code::BadMessage,
            reason: format!("the server sent something that this version cannot read, update it: {error}"),
        }
    }

    /// The stream has ended without a reason, because its runtime did.
    #[cfg(feature = "native")]
    pub(crate) fn closed() -> Self {
        Self::refused(Code::ConnectionLost, Some("the stream was ended".to_owned()))
    }

    /// An address that cannot be connected to as it stands.
    #[cfg(feature = "address")]
    pub(crate) fn bad_address(why: &str) -> Self {
        Self { code: Code::BadAddress, reason: why.to_owned() }
    }
}

//! Why a proof was refused, in the words of the one table of codes.

use crate::protocol::Code;

/// Why a request or a socket is not known to be of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It carries no proof.
    #[error("{}", Code::ProofMissing.message())]
    Missing,
    /// Its proof is none, or is for something else; the words say what does not fit.
    #[error("{} ({_0})", Code::ProofInvalid.message())]
    Invalid(&'static str),
    /// The proof is too old, or from the future.
    #[error("{}", Code::ProofExpired.message())]
    Expired,
    /// The proof was used before.
    #[error("{}", Code::ProofReplayed.message())]
    Replayed,
    /// The session is not open, and did not appear in time.
    #[error("{}", Code::SessionGone.message())]
    SessionGone,
    /// The live sessions are not fresh enough to decide.
    #[error("{}", Code::Stale.message())]
    Stale,
    /// More nonces are remembered, or more requests wait for their session, than may. Nothing is let through unchecked.
    #[error("more requests are being checked than this back end takes; please try again shortly")]
    Overloaded,
    /// The body is larger than is read to check it.
    #[error("the body of a request that is checked may not be that large")]
    TooLarge,
}

impl ProofError {
    /// The session's key has not signed this.
    pub const BAD_SIGNATURE: Self = Self::Invalid("the session's key has not signed exactly this");

    /// The word of the one table of codes.
    pub const fn code(&self) -> Code {
        match self {
            Self::Missing => Code::ProofMissing,
            Self::Invalid(_) => Code::ProofInvalid,
            Self::Expired => Code::ProofExpired,
            Self::Replayed => Code::ProofReplayed,
            Self::SessionGone => Code::SessionGone,
            Self::Stale => Code::Stale,
            Self::Overloaded => Code::OverCapacity,
            Self::TooLarge => Code::TooLarge,
        }
    }

    /// The HTTP status of an answer that says so: 401 where another proof could pass, 413 and 503 elsewhere.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Missing | Self::Invalid(_) | Self::Expired | Self::Replayed | Self::SessionGone => 401,
            Self::TooLarge => 413,
            Self::Stale | Self::Overloaded => 503,
        }
    }
}

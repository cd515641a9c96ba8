//! What the page itself refuses with: codes with their sentences, chosen at compile time. A browser then downloads the
//! few sentences that can be said here, and not those of the whole table.

use alloc::borrow::ToOwned;

use crate::protocol::{Code, gateway::Failure};

/// A code of the table and its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    code: &'static str,
    message: &'static str,
}

macro_rules! refusals {
    ($($name:ident $code:ident)*) => {
        impl Refusal {
            $(
                #[doc = concat!("[`Code::", stringify!($code), "`].")]
                pub const $name: Self =
                    Self { code: Code::$code.as_str(), message: Code::$code.message() };
            )*
        }
    };
}

refusals! {
    BAD_MESSAGE BadMessage
    CANCELLED Cancelled
    CHALLENGE_MISMATCH ChallengeMismatch
    CODE_EXPIRED CodeExpired
    CONNECTION_LOST ConnectionLost
    FORBIDDEN Forbidden
    NOT_SUPPORTED NotSupported
    PASSKEY_EXISTS PasskeyExists
    RATE_LIMITED RateLimited
    SESSION_GONE SessionGone
    UNEXPECTED Unexpected
}

impl Refusal {
    /// The same code with a sentence that fits better.
    pub(super) const fn saying(self, message: &'static str) -> Self {
        Self { message, ..self }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code.to_owned(), message: refusal.message.to_owned(), retry_after_ms: None }
    }
}

//! Why a call did not work.

use std::time::Duration;

use crate::protocol::{Code, http::Problem, stream::GapData};

/// Why a call did not work, after what can pass by itself was tried again.
///
/// ```
/// use passkey_accounts::{ApiError, protocol::Code};
///
/// fn is_signed_out(error: &ApiError) -> bool {
///     error.is(Code::NotFound)
/// }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server said no, and why.
    #[error("{}: {}", .0.code, .0.detail)]
    Refused(Box<Problem>),
    /// The server could not be reached, or did not answer in time.
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// What answered is not this API, or a version that this one cannot read.
    #[error("the server's answer cannot be read (HTTP status {status}): {why}")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        why: String,
        /// When to try again, if the answer said so.
        retry_after: Option<Duration>,
    },
}

impl ApiError {
    pub(crate) fn refused(code: Code, detail: &str) -> Self {
        Self::Refused(Box::new(Problem {
            kind: "about:blank".to_owned(),
            title: String::new(),
            status: 0,
            code: code.as_str().to_owned(),
            detail: detail.to_owned(),
            retry_after_ms: None,
            gap: None,
        }))
    }

    /// The word of the one table of codes; of a newer server, possibly one that this version does not know.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(problem) => &problem.code,
            Self::Unreachable(_) => Code::ConnectionLost.as_str(),
            Self::Unreadable { .. } => Code::Internal.as_str(),
        }
    }

    /// Whether it is this code.
    pub fn is(&self, code: Code) -> bool {
        self.code() == code.as_str()
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => (problem.status != 0).then_some(problem.status),
            Self::Unreachable(_) => None,
            Self::Unreadable { status, .. } => Some(*status),
        }
    }

    /// Whether the same call can succeed later without anyone changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(problem) => match Code::from_wire(&problem.code) {
                Some(code) => code.is_retryable(),
                None => is_passing(problem.status),
            },
            Self::Unreachable(_) => true,
            Self::Unreadable { status, .. } => is_passing(*status),
        }
    }

    /// Not before this, if the server said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after_ms.map(Duration::from_millis),
            Self::Unreachable(_) => None,
            Self::Unreadable { retry_after, .. } => *retry_after,
        }
    }

    /// With `gone`: why the position cannot be continued, and where the log goes on.
    pub fn gap(&self) -> Option<&GapData> {
        match self {
            Self::Refused(problem) => problem.gap.as_ref(),
            Self::Unreachable(_) | Self::Unreadable { .. } => None,
        }
    }
}

/// What proxies say while the server behind them is away.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

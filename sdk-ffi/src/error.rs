//! Errors as foreign languages see them.

use std::io;

use passkey_accounts::{
    ApiError, ProofError,
    protocol::{Code, DecodeError},
    session::{NotLive, Stale},
};

use crate::types::Gap;

/// Why something did not work. `code` is a word of the one table of codes, the same in every language; `reason` is a
/// sentence: what happened and what to do (not called `message`, which Kotlin's exceptions have already); `retryable` says
/// whether the same call can succeed later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum Error {
    /// The event stream, or the live sessions that it feeds, cannot be had or are over. What can pass by itself was
    /// tried again inside.
    #[error("{code}: {reason}")]
    Stream {
        /// The word.
        code: String,
        /// The sentence.
        reason: String,
        /// Whether the same call can succeed later.
        retryable: bool,
    },
    /// A request or a socket is not known to be of a session.
    #[error("{code}: {reason}")]
    Proof {
        /// The word.
        code: String,
        /// The sentence.
        reason: String,
        /// Whether the same call can succeed later.
        retryable: bool,
        /// The HTTP status of an answer that says so: 401, 413 or 503.
        status: u16,
    },
    /// A call of the HTTP API did not work.
    #[error("{code}: {reason}")]
    Api {
        /// The word; of a newer server, possibly one that this version does not know.
        code: String,
        /// The sentence.
        reason: String,
        /// Whether the same call can succeed later.
        retryable: bool,
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
        /// Not before this many milliseconds, if the server said so.
        retry_after_ms: Option<u64>,
        /// With `gone`: why the position cannot be continued, and where the log goes on.
        gap: Option<Gap>,
    },
}

impl Error {
    pub(crate) fn refused(code: Code, reason: &str) -> Self {
        Self::Stream {
            code: code.as_str().to_owned(),
            reason: reason.to_owned(),
            retryable: code.is_retryable(),
        }
    }

    /// Its threads and sockets did not come along.
    pub(crate) fn forked() -> Self {
        Self::refused(
            Code::ConnectionLost,
            "this was opened before the process was forked; connect in the process that uses it",
        )
    }

    pub(crate) fn closed() -> Self {
        Self::refused(Code::ConnectionLost, "this was closed; connect again")
    }

    pub(crate) fn no_thread(error: &io::Error) -> Self {
        Self::refused(Code::ConnectionLost, &format!("the system gives no more threads: {error}"))
    }

    /// Options that cannot be.
    pub(crate) fn unexpected(reason: &str) -> Self {
        Self::refused(Code::Unexpected, reason)
    }

    pub(crate) fn unreadable(error: &DecodeError) -> Self {
        Self::api(Code::Internal, &format!("the server's answer cannot be read: {error}; update this client"))
    }

    fn api(code: Code, reason: &str) -> Self {
        Self::Api {
            code: code.as_str().to_owned(),
            reason: reason.to_owned(),
            retryable: code.is_retryable(),
            status: None,
            retry_after_ms: None,
            gap: None,
        }
    }

    /// An id that cannot be one names nothing.
    pub(crate) fn not_an_id(text: &str) -> Self {
        Self::api(Code::NotFound, &format!("{text:?} is no id of this kind; check it"))
    }

    pub(crate) fn not_a_scope(text: &str) -> Self {
        Self::api(Code::Forbidden, &format!("there is no scope {text:?}"))
    }
}

impl From<passkey_accounts::StreamError> for Error {
    fn from(error: passkey_accounts::StreamError) -> Self {
        Self::refused(error.code(), error.reason())
    }
}

impl From<Stale> for Error {
    fn from(stale: Stale) -> Self {
        Self::refused(stale.code(), &stale.to_string())
    }
}

impl From<NotLive> for Error {
    fn from(error: NotLive) -> Self {
        Self::refused(error.code(), &error.to_string())
    }
}

impl From<ProofError> for Error {
    fn from(error: ProofError) -> Self {
        Self::Proof {
            code: error.code().as_str().to_owned(),
            reason: error.to_string(),
            retryable: error.code().is_retryable(),
            status: error.status(),
        }
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        let reason = match &error {
            ApiError::Refused(problem) => problem.detail.clone(),
            ApiError::Unreachable(_) | ApiError::Unreadable { .. } => error.to_string(),
        };
        Self::Api {
            code: error.code().to_owned(),
            reason,
            retryable: error.is_retryable(),
            status: error.status(),
            retry_after_ms: error
                .retry_after()
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            gap: error.gap().cloned().map(Gap::from),
        }
    }
}

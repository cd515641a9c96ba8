//! Errors as foreign languages see them.

use passkey_accounts::protocol::Code;

/// Why a stream is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum StreamError {
    /// Trying again cannot mend it.
    #[error("{code}: {reason}")]
    Ended {
        /// The word of the one table of codes, the same in every language.
        code: String,
        /// A sentence: what happened and what to do. Not called `message`, which Kotlin's exceptions have already.
        reason: String,
        /// Whether the same call can succeed later.
        retryable: bool,
    },
}

impl StreamError {
    /// The stream belongs to the process before the fork; its threads and socket did not come along.
    pub(crate) fn forked() -> Self {
        let code = Code::ConnectionLost;
        Self::Ended {
            code: code.as_str().to_owned(),
            reason: "the stream was opened before this process was forked; open one in this process"
                .to_owned(),
            retryable: code.is_retryable(),
        }
    }

    pub(crate) fn no_thread(error: &std::io::Error) -> Self {
        let code = Code::ConnectionLost;
        Self::Ended {
            code: code.as_str().to_owned(),
            reason: format!("the system gives no more threads: {error}"),
            retryable: code.is_retryable(),
        }
    }
}

impl From<passkey_accounts::StreamError> for StreamError {
    fn from(error: passkey_accounts::StreamError) -> Self {
        Self::Ended {
            code: error.code().as_str().to_owned(),
            reason: error.reason().to_owned(),
            retryable: error.code().is_retryable(),
        }
    }
}

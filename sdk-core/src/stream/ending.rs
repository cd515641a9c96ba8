//! How a connection ended, and whether coming back can help (docs/protocol.md, "Close codes").

use std::time::Duration;

use serde::Deserialize;

use super::StreamError;
use crate::protocol::{Code, code::close_code_is_retryable, gateway::Failure};

/// How the driver lost the connection, or failed to get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The server sent a close frame.
    Closed {
        /// The close code; 1005 when the frame had none.
        code: u16,
        /// Its text: JSON of this protocol, or anything else.
        reason: String,
    },
    /// The server answered the upgrade with something else than 101.
    Refused {
        /// The HTTP status.
        status: u16,
        /// From the `Retry-After` header.
        retry_after: Option<Duration>,
    },
    /// Everything else: no such host, connection refused or reset, broken frames.
    Broken {
        /// For people.
        why: String,
    },
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Come back.
    Retry { why: String, not_before: Option<Duration> },
    /// Coming back would end the same way.
    Stop(StreamError),
}

impl Lost {
    /// Judges the end of a connection on which the server may have sent `failure` last.
    pub(super) fn verdict(self, failure: Option<Failure>) -> Verdict {
        match self {
            Self::Closed { code, reason } => judge_close(code, &reason, failure),
            Self::Refused { status, retry_after } => judge_status(status, retry_after),
            // The server said why, and the close frame got lost behind it.
            Self::Broken { why } => match failure.and_then(|failure| stop(&failure)) {
                Some(error) => Verdict::Stop(error),
                None => Verdict::Retry { why, not_before: None },
            },
        }
    }
}

fn judge_close(close_code: u16, reason: &str, failure: Option<Failure>) -> Verdict {
    let said: CloseReason = serde_json::from_str(reason).unwrap_or_default();
    let word =
        said.error.or_else(|| failure.as_ref().map(|failure| failure.code.clone())).unwrap_or_default();
    let code = Code::from_wire(&word);
    if !close_code_is_retryable(close_code) {
        let code = code.filter(|code| !code.is_retryable()).or_else(|| Code::of_close(close_code));
        let unknown = || {
            let word: String = word.chars().take(64).collect();
            format!("the server ended the stream for good: close code {close_code} {word}")
        };
        let sentence = failure.map(|failure| failure.message);
        return Verdict::Stop(match code {
            Some(code) => StreamError::refused(code, sentence),
            None => StreamError::refused(Code::Forbidden, Some(sentence.unwrap_or_else(unknown))),
        });
    }
    // Codes below 4000 are the WebSocket library's: what the server said in words is more precise.
    if close_code < 4000
        && let Some(error) = failure.as_ref().and_then(stop)
    {
        return Verdict::Stop(error);
    }
    let wish = said.retry_after_ms.or(failure.and_then(|failure| failure.retry_after_ms));
    let late = (close_code == Code::TooManyConnections.close_code()).then_some(TOO_MANY_CONNECTIONS);
    Verdict::Retry {
        why: match code {
            Some(code) => code.message().to_owned(),
            None => format!("the server closed the connection with code {close_code}"),
        },
        not_before: wish.map(Duration::from_millis).max(late),
    }
}

fn judge_status(status: u16, retry_after: Option<Duration>) -> Verdict {
    let code = match status {
        401 => Code::BadKey,
        403 => Code::Forbidden,
        404 | 426 => Code::BadAddress,
        _ => {
            let why = format!("the server answered with HTTP status {status}");
            return Verdict::Retry { why, not_before: retry_after };
        }
    };
    let sentence = format!("{} (HTTP status {status})", code.message());
    Verdict::Stop(StreamError::refused(code, Some(sentence)))
}

/// The ending that an `error` message announces, if it is one for good.
fn stop(failure: &Failure) -> Option<StreamError> {
    let code = Code::from_wire(&failure.code).filter(|code| !code.is_retryable())?;
    Some(StreamError::refused(code, Some(failure.message.clone())))
}

/// The text of a close frame: JSON of at most 123 bytes.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CloseReason {
    error: Option<String>,
    retry_after_ms: Option<u64>,
}

/// The least delay after 4008: somebody has to close a connection first.
const TOO_MANY_CONNECTIONS: Duration = Duration::from_secs(60);

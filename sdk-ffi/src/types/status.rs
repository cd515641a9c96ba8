//! How a connection is doing.

use std::time::Duration;

/// What a stream is doing right now. Items say nothing about it: a quiet stream can be live or lost.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Status {
    /// A connection is being made.
    Connecting,
    /// The server has accepted the key and sends what happens.
    Live,
    /// A worker that is connected and has no lane: others have them all.
    Standby,
    /// The connection was lost; the stream resumes where it was.
    Waiting {
        /// How long until the next try, counted from the moment of this status.
        retry_in: Duration,
        /// What happened, for people.
        why: String,
    },
    /// It is over: the stream has ended with an error, or was stopped.
    Closed,
}

impl From<passkey_accounts::Status> for Status {
    fn from(status: passkey_accounts::Status) -> Self {
        match status {
            passkey_accounts::Status::Connecting => Self::Connecting,
            passkey_accounts::Status::Live => Self::Live,
            passkey_accounts::Status::Standby => Self::Standby,
            passkey_accounts::Status::Waiting { retry_in, why } => {
                // Not every language can hold more: a status that is handed back must equal the one that was told.
                let millis = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
                Self::Waiting { retry_in: Duration::from_millis(millis), why }
            }
            passkey_accounts::Status::Closed => Self::Closed,
        }
    }
}

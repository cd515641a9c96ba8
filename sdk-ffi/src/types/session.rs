//! Live sessions and their ends, as foreign languages see them.

use passkey_accounts::session as core;

use super::EndReason;

/// How a session ended, as far as this replica knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Ended {
    /// The log says so.
    LoggedOut {
        /// Why.
        reason: EndReason,
    },
    /// Its time is over. Its `loggedOut` may be under way still.
    Expired,
    /// It was open before events were missed, and is not among the open sessions after it.
    Vanished,
    /// The live sessions were closed, or their stream is over for good. The session itself may go on.
    Unfollowed,
}

impl From<core::Ended> for Ended {
    fn from(ended: core::Ended) -> Self {
        match ended {
            core::Ended::LoggedOut(reason) => Self::LoggedOut { reason: reason.into() },
            core::Ended::Expired => Self::Expired,
            core::Ended::Vanished => Self::Vanished,
            core::Ended::Unfollowed => Self::Unfollowed,
        }
    }
}

/// A session has ended.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SessionEnd {
    /// The session.
    pub session_id: String,
    /// Whose session it was.
    pub account_id: String,
    /// How it ended.
    pub ended: Ended,
    /// It was the account's last: nobody is signed in to it now.
    pub account_is_gone: bool,
}

impl From<core::SessionEnd> for SessionEnd {
    fn from(end: core::SessionEnd) -> Self {
        let core::SessionEnd { session_id, account_id, ended, account_is_gone } = end;
        Self {
            session_id: session_id.to_string(),
            account_id: account_id.to_string(),
            ended: ended.into(),
            account_is_gone,
        }
    }
}

/// What came of a wait for ends.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SessionEnds {
    /// Ends that were missed before these, because the reader was too slow: look up every session that you hold anything
    /// for. Usually 0.
    pub missed: u64,
    /// The ends, in their order.
    pub ends: Vec<SessionEnd>,
}

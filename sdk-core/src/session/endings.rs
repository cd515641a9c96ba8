//! The ends of all sessions, one after the other, for those who keep sockets of many.

use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

use super::Ended;
use crate::protocol::{AccountID, SessionID};

/// A session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEnd {
    /// The session.
    pub session_id: SessionID,
    /// Whose session it was.
    pub account_id: AccountID,
    /// How it ended.
    pub ended: Ended,
    /// It was the account's last: nobody is signed in to it now.
    pub account_is_gone: bool,
}

/// This reader was too slow, and ends were missed: look up every session that you hold anything for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} ends of sessions were missed: look up every session that you hold anything for")]
pub struct Missed(pub u64);

/// The ends of sessions from the moment of subscribing on. So: subscribe first, look up sessions then.
#[derive(Debug)]
pub struct Endings(pub(super) broadcast::Receiver<SessionEnd>);

impl Endings {
    /// The next end; `None` when the stream is over for good.
    ///
    /// # Errors
    /// [`Missed`], once, when this reader has fallen behind by more than 4,096 ends. The next call goes on with what is
    /// there still.
    ///
    /// # Cancel safety
    /// Safe: an end is either returned or still there.
    pub async fn next(&mut self) -> Option<Result<SessionEnd, Missed>> {
        match self.0.recv().await {
            Ok(end) => Some(Ok(end)),
            Err(RecvError::Lagged(missed)) => Some(Err(Missed(missed))),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next end if it is there already, for drivers that look after every step.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_next(&mut self) -> Option<Result<SessionEnd, Missed>> {
        match self.0.try_recv() {
            Ok(end) => Some(Ok(end)),
            Err(TryRecvError::Lagged(missed)) => Some(Err(Missed(missed))),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

/// Ends that a slow reader may leave unread.
pub(super) const MAX_UNREAD: usize = 4_096;

//! The page's own session: its key, and which connection carries it.

use super::{CallID, State};
use crate::protocol::{
    RequestID, UnixMillis,
    gateway::{Session, SessionKey},
};

/// The public half of a key pair. The private half is the driver's, and nobody else ever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnKey {
    /// The call that brought it: its name between machine and driver.
    pub(super) brought_by: CallID,
    pub(super) public: SessionKey,
}

/// A session that is open, or can still be resumed.
#[derive(Debug)]
pub(super) struct OwnSession {
    pub(super) session: Session,
    pub(super) key: OwnKey,
    pub(super) hold: Hold,
    /// As the server said last: its account is being recovered.
    pub(super) recovery_until: Option<UnixMillis>,
}

/// What the connection has to do with the session.
#[derive(Debug)]
pub(super) enum Hold {
    /// It carries the session.
    Attached {
        /// When the server will end it, if it said so.
        expiring_at: Option<UnixMillis>,
    },
    /// The connection that carried it was lost. The server keeps it for the grace time, which is over at `until_ms`.
    Detached {
        until_ms: u64,
        /// The person has signed out in the meantime: it is resumed only to be ended.
        is_given_up: bool,
        resuming: Resuming,
    },
}

/// How far the present connection has come with `session.resume`. The request has its number before it is sent, so that
/// a signature over the nonce of an earlier connection is not taken for this one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resuming {
    /// Not begun.
    No,
    /// The key signs the nonce.
    Signing(RequestID),
    /// The server's answer is awaited until then.
    Sent { request: RequestID, answer_by_ms: u64 },
}

impl OwnSession {
    /// The session as the page is told of it; `None` once the person has signed out.
    pub(super) const fn shown(&self) -> Option<&Session> {
        match self.hold {
            Hold::Attached { .. } | Hold::Detached { is_given_up: false, .. } => Some(&self.session),
            Hold::Detached { is_given_up: true, .. } => None,
        }
    }

    /// This connection carries it.
    pub(super) const fn is_attached(&self) -> bool {
        matches!(self.hold, Hold::Attached { .. })
    }

    /// The server may hold this connection for the one that carries it.
    pub(super) const fn may_be_carried(&self) -> bool {
        matches!(self.hold, Hold::Attached { .. } | Hold::Detached { resuming: Resuming::Sent { .. }, .. })
    }

    /// It cannot be resumed from then on; `None` while a connection carries it.
    pub(super) const fn until_ms(&self) -> Option<u64> {
        match self.hold {
            Hold::Attached { .. } => None,
            Hold::Detached { until_ms, .. } => Some(until_ms),
        }
    }

    /// How far this connection has come with resuming it.
    pub(super) const fn resuming(&self) -> Resuming {
        match self.hold {
            Hold::Attached { .. } => Resuming::No,
            Hold::Detached { resuming, .. } => resuming,
        }
    }

    /// Where the page stands while it is told of this session.
    pub(super) fn state(&self, session: Session) -> State {
        let key = self.key.brought_by;
        match self.hold {
            Hold::Attached { expiring_at } => {
                State::SignedIn { session, key, expiring_at, recovery_until: self.recovery_until }
            }
            Hold::Detached { .. } => State::Resuming { session, key },
        }
    }

    /// The page has said something: only the session's greatest age can end it soon.
    pub(super) fn stay_awake(&mut self) {
        let expires_at = self.session.expires_at;
        if let Hold::Attached { expiring_at } = &mut self.hold {
            expiring_at.take_if(|at| *at < expires_at);
        }
    }
}

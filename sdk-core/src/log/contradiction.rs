//! How a log can contradict itself, and the evidence of it.

use super::{BadHead, Epoch, EventID};
use crate::protocol::{AppID, Code, stream::SignedHead};

/// The server's log is not what it was, or not what the server signed. Never retried, never passed over in silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// An entry is not what follows the entries before it: it was changed, left out, put in, moved, or repeated.
    #[error("the log was rewritten at entry {seq}: expected {expected}, found {found}")]
    Rewritten {
        /// The first entry that is wrong.
        seq: u64,
        /// What it had to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The server has signed two logs. Whoever has the server's public key can check both signatures: keep them.
    #[error("the server has signed two different logs with {} entries", .ours.seq)]
    Fork {
        /// The head that was seen first.
        ours: Box<SignedHead>,
        /// The head that contradicts it.
        theirs: Box<SignedHead>,
    },
    /// The log ends before, or has another entry at, a position that it had, and no operator has begun a new lineage.
    #[error("the log was cut back or replaced: it no longer has the entry {held} that it had")]
    Rewound {
        /// The position that it had.
        held: EventID,
    },
    /// The log has begun a new lineage: an operator has restored a backup. What came after the backup is lost. If that is
    /// so, [accept](super::Checkpoint::accept) the new lineage.
    #[error(
        "the log was restored from a backup: it goes on in the lineage {} instead of after {held}; accept it explicitly \
         if that is so", .epoch.as_str()
    )]
    NewLineage {
        /// The position that it had.
        held: EventID,
        /// The new lineage.
        epoch: Epoch,
    },
    /// It is the log of another app.
    #[error("this is the log of {found}, not of {expected}")]
    OtherApp {
        /// Whose log it had to be.
        expected: AppID,
        /// Whose it is.
        found: AppID,
    },
    /// A signed head proves nothing.
    #[error("the signed head at entry {seq} is worth nothing: {why}")]
    Head {
        /// The number that it claims.
        seq: u64,
        /// What is wrong with it.
        why: BadHead,
    },
    /// A position is not of the form that this version can check.
    #[error("the position {0:?} cannot be checked by this version, update it")]
    Unreadable(String),
}

impl Contradiction {
    /// The word of the one table of codes: the same for all of them.
    pub const fn code(&self) -> Code {
        Code::LogRewritten
    }
}

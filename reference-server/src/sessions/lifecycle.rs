//! When a session ends by itself. Pure.

use passkey_accounts::protocol::gateway::EndReason;
use serde::Deserialize;

use super::Session;
use crate::clock::Uptime;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Longest life, in milliseconds. Default 12 hours.
    pub absolute_ms: u64,
    /// Longest silence of the page, in milliseconds. Default 12 hours.
    pub idle_ms: u64,
    /// Time to resume after a dropped socket, in milliseconds. Default 30 seconds; 0 ends a session with its socket.
    pub grace_ms: u64,
    /// How many sessions one account may have open: the oldest ends (`replaced`) when another one opens. Default 20.
    pub per_account: u64,
}

/// An authenticator assurance level of NIST SP 800-63B-4: how long a session may last without its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// At most 24 hours, and one hour without activity (section 2.2.3).
    Aal2,
    /// At most 12 hours, and 15 minutes without activity (section 2.3.3).
    Aal3,
}

impl Assurance {
    /// The longest life and the longest silence that it allows, in minutes.
    pub const fn most_minutes(self) -> (u64, u64) {
        match self {
            Self::Aal2 => (24 * 60, 60),
            Self::Aal3 => (12 * 60, 15),
        }
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        // As long as the session: a person who reads for an hour is not gone, unless an assurance level says so.
        let absolute_ms = 12 * 60 * 60 * 1_000;
        Self { absolute_ms, idle_ms: absolute_ms, grace_ms: 30_000, per_account: 20 }
    }
}

/// When an attached session ends if nothing more is heard of its page, and why.
pub fn next_end(session: &Session, last_heard: Uptime) -> (Uptime, EndReason) {
    let idle_end = last_heard.plus(session.idle_ms);
    if session.ends <= idle_end {
        (session.ends, EndReason::AbsoluteTimeout)
    } else {
        (idle_end, EndReason::IdleTimeout)
    }
}

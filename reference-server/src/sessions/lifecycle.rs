//! When a session ends by itself. Pure.

use passkey_accounts::protocol::{UnixMillis, gateway::EndReason};

use super::Session;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Longest life, in milliseconds. Default 12 hours.
    pub absolute_ms: u64,
    /// Longest silence of the page, in milliseconds. Default 12 hours.
    pub idle_ms: u64,
    /// Time to resume after a dropped socket, in milliseconds. Default 30 seconds; 0 ends a session with its socket.
    pub grace_ms: u64,
}

impl Default for SessionLimits {
    fn default() -> Self {
        // NIST SP 800-63B-4 AAL2: reauthentication after at most 24 hours. A page has nothing to say while a person
        // reads, so idleness is off (as long as the session) until pages report activity.
        let absolute_ms = 12 * 60 * 60 * 1_000;
        Self { absolute_ms, idle_ms: absolute_ms, grace_ms: 30_000 }
    }
}

/// When an attached session ends if nothing more is heard of its page, and why.
pub fn next_end(session: &Session, last_heard: UnixMillis) -> (UnixMillis, EndReason) {
    let idle_end = last_heard.plus(session.idle_ms);
    if session.expires_at <= idle_end {
        (session.expires_at, EndReason::AbsoluteTimeout)
    } else {
        (idle_end, EndReason::IdleTimeout)
    }
}

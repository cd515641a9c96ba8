//! The page's connection: being made, ready, between two attempts, at rest, or given up; and when each of these is over.

use super::Greeting;

/// How long a connection may take to greet, and a request to be answered.
pub(super) const PATIENCE_MS: u64 = 30_000;
/// No server makes a page wait longer than this for a sign of life, or before it leaves or comes back.
pub(super) const LONGEST_PROMISE_MS: u64 = 300_000;
/// How much later than promised a sign of life may come.
const HEARTBEAT_SLACK_MS: u64 = 10_000;

#[derive(Debug)]
pub(super) enum Link {
    /// A socket is being opened, or is open and has not greeted.
    Connecting { until_ms: u64 },
    /// The server has greeted.
    Ready { greeting: Greeting, since_ms: u64, heard_ms: u64, leave_ms: Option<u64> },
    /// Between two attempts.
    Waiting { until_ms: u64 },
    /// The last page is gone: no attempt until one comes back.
    Asleep,
    /// No more attempts.
    Closed,
}

impl Link {
    pub(super) const fn connecting(now_ms: u64) -> Self {
        Self::Connecting { until_ms: now_ms.saturating_add(PATIENCE_MS) }
    }

    pub(super) const fn ready(now_ms: u64, greeting: Greeting) -> Self {
        Self::Ready { greeting, since_ms: now_ms, heard_ms: now_ms, leave_ms: None }
    }

    /// When this is over if nothing is heard; `None` for never.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Connecting { until_ms } | Self::Waiting { until_ms } => Some(*until_ms),
            Self::Ready { greeting, heard_ms, leave_ms, .. } => {
                let promised_ms = greeting.heartbeat_ms.min(LONGEST_PROMISE_MS);
                let silent_ms = heard_ms.saturating_add(promised_ms).saturating_add(HEARTBEAT_SLACK_MS);
                Some(leave_ms.map_or(silent_ms, |leave_ms| leave_ms.min(silent_ms)))
            }
            Self::Asleep | Self::Closed => None,
        }
    }

    /// The server goes down and asks the page to be gone by then.
    pub(super) fn leave_within(&mut self, now_ms: u64, within_ms: u64) {
        if let Self::Ready { leave_ms, .. } = self {
            *leave_ms = Some(now_ms.saturating_add(within_ms.min(LONGEST_PROMISE_MS)));
        }
    }
}

//! Acknowledgements of one lane, gathered: at half the window or after 100 ms, and repeated while work goes on.

use std::time::Duration;

use crate::protocol::stream::Ack;

#[derive(Debug, Default)]
pub(super) struct Acks {
    /// Items settled since the last acknowledgement.
    unsent: u32,
    /// When the first of them was settled.
    since: Option<Duration>,
    /// The newest of them is a page, which is acknowledged by its receipt instead of a position.
    receipt: Option<String>,
    /// What was said last, for repeating it.
    last: Option<String>,
    /// When something was last said, or when work began if that was later.
    spoken_at: Duration,
}

impl Acks {
    pub(super) const fn unsent(&self) -> u32 {
        self.unsent
    }

    /// When what is unsent is to be sent at the latest.
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.since.map(|since| since.saturating_add(LONGEST_DELAY))
    }

    /// When to say that work goes on, if the server waits for `ack_timeout_ms`.
    pub(super) const fn still_working_at(&self, ack_timeout_ms: u64) -> Duration {
        self.spoken_at.saturating_add(Duration::from_millis(ack_timeout_ms / 3))
    }

    pub(super) fn work_begins(&mut self, now: Duration) {
        self.spoken_at = self.spoken_at.max(now);
    }

    /// An item is settled. What does not count against the window needs no acknowledgement of its own.
    pub(super) fn settled(&mut self, now: Duration, receipt: Option<String>, counts: bool) {
        self.receipt = receipt;
        if counts {
            self.unsent = self.unsent.saturating_add(1);
            self.since.get_or_insert(now);
        }
    }

    /// The id that acknowledges everything unsent, given the position that was reached.
    pub(super) fn take(&mut self, floor: Option<&str>) -> Option<String> {
        if std::mem::take(&mut self.unsent) == 0 {
            return None;
        }
        self.since = None;
        self.receipt.take().or_else(|| floor.map(str::to_owned))
    }

    /// The acknowledgement of this id; without one, the last once more.
    pub(super) fn repeat(&mut self, now: Duration, lane: u32, id: Option<Option<String>>) -> Ack {
        if let Some(id) = id {
            self.last = id;
        }
        self.spoken_at = now;
        Ack { lane, id: self.last.clone(), release: false }
    }

    /// What is unsent belongs to the past: another flow begins. Nor is anything of the past repeated: after a gap its
    /// ids may be of another lineage, and the server takes them for a mistake.
    pub(super) fn reset(&mut self) {
        (self.unsent, self.since, self.receipt, self.last) = (0, None, None, None);
    }
}

/// How long a settled item may wait for others to be acknowledged with it.
const LONGEST_DELAY: Duration = Duration::from_millis(100);

//! How many frames a peer may send. Pure.

use passkey_accounts::{planted, protocol::UnixMillis};

use crate::limits::{FRAME_BURST, FRAMES_PER_SECOND};

/// How many frames may come, since each is heard before anything else is done: one for every item that was sent, and
/// beside them as many as anybody needs.
#[derive(Debug)]
pub struct Bucket {
    left: f64,
    at: UnixMillis,
    /// Items that were sent and may each be acknowledged: with a small window that is done at the pace of the network.
    items: u32,
}

impl Bucket {
    /// A full bucket.
    pub fn new(now: UnixMillis) -> Self {
        Self { left: f64::from(FRAME_BURST), at: now, items: 0 }
    }

    /// An item was sent that awaits acknowledgement, as up to `window` do.
    pub fn earn(&mut self, window: u32) {
        self.items = self.items.saturating_add(1).min(window);
    }

    /// Whether one more may come now.
    pub fn take(&mut self, now: UnixMillis) -> bool {
        if self.items > 0 && !planted!(AcksRationed) {
            self.items -= 1;
            return true;
        }
        #[expect(clippy::cast_precision_loss, reason = "a few seconds in milliseconds")]
        let earned = now.since(self.at) as f64 / 1_000.0 * f64::from(FRAMES_PER_SECOND);
        (self.left, self.at) = ((self.left + earned).min(f64::from(FRAME_BURST)), now);
        let has_one = self.left >= 1.0;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }
}

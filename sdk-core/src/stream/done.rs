//! What this process has handled lately, for lanes that come back to it before the server has stored how far it was.

use std::collections::VecDeque;

use crate::planted;

/// The last events that were completed, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Done {
    ids: VecDeque<String>,
    /// No event with a higher number is among them: a cheap answer for what is new.
    highest_seq: u64,
}

impl Done {
    pub(super) fn remember(&mut self, seq: u64, id: &str, capacity: usize) {
        while self.ids.len() >= capacity {
            self.ids.pop_front();
        }
        self.ids.push_back(id.to_owned());
        self.highest_seq = self.highest_seq.max(seq);
    }

    pub(super) fn contains(&self, seq: u64, id: &str) -> bool {
        !planted!(DoneForgotten) && seq <= self.highest_seq && self.ids.iter().any(|done| done == id)
    }
}

//! What a server without single-use challenges would still know: for the attack suite only.

use std::cell::RefCell;

use passkey_accounts::{defended, protocol::CeremonyID};

use crate::ceremony::PendingCeremony;

thread_local! {
    /// Of all connections on this thread.
    static EVERYWHERE: RefCell<Vec<PendingCeremony>> = const { RefCell::new(Vec::new()) };
}

/// The ceremonies that were begun on one connection.
#[derive(Debug, Default)]
pub(super) struct Leaked(Vec<PendingCeremony>);

impl Leaked {
    /// Remembers one, if a defence is down that would have it forgotten.
    pub(super) fn keep(&mut self, pending: &PendingCeremony) {
        if !defended!(ChallengeOnce) {
            self.0.push(pending.clone());
        }
        if !defended!(ChallengeOnConnection) {
            EVERYWHERE.with_borrow_mut(|everywhere| everywhere.push(pending.clone()));
        }
    }

    /// One of this connection that was taken out before, or one of another connection.
    pub(super) fn find(&self, ceremony_id: CeremonyID) -> Option<PendingCeremony> {
        let is_meant = |pending: &&PendingCeremony| pending.ceremony_id == ceremony_id;
        let elsewhere = || EVERYWHERE.with_borrow(|everywhere| everywhere.iter().find(is_meant).cloned());
        self.0.iter().find(is_meant).cloned().or_else(elsewhere)
    }
}

//! Writing the replica: snapshots, events, bookmarks and gaps in, a whole state or none out.

#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod walk;

use std::{sync::Arc, time::Duration};

use super::{
    Ended, LiveSession, Moment, View,
    endings::MAX_UNREAD,
    table::{Removed, Table},
    view::Shared,
};
use crate::{
    protocol::{
        UnixMillis,
        event::EventKind,
        stream::{Gap, Snapshot},
    },
    stream::{Bookmark, Event, Item},
};

/// The open sessions of an app, as the stream tells of them. One task writes it, [`View`]s read it.
///
/// Pages of a snapshot are collected out of sight and become visible all at once. Until the first state is whole, and
/// from a gap to the state after it, the replica is not in sync and says so.
///
/// ```
/// # use std::time::Duration;
/// use passkey_accounts::{Item, protocol::{AccountID, UnixMillis}, session::{Moment, Replica}};
///
/// # fn example(items: impl Iterator<Item = Item>, now: Moment, account: AccountID) {
/// let mut replica = Replica::new();
/// let view = replica.view();
/// for item in items {
///     replica.apply(&item, now);
/// }
/// if view.fresh_within(Duration::from_secs(30), now).is_ok() {
///     println!("{:?}", view.is_logged_in(account, now));
/// }
/// # }
/// ```
pub struct Replica {
    shared: Arc<Shared>,
    collecting: Option<Collecting>,
}

/// A snapshot of which pages are missing.
struct Collecting {
    begun: Moment,
    table: Table,
}

impl Replica {
    /// A replica that knows nothing yet.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared::new(MAX_UNREAD)), collecting: None }
    }

    /// A reader.
    pub fn view(&self) -> View {
        View { shared: Arc::clone(&self.shared) }
    }

    /// Takes what the stream has delivered.
    pub fn apply(&mut self, item: &Item, now: Moment) {
        match item {
            Item::Event(event) => self.apply_event(event, now),
            Item::Snapshot(page) => self.apply_page(page, now),
            Item::Gap(gap) => self.apply_gap(gap),
            Item::Bookmark(bookmark) => self.apply_bookmark(bookmark, now),
        }
    }

    /// The server has said what its clock shows: in `ready`, or in the `Date` of an answer.
    pub fn handle_server_time(&mut self, time: UnixMillis, now: Moment) {
        self.shared.write().freshness.handle_clock(time, now);
    }

    /// Ends the sessions whose time is over.
    pub fn handle_tick(&mut self, now: Moment) {
        loop {
            let removed = {
                let mut state = self.shared.write();
                let time = state.freshness.server_time(now);
                state.table.remove_expired(time)
            };
            match removed {
                Some(removed) => self.shared.announce(&removed, Ended::Expired),
                None => return,
            }
        }
    }

    /// How long until a session expires; `None` when none is open.
    pub fn poll_timeout(&self, now: Moment) -> Option<Duration> {
        let state = self.shared.read();
        let first = state.table.first_to_expire()?.expires_at;
        Some(Duration::from_millis(first.since(state.freshness.server_time(now))))
    }

    /// The stream is over for good. From here on no session is known, and those who hold one are told so.
    pub fn close(&mut self) {
        self.collecting = None;
        let table = {
            let mut state = self.shared.write();
            (state.is_in_sync, state.is_closed) = (false, true);
            std::mem::take(&mut state.table)
        };
        for session in table.iter() {
            session.finish(Ended::Unfollowed);
        }
        self.shared.waiting.wake_all();
        self.shared.synced.notify_waiters();
        self.shared.close_endings();
    }

    fn apply_event(&mut self, event: &Event, now: Moment) {
        // Nothing comes between two pages. If something does, the pages are not the state before it.
        self.collecting = None;
        match &event.kind {
            Some(EventKind::LoggedIn(login)) => {
                self.open(LiveSession::from((&**login, event.time)));
                self.shared.waiting.wake(login.session_id);
            }
            Some(EventKind::LoggedOut(logout)) => {
                let removed = self.shared.write().table.remove(logout.session_id);
                // It may have expired here already, or it was never seen: the log has begun in the middle.
                if let Some(removed) = removed {
                    self.shared.announce(&removed, Ended::LoggedOut(logout.reason));
                }
            }
            // The sessions that end with a passkey or an account have their own `loggedOut`.
            Some(
                EventKind::Registered(_)
                | EventKind::PasskeyAdded(_)
                | EventKind::PasskeyRemoved(_)
                | EventKind::PasskeyRenamed(_)
                | EventKind::Confirmed(_)
                | EventKind::AccountErased(_)
                | EventKind::RecoveryStarted(_)
                | EventKind::RecoveryCancelled(_)
                | EventKind::RecoveryCompleted(_)
                | EventKind::CounterRegressed(_)
                | EventKind::TamperingDetected(_)
                | EventKind::ApiKeyCreated(_)
                | EventKind::ApiKeyRevoked(_),
            )
            | None => {}
        }
        self.shared.write().freshness.handle_event(event.time, now);
    }

    fn open(&self, session: LiveSession) {
        let replaced = {
            let mut state = self.shared.write();
            let known = state.table.find(session.session_id);
            if known.is_some_and(|known| known.is_same_as(&session)) {
                return;
            }
            let replaced = state.table.remove(session.session_id);
            state.table.insert(&Arc::new(session));
            replaced.map(|removed| Removed {
                account_is_gone: !state.table.has_account(removed.session.account_id),
                ..removed
            })
        };
        if let Some(replaced) = replaced {
            self.shared.announce(&replaced, Ended::Vanished);
        }
    }

    fn apply_page(&mut self, page: &Snapshot, now: Moment) {
        if page.first {
            self.collecting = Some(Collecting { begun: now, table: Table::default() });
            self.shared.write().is_in_sync = false;
        }
        let Some(mut collecting) = self.collecting.take() else {
            return;
        };
        {
            let state = self.shared.read();
            for open in &page.sessions {
                collecting.take(LiveSession::from(open), &state.table);
            }
        }
        if page.last {
            self.replace(collecting);
        } else {
            self.collecting = Some(collecting);
        }
    }

    /// Makes the collected state the visible one.
    fn replace(&self, Collecting { begun, table }: Collecting) {
        let old = {
            let mut state = self.shared.write();
            state.freshness.handle_state(begun);
            state.is_in_sync = true;
            std::mem::replace(&mut state.table, table)
        };
        // Nobody else writes: what is gone is found without keeping readers from reading.
        let mut vanished: Vec<Removed> = {
            let state = self.shared.read();
            let is_gone = |session: &&Arc<LiveSession>| {
                state.table.find(session.session_id).is_none_or(|kept| !Arc::ptr_eq(kept, session))
            };
            let gone = old.iter().filter(is_gone);
            gone.map(|session| Removed {
                session: Arc::clone(session),
                account_is_gone: !state.table.has_account(session.account_id),
            })
            .collect()
        };
        vanished.sort_unstable_by_key(|removed| removed.session.session_id);
        for removed in vanished {
            self.shared.announce(&removed, Ended::Vanished);
        }
        self.shared.waiting.wake_all();
        self.shared.synced.notify_waiters();
    }

    fn apply_gap(&mut self, _gap: &Gap) {
        self.collecting = None;
        self.shared.write().is_in_sync = false;
    }

    fn apply_bookmark(&mut self, bookmark: &Bookmark, now: Moment) {
        // As for events.
        self.collecting = None;
        self.shared.write().freshness.handle_bookmark(bookmark.time, now);
    }
}

impl Collecting {
    /// Adds a session: the one that is held already if it is the same, so that its holders hear of its end.
    fn take(&mut self, session: LiveSession, visible: &Table) {
        if self.table.find(session.session_id).is_some() {
            return;
        }
        match visible.find(session.session_id) {
            Some(known) if known.is_same_as(&session) => self.table.insert(known),
            Some(_) | None => self.table.insert(&Arc::new(session)),
        }
    }
}

impl Default for Replica {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.close();
    }
}

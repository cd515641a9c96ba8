//! Reading the replica: from any thread, at any time, without waiting for the stream.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use tokio::sync::{Notify, broadcast};

use super::{
    Endings, LiveSession, Moment, NotLive, SessionEnd, Stale,
    freshness::Freshness,
    table::{Removed, Table},
    waiting::Waiting,
};
use crate::protocol::{AccountID, SessionID, UnixMillis};

/// A reader of the replica. Clones are cheap and see the same.
///
/// Answers are those of the last whole state and of every event since: also while the stream is interrupted, and also
/// between a gap and the state that follows it. [`fresh_within`](Self::fresh_within) says whether to rely on them.
#[derive(Clone)]
pub struct View {
    pub(super) shared: Arc<Shared>,
}

impl View {
    /// The session, if it is open.
    pub fn get(&self, session_id: SessionID, now: Moment) -> Option<Arc<LiveSession>> {
        let state = self.shared.read();
        let session = state.table.find(session_id)?;
        (session.expires_at > state.freshness.server_time(now)).then(|| Arc::clone(session))
    }

    /// The open sessions of the account, in no order.
    pub fn of_account(&self, account_id: AccountID, now: Moment) -> Vec<Arc<LiveSession>> {
        let state = self.shared.read();
        let time = state.freshness.server_time(now);
        state.table.of_account(account_id).filter(|session| session.expires_at > time).cloned().collect()
    }

    /// Whether the account has an open session. `None` while the state is not known: before it has arrived, and after
    /// events were missed.
    pub fn is_logged_in(&self, account_id: AccountID, now: Moment) -> Option<bool> {
        let state = self.shared.read();
        let time = state.freshness.server_time(now);
        state.is_in_sync.then(|| state.table.of_account(account_id).any(|session| session.expires_at > time))
    }

    /// How many sessions are open, those included whose time has just run out.
    pub fn len(&self) -> usize {
        self.shared.read().table.len()
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That the replica knows everything that the server knew not longer ago than this.
    ///
    /// # Errors
    /// [`Stale`], whose code is [`Code::Stale`](crate::protocol::Code::Stale), when it does not, or does not know.
    pub fn fresh_within(&self, max_age: Duration, now: Moment) -> Result<(), Stale> {
        let state = self.shared.read();
        let age = if state.is_in_sync { state.freshness.age(now) } else { None };
        match age {
            Some(age) if age <= max_age => Ok(()),
            Some(_) | None => Err(Stale { age }),
        }
    }

    /// The server's clock, as far as it is known here; before it has said it, the later of what events say and this
    /// machine's.
    pub fn server_time(&self, now: Moment) -> UnixMillis {
        self.shared.read().freshness.server_time(now)
    }

    /// Waits, without end, until the session is there. It may have expired: look at its `expires_at`.
    ///
    /// # Errors
    /// [`NotLive::TooManyWaiting`] beside 10,000 others, [`NotLive::Unfollowed`] when the stream is over.
    ///
    /// # Cancel safety
    /// Safe: dropping it gives the place free.
    pub async fn wait_for(&self, session_id: SessionID) -> Result<Arc<LiveSession>, NotLive> {
        let look = || {
            let state = self.shared.read();
            match state.table.find(session_id) {
                Some(session) => Some(Ok(Arc::clone(session))),
                None if state.is_closed => Some(Err(NotLive::Unfollowed)),
                None => None,
            }
        };
        if let Some(answer) = look() {
            return answer;
        }
        let place = self.shared.waiting.enter(session_id)?;
        loop {
            let woken = place.woken();
            if let Some(answer) = look() {
                return answer;
            }
            woken.await;
        }
    }

    /// Waits until the state is there, with every event since: `false` when the stream is over before.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn in_sync(&self) -> bool {
        loop {
            // Made before looking: woken by everything that happens after that.
            let changed = self.shared.synced.notified();
            {
                let state = self.shared.read();
                if state.is_in_sync || state.is_closed {
                    return state.is_in_sync;
                }
            }
            changed.await;
        }
    }

    /// The ends of all sessions from now on.
    pub fn endings(&self) -> Endings {
        let sender = self.shared.endings.lock().unwrap_or_else(PoisonError::into_inner);
        Endings(match &*sender {
            Some(sender) => sender.subscribe(),
            None => broadcast::channel(1).1,
        })
    }
}

/// What the writer and the readers share. The lock is held for a look-up or for one change, never across an await.
pub(super) struct Shared {
    state: RwLock<State>,
    pub(super) waiting: Waiting,
    /// The state has become whole, or the stream is over.
    pub(super) synced: Notify,
    /// `None` when the stream is over.
    endings: Mutex<Option<broadcast::Sender<SessionEnd>>>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) table: Table,
    pub(super) freshness: Freshness,
    /// The table is a whole state and every event since.
    pub(super) is_in_sync: bool,
    pub(super) is_closed: bool,
}

impl Shared {
    pub(super) fn new(max_unread_endings: usize) -> Self {
        Self {
            state: RwLock::default(),
            waiting: Waiting::default(),
            synced: Notify::new(),
            endings: Mutex::new(Some(broadcast::channel(max_unread_endings).0)),
        }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        // A panic inside the lock is a bug of ours; the table is the same as before the change or after it.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that a session has ended. The table must not have it any more: whoever is told looks it up.
    pub(super) fn announce(&self, removed: &Removed, ended: super::Ended) {
        let Removed { session, account_is_gone } = removed;
        session.finish(ended);
        let end = SessionEnd {
            session_id: session.session_id,
            account_id: session.account_id,
            ended,
            account_is_gone: *account_is_gone,
        };
        let sender = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            // An error means that nobody listens.
            drop(sender.send(end));
        }
    }

    pub(super) fn close_endings(&self) {
        *self.endings.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

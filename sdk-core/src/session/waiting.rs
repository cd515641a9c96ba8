//! Those who wait for a session to appear: a request may overtake the `loggedIn` that it belongs to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::protocol::{Code, SessionID};

/// Why waiting for a session brought none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLive {
    /// No such session is open, and none appeared in time.
    #[error("{}", Code::SessionGone.message())]
    NoSession,
    /// As many wait already as may.
    #[error("{}", Code::OverCapacity.message())]
    TooManyWaiting,
    /// The stream is over for good: no session will appear any more.
    #[error("{}", Code::Stale.message())]
    Unfollowed,
}

impl NotLive {
    /// The word of the one table of codes.
    pub const fn code(&self) -> Code {
        match self {
            Self::NoSession => Code::SessionGone,
            Self::TooManyWaiting => Code::OverCapacity,
            Self::Unfollowed => Code::Stale,
        }
    }
}

/// Who waits for which session.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Places>);

#[derive(Default)]
struct Places {
    sessions: HashMap<SessionID, Awaited>,
    total: usize,
}

struct Awaited {
    notify: Arc<Notify>,
    waiters: usize,
}

impl Waiting {
    /// Takes a place, which is free again when it is dropped.
    pub(super) fn enter(&self, session_id: SessionID) -> Result<Place<'_>, NotLive> {
        let mut places = self.places();
        // Whoever makes up session ids must not be able to fill the memory.
        if places.total >= MAX_WAITERS {
            return Err(NotLive::TooManyWaiting);
        }
        places.total += 1;
        let fresh = || Awaited { notify: Arc::new(Notify::new()), waiters: 0 };
        let awaited = places.sessions.entry(session_id).or_insert_with(fresh);
        awaited.waiters += 1;
        Ok(Place { waiting: self, session_id, notify: Arc::clone(&awaited.notify) })
    }

    /// Wakes those who wait for this session.
    pub(super) fn wake(&self, session_id: SessionID) {
        let notify = self.places().sessions.get(&session_id).map(|awaited| Arc::clone(&awaited.notify));
        if let Some(notify) = notify {
            notify.notify_waiters();
        }
    }

    /// Wakes everyone, to look again.
    pub(super) fn wake_all(&self) {
        let all: Vec<_> =
            self.places().sessions.values().map(|awaited| Arc::clone(&awaited.notify)).collect();
        for notify in all {
            notify.notify_waiters();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places().total
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing can panic while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait.
pub(super) struct Place<'a> {
    waiting: &'a Waiting,
    session_id: SessionID,
    notify: Arc<Notify>,
}

impl Place<'_> {
    /// Woken by everything that happens after this call. So: call, look, and only then await.
    pub(super) fn woken(&self) -> impl Future<Output = ()> {
        self.notify.notified()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.waiting.places();
        places.total = places.total.saturating_sub(1);
        if let Some(awaited) = places.sessions.get_mut(&self.session_id) {
            awaited.waiters = awaited.waiters.saturating_sub(1);
            if awaited.waiters == 0 {
                places.sessions.remove(&self.session_id);
            }
        }
    }
}

/// At two seconds each, room for 5,000 such requests a second.
pub(super) const MAX_WAITERS: usize = 10_000;

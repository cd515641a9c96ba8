//! Sessions without a socket: each waits for its key to come back, or for its grace time to run out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use passkey_accounts::protocol::{SessionID, gateway::EndReason};
use tokio::sync::Notify;

use super::{Session, end};
use crate::{
    clock::{Clock, Uptime},
    store::Store,
};

/// How long to wait before trying again to end sessions that the database could not end.
const RETRY_MS: u64 = 1_000;

/// The detached sessions of this server. Taking one out is the right to resume or to end it: exactly one wins.
#[derive(Debug, Default)]
pub struct Detached {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: HashMap<SessionID, Waiting>,
    by_deadline: BTreeMap<(Uptime, SessionID), ()>,
}

#[derive(Debug)]
struct Waiting {
    session: Arc<Session>,
    deadline: Uptime,
    reason: EndReason,
    is_resumable: bool,
}

impl Detached {
    /// Lets a session wait from `now` for its grace time, and end for `reason` after it.
    pub fn insert(&self, session: Arc<Session>, now: Uptime, reason: EndReason) {
        let grace_end = now.plus(session.grace_ms);
        let (deadline, reason) = if session.ends < grace_end {
            (session.ends, EndReason::AbsoluteTimeout)
        } else {
            (grace_end, reason)
        };
        self.lock().insert(Waiting { session, deadline, reason, is_resumable: true });
        self.changed.notify_one();
    }

    /// Ends a session that the database could not end just now, as soon as it can. Nobody may resume it meanwhile:
    /// its page may have been told that it is over.
    pub fn insert_ended(&self, session: Arc<Session>, now: Uptime, reason: EndReason) {
        self.lock().insert(Waiting { session, deadline: now.plus(RETRY_MS), reason, is_resumable: false });
        self.changed.notify_one();
    }

    /// The session, if it waits and `is_holder` agrees; it no longer waits then.
    pub fn take(
        &self,
        session_id: SessionID,
        is_holder: impl FnOnce(&Session) -> bool,
    ) -> Option<Arc<Session>> {
        let mut inner = self.lock();
        let waiting = inner.waiting.get(&session_id)?;
        if !waiting.is_resumable || !is_holder(&waiting.session) {
            return None;
        }
        inner.remove(session_id).map(|waiting| waiting.session)
    }

    /// Lets go of a session that was ended from elsewhere.
    pub fn forget(&self, session_id: SessionID) {
        self.lock().remove(session_id);
    }

    /// Whether a session waits.
    pub fn contains(&self, session_id: SessionID) -> bool {
        self.lock().waiting.contains_key(&session_id)
    }

    /// Ends sessions when their grace time is over. Runs until it is dropped.
    pub async fn sweep(&self, store: &Store, clock: &Clock) {
        loop {
            let next = self.lock().by_deadline.keys().next().map(|(deadline, _)| *deadline);
            let changed = self.changed.notified();
            match next {
                None => changed.await,
                Some(deadline) if clock.uptime() < deadline => {
                    tokio::select! {
                        () = clock.sleep_until_uptime(deadline) => {}
                        () = changed => {}
                    }
                }
                Some(_) => self.end_expired(store, clock).await,
            }
        }
    }

    async fn end_expired(&self, store: &Store, clock: &Clock) {
        let now = clock.uptime();
        let expired = self.lock().take_expired(now);
        // Together, so that they share commits.
        let ends = expired.into_iter().map(async |waiting| {
            let outcome = end(store, &waiting.session, waiting.reason).await;
            outcome.err().map(|error| (waiting, error))
        });
        for (waiting, error) in futures_util::future::join_all(ends).await.into_iter().flatten() {
            tracing::error!(%error, session.id = %waiting.session.session_id, "a session could not be ended; retrying");
            self.lock().insert(Waiting { deadline: now.plus(RETRY_MS), is_resumable: false, ..waiting });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, waiting: Waiting) {
        self.by_deadline.insert((waiting.deadline, waiting.session.session_id), ());
        self.waiting.insert(waiting.session.session_id, waiting);
    }

    fn remove(&mut self, session_id: SessionID) -> Option<Waiting> {
        let waiting = self.waiting.remove(&session_id)?;
        self.by_deadline.remove(&(waiting.deadline, session_id));
        Some(waiting)
    }

    fn take_expired(&mut self, now: Uptime) -> Vec<Waiting> {
        let mut expired = Vec::new();
        while let Some((deadline, session_id)) = self.by_deadline.keys().next().copied() {
            if deadline > now {
                break;
            }
            expired.extend(self.remove(session_id));
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use passkey_accounts::protocol::gateway::EndReason;

    use super::{
        super::tests::{NOW, session},
        Detached,
    };

    #[test]
    fn a_dropped_session_is_resumed_once_and_by_its_holder_only() {
        let (detached, session) = (Detached::default(), session(1));
        detached.insert(Arc::clone(&session), NOW, EndReason::ConnectionLost);
        assert!(detached.take(session.session_id, |_| false).is_none());
        assert!(detached.take(session.session_id, |_| true).is_some());
        assert!(detached.take(session.session_id, |_| true).is_none());
    }

    #[test]
    fn a_session_that_has_ended_and_waits_for_the_database_cannot_be_resumed() {
        let (detached, session) = (Detached::default(), session(1));
        detached.insert_ended(Arc::clone(&session), NOW, EndReason::AbsoluteTimeout);
        assert!(detached.take(session.session_id, |_| true).is_none());
        assert!(detached.contains(session.session_id), "it still waits for its end to be written");
    }

    #[test]
    fn a_session_that_was_ended_from_elsewhere_is_let_go() {
        let (detached, session) = (Detached::default(), session(1));
        detached.insert(Arc::clone(&session), NOW, EndReason::ConnectionLost);
        detached.forget(session.session_id);
        assert!(detached.take(session.session_id, |_| true).is_none());
        assert!(detached.lock().by_deadline.is_empty(), "nothing of it is kept");
    }
}

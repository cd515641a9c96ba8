//! Which socket carries which session: one at any time. An end that was decided elsewhere reaches the page through here,
//! and so does the news that the session has moved to another socket.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use passkey_accounts::protocol::{SessionID, gateway::EndReason};
use tokio::sync::watch;

use super::{Detached, Session};
use crate::clock::Uptime;

/// The sessions that a browser socket of this server carries.
///
/// A revocation commits first and looks here then; a socket enters here first and asks the committed state then whether
/// the session is open. So whichever comes later sees the other, and no session that has ended stays on a socket.
///
/// A move from or to [`Detached`] happens under the lock of this table, and the locks are taken in that order only. So a
/// session that is open is never between the two: whoever holds its key finds it, on a socket or waiting.
#[derive(Debug, Default)]
pub struct Attached(Arc<Mutex<Carriers>>);

/// How to tell the socket of each session that it carries it no longer.
type Carriers = HashMap<SessionID, Arc<watch::Sender<Option<Loss>>>>;

/// Why a socket carries its session no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The session was ended from elsewhere.
    Ended(EndReason),
    /// The holder of its key has resumed it on another socket.
    Moved,
}

impl Attached {
    /// Enters a session that has just been opened; it leaves when what is returned is dropped.
    pub fn attach(&self, session: Arc<Session>) -> Carried {
        self.carry(&mut self.lock(), session)
    }

    /// Moves a session to another socket: from the one that carries it, which is told, or from those that wait. `None` when
    /// it is at neither place: it is about to end. The caller has checked that the session's key asks for it.
    pub fn resume(&self, detached: &Detached, session: Arc<Session>) -> Option<Carried> {
        let mut carriers = self.lock();
        match carriers.get(&session.session_id) {
            Some(carrier) => {
                carrier.send_replace(Some(Loss::Moved));
            }
            None => {
                detached.take(session.session_id, |_| true)?;
            }
        }
        Some(self.carry(&mut carriers, session))
    }

    /// Tells the sockets of these sessions, where there are any, that they have ended.
    pub fn end(&self, sessions: impl IntoIterator<Item = SessionID>, reason: EndReason) {
        let attached = self.lock();
        for session_id in sessions {
            if let Some(carrier) = attached.get(&session_id) {
                carrier.send_replace(Some(Loss::Ended(reason)));
            }
        }
    }

    fn carry(&self, carriers: &mut Carriers, session: Arc<Session>) -> Carried {
        let (losing, lost) = watch::channel(None);
        let losing = Arc::new(losing);
        carriers.insert(session.session_id, Arc::clone(&losing));
        Carried { session, losing, lost, attached: Self(Arc::clone(&self.0)) }
    }

    fn lock(&self) -> MutexGuard<'_, Carriers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session on the socket that carries it.
#[derive(Debug)]
pub struct Carried {
    session: Arc<Session>,
    losing: Arc<watch::Sender<Option<Loss>>>,
    lost: watch::Receiver<Option<Loss>>,
    attached: Attached,
}

impl Carried {
    /// The session.
    pub const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Whether this socket still carries the session: it has neither been ended from elsewhere nor moved.
    pub fn is_held(&self) -> bool {
        self.loss().is_none()
    }

    /// Why this socket carries the session no longer, if so.
    pub fn loss(&self) -> Option<Loss> {
        *self.lost.borrow()
    }

    /// Waits until the socket has lost the session to elsewhere, and says why.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn lost(&mut self) -> Loss {
        let loss = self.lost.wait_for(Option::is_some).await.ok().and_then(|loss| *loss);
        match loss {
            Some(loss) => loss,
            // The sender lives as long as this.
            None => std::future::pending().await,
        }
    }

    /// Takes the session off the socket for good: the right to end it. `None` when it has moved to another one.
    pub fn release(self) -> Option<Arc<Session>> {
        let is_ours = remove(&mut self.attached.lock(), &self);
        is_ours.then(|| Arc::clone(&self.session))
    }

    /// Lets the session wait for its key from `now`, and end for `reason` if that does not come. One that has ended, or has
    /// moved to another socket, does not wait.
    pub fn detach(self, detached: &Detached, now: Uptime, reason: EndReason) {
        let mut carriers = self.attached.lock();
        if remove(&mut carriers, &self) && self.is_held() {
            detached.insert(Arc::clone(&self.session), now, reason);
        }
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        remove(&mut self.attached.lock(), self);
    }
}

/// Removes the entry of a socket, unless it is another's by now.
fn remove(carriers: &mut Carriers, carried: &Carried) -> bool {
    let session_id = carried.session.session_id;
    let is_ours = carriers.get(&session_id).is_some_and(|other| Arc::ptr_eq(other, &carried.losing));
    if is_ours {
        carriers.remove(&session_id);
    }
    is_ours
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use passkey_accounts::protocol::gateway::EndReason;

    use super::{
        super::{
            Detached,
            tests::{NOW, session},
        },
        Attached, Loss,
    };

    #[test]
    fn an_end_reaches_the_socket_that_carries_the_session_and_no_other() {
        let attached = Attached::default();
        let (ours, theirs) = (session(1), session(2));
        let mut carried = attached.attach(Arc::clone(&ours));
        let mut other = attached.attach(theirs);
        attached.end([ours.session_id], EndReason::Revoked);
        assert_eq!(carried.lost().now_or_never(), Some(Loss::Ended(EndReason::Revoked)));
        assert_eq!(other.lost().now_or_never(), None);
    }

    #[test]
    fn a_socket_that_leaves_late_does_not_take_its_successor_along() {
        let attached = Attached::default();
        let session = session(1);
        let before = attached.attach(Arc::clone(&session));
        let mut after = attached.attach(Arc::clone(&session));
        drop(before);
        attached.end([session.session_id], EndReason::Revoked);
        assert_eq!(after.lost().now_or_never(), Some(Loss::Ended(EndReason::Revoked)));
        drop(after);
        assert!(attached.lock().is_empty(), "nothing is kept of sessions that left");
    }

    #[test]
    fn a_resumed_session_leaves_the_socket_that_carried_it_and_that_one_can_no_longer_end_it() {
        let (attached, detached, session) = (Attached::default(), Detached::default(), session(1));
        let mut old = attached.attach(Arc::clone(&session));
        let new = attached.resume(&detached, Arc::clone(&session)).unwrap();
        assert_eq!(old.lost().now_or_never(), Some(Loss::Moved));
        assert!(!old.is_held() && new.is_held());
        assert!(old.release().is_none(), "the old socket has no say any more");
        assert!(new.is_held());
        assert_eq!(new.release().map(|session| session.session_id), Some(session.session_id));
    }

    #[test]
    fn an_old_socket_that_drops_late_detaches_nothing() {
        let (attached, detached, session) = (Attached::default(), Detached::default(), session(1));
        let old = attached.attach(Arc::clone(&session));
        let new = attached.resume(&detached, Arc::clone(&session)).unwrap();
        old.detach(&detached, NOW, EndReason::ConnectionLost);
        assert!(!detached.contains(session.session_id));
        new.detach(&detached, NOW, EndReason::ConnectionLost);
        assert!(detached.contains(session.session_id));
        assert!(attached.resume(&detached, Arc::clone(&session)).is_some());
        assert!(!detached.contains(session.session_id), "it is at one place at a time");
    }

    #[test]
    fn a_session_that_is_about_to_end_cannot_be_resumed() {
        let (attached, detached, session) = (Attached::default(), Detached::default(), session(1));
        let ending = attached.attach(Arc::clone(&session)).release();
        assert!(ending.is_some() && attached.resume(&detached, session).is_none());
    }

    /// Whatever the order: after each round the session is at exactly one place, and it was lost by all who let go.
    #[test]
    fn racing_resumes_and_drops_leave_one_holder() {
        let (attached, detached, session) = (Attached::default(), Detached::default(), session(1));
        let mut held = vec![attached.attach(Arc::clone(&session))];
        for _ in 0..500 {
            let resume = || attached.resume(&detached, Arc::clone(&session)).expect("it never disappears");
            let old = held.pop().expect("somebody holds it");
            let (first, second) = std::thread::scope(|scope| {
                let (first, second) = (scope.spawn(resume), scope.spawn(resume));
                scope.spawn(|| old.detach(&detached, NOW, EndReason::ConnectionLost));
                (first.join().expect("no panic"), second.join().expect("no panic"))
            });
            assert!(first.is_held() != second.is_held(), "exactly one carries it");
            assert!(!detached.contains(session.session_id));
            held.push(if first.is_held() { first } else { second });
        }
    }
}

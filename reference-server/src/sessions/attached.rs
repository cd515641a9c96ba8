//! Which socket carries which session: one at any time. What happens elsewhere reaches the page through here: the end of the
//! session, its move to another socket, and news of its account.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use passkey_accounts::protocol::{
    AccountID, SessionID,
    gateway::{EndReason, ServerMessage},
};
use tokio::sync::watch;

use super::{Detached, Session};
use crate::{clock::Uptime, limits::MAX_WAITING_NEWS};

/// The sessions that a browser socket of this server carries.
///
/// A revocation commits first and looks here then; a socket enters here first and asks the committed state then whether
/// the session is open. So whichever comes later sees the other, and no session that has ended stays on a socket.
///
/// A move from or to [`Detached`] happens under the lock of this table, and the locks are taken in that order only. So a
/// session that is open is never between the two: whoever holds its key finds it, on a socket or waiting.
#[derive(Debug, Default)]
pub struct Attached(Arc<Mutex<Carriers>>);

#[derive(Debug, Default)]
struct Carriers {
    /// How to tell the socket of each session.
    telling: HashMap<SessionID, Arc<watch::Sender<Waiting>>>,
    /// The same sessions by whose they are: those of one account are found without looking through all.
    by_account: BTreeSet<(AccountID, SessionID)>,
}

/// What a socket has not taken yet.
#[derive(Debug, Default)]
struct Waiting {
    loss: Option<Loss>,
    news: Vec<ServerMessage>,
}

/// What a socket is told of its session.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// It carries it no longer.
    Lost(Loss),
    /// This is to be said to its page.
    News(Vec<ServerMessage>),
}

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
        match carriers.telling.get(&session.session_id) {
            Some(carrier) => carrier.send_modify(|waiting| waiting.loss = Some(Loss::Moved)),
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
            if let Some(carrier) = attached.telling.get(&session_id) {
                carrier.send_modify(|waiting| waiting.loss = Some(Loss::Ended(reason)));
            }
        }
    }

    /// Has the other sockets of the account of `own` say this to their pages.
    pub fn tell_others(&self, own: &Session, news: &ServerMessage) {
        let attached = self.lock();
        let first = (own.account_id, SessionID::from_bytes([0; 16]));
        let sessions = attached.by_account.range(first..).take_while(|(id, _)| *id == own.account_id);
        for (_, session_id) in sessions.filter(|(_, session_id)| *session_id != own.session_id) {
            if let Some(carrier) = attached.telling.get(session_id) {
                carrier.send_if_modified(|waiting| {
                    let has_room = waiting.news.len() < MAX_WAITING_NEWS;
                    if has_room {
                        waiting.news.push(news.clone());
                    }
                    has_room
                });
            }
        }
    }

    fn carry(&self, carriers: &mut Carriers, session: Arc<Session>) -> Carried {
        let (telling, told) = watch::channel(Waiting::default());
        let telling = Arc::new(telling);
        carriers.telling.insert(session.session_id, Arc::clone(&telling));
        carriers.by_account.insert((session.account_id, session.session_id));
        Carried { session, telling, told, attached: Self(Arc::clone(&self.0)) }
    }

    fn lock(&self) -> MutexGuard<'_, Carriers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session on the socket that carries it.
#[derive(Debug)]
pub struct Carried {
    session: Arc<Session>,
    telling: Arc<watch::Sender<Waiting>>,
    told: watch::Receiver<Waiting>,
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
        self.told.borrow().loss
    }

    /// Waits until there is something that the socket has not been told. After a loss there is nothing else.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn told(&mut self) -> Told {
        let is_news = |waiting: &Waiting| waiting.loss.is_some() || !waiting.news.is_empty();
        // An error means that the sender is gone, and that lives as long as this.
        drop(self.told.wait_for(is_news).await);
        let mut taken = Waiting::default();
        self.telling.send_if_modified(|waiting| {
            taken = Waiting { loss: waiting.loss, news: std::mem::take(&mut waiting.news) };
            false
        });
        taken.loss.map_or(Told::News(taken.news), Told::Lost)
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
    let is_ours = carriers.telling.get(&session_id).is_some_and(|other| Arc::ptr_eq(other, &carried.telling));
    if is_ours {
        carriers.telling.remove(&session_id);
        carriers.by_account.remove(&(carried.session.account_id, session_id));
    }
    is_ours
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use passkey_accounts::protocol::{
        AccountID,
        gateway::{EndReason, ServerMessage},
    };

    use super::{
        super::{
            Detached,
            tests::{NOW, session},
        },
        Attached, Loss, Told,
    };
    use crate::{limits::MAX_WAITING_NEWS, sessions::Session};

    #[test]
    fn an_end_reaches_the_socket_that_carries_the_session_and_no_other() {
        let attached = Attached::default();
        let (ours, theirs) = (session(1), session(2));
        let mut carried = attached.attach(Arc::clone(&ours));
        let mut other = attached.attach(theirs);
        attached.end([ours.session_id], EndReason::Revoked);
        assert_eq!(carried.told().now_or_never(), Some(Told::Lost(Loss::Ended(EndReason::Revoked))));
        assert_eq!(other.told().now_or_never(), None);
    }

    #[test]
    fn news_reach_the_other_sockets_of_the_account_and_wait_for_them_up_to_a_limit() {
        let attached = Attached::default();
        let theirs = Session { account_id: AccountID::from_bytes([9; 16]), ..(*session(3)).clone() };
        let (ours, also_ours) = (session(1), session(2));
        let mut asking = attached.attach(Arc::clone(&ours));
        let mut other = attached.attach(also_ours);
        let mut stranger = attached.attach(Arc::new(theirs));
        let news = ServerMessage::RecoveryCancelled {};
        for _ in 0..=MAX_WAITING_NEWS {
            attached.tell_others(&ours, &news);
        }
        assert_eq!(other.told().now_or_never(), Some(Told::News(vec![news.clone(); MAX_WAITING_NEWS])));
        for socket in [&mut asking, &mut other, &mut stranger] {
            assert_eq!(socket.told().now_or_never(), None);
        }
        attached.tell_others(&ours, &news);
        assert_eq!(other.told().now_or_never(), Some(Told::News(vec![news])));
    }

    #[test]
    fn a_socket_that_leaves_late_does_not_take_its_successor_along() {
        let attached = Attached::default();
        let session = session(1);
        let before = attached.attach(Arc::clone(&session));
        let mut after = attached.attach(Arc::clone(&session));
        drop(before);
        attached.end([session.session_id], EndReason::Revoked);
        assert_eq!(after.told().now_or_never(), Some(Told::Lost(Loss::Ended(EndReason::Revoked))));
        drop(after);
        let left = attached.lock();
        assert!(
            left.telling.is_empty() && left.by_account.is_empty(),
            "nothing is kept of sessions that left"
        );
    }

    #[test]
    fn a_resumed_session_leaves_the_socket_that_carried_it_and_that_one_can_no_longer_end_it() {
        let (attached, detached, session) = (Attached::default(), Detached::default(), session(1));
        let mut old = attached.attach(Arc::clone(&session));
        let new = attached.resume(&detached, Arc::clone(&session)).unwrap();
        assert_eq!(old.told().now_or_never(), Some(Told::Lost(Loss::Moved)));
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

//! Which socket carries which session: how an end that was decided elsewhere reaches the page.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use passkey_accounts::protocol::{SessionID, gateway::EndReason};
use tokio::sync::watch;

use super::Session;

/// The sessions that a browser socket of this server carries.
///
/// A revocation commits first and looks here then; a socket enters here first and asks the committed state then whether
/// the session is open. So whichever comes later sees the other, and no session that has ended stays on a socket.
#[derive(Debug, Default)]
pub struct Attached(Arc<Mutex<Carriers>>);

/// How to tell the socket of each session that it has ended.
type Carriers = HashMap<SessionID, Arc<watch::Sender<Option<EndReason>>>>;

impl Attached {
    /// Enters a session; it leaves when what is returned is dropped.
    pub fn attach(&self, session: Arc<Session>) -> Carried {
        let (ending, ended) = watch::channel(None);
        let ending = Arc::new(ending);
        self.lock().insert(session.session_id, Arc::clone(&ending));
        Carried { session, ending, ended, attached: Self(Arc::clone(&self.0)) }
    }

    /// Tells the sockets of these sessions, where there are any, that they have ended.
    pub fn end(&self, sessions: impl IntoIterator<Item = SessionID>, reason: EndReason) {
        let attached = self.lock();
        for session_id in sessions {
            if let Some(ending) = attached.get(&session_id) {
                ending.send_replace(Some(reason));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Carriers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session on the socket that carries it.
#[derive(Debug)]
pub struct Carried {
    session: Arc<Session>,
    ending: Arc<watch::Sender<Option<EndReason>>>,
    ended: watch::Receiver<Option<EndReason>>,
    attached: Attached,
}

impl Carried {
    /// The session.
    pub const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Waits until the session is ended from elsewhere, and says why.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn ended(&mut self) -> EndReason {
        let reason = self.ended.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        match reason {
            Some(reason) => reason,
            // The sender lives as long as this.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let mut attached = self.attached.lock();
        let is_ours =
            attached.get(&self.session.session_id).is_some_and(|other| Arc::ptr_eq(other, &self.ending));
        if is_ours {
            attached.remove(&self.session.session_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use passkey_accounts::protocol::gateway::EndReason;

    use super::{super::tests::session, Attached};

    #[test]
    fn an_end_reaches_the_socket_that_carries_the_session_and_no_other() {
        let attached = Attached::default();
        let (ours, theirs) = (session(1), session(2));
        let mut carried = attached.attach(Arc::clone(&ours));
        let mut other = attached.attach(theirs);
        attached.end([ours.session_id], EndReason::Revoked);
        assert_eq!(carried.ended().now_or_never(), Some(EndReason::Revoked));
        assert_eq!(other.ended().now_or_never(), None);
    }

    #[test]
    fn a_socket_that_leaves_late_does_not_take_its_successor_along() {
        let attached = Attached::default();
        let session = session(1);
        let before = attached.attach(Arc::clone(&session));
        let mut after = attached.attach(Arc::clone(&session));
        drop(before);
        attached.end([session.session_id], EndReason::Revoked);
        assert_eq!(after.ended().now_or_never(), Some(EndReason::Revoked));
        drop(after);
        assert!(attached.lock().is_empty(), "nothing is kept of sessions that left");
    }
}

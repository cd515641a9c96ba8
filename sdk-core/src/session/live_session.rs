//! One open session: what is known of it, and the moment of its end.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::protocol::{
    AccountID, PasskeyID, SessionID, UnixMillis,
    event::LoggedIn,
    gateway::{EndReason, SessionKey},
    stream::OpenSession,
};

/// An open session, as of the moment it was looked up. Whoever holds it is told when it ends.
// In this order, what a look-up reads (the counter of the `Arc`, id and expiry) shares one line of the cache: with a
// million sessions, each line is a trip to memory.
#[repr(C)]
pub struct LiveSession {
    /// The session.
    pub session_id: SessionID,
    /// When it ends at the latest, by the server's clock.
    pub expires_at: UnixMillis,
    /// Whose session.
    pub account_id: AccountID,
    /// When it was opened, by the server's clock.
    pub since: UnixMillis,
    ending: Mutex<Ending>,
    /// The passkey that opened it.
    pub passkey_id: PasskeyID,
    key_point: [u8; POINT_BYTES],
}

impl LiveSession {
    /// The public key that the session's proofs are checked with: an uncompressed point on P-256 (0x04, x, y). `None`
    /// when it is a key of a kind that this version does not know.
    pub fn key_point(&self) -> Option<&[u8; POINT_BYTES]> {
        (self.key_point.first() == Some(&UNCOMPRESSED)).then_some(&self.key_point)
    }

    /// How it ended; `None` while it is open.
    pub fn end(&self) -> Option<Ended> {
        match *self.ending() {
            Ending::Ended(ended) => Some(ended),
            Ending::Unwatched | Ending::Watched(_) => None,
        }
    }

    /// Waits for its end: the moment to close sockets that were opened in its name.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost, ask again.
    pub async fn ended(&self) -> Ended {
        let notify;
        // Made under the lock: a `Notified` is woken by every end that comes after it was made.
        let notified = {
            let mut ending = self.ending();
            notify = match &*ending {
                Ending::Ended(ended) => return *ended,
                Ending::Watched(notify) => Arc::clone(notify),
                Ending::Unwatched => {
                    let notify = Arc::new(Notify::new());
                    *ending = Ending::Watched(Arc::clone(&notify));
                    notify
                }
            };
            notify.notified()
        };
        notified.await;
        // It is only woken by the end.
        self.end().unwrap_or(Ended::Unfollowed)
    }

    /// Ends it; the first end counts.
    pub(super) fn finish(&self, ended: Ended) {
        let before = {
            let mut ending = self.ending();
            match *ending {
                Ending::Ended(_) => return,
                Ending::Unwatched | Ending::Watched(_) => {
                    std::mem::replace(&mut *ending, Ending::Ended(ended))
                }
            }
        };
        if let Ending::Watched(notify) = before {
            notify.notify_waiters();
        }
    }

    /// Whether both say the same of the same session. `since` is left out: snapshot and event may round it differently.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let Self { session_id, account_id, passkey_id, since: _, expires_at, key_point, ending: _ } = self;
        (session_id, account_id, passkey_id, expires_at, key_point)
            == (&other.session_id, &other.account_id, &other.passkey_id, &other.expires_at, &other.key_point)
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        // Nothing can panic while it is held.
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&OpenSession> for LiveSession {
    fn from(open: &OpenSession) -> Self {
        Self {
            session_id: open.session_id,
            account_id: open.account_id,
            passkey_id: open.passkey_id,
            since: open.since,
            expires_at: open.expires_at,
            key_point: point(&open.session_key),
            ending: Mutex::new(Ending::Unwatched),
        }
    }
}

impl From<(&LoggedIn, UnixMillis)> for LiveSession {
    fn from((login, since): (&LoggedIn, UnixMillis)) -> Self {
        Self {
            session_id: login.session_id,
            account_id: login.account_id,
            passkey_id: login.passkey_id,
            since,
            expires_at: login.expires_at,
            key_point: point(&login.session_key),
            ending: Mutex::new(Ending::Unwatched),
        }
    }
}

impl fmt::Debug for LiveSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSession")
            .field("session_id", &self.session_id)
            .field("account_id", &self.account_id)
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

/// How a session ended, as far as this replica knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The log says so.
    LoggedOut(EndReason),
    /// Its time is over. Its `loggedOut` may be under way still.
    Expired,
    /// It was open before events were missed, and is not among the open sessions after it.
    Vanished,
    /// The stream is over for good, so nobody would learn of the end. The session itself may go on.
    Unfollowed,
}

enum Ending {
    /// Open, and nobody waits for the end.
    Unwatched,
    Watched(Arc<Notify>),
    Ended(Ended),
}

/// The key as a point, or zeros for what is no key on P-256.
fn point(key: &SessionKey) -> [u8; POINT_BYTES] {
    let mut point = [0; POINT_BYTES];
    let is_p256 = key.kty == "EC" && key.crv == "P-256" && key.x.0.len() == 32 && key.y.0.len() == 32;
    if is_p256 {
        let bytes = std::iter::once(&UNCOMPRESSED).chain(&key.x.0).chain(&key.y.0);
        for (to, from) in point.iter_mut().zip(bytes) {
            *to = *from;
        }
    }
    point
}

const POINT_BYTES: usize = 65;

/// SEC 1 section 2.3.3.
const UNCOMPRESSED: u8 = 4;

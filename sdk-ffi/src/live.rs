//! Who is signed in, answered from memory.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use passkey_accounts::{
    LiveSessions as CoreLiveSessions,
    session::{Endings as CoreEndings, LiveSession as CoreLiveSession, SessionEnd as CoreSessionEnd},
};

use crate::{
    engine::Engine,
    error::Error,
    inbox::Inbox,
    proofs::Proofs,
    stream::status_changed,
    types::{Ended, SessionEnds, Status, system_time},
};

/// The sessions that are open now. Look-ups wait for nothing and say what was known last, also while the stream is
/// interrupted; whoever decides by them asks [`fresh_within`](Self::fresh_within) first, which fails closed.
#[derive(Debug, uniffi::Object)]
pub struct LiveSessions {
    engine: Arc<Engine>,
    live: Mutex<Option<CoreLiveSessions>>,
}

impl LiveSessions {
    pub(crate) fn new(engine: &Arc<Engine>, live: CoreLiveSessions) -> Arc<Self> {
        Arc::new(Self { engine: Arc::clone(engine), live: Mutex::new(Some(live)) })
    }

    /// The sessions; an error in a forked process, and once they are closed.
    fn live(&self) -> Result<CoreLiveSessions, Error> {
        self.engine.check()?;
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(Error::closed)
    }
}

#[uniffi::export]
impl LiveSessions {
    /// Waits until the state has arrived: at the start, and after events were missed.
    ///
    /// # Errors
    /// How the stream ended.
    pub async fn in_sync(&self) -> Result<(), Error> {
        let live = self.live()?;
        Ok(self.engine.run(async move { live.in_sync().await }).await??)
    }

    /// The session, if it is open.
    ///
    /// # Errors
    /// The live sessions are closed, as for everything here.
    pub fn get(&self, session_id: &str) -> Result<Option<LiveSession>, Error> {
        let live = self.live()?;
        let session = session_id.parse().ok().and_then(|id| live.get(id));
        Ok(session.map(|session| LiveSession::new(&self.engine, session)))
    }

    /// The open sessions of the account, in no order.
    pub fn of_account(&self, account_id: &str) -> Result<Vec<LiveSession>, Error> {
        let live = self.live()?;
        let sessions = account_id.parse().map(|id| live.of_account(id)).unwrap_or_default();
        Ok(sessions.into_iter().map(|session| LiveSession::new(&self.engine, session)).collect())
    }

    /// Whether the account has an open session; nothing while that is not known: before the state has arrived, after
    /// events were missed, and when the stream is over.
    pub fn is_logged_in(&self, account_id: &str) -> Result<Option<bool>, Error> {
        let live = self.live()?;
        Ok(account_id.parse().map_or(Some(false), |id| live.is_logged_in(id)))
    }

    /// How many sessions are open.
    pub fn count(&self) -> Result<u64, Error> {
        Ok(u64::try_from(self.live()?.len()).unwrap_or(u64::MAX))
    }

    /// That everything is known here that the server had not longer ago than this. A quiet server says so every 20 s:
    /// less than 25 s makes it fail now and then.
    ///
    /// # Errors
    /// `stale`: refuse, or answer 503.
    pub fn fresh_within(&self, max_age: Duration) -> Result<(), Error> {
        self.live()?.fresh_within(max_age).map(drop).map_err(Error::from)
    }

    /// The session as soon as it is open, waiting so long for it: a request may overtake the `loggedIn` that it belongs to.
    ///
    /// # Errors
    /// `sessionGone` when it has not appeared in time, `overCapacity` beside 10,000 others, `stale` when the stream is over.
    pub async fn wait_for(&self, session_id: String, at_most: Duration) -> Result<LiveSession, Error> {
        let (live, engine) = (self.live()?, Arc::clone(&self.engine));
        let Ok(id) = session_id.parse() else {
            return Err(passkey_accounts::session::NotLive::NoSession.into());
        };
        let session = self.engine.run(async move { live.wait_for(id, at_most).await }).await??;
        Ok(LiveSession::new(&engine, session))
    }

    /// The server's clock, as far as it is known here.
    pub fn server_time(&self) -> Result<SystemTime, Error> {
        Ok(system_time(self.live()?.server_time()))
    }

    /// The ends of all sessions from now on: subscribe first, look up sessions then.
    pub fn endings(&self) -> Result<Arc<Endings>, Error> {
        Ok(Endings::open(&self.engine, self.live()?.endings()))
    }

    /// The checking of proofs for a back end that is reached at these origins, `https://app.example`. `fresh_within`: how
    /// old the knowledge of who is signed in may be; absent: 30 s. One of these for each app: it remembers nonces.
    ///
    /// # Errors
    /// Origins that cannot be (`unexpected`).
    pub fn proofs(&self, origins: Vec<String>, fresh_within: Option<Duration>) -> Result<Arc<Proofs>, Error> {
        let mut builder = self.live()?.proofs();
        for origin in origins {
            builder = builder.origin(origin);
        }
        if let Some(max_staleness) = fresh_within {
            builder = builder.fresh_within(max_staleness);
        }
        let proofs = builder.build().map_err(|error| Error::unexpected(&error.to_string()))?;
        Ok(Proofs::new(&self.engine, proofs))
    }

    /// How the connection is doing.
    pub fn status(&self) -> Result<Status, Error> {
        Ok(self.live()?.status().borrow().clone().into())
    }

    /// Waits until the status is another than `seen`, and returns it. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The client was closed.
    pub async fn status_changed(&self, seen: Status) -> Result<Status, Error> {
        let status = self.live()?.status();
        status_changed(&self.engine, status, seen).await
    }

    /// Why the stream is over for good, if it is.
    pub fn failure(&self) -> Option<Error> {
        self.live().ok().and_then(|live| live.failure()).map(Error::from)
    }

    /// Ends the connection, once nothing that was made from it is left: [`Proofs`] go on with it. To end all at once, shut
    /// the client down.
    pub fn stop(&self) {
        if self.engine.is_usable() {
            drop(self.live.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// An open session, as of the moment it was looked up.
#[derive(Debug, Clone, uniffi::Record)]
pub struct LiveSession {
    /// The session.
    pub session_id: String,
    /// Whose session.
    pub account_id: String,
    /// The passkey that opened it.
    pub passkey_id: String,
    /// When it was opened, by the server's clock.
    pub since: SystemTime,
    /// When it ends at the latest, by the server's clock.
    pub expires_at: SystemTime,
    /// Tells its end.
    pub handle: Arc<SessionHandle>,
}

impl LiveSession {
    pub(crate) fn new(engine: &Arc<Engine>, session: Arc<CoreLiveSession>) -> Self {
        Self {
            session_id: session.session_id.to_string(),
            account_id: session.account_id.to_string(),
            passkey_id: session.passkey_id.to_string(),
            since: system_time(session.since),
            expires_at: system_time(session.expires_at),
            handle: Arc::new(SessionHandle { engine: Arc::clone(engine), session }),
        }
    }
}

/// Tells the end of a session.
#[derive(Debug, uniffi::Object)]
pub struct SessionHandle {
    engine: Arc<Engine>,
    session: Arc<CoreLiveSession>,
}

#[uniffi::export]
impl SessionHandle {
    /// How it ended; nothing while it is open.
    pub fn end(&self) -> Option<Ended> {
        self.session.end().map(Ended::from)
    }

    /// Waits for its end: the moment to close sockets that were opened in its name. Cancelling it loses nothing.
    pub async fn ended(&self) -> Ended {
        let session = Arc::clone(&self.session);
        // Without an engine nobody would learn of the end.
        self.engine.run(async move { session.ended().await }).await.map_or(Ended::Unfollowed, Ended::from)
    }
}

/// The ends of all sessions, pulled in two phases like the event stream.
#[derive(Debug, uniffi::Object)]
pub struct Endings {
    engine: Arc<Engine>,
    inbox: Arc<Inbox<Noticed>>,
}

/// An end, or how many were missed.
type Noticed = Result<CoreSessionEnd, u64>;

impl Endings {
    fn open(engine: &Arc<Engine>, endings: CoreEndings) -> Arc<Self> {
        let inbox = Inbox::new(engine.waker());
        engine.spawn_orderly(notice(endings, Arc::clone(&inbox), engine.closing()));
        Arc::new(Self { engine: Arc::clone(engine), inbox })
    }
}

#[uniffi::export]
impl Endings {
    /// Waits until `take` has something to say. Cancelling it loses nothing.
    pub async fn ready(&self) {
        if self.engine.is_usable() {
            self.inbox.ready().await;
        }
    }

    /// Makes a `ready` that waits return, or the next one.
    pub fn wake(&self) {
        self.inbox.wake();
    }

    /// Up to `max` ends that are there now, possibly none; nothing at all when it was stopped or the stream is over.
    ///
    /// # Errors
    /// None, but for the foreign side to have one shape for all inboxes.
    pub fn take(&self, max: u32) -> Result<Option<SessionEnds>, Error> {
        let Some(noticed) = self.inbox.take(max)? else { return Ok(None) };
        let mut ends = SessionEnds { missed: 0, ends: Vec::new() };
        for noticed in noticed {
            match noticed {
                Ok(end) => ends.ends.push(end.into()),
                Err(missed) => ends.missed = ends.missed.saturating_add(missed),
            }
        }
        Ok(Some(ends))
    }

    /// No more ends are wanted.
    pub fn stop(&self) {
        if self.engine.is_usable() {
            self.inbox.stop();
        }
    }
}

impl Drop for Endings {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn notice(
    mut endings: CoreEndings,
    inbox: Arc<Inbox<Noticed>>,
    closing: tokio_util::sync::CancellationToken,
) {
    loop {
        // Where there is no room, ends are left where they are; the core counts those that it cannot keep.
        let next = async {
            inbox.room(UNREAD_ENDS).await;
            endings.next().await
        };
        tokio::select! {
            biased;
            () = closing.cancelled() => break inbox.stop(),
            () = inbox.stopped() => break,
            next = next => match next {
                Some(noticed) => _ = inbox.push([noticed.map_err(|missed| missed.0)]),
                None => break inbox.end(None),
            }
        }
    }
}

/// Ends that wait for the foreign side, beside those that wait in the core.
const UNREAD_ENDS: usize = 256;

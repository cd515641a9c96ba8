//! Who is signed in, answered from memory and kept exact by a connection of its own.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::watch, task::AbortHandle, time::sleep};

#[cfg(feature = "verify")]
use super::guarded::Guarded;
use super::{Delivery, Events, ProofsBuilder};
#[cfg(feature = "verify")]
use crate::session::Proven;
use crate::{
    protocol::{AccountID, SessionID, UnixMillis},
    session::{Endings, LiveSession, Moment, NotLive, Replica, Stale, View},
    stream::{Greeting, Status, StreamError},
};

/// The sessions that are open now. Cheap to clone; the connection ends when the last clone is dropped.
///
/// Look-ups are answered from memory and say what was known last, also while the stream is interrupted. Whoever decides
/// by them asks [`fresh_within`](Self::fresh_within) first, which fails closed.
///
/// ```no_run
/// use std::time::Duration;
/// use passkey_accounts::{Accounts, protocol::SessionID};
///
/// # async fn example(asked_for: SessionID) -> Result<(), Box<dyn std::error::Error>> {
/// let accounts = Accounts::connect("https://auth.example", "pa_live_...")?;
/// let live = accounts.live_sessions();
/// live.in_sync().await?;
///
/// // For each request: refuse when the knowledge is older than you can accept, or when there is no such session.
/// match live.fresh_within(Duration::from_secs(30))?.get(asked_for) {
///     Some(session) => println!("{} may pass", session.account_id),
///     // The request may have overtaken the news of its own sign-in.
///     None => match live.wait_for(asked_for, Duration::from_secs(2)).await {
///         Ok(session) => println!("{} may pass", session.account_id),
///         Err(refused) => println!("{refused}"),
///     },
/// }
/// # Ok(())
/// # }
/// ```
///
/// Sockets that were opened in the name of a session end with it:
///
/// ```no_run
/// # async fn example(session: std::sync::Arc<passkey_accounts::session::LiveSession>, socket: tokio::net::TcpStream) {
/// tokio::spawn(async move {
///     session.ended().await;
///     drop(socket);
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct LiveSessions {
    inner: Arc<Inner>,
}

struct Inner {
    view: View,
    clock: Clock,
    status: watch::Receiver<Status>,
    failure: Arc<OnceLock<StreamError>>,
    task: AbortHandle,
}

impl LiveSessions {
    pub(super) fn follow(events: Events) -> Self {
        Self::spawn(events, |following| following.run())
    }

    /// Follows a stream whose pins say which sessions are open, once it has come as far as `state` is.
    #[cfg(feature = "verify")]
    pub(super) fn follow_proven(state: Events, events: Events) -> Self {
        Self::spawn(events, |following| following.run_proven(state))
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        events: Events,
        run: impl FnOnce(Following) -> F,
    ) -> Self {
        let replica = Replica::new();
        let (view, clock, status) = (replica.view(), Clock::start(), events.status());
        let failure = Arc::new(OnceLock::new());
        let following = Following { events, replica, clock, greeted: None, failure: Arc::clone(&failure) };
        let task = tokio::spawn(run(following)).abort_handle();
        Self { inner: Arc::new(Inner { view, clock, status, failure, task }) }
    }

    /// Waits until the state has arrived: at the start, and after events were missed.
    ///
    /// # Errors
    /// How the stream ended.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn in_sync(&self) -> Result<(), StreamError> {
        if self.inner.view.in_sync().await {
            return Ok(());
        }
        Err(self.failure().unwrap_or_else(StreamError::closed))
    }

    /// The session, if it is open.
    pub fn get(&self, session_id: SessionID) -> Option<Arc<LiveSession>> {
        self.inner.view.get(session_id, self.now())
    }

    /// The open sessions of the account, in no order.
    pub fn of_account(&self, account_id: AccountID) -> Vec<Arc<LiveSession>> {
        self.inner.view.of_account(account_id, self.now())
    }

    /// Whether the account has an open session. `None` while that is not known: before the state has arrived, after
    /// events were missed, and when the stream is over.
    pub fn is_logged_in(&self, account_id: AccountID) -> Option<bool> {
        self.inner.view.is_logged_in(account_id, self.now())
    }

    /// How many sessions are open, those included whose time has just run out.
    pub fn len(&self) -> usize {
        self.inner.view.len()
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These live sessions, if they have everything that the server had not longer ago than this. A quiet server says
    /// so every 20 s: less than 25 s makes it fail now and then.
    ///
    /// # Errors
    /// [`Stale`], whose code is [`Code::Stale`](crate::protocol::Code::Stale): refuse, or answer 503.
    pub fn fresh_within(&self, max_age: Duration) -> Result<&Self, Stale> {
        self.inner.view.fresh_within(max_age, self.now()).map(|()| self)
    }

    /// The session as soon as it is open, waiting so long for it. A request may overtake the `loggedIn` that it belongs
    /// to; two seconds are plenty.
    ///
    /// # Errors
    /// [`NotLive::NoSession`] when it has not appeared in time or has expired, [`NotLive::TooManyWaiting`] beside 10,000
    /// others, [`NotLive::Unfollowed`] when the stream is over.
    ///
    /// # Cancel safety
    /// Safe: nothing is left behind.
    pub async fn wait_for(
        &self,
        session_id: SessionID,
        at_most: Duration,
    ) -> Result<Arc<LiveSession>, NotLive> {
        let waiting = self.inner.view.wait_for(session_id);
        tokio::time::timeout(at_most, waiting).await.unwrap_or(Err(NotLive::NoSession))?;
        self.get(session_id).ok_or(NotLive::NoSession)
    }

    /// The checking of proofs against these live sessions: who sent this request, or opened this socket?
    ///
    /// ```no_run
    /// # fn example(live: passkey_accounts::LiveSessions) -> Result<(), Box<dyn std::error::Error>> {
    /// let proofs = live.proofs().origin("https://app.example").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn proofs(&self) -> ProofsBuilder {
        ProofsBuilder::new(self.clone())
    }

    /// The server's clock, as far as it is known here: sessions expire by it, and pages date their proofs by it.
    pub fn server_time(&self) -> UnixMillis {
        self.inner.view.server_time(self.now())
    }

    /// The ends of all sessions from now on, for an application that keeps sockets of many.
    ///
    /// ```no_run
    /// # async fn example(live: passkey_accounts::LiveSessions) {
    /// let mut endings = live.endings();
    /// while let Some(end) = endings.next().await {
    ///     match end {
    ///         Ok(end) => println!("close the sockets of {}", end.session_id),
    ///         Err(missed) => println!("{missed}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn endings(&self) -> Endings {
        self.inner.view.endings()
    }

    /// How the connection is doing, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    /// Why the stream is over for good, if it is.
    pub fn failure(&self) -> Option<StreamError> {
        self.inner.failure.get().cloned()
    }

    fn now(&self) -> Moment {
        self.inner.clock.now()
    }
}

impl fmt::Debug for LiveSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSessions").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps the replica until the stream is over. Dropped, it closes the replica, and with it everyone who waits.
struct Following {
    events: Events,
    replica: Replica,
    clock: Clock,
    greeted: Option<Greeting>,
    failure: Arc<OnceLock<StreamError>>,
}

impl Following {
    async fn run(mut self) {
        loop {
            let until_expiry = self.replica.poll_timeout(self.clock.now()).unwrap_or(LONGEST_SLEEP);
            tokio::select! {
                () = sleep(until_expiry.min(LONGEST_SLEEP)) => self.replica.handle_tick(self.clock.now()),
                next = self.events.next() => {
                    let Some(delivery) = self.take(next) else { return };
                    self.replica.apply(&delivery.item, self.clock.now());
                    delivery.ack();
                }
            }
        }
    }

    /// Shows what the pins say is open, once the log is read up to where the state is.
    #[cfg(feature = "verify")]
    async fn run_proven(mut self, mut state: Events) {
        let mut proven = Proven::new();
        while !proven.has_looked() {
            let next = state.next().await;
            let Some(delivery) = self.take(next) else { return };
            // Nothing is to come again: this stream ends here.
            let (item, receipt) = delivery.into_parts();
            receipt.ack();
            if let Err(error) = proven.handle_state(&item, self.clock.now()) {
                // Nobody else sets it.
                drop(self.failure.set(error));
                return;
            }
        }
        drop(state);
        if let Some(guarded) = self.events.guarded() {
            let position = guarded.position();
            proven.begin_at(&mut self.replica, position.as_deref(), || guarded.open_sessions());
        }
        while !proven.is_following() {
            let next = self.events.next().await;
            let Some(delivery) = self.take(next) else { return };
            let (item, receipt) = delivery.into_parts();
            receipt.ack();
            let events = &self.events;
            let pinned = || events.guarded().map(Guarded::open_sessions).unwrap_or_default();
            proven.apply(&mut self.replica, &item, pinned, self.clock.now());
        }
        self.run().await;
    }

    /// What the stream has delivered; `None` when it is over.
    fn take(&mut self, next: Option<Result<Delivery, StreamError>>) -> Option<Delivery> {
        if let Some((greeting, age)) = self.events.greeting()
            && self.greeted != Some(greeting)
        {
            self.replica.handle_server_time(greeting.time, self.clock.now().minus(age));
            self.greeted = Some(greeting);
        }
        match next? {
            Ok(delivery) => Some(delivery),
            Err(error) => {
                // Nobody else sets it.
                drop(self.failure.set(error));
                None
            }
        }
    }
}

/// The two clocks of this machine.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the rim; the replica takes the time as an argument")]
    fn start() -> Self {
        Self(Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "the rim; the replica takes the time as an argument")]
    fn now(self) -> Moment {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall = UnixMillis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
        Moment { elapsed: self.0.elapsed(), wall }
    }
}

/// Timers do not hear of a clock that was set.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

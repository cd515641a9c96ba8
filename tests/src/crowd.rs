//! People who sign up, in and out in real time while the server is treated badly, and remember what they were told.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use passkey_accounts::protocol::{
    AppID, SessionID,
    gateway::{ClientMessage, EndReason, ServerMessage},
};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{Closed, Page, PageKey, SoftwareAuthenticator};

/// Where pages connect to.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// `ws://localhost:port/v1/gateway`
    pub gateway_url: String,
    /// The app.
    pub app_id: AppID,
    /// The pages' origin.
    pub origin: String,
}

/// Finds the code that was last mailed to an address.
pub type Mailbox = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What pages were told: a promise of the server each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Sessions that are open, each once.
    pub signed_in: Vec<SessionID>,
    /// Sessions that are over, because the person wanted it.
    pub signed_out: Vec<SessionID>,
    /// How often a session was taken over by its key.
    pub resumed: u64,
}

/// People at their pages. Dropping it makes them all vanish.
#[derive(Debug)]
pub struct Crowd {
    told: Arc<Mutex<Told>>,
    people: JoinSet<()>,
}

impl Crowd {
    /// So many people, at most 250. They wait where there is no entrance, and come again whenever it changes.
    pub fn start(
        people: u8,
        entrance: &watch::Receiver<Option<Entrance>>,
        mailbox: &Mailbox,
        seed: u64,
    ) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let mut tasks = JoinSet::new();
        for number in 0..people {
            let person = Person {
                number,
                random: Rng::with_seed(seed ^ (u64::from(number) << 32)),
                mailbox: Arc::clone(mailbox),
                told: Arc::clone(&told),
                attempts: 0,
                account: None,
                dropped: None,
            };
            tasks.spawn(person.live(entrance.clone()));
        }
        Self { told, people: tasks }
    }

    /// What they were told so far.
    pub fn told(&self) -> Told {
        lock(&self.told).clone()
    }

    /// They vanish without a word. Returns what they were told.
    ///
    /// # Panics
    /// When one of them saw something that must not happen.
    pub async fn vanish(mut self) -> Told {
        self.people.abort_all();
        while let Some(ended) = self.people.join_next().await {
            let error = ended.expect_err("people never leave by themselves");
            assert!(error.is_cancelled(), "{error}");
        }
        lock(&self.told).clone()
    }
}

struct Person {
    number: u8,
    random: Rng,
    mailbox: Mailbox,
    told: Arc<Mutex<Told>>,
    attempts: u32,
    account: Option<(String, SoftwareAuthenticator)>,
    /// A session whose connection broke, and its key.
    dropped: Option<(SessionID, PageKey)>,
}

impl Person {
    async fn live(mut self, mut entrance: watch::Receiver<Option<Entrance>>) {
        loop {
            let Some(at) = entrance.borrow_and_update().clone() else {
                if entrance.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            };
            if self.visit(&at).await.is_err() {
                // Another server will come; if not, this one may be there again.
                let _ = timeout(Duration::from_millis(20), entrance.changed()).await;
            }
        }
    }

    /// One page, until it is left.
    async fn visit(&mut self, at: &Entrance) -> Result<(), Closed> {
        let connected = Page::connect_from(&at.gateway_url, at.app_id, &at.origin).await;
        let mut page = connected.map_err(|error| (1006, error.to_string()))?;
        let mut session = self.resume(&mut page).await?;
        for _ in 0..self.random.u32(1..6) {
            if let Some(session_id) = session.take() {
                let reply = page.try_ask(ClientMessage::SignOut).await;
                let Ok(reply) = reply else {
                    // It may or may not have ended: only what was told counts.
                    return Err((1006, String::new()));
                };
                let is_user =
                    matches!(&reply, ServerMessage::SignedOut(out) if out.reason == EndReason::User);
                assert!(is_user, "{reply:?}");
                self.told().signed_out.push(session_id);
            } else {
                let opened = self.enter(&mut page).await?;
                self.told().signed_in.push(opened);
                session = Some(opened);
            }
        }
        match self.random.u32(0..3) {
            0 => page.close().await,
            _ => self.dropped = session.map(|session_id| (session_id, page.drop_connection())),
        }
        Ok(())
    }

    /// Takes the session of a dropped connection over, if the server still has it.
    async fn resume(&mut self, page: &mut Page) -> Result<Option<SessionID>, Closed> {
        let Some((session_id, key)) = self.dropped.take() else { return Ok(None) };
        match page.try_ask(page.resuming(session_id, &key)).await? {
            ServerMessage::SignedIn(signed_in) => {
                assert_eq!(signed_in.session.session_id, session_id);
                page.key = key;
                self.told().resumed += 1;
                Ok(Some(session_id))
            }
            ServerMessage::Error(failure) if failure.code == "sessionGone" => Ok(None),
            other => panic!("neither resumed nor gone: {other:?}"),
        }
    }

    async fn enter(&mut self, page: &mut Page) -> Result<SessionID, Closed> {
        if let Some((email, authenticator)) = &mut self.account
            && self.random.u32(0..12) > 0
        {
            return Ok(page.try_sign_in(email, authenticator).await?.session_id);
        }
        // A sign-up whose answer was lost may have happened: the next one is somebody else's.
        self.attempts += 1;
        let email = format!("person-{}-{}@example.org", self.number, self.attempts);
        let mut authenticator = SoftwareAuthenticator::new(std::array::from_fn(|_| self.random.u8(..)));
        let mailbox = Arc::clone(&self.mailbox);
        let session = page.try_sign_up(&email, &mut authenticator, || mailbox(&email)).await?;
        self.account = Some((email, authenticator));
        Ok(session.session_id)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        lock(&self.told)
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

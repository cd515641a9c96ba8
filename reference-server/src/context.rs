//! What all handlers share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use passkey_accounts::protocol::{AppID, Code, ConnectionID};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::{
    accounts::Populations,
    apps::Apps,
    ceremony::Authenticators,
    clock::Clock,
    crypto::Keyring,
    limits::MAX_BACK_END_SOCKETS_PER_APP,
    mail::Mailer,
    rates::Rationing,
    refusals::Refusals,
    ring_turn::RingTurns,
    routes::{ApiState, Site},
    sessions::{Attached, Detached, SessionLimits},
    store::Store,
    stream::Consumers,
};

/// What all handlers share, for the life of the server.
#[derive(Debug)]
pub struct Context {
    /// The time.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// Keys for what is encrypted at rest.
    pub keyring: Arc<Keyring>,
    /// Where the root keys are, and when they have changed.
    pub ring: RingTurns,
    /// The apps.
    pub apps: Apps,
    /// Where mail goes.
    pub mailer: Mailer,
    /// What apps with the policy `hardware` take.
    pub authenticators: Authenticators,
    /// How long sessions last.
    pub session_limits: SessionLimits,
    /// What the accounts of each app look like to strangers.
    pub populations: Populations,
    /// Sessions on a socket.
    pub attached: Attached,
    /// Sessions whose socket dropped.
    pub detached: Detached,
    /// Back-end sockets, counted per app.
    pub back_ends: BackEnds,
    /// How often strangers may ask.
    pub rationing: Arc<Rationing>,
    /// What was refused of late.
    pub refusals: Arc<Refusals>,
    /// What the HTTP API counts and remembers.
    pub api: ApiState,
    /// Workers, grouped by consumer.
    pub consumers: Consumers,
    /// How long sockets may take to leave when the server stops, in milliseconds.
    pub drain_ms: u64,
    /// What the pages are told.
    pub site: Site,
    /// Marked changed whenever a recovery began or ended: the sockets of its account look what is to be said.
    pub recoveries: watch::Sender<()>,
    /// Sockets that are being served; the server waits for them when it stops.
    pub sockets: TaskTracker,
    /// Turns true once, when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// Waits until the server stops.
///
/// # Cancel safety
/// Nothing is lost when it is dropped.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone altogether.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// The back-end sockets of each app: which key each one came with, and how to end it.
#[derive(Debug, Default)]
pub struct BackEnds {
    sockets: Mutex<HashMap<AppID, HashMap<ConnectionID, Connected>>>,
    keys_changed: Notify,
}

#[derive(Debug)]
struct Connected {
    key_id: String,
    ending: Arc<watch::Sender<Option<Code>>>,
}

impl BackEnds {
    /// Counts one more; `None` when the app has as many as it may.
    pub fn enter(
        context: &Arc<Context>,
        app_id: AppID,
        connection_id: ConnectionID,
        key_id: &str,
    ) -> Option<BackEnd> {
        let mut apps = context.back_ends.lock();
        let sockets = apps.entry(app_id).or_default();
        if sockets.len() >= MAX_BACK_END_SOCKETS_PER_APP {
            return None;
        }
        let (ending, ended) = watch::channel(None);
        let ending = Arc::new(ending);
        sockets.insert(connection_id, Connected { key_id: key_id.to_owned(), ending: Arc::clone(&ending) });
        drop(apps);
        context.back_ends.keys_changed();
        Some(BackEnd { context: Arc::clone(context), app_id, connection_id, ended, _ending: ending })
    }

    /// Has the end of keys looked at again: a socket came with one, or one expires earlier than before.
    pub fn keys_changed(&self) {
        self.keys_changed.notify_one();
    }

    /// Waits for [`BackEnds::keys_changed`]; a call that came before is not lost.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn wait_for_keys(&self) {
        self.keys_changed.notified().await;
    }

    /// How many an app has.
    pub fn count(&self, app_id: AppID) -> usize {
        self.lock().get(&app_id).map_or(0, HashMap::len)
    }

    /// Ends every socket that came with this key, because it was taken back.
    pub fn revoke_key(&self, app_id: AppID, key_id: &str) {
        self.end_key(app_id, key_id, Code::KeyRevoked);
    }

    /// Ends every socket that came with this key, because its time is over.
    pub fn expire_key(&self, app_id: AppID, key_id: &str) {
        self.end_key(app_id, key_id, Code::KeyExpired);
    }

    fn end_key(&self, app_id: AppID, key_id: &str, code: Code) {
        for socket in self.lock().get(&app_id).into_iter().flat_map(HashMap::values) {
            if socket.key_id == key_id {
                socket.ending.send_replace(Some(code));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppID, HashMap<ConnectionID, Connected>>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One back-end socket in the count, until it is dropped.
#[derive(Debug)]
pub struct BackEnd {
    context: Arc<Context>,
    app_id: AppID,
    connection_id: ConnectionID,
    ended: watch::Receiver<Option<Code>>,
    _ending: Arc<watch::Sender<Option<Code>>>,
}

impl BackEnd {
    /// Waits until the socket's key is taken back or expires, and says which: [`Code::KeyRevoked`] or
    /// [`Code::KeyExpired`].
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn revoked(&self) -> Code {
        let mut ended = self.ended.clone();
        let code = ended.wait_for(Option::is_some).await.ok().and_then(|code| *code);
        match code {
            Some(code) => code,
            // The sender lives as long as this.
            None => std::future::pending().await,
        }
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        if let Some(sockets) = self.context.back_ends.lock().get_mut(&self.app_id) {
            sockets.remove(&self.connection_id);
        }
    }
}

//! What all handlers share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use passkey_accounts::protocol::{AppID, ConnectionID};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    apps::Apps,
    clock::Clock,
    crypto::Keyring,
    limits::MAX_BACK_END_SOCKETS_PER_APP,
    mail::Mailer,
    routes::Site,
    sessions::{Detached, SessionLimits},
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
    pub keyring: Keyring,
    /// The apps.
    pub apps: Apps,
    /// Where mail goes.
    pub mailer: Mailer,
    /// How long sessions last.
    pub session_limits: SessionLimits,
    /// Sessions whose socket dropped.
    pub detached: Detached,
    /// Back-end sockets, counted per app.
    pub back_ends: BackEnds,
    /// Workers, grouped by consumer.
    pub consumers: Consumers,
    /// How long sockets may take to leave when the server stops, in milliseconds.
    pub drain_ms: u64,
    /// What the pages are told.
    pub site: Site,
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
pub struct BackEnds(Mutex<HashMap<AppID, HashMap<ConnectionID, Connected>>>);

#[derive(Debug)]
struct Connected {
    key_id: String,
    revoked: CancellationToken,
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
        let revoked = CancellationToken::new();
        sockets.insert(connection_id, Connected { key_id: key_id.to_owned(), revoked: revoked.clone() });
        Some(BackEnd { context: Arc::clone(context), app_id, connection_id, revoked })
    }

    /// How many an app has.
    pub fn count(&self, app_id: AppID) -> usize {
        self.lock().get(&app_id).map_or(0, HashMap::len)
    }

    /// Ends every socket that came with this key.
    pub fn revoke_key(&self, app_id: AppID, key_id: &str) {
        for socket in self.lock().get(&app_id).into_iter().flat_map(HashMap::values) {
            if socket.key_id == key_id {
                socket.revoked.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppID, HashMap<ConnectionID, Connected>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One back-end socket in the count, until it is dropped.
#[derive(Debug)]
pub struct BackEnd {
    context: Arc<Context>,
    app_id: AppID,
    connection_id: ConnectionID,
    revoked: CancellationToken,
}

impl BackEnd {
    /// Waits until the socket's key is taken back.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn revoked(&self) {
        self.revoked.cancelled().await;
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        if let Some(sockets) = self.context.back_ends.lock().get_mut(&self.app_id) {
            sockets.remove(&self.connection_id);
        }
    }
}

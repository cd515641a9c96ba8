//! What all handlers share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use passkey_accounts::protocol::AppID;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::{
    apps::Apps,
    clock::Clock,
    crypto::Keyring,
    limits::MAX_BACK_END_SOCKETS_PER_APP,
    mail::Mailer,
    routes::Site,
    sessions::{Detached, SessionLimits},
    store::Store,
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

/// How many back-end sockets each app has open.
#[derive(Debug, Default)]
pub struct BackEnds(Mutex<HashMap<AppID, usize>>);

impl BackEnds {
    /// Counts one more; `None` when the app has as many as it may.
    pub fn enter(context: &Arc<Context>, app_id: AppID) -> Option<BackEnd> {
        let mut counts = context.back_ends.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(app_id).or_insert(0);
        if *count >= MAX_BACK_END_SOCKETS_PER_APP {
            return None;
        }
        *count += 1;
        Some(BackEnd { context: Arc::clone(context), app_id })
    }

    /// How many an app has.
    pub fn count(&self, app_id: AppID) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&app_id).copied().unwrap_or(0)
    }
}

/// One back-end socket in the count, until it is dropped.
#[derive(Debug)]
pub struct BackEnd {
    context: Arc<Context>,
    app_id: AppID,
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        let mut counts = self.context.back_ends.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.app_id) {
            *count = count.saturating_sub(1);
        }
    }
}

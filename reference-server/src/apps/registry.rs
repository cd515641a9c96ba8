//! The apps that this server knows, read once.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use passkey_accounts::protocol::AppID;

use super::App;

/// All apps by id.
#[derive(Debug, Default)]
pub struct Apps(RwLock<HashMap<AppID, Arc<App>>>);

impl Apps {
    /// A registry of these apps.
    pub fn new(apps: impl IntoIterator<Item = App>) -> Self {
        Self(RwLock::new(apps.into_iter().map(|app| (app.app_id, Arc::new(app))).collect()))
    }

    /// The app with that id.
    pub fn find(&self, app_id: AppID) -> Option<Arc<App>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&app_id).cloned()
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<App>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Adds an app.
    pub fn insert(&self, app: App) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(app.app_id, Arc::new(app));
    }
}

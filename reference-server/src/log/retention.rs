//! How much of each log is kept, and the task that cuts off the rest.

use passkey_accounts::protocol::{AppID, UnixMillis};

use crate::{
    clock::Clock,
    limits::{CUT_EVERY_MS, RETENTION_ENTRIES, RETENTION_MS},
    store::{Store, StoreError},
};

/// Entries older than this, or more than this many, are cut off, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Longest age, in milliseconds. Default 7 days.
    pub age_ms: u64,
    /// Largest number of entries. Default 1,000,000.
    pub entries: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age_ms: RETENTION_MS, entries: RETENTION_ENTRIES }
    }
}

impl Retention {
    /// Cuts every log now and then. Runs until it is dropped.
    pub async fn keep_cutting(self, store: &Store, clock: &Clock) {
        loop {
            let now = clock.now();
            if let Err(error) = self.cut_all(store, now).await {
                tracing::error!(%error, "a log could not be cut; trying again later");
            }
            clock.sleep_until(now.plus(CUT_EVERY_MS)).await;
        }
    }

    async fn cut_all(self, store: &Store, now: UnixMillis) -> Result<(), StoreError> {
        for app in store.apps() {
            while self.cut(store, app.app_id, now).await? {}
        }
        Ok(())
    }

    /// Cuts some entries of an app's log off; `false` if there was nothing to cut.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn cut(self, store: &Store, app_id: AppID, now: UnixMillis) -> Result<bool, StoreError> {
        let Self { age_ms, entries } = store.retention(app_id, self);
        let Some(tail) = store.logs().tail(app_id) else { return Ok(false) };
        let state = tail.state();
        let by_number = state.seq().saturating_sub(entries);
        let oldest = UnixMillis(now.0.saturating_sub(age_ms));
        store.cut(app_id, state.start().id.seq, by_number, oldest).await
    }
}

//! A stream with a witness: every item is checked before it is handed over, and remembered once it is handled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{
    log::{Checkpoint, CheckpointStore, Watch, head::HeadKey},
    protocol::{AppID, Code},
    stream::{Item, StreamError, Subscription},
};

/// What to check a stream with.
#[derive(Clone)]
pub(super) struct WitnessPlan {
    keys: Vec<HeadKey>,
    store: Arc<dyn CheckpointStore>,
}

impl WitnessPlan {
    pub(super) fn new(keys: Vec<HeadKey>, store: impl CheckpointStore + 'static) -> Self {
        Self { keys, store: Arc::new(store) }
    }

    /// A witness for this stream, which remembers what the store does.
    pub(super) fn begin(self, subscription: &Subscription) -> Result<Witnessed, StreamError> {
        let checkpoint = self.store.load().map_err(|error| {
            // To go on without it would be to forget what the server must be held to.
            StreamError::refused(Code::Internal, Some(format!("the checkpoint cannot be read: {error}")))
        })?;
        let watch = Watch::new(subscription, self.keys, checkpoint)?;
        let (checkpoints, unsaved) = watch::channel(None);
        tokio::spawn(save(self.store, unsaved));
        Ok(Witnessed(Arc::new(Mutex::new(State { watch, checkpoints }))))
    }
}

/// A witness between the stream and the receipts of what it has handed over.
#[derive(Clone)]
pub(super) struct Witnessed(Arc<Mutex<State>>);

struct State {
    watch: Watch,
    checkpoints: watch::Sender<Option<Checkpoint>>,
}

impl Witnessed {
    /// Checks an item before it is handed over.
    pub(super) fn check(&self, item: &Item, app_id: Option<AppID>) -> Result<(), StreamError> {
        let unseen = self.lock().watch.check(item, app_id).map_err(|found| {
            tracing::error!(%found, evidence = ?found, "the log contradicts itself, nothing of it is handed over any more");
            StreamError::from(&found)
        })?;
        if let Some(unseen) = unseen {
            tracing::warn!(
                log.first = unseen.first,
                log.last = unseen.last,
                "entries of the log were passed over unread"
            );
        }
        Ok(())
    }

    /// The item handed over last is handled, or not.
    pub(super) fn settle(&self, is_handled: bool) {
        let mut state = self.lock();
        if let Some(checkpoint) = state.watch.settle(is_handled) {
            state.checkpoints.send_replace(Some(checkpoint));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Saves the newest checkpoint whenever the one before is saved, and the last one when the stream is gone.
async fn save(store: Arc<dyn CheckpointStore>, mut unsaved: watch::Receiver<Option<Checkpoint>>) {
    while unsaved.changed().await.is_ok() {
        let Some(checkpoint) = unsaved.borrow_and_update().clone() else { continue };
        let store = Arc::clone(&store);
        let saved = tokio::task::spawn_blocking(move || store.save(&checkpoint)).await;
        if let Err(error) = saved.map_err(std::io::Error::other).flatten() {
            tracing::error!(%error, "the checkpoint of the log cannot be saved; after a restart, less is noticed");
        }
    }
}

impl std::fmt::Debug for WitnessPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WitnessPlan").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Witnessed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lock().watch.fmt(f)
    }
}

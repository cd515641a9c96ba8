//! A stream with a witness: every item is checked before it is handed over, and remembered once it is handled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{
    log::{Checkpoint, CheckpointStore, Contradiction, Sees, Witness, head::HeadKey},
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
        if subscription.is_worker() || subscription.in_hand > 1 {
            let why = "a witness reads a view, one item after the other; give the consumer no witness";
            return Err(StreamError::refused(Code::Unexpected, Some(why.to_owned())));
        }
        let checkpoint = self.store.load().map_err(|error| {
            // To go on without it would be to forget what the server must be held to.
            StreamError::refused(Code::Internal, Some(format!("the checkpoint cannot be read: {error}")))
        })?;
        let types = subscription.types.iter().flatten();
        let sees = if types.into_iter().any(|name| name == "*") { Sees::Everything } else { Sees::Some };
        let mut witness = Witness::new(sees, self.keys, checkpoint);
        if let Some(after) = &subscription.after {
            witness.handle_resume(after).map_err(|found| rewritten(&found))?;
        }
        let (checkpoints, unsaved) = watch::channel(None);
        tokio::spawn(save(self.store, unsaved));
        let state = State { witness, handled: subscription.after.clone(), in_hand: None, checkpoints };
        Ok(Witnessed(Arc::new(Mutex::new(state))))
    }
}

/// A witness between the stream and the receipts of what it has handed over.
#[derive(Clone)]
pub(super) struct Witnessed(Arc<Mutex<State>>);

struct State {
    witness: Witness,
    /// The last position that the application has handled.
    handled: Option<String>,
    in_hand: Option<Held>,
    checkpoints: watch::Sender<Option<Checkpoint>>,
}

/// What the application has.
struct Held {
    position: Option<String>,
    /// It gave it back: the stream resumes before it.
    is_failed: bool,
}

impl Witnessed {
    /// Checks an item before it is handed over.
    pub(super) fn check(&self, item: &Item, app_id: Option<AppID>) -> Result<(), StreamError> {
        let mut state = self.lock();
        state.check(item, app_id).map_err(|found| {
            tracing::error!(%found, evidence = ?found, "the log contradicts itself, nothing of it is handed over any more");
            rewritten(&found)
        })
    }

    /// The item handed over last is handled, or not.
    pub(super) fn settle(&self, is_handled: bool) {
        let mut state = self.lock();
        let Some(held) = state.in_hand.take() else { return };
        if is_handled {
            if held.position.is_some() {
                state.handled = held.position;
                state.checkpoints.send_replace(state.witness.checkpoint());
            }
        } else {
            state.in_hand = Some(Held { is_failed: true, ..held });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&mut self, item: &Item, app_id: Option<AppID>) -> Result<(), Contradiction> {
        if let Some(app_id) = app_id {
            self.witness.handle_app(app_id)?;
        }
        // What was not handled comes again, and must be what it was.
        if self.in_hand.take().is_some_and(|held| held.is_failed)
            && let Some(handled) = &self.handled
        {
            self.witness.handle_resume(handled)?;
        }
        if let Some(unseen) = self.witness.check(item)? {
            tracing::warn!(
                log.first = unseen.first,
                log.last = unseen.last,
                "entries of the log were passed over unread"
            );
        }
        self.in_hand = Some(Held { position: item.position().map(str::to_owned), is_failed: false });
        Ok(())
    }
}

fn rewritten(found: &Contradiction) -> StreamError {
    StreamError::refused(found.code(), Some(found.to_string()))
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
        self.lock().witness.fmt(f)
    }
}

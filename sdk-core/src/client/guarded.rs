//! A stream with pins: no item is handed over that a passkey should have signed and did not.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::{
    evidence::{Expected, Guard, PinError, PinStore},
    protocol::{Code, stream::OpenSession},
    stream::{Item, StreamError, Subscription},
};

/// What to hold a stream against.
#[derive(Clone)]
pub(super) struct EvidencePlan {
    expected: Expected,
    store: Arc<dyn PinStore>,
}

impl EvidencePlan {
    pub(super) fn new(expected: Expected, store: impl PinStore + 'static) -> Self {
        Self { expected, store: Arc::new(store) }
    }

    /// Pins for this stream, which begins where they end.
    pub(super) fn begin(self, subscription: &mut Subscription) -> Result<Guarded, StreamError> {
        let pins = self.store.load().map_err(|error| {
            // To go on without them would be to believe the server once more.
            StreamError::refused(Code::Internal, Some(format!("the pins cannot be read: {error}")))
        })?;
        let guard = Arc::new(Mutex::new(Guard::new(self.expected, pins, subscription)?));
        let (changed, unsaved) = watch::channel(());
        tokio::spawn(save(self.store, Arc::clone(&guard), unsaved));
        Ok(Guarded { guard, changed })
    }
}

/// Pins between the stream and the receipts of what it has handed over.
#[derive(Clone)]
pub(super) struct Guarded {
    guard: Arc<Mutex<Guard>>,
    changed: watch::Sender<()>,
}

impl Guarded {
    /// Checks an item before it is handed over. Of a snapshot's page, what is not proven is taken out.
    pub(super) fn check(&self, item: Item) -> Result<Item, StreamError> {
        let (item, unproven) = lock(&self.guard).check(item).map_err(|error| {
            match &error {
                PinError::Forged { .. } => {
                    tracing::error!(%error, "an event is forged, nothing is handed over any more");
                }
                PinError::Full => tracing::error!(%error, "nothing is handed over any more"),
            }
            StreamError::from(&error)
        })?;
        if unproven > 0 {
            tracing::warn!(
                sessions = unproven,
                "open sessions were left out, because events about them were missed; these people must sign in again"
            );
        }
        Ok(item)
    }

    /// The item handed over last is handled, or not; then it comes again.
    pub(super) fn settle(&self, is_handled: bool) {
        if lock(&self.guard).settle(is_handled) {
            self.changed.send_replace(());
        }
    }

    /// Everything up to here has been handled.
    pub(super) fn position(&self) -> Option<String> {
        lock(&self.guard).pins().position().map(str::to_owned)
    }

    /// The sessions that were seen to be opened by a passkey and have not ended.
    pub(super) fn open_sessions(&self) -> Vec<OpenSession> {
        lock(&self.guard).pins().open_sessions().cloned().collect()
    }
}

fn lock(guard: &Mutex<Guard>) -> MutexGuard<'_, Guard> {
    // Pins change all at once or not at all.
    guard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Saves the pins when they have changed, and once more when the stream is gone. They are copied whole, so not for
/// every event: what was not saved before a crash is read again.
async fn save(store: Arc<dyn PinStore>, guard: Arc<Mutex<Guard>>, mut unsaved: watch::Receiver<()>) {
    let mut is_over = false;
    while !is_over && unsaved.changed().await.is_ok() {
        loop {
            let pins = lock(&guard).pins().clone();
            let store = Arc::clone(&store);
            let saved = tokio::task::spawn_blocking(move || store.save(&pins)).await;
            if let Err(error) = saved.map_err(std::io::Error::other).flatten() {
                tracing::error!(%error, "the pins cannot be saved; after a restart, events are read again");
            }
            let mut has_changed = false;
            let until_gone = async {
                while unsaved.changed().await.is_ok() {
                    has_changed = true;
                }
            };
            is_over = timeout(SAVE_EVERY, until_gone).await.is_ok();
            if !has_changed {
                break;
            }
        }
    }
}

/// The shortest time between two copies of the pins.
const SAVE_EVERY: Duration = Duration::from_secs(1);

impl std::fmt::Debug for EvidencePlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvidencePlan").field("expected", &self.expected).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}

//! A stream with pins: no item is handed over that a passkey should have signed and did not.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::{
    evidence::{Change, Expected, PINNED_TYPES, PinError, PinStore, Pins},
    protocol::{
        Code,
        stream::{OpenSession, Start},
    },
    stream::{Item, StreamError, Subscription},
};

/// What to hold a stream against.
#[derive(Clone)]
pub(super) struct EvidencePlan {
    expected: Arc<Expected>,
    store: Arc<dyn PinStore>,
}

impl EvidencePlan {
    pub(super) fn new(expected: Expected, store: impl PinStore + 'static) -> Self {
        Self { expected: Arc::new(expected), store: Arc::new(store) }
    }

    /// Pins for this stream, which begins where they end.
    pub(super) fn begin(self, subscription: &mut Subscription) -> Result<Guarded, StreamError> {
        let refused = |why: &str| Err(StreamError::refused(Code::Unexpected, Some(why.to_owned())));
        if subscription.is_worker() || subscription.in_hand > 1 {
            return refused(
                "evidence is checked in a view, one item after the other; give the consumer none",
            );
        }
        match &subscription.types {
            None => subscription.types = Some(PINNED_TYPES.map(str::to_owned).to_vec()),
            Some(types) => {
                let has = |name: &str| types.iter().any(|asked| asked == name || asked == "*");
                if !PINNED_TYPES.into_iter().all(has) {
                    return refused(
                        "a stream with evidence needs all event types: leave `types` out, or ask for \"*\"",
                    );
                }
            }
        }
        let pins = self.store.load().map_err(|error| {
            // To go on without them would be to believe the server once more.
            StreamError::refused(Code::Internal, Some(format!("the pins cannot be read: {error}")))
        })?;
        let pins = pins.unwrap_or_default();
        match (&subscription.after, pins.position()) {
            (Some(after), pinned) if pinned != Some(after) => {
                return refused("a stream with evidence begins where its pins end: leave `after` out");
            }
            (_, Some(pinned)) => subscription.after = Some(pinned.to_owned()),
            (None, None) if subscription.start.is_none() => subscription.start = Some(Start::Earliest),
            (_, None) => {}
        }
        let state = Arc::new(Mutex::new(State { pins, in_hand: None }));
        let (changed, unsaved) = watch::channel(());
        tokio::spawn(save(self.store, Arc::clone(&state), unsaved));
        Ok(Guarded { expected: self.expected, state, changed })
    }
}

/// Pins between the stream and the receipts of what it has handed over.
#[derive(Clone)]
pub(super) struct Guarded {
    expected: Arc<Expected>,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

struct State {
    pins: Pins,
    /// What the item that the application has will change.
    in_hand: Option<Change>,
}

impl Guarded {
    /// Checks an item before it is handed over. Of a snapshot's page, what is not proven is taken out.
    pub(super) fn check(&self, item: Item) -> Result<Item, StreamError> {
        let mut state = lock(&self.state);
        let (item, change) = state.pins.check(&self.expected, item).map_err(|error| {
            match &error {
                PinError::Forged { .. } => {
                    tracing::error!(%error, "an event is forged, nothing is handed over any more");
                }
                PinError::Full => tracing::error!(%error, "nothing is handed over any more"),
            }
            StreamError::refused(error.code(), Some(error.to_string()))
        })?;
        if change.unproven > 0 {
            tracing::warn!(
                sessions = change.unproven,
                "open sessions were left out, because events about them were missed; these people must sign in again"
            );
        }
        state.in_hand = Some(change);
        Ok(item)
    }

    /// The item handed over last is handled, or not; then it comes again.
    pub(super) fn settle(&self, is_handled: bool) {
        let mut state = lock(&self.state);
        if let Some(change) = state.in_hand.take()
            && is_handled
        {
            state.pins.apply(change);
            self.changed.send_replace(());
        }
    }

    /// Everything up to here has been handled.
    pub(super) fn position(&self) -> Option<String> {
        lock(&self.state).pins.position().map(str::to_owned)
    }

    /// The sessions that were seen to be opened by a passkey and have not ended.
    pub(super) fn open_sessions(&self) -> Vec<OpenSession> {
        lock(&self.state).pins.open_sessions().cloned().collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Pins change all at once or not at all.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Saves the pins when they have changed, and once more when the stream is gone. They are copied whole, so not for
/// every event: what was not saved before a crash is read again.
async fn save(store: Arc<dyn PinStore>, state: Arc<Mutex<State>>, mut unsaved: watch::Receiver<()>) {
    let mut is_over = false;
    while !is_over && unsaved.changed().await.is_ok() {
        loop {
            let pins = lock(&state).pins.clone();
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
        f.debug_struct("Guarded").field("expected", &self.expected).finish_non_exhaustive()
    }
}

//! Root keys that change while the server runs: they are read again, and what others sealed is sealed again meanwhile.

use tokio::sync::Notify;

use crate::{
    context::Context,
    crypto::{RootKeyError, RootKeyID, RootKeySource},
    store::StoreError,
};

/// How long to wait before trying again what the database could not do.
const RETRY_MS: u64 = 1_000;

/// Where the root keys are, and when they have changed.
#[derive(Debug)]
pub struct RingTurns {
    source: RootKeySource,
    turned: Notify,
}

impl RingTurns {
    /// Root keys that were read once already.
    pub fn new(source: RootKeySource) -> Self {
        Self { source, turned: Notify::new() }
    }
}

/// Reads the root keys again and seals with the first of them from now on; returns its id.
///
/// # Errors
/// [`TurnError`]; the ring stays as it was then.
pub async fn turn_ring(context: &Context) -> Result<RootKeyID, TurnError> {
    let source = context.ring.source.clone();
    // It may ask a program, which may ask the network.
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    let keys = read.map_err(|_| TurnError::Store(StoreError::Closed))??;
    let ids = keys.ids();
    for id in context.store.count_by_root_key().await?.into_keys() {
        if !ids.contains(&id) && context.keyring.ring().ids().any(|known| known == id) {
            return Err(TurnError::StillNeeded(id));
        }
    }
    context.store.turn(&keys);
    context.ring.turned.notify_one();
    Ok(context.keyring.ring().sealing())
}

/// Seals again what other root keys sealed, after the start and whenever the ring has turned. Runs until it is dropped.
pub(crate) async fn keep_resealing(context: &Context) {
    loop {
        match context.store.reseal().await {
            Ok(0) => {}
            Ok(count) => {
                let key = context.keyring.ring().sealing();
                tracing::info!(count, root_key.id = %key, "sealed again with the first root key; see: passkey-accounts root-key list");
            }
            Err(error) => {
                tracing::error!(%error, "rows could not be sealed again; retrying");
                context.clock.sleep_until(context.clock.now().plus(RETRY_MS)).await;
                continue;
            }
        }
        context.ring.turned.notified().await;
    }
}

/// Why the ring did not turn.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] RootKeyError),
    /// Rows would not open any more.
    #[error("the root key {0} is gone, and rows still need it; put it back behind the others")]
    StillNeeded(RootKeyID),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

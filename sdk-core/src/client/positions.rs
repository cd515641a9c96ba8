//! Positions that the application stores itself, in the transaction of the effect, so that effects happen once.

use std::{fmt, future::Future, sync::Arc};

use super::BoxError;
use crate::transport::Answer;

/// How far a lane of a consumer was handled, and under which ownership.
///
/// ```no_run
/// # fn example(delivery: &passkey_accounts::Delivery) {
/// if let Some(position) = delivery.position() {
///     println!("{} lane {} is at {}", position.consumer, position.lane, position.id);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The consumer's name; empty for a view.
    pub consumer: String,
    /// The lane; 0 where there is one only.
    pub lane: u32,
    /// Everything up to this id is handled. Opaque.
    pub id: String,
    /// The fencing token: the number of the ownership of the lane, higher for every later owner. 0 for a view.
    pub lease: u64,
}

/// Where an application keeps its positions, so that effects happen once.
///
/// An acknowledgement is sent after the effect. A process that dies in between is sent the item again, and the effect
/// happens twice. It does not if `(consumer, lane) -> (id, lease)` is stored **in the transaction of the effect**, and
/// this store is asked where to begin: then the effect and the knowledge of it exist both or not at all.
///
/// The lease is a fencing token. A process that was thought dead and wakes up would repeat what the new owner of its
/// lane does. So the new owner writes its lease first, in [`claim`](Self::claim), and every effect saves its position by
///
/// ```sql
/// UPDATE positions SET id = :id, lease = :lease WHERE consumer = :consumer AND lane = :lane AND lease <= :lease
/// ```
///
/// If that changes 0 rows, a newer owner exists: roll back, and [fail](crate::Delivery::fail) the delivery.
/// `SqlitePositions` (feature `sqlite`) does this; docs/effects-once.md has it for other databases.
///
/// Save the position of every item that has one, also of those without an effect, or they are delivered again after a
/// reconnect.
///
/// ```no_run
/// use passkey_accounts::{BoxError, PositionStore};
///
/// struct OneProcess(std::path::PathBuf);
///
/// impl PositionStore for OneProcess {
///     /// There is no other process to be fenced off, so the lease does not matter.
///     async fn claim(&self, consumer: &str, lane: u32, _lease: u64) -> Result<Option<String>, BoxError> {
///         match std::fs::read_to_string(self.0.join(format!("{consumer}.{lane}"))) {
///             Ok(id) => Ok(Some(id)),
///             Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
///             Err(error) => Err(error.into()),
///         }
///     }
/// }
/// ```
pub trait PositionStore: Send + Sync + 'static {
    /// Records the new owner of a lane and returns the id stored for it, in one step; `None` if there is none, then the
    /// server's is used. Called when a lane begins and nothing of it is being handled in this process.
    ///
    /// Without the record, an owner that wakes up between this call and the first effect of the new one could commit an
    /// effect that the new one, which has read an older id, then repeats.
    ///
    /// # Errors
    /// A newer owner is recorded, or the store's own. The lane is given up for others, and tried again later.
    fn claim(
        &self,
        consumer: &str,
        lane: u32,
        lease: u64,
    ) -> impl Future<Output = Result<Option<String>, BoxError>> + Send;
}

/// A position store behind a handle that clones cheaply.
#[derive(Clone)]
pub(super) struct Positions(Arc<AskPosition>);

type AskPosition = dyn Fn(Arc<str>, u32, u64) -> Answer<Option<String>> + Send + Sync;

impl Positions {
    /// The server's positions count.
    pub(super) fn none() -> Self {
        Self(Arc::new(|_, _, _| Box::pin(async { Ok(None) })))
    }

    pub(super) fn new(store: impl PositionStore) -> Self {
        let store = Arc::new(store);
        Self(Arc::new(move |consumer, lane, lease| {
            let store = Arc::clone(&store);
            Box::pin(async move { store.claim(&consumer, lane, lease).await })
        }))
    }

    pub(super) fn ask(&self, consumer: Arc<str>, lane: u32, lease: u64) -> Answer<Option<String>> {
        (self.0)(consumer, lane, lease)
    }
}

impl fmt::Debug for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Positions")
    }
}

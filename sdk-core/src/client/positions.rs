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
/// The lease is a fencing token. A process that was thought dead and wakes up would overwrite what the new owner of its
/// lane has stored. So the position is stored by
///
/// ```sql
/// UPDATE positions SET id = :id, lease = :lease WHERE consumer = :consumer AND lane = :lane AND lease <= :lease
/// ```
///
/// and if that changes 0 rows (and there is a row), a newer owner exists: roll back, and [fail](crate::Delivery::fail)
/// the delivery. `SqlitePositions` (feature `sqlite`) does this; docs/effects-once.md has it for other databases.
///
/// Save the position of every item that has one, also of those without an effect, or they are delivered again after a
/// reconnect.
///
/// ```no_run
/// use passkey_accounts::{BoxError, PositionStore};
///
/// struct File;
///
/// impl PositionStore for File {
///     async fn position(&self, consumer: &str, lane: u32) -> Result<Option<String>, BoxError> {
///         match std::fs::read_to_string(format!("{consumer}.{lane}")) {
///             Ok(id) => Ok(Some(id)),
///             Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
///             Err(error) => Err(error.into()),
///         }
///     }
/// }
/// ```
pub trait PositionStore: Send + Sync + 'static {
    /// The id stored for a lane; `None` if there is none, then the server's is used. Asked when a lane begins and
    /// nothing of it is being handled, so that no effect under way is missed.
    ///
    /// # Errors
    /// The store's own. The lane is given up for others, and tried again later.
    fn position(
        &self,
        consumer: &str,
        lane: u32,
    ) -> impl Future<Output = Result<Option<String>, BoxError>> + Send;
}

/// A position store behind a handle that clones cheaply.
#[derive(Clone)]
pub(super) struct Positions(Arc<AskPosition>);

type AskPosition = dyn Fn(Arc<str>, u32) -> Answer<Option<String>> + Send + Sync;

impl Positions {
    /// The server's positions count.
    pub(super) fn none() -> Self {
        Self(Arc::new(|_, _| Box::pin(async { Ok(None) })))
    }

    pub(super) fn new(store: impl PositionStore) -> Self {
        let store = Arc::new(store);
        Self(Arc::new(move |consumer, lane| {
            let store = Arc::clone(&store);
            Box::pin(async move { store.position(&consumer, lane).await })
        }))
    }

    pub(super) fn ask(&self, consumer: Arc<str>, lane: u32) -> Answer<Option<String>> {
        (self.0)(consumer, lane)
    }
}

impl fmt::Debug for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Positions")
    }
}

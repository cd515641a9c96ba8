//! The log: the append-only, hash-chained list of an app's events. What is here needs no database.

mod chain;
#[cfg(feature = "witness")]
mod checkpoint;
#[cfg(feature = "verify")]
mod checkpoint_store;
#[cfg(feature = "witness")]
mod contradiction;
#[cfg(feature = "verify")]
mod export;
#[cfg(feature = "json")]
pub mod head;
#[cfg(feature = "json")]
mod json;
mod position;
#[cfg(feature = "verify")]
mod verify_export;
#[cfg(feature = "witness")]
mod watch;
#[cfg(feature = "witness")]
mod witness;

pub use chain::{ChainHash, Entry};
#[cfg(feature = "witness")]
pub use checkpoint::Checkpoint;
#[cfg(feature = "verify")]
pub(crate) use checkpoint_store::replace_file;
#[cfg(feature = "verify")]
pub use checkpoint_store::{CheckpointStore, FileCheckpoints, MemoryCheckpoints};
#[cfg(feature = "witness")]
pub use contradiction::Contradiction;
#[cfg(feature = "verify")]
pub use export::{ExportWriter, ExportedEntry};
#[cfg(feature = "witness")]
pub use head::BadHead;
pub use position::{Epoch, EventID, NotAnEventID};
#[cfg(feature = "verify")]
pub use verify_export::{BadEntry, ExportError, Verified, verify_export};
#[cfg(feature = "witness")]
pub use watch::Watch;
#[cfg(feature = "witness")]
pub use witness::{Sees, Unseen, Witness};

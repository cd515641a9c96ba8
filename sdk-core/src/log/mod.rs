//! The log: the append-only, hash-chained list of an app's events. What is here needs no database.

mod chain;
#[cfg(feature = "verify")]
mod checkpoint;
#[cfg(feature = "verify")]
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
#[cfg(feature = "verify")]
mod witness;

pub use chain::{ChainHash, Entry};
#[cfg(feature = "verify")]
pub(crate) use checkpoint::replace_file;
#[cfg(feature = "verify")]
pub use checkpoint::{Checkpoint, CheckpointStore, FileCheckpoints, MemoryCheckpoints};
#[cfg(feature = "verify")]
pub use contradiction::Contradiction;
#[cfg(feature = "verify")]
pub use export::{ExportWriter, ExportedEntry};
#[cfg(feature = "verify")]
pub use head::BadHead;
pub use position::{Epoch, EventID, NotAnEventID};
#[cfg(feature = "verify")]
pub use verify_export::{BadEntry, ExportError, Verified, verify_export};
#[cfg(feature = "verify")]
pub use witness::{Sees, Unseen, Witness};

//! The log: the append-only, hash-chained list of an app's events. What is here needs no database.

mod chain;
#[cfg(feature = "json")]
pub mod head;
mod position;

pub use chain::{ChainHash, Entry};
pub use position::{Epoch, EventID, NotAnEventID};

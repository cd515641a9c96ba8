//! The log on the server: entries with their frames, the state they lead to, and the tail that readers pull from.

mod entry;
mod retention;
mod state;
mod tail;

pub use entry::{Entry, share_of};
pub use retention::Retention;
pub use state::{LogState, Place};
pub use tail::{Logs, Tail};

//! The log on the server: entries with their frames, the state they lead to, and the tail that readers pull from.

mod entry;
mod state;
mod tail;

pub use entry::Entry;
pub use state::LogState;
pub use tail::{Logs, Tail};

//! The event stream as a back end sees it: connect, take the state, follow the log, come back after a loss.
//!
//! [`Machine`] decides and does nothing: no socket, clock or randomness of its own. A driver tells it what the world
//! did (`handle_*`), then carries out what it asks for ([`Machine::poll_output`]) until there is nothing more, then
//! waits for the socket or for [`Machine::poll_timeout`], whichever comes first. The rules are docs/protocol.md
//! section 2.

mod backoff;
mod cursor;
mod ending;
mod error;
mod item;
mod machine;
mod status;

pub use ending::Lost;
pub use error::StreamError;
pub use item::{Bookmark, Event, Item};
pub use machine::{Machine, Output, Subscription};
pub use status::Status;

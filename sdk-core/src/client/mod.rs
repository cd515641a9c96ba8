//! What a Rust back end holds: one handle of a server, and what is opened from it.

mod accounts;
mod events;
mod key;

pub use accounts::Accounts;
pub use events::{Events, EventsBuilder};
pub(crate) use key::Keys;
pub use key::{BoxError, KeyProvider};

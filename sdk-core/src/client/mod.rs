//! What a Rust back end holds: one handle of a server, and what is opened from it.

mod accounts;
mod builder;
mod delivery;
mod events;
#[cfg(feature = "verify")]
mod guarded;
mod key;
mod live_sessions;
mod positions;
mod proofs;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;
#[cfg(feature = "verify")]
mod witnessed;

pub use accounts::Accounts;
pub use builder::EventsBuilder;
pub use delivery::{Delivery, Receipt};
pub use events::Events;
pub(crate) use key::Keys;
pub use key::{BoxError, KeyProvider};
pub use live_sessions::LiveSessions;
pub use positions::{Position, PositionStore};
pub use proofs::{Account, Proofs, ProofsBuilder, VerifiedHead};
#[cfg(feature = "sqlite")]
pub use sqlite::{SaveError, SqlitePositions};

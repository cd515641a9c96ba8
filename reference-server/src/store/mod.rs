//! SQLite: rows per noun, reads from a pool, and one writer that commits many user actions with one fsync.

mod accounts;
mod apps;
mod check;
mod consumers;
mod events;
mod keys;
mod open;
mod reseal;
mod roll;
mod rows;
mod seals;
mod sessions;
mod suspect;
mod writer;

pub use accounts::{AccountRow, Insertion, NewAccount, NewPasskeyRow, PasskeyRow, Wanted};
pub use apps::AppRow;
pub use check::Report;
pub use consumers::Settled;
pub use keys::{KeyError, KeyRow, KeyState, NewKeyRow};
pub use open::{OpenError, Store};
pub use reseal::count_by_root_key;
pub use roll::Roll;
pub use suspect::Suspect;
pub use writer::{Write, WriteStats};

/// The database failed, or holds something that this server did not write.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// SQLite says no; nothing of the action was stored.
    #[error("the database failed: {0}")]
    Database(std::sync::Arc<sqlx::Error>),
    /// A row does not read back as this server writes it.
    #[error("the database holds an unreadable {0}")]
    Corrupt(&'static str),
    /// A row is not what this server stored last.
    #[error("a row is not what this server stored last: somebody else has written to the database")]
    Tampered,
    /// Another action of the same commit failed halfway; nothing was stored, and trying again can help.
    #[error("the commit was given up because of another action in it")]
    BatchLost,
    /// The writer has stopped.
    #[error("the server is shutting down")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(std::sync::Arc::new(error))
    }
}

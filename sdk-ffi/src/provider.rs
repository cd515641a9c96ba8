//! What the application is asked while a client runs. Both are plain functions: they run on a thread of their own and may
//! block, for 10 seconds at the most.

use std::sync::Arc;

use passkey_accounts::{BoxError, PositionStore};

/// Gives the API key for the next connection, so that keys can be rotated under a running process. Asked before each
/// connection, and once more when the server has refused its key: a different one is tried, the same one ends the stream.
#[uniffi::export(with_foreign)]
pub trait KeyProvider: Send + Sync {
    /// The key to use now.
    ///
    /// # Errors
    /// The provider's own. The connection is tried again later.
    fn api_key(&self) -> Result<String, ProviderError>;
}

/// Where the application keeps its positions, in the transaction of the effect, so that effects happen once
/// (docs/effects-once.md).
#[uniffi::export(with_foreign)]
pub trait Positions: Send + Sync {
    /// Records the new owner of a lane and returns the id stored for it, in one step; `None` if there is none, then the
    /// server's is used.
    ///
    /// # Errors
    /// A newer owner is recorded, or the store's own. The lane is given up for others, and tried again later.
    fn claim(&self, consumer: String, lane: u32, lease: u64) -> Result<Option<String>, ProviderError>;
}

/// The application's own code has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum ProviderError {
    /// It said why.
    #[error("{reason}")]
    Failed {
        /// For logs: what happened.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for ProviderError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}

pub(crate) async fn ask_key(provider: Arc<dyn KeyProvider>) -> Result<String, BoxError> {
    Ok(tokio::task::spawn_blocking(move || provider.api_key()).await??)
}

/// Foreign positions as the core wants them.
pub(crate) struct Asked(pub(crate) Arc<dyn Positions>);

impl PositionStore for Asked {
    async fn claim(&self, consumer: &str, lane: u32, lease: u64) -> Result<Option<String>, BoxError> {
        let (positions, consumer) = (Arc::clone(&self.0), consumer.to_owned());
        Ok(tokio::task::spawn_blocking(move || positions.claim(consumer, lane, lease)).await??)
    }
}

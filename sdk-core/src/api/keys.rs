//! The app's API keys.

use std::time::Duration;

use super::{Api, ApiError};
use crate::protocol::http::{CreatedKey, KeyInfo, KeyList, NewKey, NewKeyPair, Rotation};

impl Api {
    /// The app's keys, oldest first, without their secrets. Needs `keys:write`.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, ApiError> {
        self.read::<KeyList>(&["keys"], &()).await.map(|list| list.keys)
    }

    /// Makes a key. It may do nothing that this one may not. Needs `keys:write`.
    ///
    /// # Errors
    /// [`ApiError`]; `tooManyKeys` when the app has as many as it may, `forbidden` for a scope that this key lacks.
    pub async fn create_key(&self, new: &NewKey) -> Result<CreatedKey, ApiError> {
        self.command(&["keys"], new).await
    }

    /// Registers the public half of a key pair, which works from now on like a key. It may do nothing that this one may not.
    /// Needs `keys:write`.
    ///
    /// # Errors
    /// [`ApiError`]; as of [`create_key`](Self::create_key), and `unexpected` when it is registered already.
    pub async fn register_key_pair(&self, new: &NewKeyPair) -> Result<KeyInfo, ApiError> {
        self.command(&["key-pairs"], new).await
    }

    /// Makes a key like `key_id`, which still works for `overlap` and expires then. Needs `keys:write`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when the app has no such key.
    pub async fn rotate_key(&self, key_id: &str, overlap: Duration) -> Result<CreatedKey, ApiError> {
        let overlap_ms = Some(u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX));
        self.command(&["keys", key_id, "rotate"], &Rotation { overlap_ms }).await
    }

    /// Takes a key back; its event sockets are closed at once. Needs `keys:write`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when the app has no such key.
    pub async fn revoke_key(&self, key_id: &str) -> Result<(), ApiError> {
        self.delete(&["keys", key_id]).await
    }
}

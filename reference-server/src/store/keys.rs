//! API key rows: a name, a hash, and until when.

use passkey_accounts::protocol::{AppID, UnixMillis};

use super::{
    Store, StoreError,
    rows::{bytes, millis, unsigned},
};
use crate::keys::ApiKey;

/// App, hash, end and revocation.
type Row = (Vec<u8>, Vec<u8>, Option<i64>, Option<i64>);

/// A stored API key.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// The app it speaks for.
    pub app_id: AppID,
    /// SHA-256 of the whole key.
    pub hash: Vec<u8>,
    expires_at: Option<UnixMillis>,
    revoked_at: Option<UnixMillis>,
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It may.
    Live,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl KeyRow {
    /// When its time is over.
    pub const fn expires_at(&self) -> Option<UnixMillis> {
        self.expires_at
    }

    /// Whether the key may be used at `now`.
    pub fn state(&self, now: UnixMillis) -> KeyState {
        match self {
            Self { revoked_at: Some(at), .. } if *at <= now => KeyState::Revoked,
            Self { expires_at: Some(at), .. } if *at <= now => KeyState::Expired,
            _ => KeyState::Live,
        }
    }
}

impl Store {
    /// Stores a new key's hash.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or there is no such app.
    pub async fn create_key(
        &self,
        app_id: AppID,
        key: &ApiKey,
        name: String,
        expires_at: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        let (id, hash) = (key.id().to_owned(), key.hash());
        self.write(move |write| {
            Box::pin(async move {
                let now = millis(write.now());
                sqlx::query(
                    "INSERT INTO api_keys (key_id, app_id, name, hash, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)",
                )
                .bind(id)
                .bind(app_id.as_bytes().as_slice())
                .bind(name)
                .bind(hash.as_slice())
                .bind(now)
                .bind(expires_at.map(millis))
                .execute(write.writing())
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Takes a key back from now on; `false` if there is none with that name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn revoke_key(&self, key_id: &str) -> Result<bool, StoreError> {
        let id = key_id.to_owned();
        self.write(move |write| {
            Box::pin(async move {
                let now = millis(write.now());
                let done =
                    sqlx::query("UPDATE api_keys SET revoked_ms = coalesce(revoked_ms, ?) WHERE key_id = ?")
                        .bind(now)
                        .bind(id)
                        .execute(write.writing())
                        .await?;
                Ok(done.rows_affected() == 1)
            })
        })
        .await
    }

    /// The key with that name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or the row is unreadable.
    pub async fn key(&self, key_id: &str) -> Result<Option<KeyRow>, StoreError> {
        let row: Option<Row> =
            sqlx::query_as("SELECT app_id, hash, expires_ms, revoked_ms FROM api_keys WHERE key_id = ?")
                .bind(key_id)
                .fetch_optional(&self.reads)
                .await?;
        let Some((app_id, hash, expires, revoked)) = row else { return Ok(None) };
        let time = |column: Option<i64>| column.map(|at| unsigned(at, "key").map(UnixMillis)).transpose();
        Ok(Some(KeyRow {
            app_id: AppID::from_bytes(bytes(&app_id, "key")?),
            hash,
            expires_at: time(expires)?,
            revoked_at: time(revoked)?,
        }))
    }
}

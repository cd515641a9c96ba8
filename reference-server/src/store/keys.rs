//! API key rows: a name, a hash, what it is for, and until when.

use passkey_accounts::protocol::{
    AppID, Scope, UnixMillis,
    event::{ApiKeyCreated, ApiKeyRevoked, EventKind},
    http::KeyInfo,
};

use super::{
    Store, StoreError, Write,
    rows::{bytes, millis, unsigned},
};
use crate::{keys::ApiKey, limits::MAX_LIVE_KEYS_PER_APP};

/// Id, app, name, hash, scopes, beginning, end and revocation.
type Row = (String, Vec<u8>, String, Vec<u8>, String, i64, Option<i64>, Option<i64>);

const COLUMNS: &str =
    "SELECT key_id, app_id, name, hash, scopes, created_ms, expires_ms, revoked_ms FROM api_keys";

/// A stored API key.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// Its public name.
    pub key_id: String,
    /// The app it speaks for.
    pub app_id: AppID,
    /// For people.
    pub name: String,
    /// SHA-256 of the whole key.
    pub hash: Vec<u8>,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it stops working.
    pub expires_at: Option<UnixMillis>,
    /// When it was taken back.
    pub revoked_at: Option<UnixMillis>,
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
    /// Whether the key may be used at `now`.
    pub fn state(&self, now: UnixMillis) -> KeyState {
        match self {
            Self { revoked_at: Some(at), .. } if *at <= now => KeyState::Revoked,
            Self { expires_at: Some(at), .. } if *at <= now => KeyState::Expired,
            _ => KeyState::Live,
        }
    }

    /// What may be told of it.
    pub fn info(&self) -> KeyInfo {
        KeyInfo {
            key_id: self.key_id.clone(),
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        }
    }
}

/// A key that is about to be made.
#[derive(Debug, Clone)]
pub struct NewKeyRow {
    /// The app it will speak for.
    pub app_id: AppID,
    /// The key.
    pub key: ApiKey,
    /// For people.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it stops working.
    pub expires_at: Option<UnixMillis>,
}

/// Why a key was not made, rotated or revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The app has none with that name.
    #[error("this app has no API key {0}")]
    NotFound(String),
    /// It is over already.
    #[error("the API key {0} has expired or was revoked")]
    NotLive(String),
    /// The app has as many as it may.
    #[error("an app may have {MAX_LIVE_KEYS_PER_APP} API keys that work at once; revoke one first")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Stores an app's first key, with every scope, before there is a log that could tell of it.
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
        let new = NewKeyRow { app_id, key: key.clone(), name, scopes: Scope::ALL.to_vec(), expires_at };
        self.write(move |write| Box::pin(async move { write.insert_key(&new).await })).await
    }

    /// Makes a key: its row and `apiKeyCreated`, in one transaction.
    ///
    /// # Errors
    /// [`KeyError`]
    pub async fn issue_key(&self, new: NewKeyRow) -> Result<KeyRow, KeyError> {
        self.write(move |write| {
            Box::pin(async move {
                if write.live_keys(new.app_id).await? >= MAX_LIVE_KEYS_PER_APP {
                    return Err(KeyError::TooMany);
                }
                Ok(write.issue(&new).await?)
            })
        })
        .await
    }

    /// Makes a key like `key_id` and lets that one expire after `overlap_ms`, in one transaction.
    ///
    /// # Errors
    /// [`KeyError`]
    pub async fn rotate_key(
        &self,
        app_id: AppID,
        key_id: String,
        key: ApiKey,
        overlap_ms: u64,
    ) -> Result<KeyRow, KeyError> {
        self.write(move |write| {
            Box::pin(async move {
                let now = write.now();
                let old =
                    write.key(app_id, &key_id).await?.ok_or_else(|| KeyError::NotFound(key_id.clone()))?;
                if old.state(now) != KeyState::Live {
                    return Err(KeyError::NotLive(key_id));
                }
                // One more while both work: a rotation must not fail because the app has all its keys.
                if write.live_keys(app_id).await? > MAX_LIVE_KEYS_PER_APP {
                    return Err(KeyError::TooMany);
                }
                if overlap_ms == 0 {
                    write.revoke(app_id, &key_id).await?;
                } else {
                    let end = now.plus(overlap_ms);
                    write.expire(&key_id, old.expires_at.map_or(end, |at| at.min(end))).await?;
                }
                // The new one lives as long as the old one was meant to.
                let lifetime = old.expires_at.map(|at| at.since(old.created_at));
                let expires_at = lifetime.map(|lifetime| now.plus(lifetime));
                let new = NewKeyRow { app_id, key, name: old.name, scopes: old.scopes, expires_at };
                Ok(write.issue(&new).await?)
            })
        })
        .await
    }

    /// Takes a key back from now on: its row and `apiKeyRevoked`, in one transaction. `false` if there is none with that
    /// name; one that was taken back before stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn revoke_key(&self, key_id: &str) -> Result<bool, StoreError> {
        let Some(row) = self.key(key_id).await? else { return Ok(false) };
        match self.revoke_key_of(row.app_id, key_id.to_owned()).await {
            Ok(()) => Ok(true),
            Err(KeyError::NotFound(_) | KeyError::NotLive(_) | KeyError::TooMany) => Ok(false),
            Err(KeyError::Store(error)) => Err(error),
        }
    }

    /// Takes a key of that app back from now on.
    ///
    /// # Errors
    /// [`KeyError::NotFound`] and [`KeyError::Store`]
    pub async fn revoke_key_of(&self, app_id: AppID, key_id: String) -> Result<(), KeyError> {
        self.write(move |write| {
            Box::pin(async move {
                let row =
                    write.key(app_id, &key_id).await?.ok_or_else(|| KeyError::NotFound(key_id.clone()))?;
                if row.revoked_at.is_none() {
                    write.revoke(app_id, &key_id).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The key with that name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or the row is unreadable.
    pub async fn key(&self, key_id: &str) -> Result<Option<KeyRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE key_id = ?"));
        let row: Option<Row> = sqlx::query_as(query).bind(key_id).fetch_optional(&self.reads).await?;
        row.map(key).transpose()
    }

    /// The keys of an app, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn keys_of(&self, app_id: AppID) -> Result<Vec<KeyRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE app_id = ? ORDER BY created_ms, key_id"));
        let rows: Vec<Row> =
            sqlx::query_as(query).bind(app_id.as_bytes().as_slice()).fetch_all(&self.reads).await?;
        rows.into_iter().map(key).collect()
    }

    /// The keys, of all apps, that expire after `from`: each with its app and when.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn next_key_expiry(&self, from: UnixMillis) -> Result<Option<UnixMillis>, StoreError> {
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT min(expires_ms) FROM api_keys WHERE expires_ms > ? AND revoked_ms IS NULL",
        )
        .bind(millis(from))
        .fetch_one(&self.reads)
        .await?;
        Ok(next.map(|at| unsigned(at, "key")).transpose()?.map(UnixMillis))
    }

    /// The keys whose time ended after `from` and not after `to`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn keys_expired_between(
        &self,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<KeyRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE expires_ms > ? AND expires_ms <= ?"));
        let rows: Vec<Row> =
            sqlx::query_as(query).bind(millis(from)).bind(millis(to)).fetch_all(&self.reads).await?;
        rows.into_iter().map(key).collect()
    }
}

impl Write {
    async fn key(&mut self, app_id: AppID, key_id: &str) -> Result<Option<KeyRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE key_id = ? AND app_id = ?"));
        let row: Option<Row> = sqlx::query_as(query)
            .bind(key_id)
            .bind(app_id.as_bytes().as_slice())
            .fetch_optional(self.reading())
            .await?;
        row.map(key).transpose()
    }

    async fn live_keys(&mut self, app_id: AppID) -> Result<usize, StoreError> {
        let now = millis(self.now());
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM api_keys WHERE app_id = ? AND revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?)",
        )
        .bind(app_id.as_bytes().as_slice())
        .bind(now)
        .fetch_one(self.reading())
        .await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    async fn issue(&mut self, new: &NewKeyRow) -> Result<KeyRow, StoreError> {
        self.insert_key(new).await?;
        let NewKeyRow { app_id, key, name, scopes, expires_at } = new.clone();
        let (key_id, created_at) = (key.id().to_owned(), self.now());
        let event = ApiKeyCreated { key_id: key_id.clone(), name: name.clone(), scopes: scopes.clone() };
        self.append(app_id, &EventKind::ApiKeyCreated(event))?;
        let hash = key.hash().to_vec();
        Ok(KeyRow { key_id, app_id, name, hash, scopes, created_at, expires_at, revoked_at: None })
    }

    async fn insert_key(&mut self, new: &NewKeyRow) -> Result<(), StoreError> {
        let now = millis(self.now());
        let scopes = serde_json::to_string(&new.scopes).map_err(|_| StoreError::Corrupt("scope"))?;
        sqlx::query(
            "INSERT INTO api_keys (key_id, app_id, name, hash, scopes, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.key.id())
        .bind(new.app_id.as_bytes().as_slice())
        .bind(&new.name)
        .bind(new.key.hash().as_slice())
        .bind(scopes)
        .bind(now)
        .bind(new.expires_at.map(millis))
        .execute(self.writing())
        .await?;
        Ok(())
    }

    async fn revoke(&mut self, app_id: AppID, key_id: &str) -> Result<(), StoreError> {
        let now = millis(self.now());
        sqlx::query("UPDATE api_keys SET revoked_ms = ? WHERE key_id = ?")
            .bind(now)
            .bind(key_id)
            .execute(self.writing())
            .await?;
        self.append(app_id, &EventKind::ApiKeyRevoked(ApiKeyRevoked { key_id: key_id.to_owned() }))
    }

    async fn expire(&mut self, key_id: &str, at: UnixMillis) -> Result<(), StoreError> {
        sqlx::query("UPDATE api_keys SET expires_ms = ? WHERE key_id = ?")
            .bind(millis(at))
            .bind(key_id)
            .execute(self.writing())
            .await?;
        Ok(())
    }
}

fn key((key_id, app_id, name, hash, scopes, created, expires, revoked): Row) -> Result<KeyRow, StoreError> {
    let time = |column: Option<i64>| column.map(|at| unsigned(at, "key").map(UnixMillis)).transpose();
    Ok(KeyRow {
        key_id,
        app_id: AppID::from_bytes(bytes(&app_id, "key")?),
        name,
        hash,
        scopes: serde_json::from_str(&scopes).map_err(|_| StoreError::Corrupt("scope"))?,
        created_at: UnixMillis(unsigned(created, "key")?),
        expires_at: time(expires)?,
        revoked_at: time(revoked)?,
    })
}

//! API key rows: a name, a hash, what it is for, and until when. They are read once, when the database is opened: what
//! somebody else writes to them later is never looked at.

use std::sync::Arc;

use passkey_accounts::{
    defended,
    key_pair::PublicKey,
    planted,
    protocol::{
        AppID, Scope, UnixMillis,
        event::{ApiKeyCreated, ApiKeyRevoked, EventKind},
        http::KeyInfo,
    },
};

use sqlx::SqliteConnection;

use super::{
    Store, StoreError, Write,
    rows::{bytes, millis, optional, signed, unsigned},
};
use crate::{
    crypto::{Ring, Tampered},
    keys::{ApiKey, KeyCheck},
    limits::MAX_LIVE_KEYS_PER_APP,
};

/// Id, app, name, hash, kind, scopes, beginning, end, revocation, version and signature.
type Row = (String, Vec<u8>, String, Vec<u8>, String, String, i64, Option<i64>, Option<i64>, i64, Vec<u8>);

const COLUMNS: &str =
    "SELECT key_id, app_id, name, hash, kind, scopes, created_ms, expires_ms, revoked_ms, version, seal
                       FROM api_keys";

/// A stored API key.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// Its public name.
    pub key_id: String,
    /// The app it speaks for.
    pub app_id: AppID,
    /// For people.
    pub name: String,
    /// What it is checked with.
    pub check: KeyCheck,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it stops working.
    pub expires_at: Option<UnixMillis>,
    /// When it was taken back.
    pub revoked_at: Option<UnixMillis>,
    pub(super) version: u64,
    /// Which root key signed the row.
    pub(super) seal: Vec<u8>,
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
            public_key: self.check.public_key().map(|key| key.to_string()),
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
    /// Its public name.
    pub key_id: String,
    /// What it will be checked with.
    pub check: KeyCheck,
    /// For people.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it stops working.
    pub expires_at: Option<UnixMillis>,
}

impl NewKeyRow {
    /// The row of an API key, of which the hash is kept.
    pub fn secret(
        app_id: AppID,
        key: &ApiKey,
        name: String,
        scopes: Vec<Scope>,
        expires_at: Option<UnixMillis>,
    ) -> Self {
        let (key_id, check) = (key.id().to_owned(), KeyCheck::Hash(key.hash()));
        Self { app_id, key_id, check, name, scopes, expires_at }
    }

    /// The row of a key pair.
    pub fn pair(
        app_id: AppID,
        key: PublicKey,
        name: String,
        scopes: Vec<Scope>,
        expires_at: Option<UnixMillis>,
    ) -> Self {
        Self { app_id, key_id: key.key_id(), check: KeyCheck::PublicKey(key), name, scopes, expires_at }
    }
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
    /// It is somebody's already.
    #[error("this public key is registered already; every key pair is for one use: make another one")]
    Taken,
    /// A key pair has nothing that the server could replace.
    #[error("{0} is a key pair: register another one, and revoke this one when nobody uses it any more")]
    IsPair(String),
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
        let new = NewKeyRow::secret(app_id, key, name, Scope::DEFAULT.to_vec(), expires_at);
        self.write(move |write| Box::pin(async move { write.insert_key(&new).await.map(|_| ()) })).await
    }

    /// Makes a key: its row and `apiKeyCreated`, in one transaction.
    ///
    /// # Errors
    /// [`KeyError`]
    pub async fn issue_key(&self, new: NewKeyRow) -> Result<KeyRow, KeyError> {
        self.write(move |write| {
            Box::pin(async move {
                if write.live_keys(new.app_id) >= MAX_LIVE_KEYS_PER_APP {
                    return Err(KeyError::TooMany);
                }
                if write.has_key(&new.key_id).await? {
                    return Err(KeyError::Taken);
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
                let old = write.key(app_id, &key_id).ok_or_else(|| KeyError::NotFound(key_id.clone()))?;
                if old.state(now) != KeyState::Live {
                    return Err(KeyError::NotLive(key_id));
                }
                if old.check.public_key().is_some() {
                    return Err(KeyError::IsPair(key_id));
                }
                // One more while both work: a rotation must not fail because the app has all its keys.
                if write.live_keys(app_id) > MAX_LIVE_KEYS_PER_APP {
                    return Err(KeyError::TooMany);
                }
                if overlap_ms == 0 {
                    write.revoke(old.clone()).await?;
                } else {
                    let end = now.plus(overlap_ms);
                    let end = old.expires_at.map_or(end, |at| at.min(end));
                    write.expire(old.clone(), end).await?;
                }
                // The new one lives as long as the old one was meant to.
                let lifetime = old.expires_at.map(|at| at.since(old.created_at));
                let expires_at = lifetime.map(|lifetime| now.plus(lifetime));
                let new = NewKeyRow::secret(app_id, &key, old.name, old.scopes, expires_at);
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
        let Some(row) = self.key(key_id) else { return Ok(false) };
        match self.revoke_key_of(row.app_id, key_id.to_owned()).await {
            Ok(()) => Ok(true),
            Err(KeyError::Store(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Takes a key of that app back from now on.
    ///
    /// # Errors
    /// [`KeyError::NotFound`] and [`KeyError::Store`]
    pub async fn revoke_key_of(&self, app_id: AppID, key_id: String) -> Result<(), KeyError> {
        self.write(move |write| {
            Box::pin(async move {
                let row = write.key(app_id, &key_id).ok_or_else(|| KeyError::NotFound(key_id.clone()))?;
                if row.revoked_at.is_none() {
                    write.revoke(row).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The key with that name.
    pub fn key(&self, key_id: &str) -> Option<Arc<KeyRow>> {
        let tail = self.logs().tail(self.logs().app_of_key(key_id)?)?;
        tail.state().roll().key(key_id).cloned()
    }

    /// The keys of an app, oldest first.
    pub fn keys_of(&self, app_id: AppID) -> Vec<Arc<KeyRow>> {
        let state = self.logs().tail(app_id).map(|tail| tail.state());
        let mut keys: Vec<_> = state.iter().flat_map(|state| state.roll().keys().cloned()).collect();
        keys.sort_by(|a, b| (a.created_at, &a.key_id).cmp(&(b.created_at, &b.key_id)));
        keys
    }

    /// When the next key of any app expires after `from`.
    pub fn next_key_expiry(&self, from: UnixMillis) -> Option<UnixMillis> {
        let ends = self.all_keys().into_iter().filter(|key| key.revoked_at.is_none());
        ends.filter_map(|key| key.expires_at).filter(|at| *at > from).min()
    }

    /// The keys whose time ended after `from` and not after `to`.
    pub fn keys_expired_between(&self, from: UnixMillis, to: UnixMillis) -> Vec<Arc<KeyRow>> {
        let has_ended = |key: &Arc<KeyRow>| key.expires_at.is_some_and(|at| at > from && at <= to);
        self.all_keys().into_iter().filter(has_ended).collect()
    }

    fn all_keys(&self) -> Vec<Arc<KeyRow>> {
        let states = self.logs().all().into_iter().map(|tail| tail.state());
        states.flat_map(|state| state.roll().keys().cloned().collect::<Vec<_>>()).collect()
    }
}

impl Write {
    fn key(&self, app_id: AppID, key_id: &str) -> Option<KeyRow> {
        self.state(app_id).and_then(|state| state.roll().key(key_id)).map(|row| KeyRow::clone(row))
    }

    fn live_keys(&self, app_id: AppID) -> usize {
        let keys = self.state(app_id).into_iter().flat_map(|state| state.roll().keys());
        keys.filter(|key| key.state(self.now()) == KeyState::Live).count()
    }

    async fn has_key(&mut self, key_id: &str) -> Result<bool, StoreError> {
        let found: Option<(i64,)> = sqlx::query_as("SELECT 1 FROM api_keys WHERE key_id = ?")
            .bind(key_id)
            .fetch_optional(self.reading())
            .await?;
        Ok(found.is_some())
    }

    async fn issue(&mut self, new: &NewKeyRow) -> Result<KeyRow, StoreError> {
        let row = self.insert_key(new).await?;
        let KeyRow { key_id, name, scopes, .. } = row.clone();
        let event = ApiKeyCreated { key_id, name, scopes };
        self.append(new.app_id, &EventKind::ApiKeyCreated(event))?;
        Ok(row)
    }

    async fn insert_key(&mut self, new: &NewKeyRow) -> Result<KeyRow, StoreError> {
        let NewKeyRow { app_id, key_id, check, name, scopes, expires_at } = new.clone();
        let row = KeyRow {
            key_id,
            app_id,
            name,
            check,
            scopes,
            created_at: self.now(),
            expires_at,
            revoked_at: None,
            version: 1,
            seal: Vec::new(),
        };
        let row = row.signed(&self.keyring().ring())?;
        sqlx::query(
            "INSERT INTO api_keys (key_id, app_id, name, hash, kind, scopes, created_ms, expires_ms, version, seal)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&row.key_id)
        .bind(row.app_id.as_bytes().as_slice())
        .bind(&row.name)
        .bind(row.check.as_bytes().as_slice())
        .bind(row.check.kind())
        .bind(scopes_json(&row.scopes)?)
        .bind(millis(row.created_at))
        .bind(row.expires_at.map(millis))
        .bind(signed(row.version))
        .bind(&row.seal)
        .execute(self.writing())
        .await?;
        self.show_key(&row)?;
        Ok(row)
    }

    async fn revoke(&mut self, row: KeyRow) -> Result<(), StoreError> {
        let (app_id, key_id, now) = (row.app_id, row.key_id.clone(), self.now());
        self.update_key(KeyRow { revoked_at: Some(now), ..row }).await?;
        self.append(app_id, &EventKind::ApiKeyRevoked(ApiKeyRevoked { key_id }))
    }

    async fn expire(&mut self, row: KeyRow, at: UnixMillis) -> Result<(), StoreError> {
        self.update_key(KeyRow { expires_at: Some(at), ..row }).await
    }

    /// Writes what may change of a key, as its next version.
    async fn update_key(&mut self, row: KeyRow) -> Result<(), StoreError> {
        let keyring = Arc::clone(self.keyring());
        self.roll(row.app_id)?.toggle_key(&keyring, &row.key_id, row.version);
        let row = KeyRow { version: row.version + 1, ..row }.signed(&keyring.ring())?;
        let sql =
            "UPDATE api_keys SET expires_ms = ?, revoked_ms = ?, version = ?, seal = ? WHERE key_id = ?";
        sqlx::query(sql)
            .bind(row.expires_at.map(millis))
            .bind(row.revoked_at.map(millis))
            .bind(signed(row.version))
            .bind(&row.seal)
            .bind(&row.key_id)
            .execute(self.writing())
            .await?;
        self.show_key(&row)
    }

    fn show_key(&mut self, row: &KeyRow) -> Result<(), StoreError> {
        let keyring = Arc::clone(self.keyring());
        let roll = self.roll(row.app_id)?;
        roll.toggle_key(&keyring, &row.key_id, row.version);
        roll.show_key(row.clone());
        self.key_is_of(row.key_id.clone(), row.app_id);
        Ok(())
    }

    /// Signs the keys of an app from before rows were sealed, as they are.
    pub(super) async fn adopt_keys(&mut self, app_id: AppID) -> Result<(), StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE app_id = ?"));
        let rows: Vec<Row> =
            sqlx::query_as(query).bind(app_id.as_bytes().as_slice()).fetch_all(self.reading()).await?;
        for row in rows {
            self.update_key(key(row)?).await?;
        }
        // They were loaded without a signature; that was no tampering.
        self.acquit();
        Ok(())
    }

    /// Signs the keys of an app that another root key signed; says how many there were.
    pub(super) async fn sign_keys_again(&mut self, app_id: AppID) -> Result<usize, StoreError> {
        let ring = self.keyring().ring();
        let is_old = |key: &&Arc<KeyRow>| Ring::id_of(&key.seal) != Some(ring.sealing());
        let keys = self.state(app_id).into_iter().flat_map(|state| state.roll().keys());
        let old: Vec<KeyRow> = keys.filter(is_old).map(|row| KeyRow::clone(row)).collect();
        for row in &old {
            let row = row.clone().signed(&ring)?;
            sqlx::query("UPDATE api_keys SET seal = ? WHERE key_id = ?")
                .bind(&row.seal)
                .bind(&row.key_id)
                .execute(self.writing())
                .await?;
            self.roll(app_id)?.show_key(row);
        }
        Ok(old.len())
    }
}

/// A key's row as it was found: which version of which key of which app, and the row itself if its signature is good.
pub(super) struct FoundKey {
    pub(super) app_id: AppID,
    pub(super) key_id: String,
    pub(super) version: u64,
    pub(super) row: Result<KeyRow, Tampered>,
}

/// The rows of all keys.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    ring: &Ring,
) -> Result<Vec<FoundKey>, StoreError> {
    let query = sqlx::AssertSqlSafe(COLUMNS);
    let rows: Vec<Row> = sqlx::query_as(query).fetch_all(connection).await?;
    let found = rows.into_iter().map(|row| {
        let (app_id, key_id) = (AppID::from_bytes(bytes(&row.1, "key")?), row.0.clone());
        let version = unsigned(row.9, "key")?;
        let row = key(row).map_err(|_| Tampered).and_then(|row| row.verified(ring));
        Ok(FoundKey { app_id, key_id, version, row })
    });
    found.collect()
}

impl KeyRow {
    fn signed(self, ring: &Ring) -> Result<Self, StoreError> {
        let seal = self.with_parts(|parts| ring.sign("api-key", parts))?;
        Ok(Self { seal, ..self })
    }

    fn verified(self, ring: &Ring) -> Result<Self, Tampered> {
        if planted!(KeySignatureNotChecked) || !defended!(RowsSealed) {
            return Ok(self);
        }
        let verified = self.with_parts(|parts| ring.verify("api-key", parts, &self.seal));
        verified.map_err(|_| Tampered)??;
        Ok(self)
    }

    /// Everything in the row, to be signed.
    fn with_parts<T>(&self, sign: impl FnOnce(&[&[u8]]) -> T) -> Result<T, StoreError> {
        let millis = |time: Option<UnixMillis>| optional(time.map(|time| time.0));
        let scopes = scopes_json(&self.scopes)?;
        let (expires, revoked) = (millis(self.expires_at), millis(self.revoked_at));
        let (version, created) = (self.version.to_be_bytes(), self.created_at.0.to_be_bytes());
        let mut parts: Vec<&[u8]> = vec![
            self.app_id.as_bytes(),
            self.key_id.as_bytes(),
            &version,
            self.name.as_bytes(),
            self.check.as_bytes(),
            scopes.as_bytes(),
            &created,
            &expires,
            &revoked,
        ];
        // The rows of API keys are signed as they were before there were key pairs.
        if self.check.public_key().is_some() {
            parts.push(self.check.kind().as_bytes());
        }
        Ok(sign(&parts))
    }
}

fn scopes_json(scopes: &[Scope]) -> Result<String, StoreError> {
    serde_json::to_string(scopes).map_err(|_| StoreError::Corrupt("scope"))
}

fn key(row: Row) -> Result<KeyRow, StoreError> {
    let (key_id, app_id, name, hash, kind, scopes, created, expires, revoked, version, seal) = row;
    let time = |column: Option<i64>| column.map(|at| unsigned(at, "key").map(UnixMillis)).transpose();
    Ok(KeyRow {
        key_id,
        app_id: AppID::from_bytes(bytes(&app_id, "key")?),
        name,
        check: KeyCheck::read(&kind, bytes(&hash, "key")?).ok_or(StoreError::Corrupt("key"))?,
        scopes: serde_json::from_str(&scopes).map_err(|_| StoreError::Corrupt("scope"))?,
        created_at: UnixMillis(unsigned(created, "key")?),
        expires_at: time(expires)?,
        revoked_at: time(revoked)?,
        version: unsigned(version, "key")?,
        seal,
    })
}

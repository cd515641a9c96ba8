//! What the four builds with tokens and cookies keep, in a real SQLite file.

use std::path::{Path, PathBuf};

use aws_lc_rs::{
    digest::{SHA256, digest},
    pbkdf2,
};
use data_encoding::HEXLOWER;
use passkey_accounts::defended;
use passkey_accounts_server::clock::make_random;
use sqlx::{Row, SqlitePool, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// The database of a shop.
#[derive(Debug)]
pub struct Database {
    pool: SqlitePool,
    folder: TempDir,
}

/// A passkey as the shop keeps it.
#[derive(Debug, Clone)]
pub(super) struct StoredPasskey {
    pub(super) credential_id: Vec<u8>,
    pub(super) public_key_cose: Vec<u8>,
    pub(super) user_handle: Vec<u8>,
}

impl Database {
    pub(super) async fn create() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let options =
            SqliteConnectOptions::new().filename(folder.path().join("shop.sqlite")).create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await.expect("the database opens");
        for table in [
            "CREATE TABLE people (email TEXT PRIMARY KEY, password TEXT, credential_id BLOB, public_key BLOB, user_handle BLOB)",
            "CREATE TABLE sessions (token TEXT PRIMARY KEY, email TEXT NOT NULL)",
        ] {
            sqlx::query(table).execute(&pool).await.expect("the table is made");
        }
        Self { pool, folder }
    }

    /// The folder of its file.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("shop.sqlite")
    }

    /// Where a database writer does what they like.
    pub const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// What a writer of the database does to be signed in as somebody.
    pub async fn write_session(&self, email: &str, token: &str) {
        self.begin_session(email, token.to_owned()).await;
    }

    pub(super) async fn add_password(&self, email: &str, password: &str) -> bool {
        let kept = if defended!(PasswordsHashed) { slow_hash(password) } else { password.to_owned() };
        let added = sqlx::query("INSERT INTO people (email, password) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(email)
            .bind(kept)
            .execute(&self.pool)
            .await;
        added.expect("the row is written").rows_affected() == 1
    }

    /// Whoever has the mailbox sets a new password.
    pub(super) async fn set_password(&self, email: &str, password: &str) {
        sqlx::query("UPDATE people SET password = ? WHERE email = ?")
            .bind(slow_hash(password))
            .bind(email)
            .execute(&self.pool)
            .await
            .expect("the row is written");
    }

    pub(super) async fn has(&self, email: &str) -> bool {
        let row = sqlx::query("SELECT 1 FROM people WHERE email = ?").bind(email);
        row.fetch_optional(&self.pool).await.expect("the row is read").is_some()
    }

    pub(super) async fn check_password(&self, email: &str, password: &str) -> bool {
        let row = sqlx::query("SELECT password FROM people WHERE email = ?").bind(email);
        let Some(row) = row.fetch_optional(&self.pool).await.expect("the row is read") else { return false };
        let kept: Option<String> = row.get("password");
        kept.is_some_and(|kept| is_password(&kept, password))
    }

    pub(super) async fn set_passkey(&self, email: &str, passkey: StoredPasskey) {
        sqlx::query(
            "INSERT INTO people (email, credential_id, public_key, user_handle) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET credential_id = ?2, public_key = ?3, user_handle = ?4",
        )
        .bind(email)
        .bind(passkey.credential_id)
        .bind(passkey.public_key_cose)
        .bind(passkey.user_handle)
        .execute(&self.pool)
        .await
        .expect("the row is written");
    }

    pub(super) async fn passkey(&self, email: &str) -> Option<StoredPasskey> {
        let query = "SELECT credential_id, public_key, user_handle FROM people WHERE email = ?";
        let row =
            sqlx::query(query).bind(email).fetch_optional(&self.pool).await.expect("the row is read")?;
        let credential_id: Option<Vec<u8>> = row.get("credential_id");
        Some(StoredPasskey {
            credential_id: credential_id?,
            public_key_cose: row.get("public_key"),
            user_handle: row.get("user_handle"),
        })
    }

    /// Begins a session, and returns its token.
    pub(super) async fn begin_session(&self, email: &str, token: String) -> String {
        sqlx::query("INSERT OR REPLACE INTO sessions (token, email) VALUES (?, ?)")
            .bind(kept_token(&token))
            .bind(email)
            .execute(&self.pool)
            .await
            .expect("the row is written");
        token
    }

    pub(super) async fn session(&self, token: &str) -> Option<String> {
        let row = sqlx::query("SELECT email FROM sessions WHERE token = ?").bind(kept_token(token));
        row.fetch_optional(&self.pool).await.expect("the row is read").map(|row| row.get("email"))
    }

    pub(super) async fn end_session(&self, token: &str) {
        let query = sqlx::query("DELETE FROM sessions WHERE token = ?").bind(kept_token(token));
        query.execute(&self.pool).await.expect("the row is deleted");
    }
}

/// What the database holds of a token.
fn kept_token(token: &str) -> String {
    if defended!(TokensHashed) {
        HEXLOWER.encode(digest(&SHA256, token.as_bytes()).as_ref())
    } else {
        token.to_owned()
    }
}

/// 256 random bits.
pub(super) fn new_token() -> String {
    HEXLOWER.encode(&make_random::<32>())
}

/// PBKDF2-HMAC-SHA256 with the rounds that OWASP asks for in 2023.
fn slow_hash(password: &str) -> String {
    let salt: [u8; 16] = make_random();
    format!("{}:{}", HEXLOWER.encode(&salt), HEXLOWER.encode(&stretch(password, &salt)))
}

fn stretch(password: &str, salt: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, password.as_bytes(), &mut key);
    key
}

/// Whether this is what is kept of a password; what a thief of the table asks too.
pub fn is_password(kept: &str, password: &str) -> bool {
    let Some((salt, hash)) = kept.split_once(':') else { return kept == password };
    HEXLOWER.decode(salt.as_bytes()).is_ok_and(|salt| HEXLOWER.encode(&stretch(password, &salt)) == hash)
}

const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(600_000).expect("it is not 0");

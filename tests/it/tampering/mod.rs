//! Somebody who can write to the database and has no root key: what they change is refused and told.

mod attacks;
mod log;
mod migration;
mod random;

use std::path::Path;

use passkey_accounts::protocol::{AccountID, event::TamperedRow, gateway::ServerMessage};
use passkey_accounts_server::store::{OpenError, Store};
use passkey_accounts_tests::{BackEnd, Page, SoftwareAuthenticator, TestServer, root_keys};
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// A connection to the database of a server, running or not, and a copy from before.
struct Attacker {
    database: SqliteConnection,
    before: TempDir,
}

impl Attacker {
    /// Keeps a copy of the database as it is now, which later statements call `old`.
    async fn with_copy_of(directory: &Path) -> Self {
        let before = TempDir::new().unwrap();
        let mut attacker = Self { database: open(&directory.join("accounts.sqlite")).await, before };
        attacker.copy_again().await;
        attacker
    }

    /// Keeps a copy of the present instead.
    async fn copy_again(&mut self) {
        let copy = self.before.path().join("old.sqlite");
        if copy.exists() {
            self.run("DETACH old").await;
            std::fs::remove_file(&copy).unwrap();
        }
        self.run(&format!("VACUUM INTO '{}'", copy.display())).await;
        self.run(&format!("ATTACH '{}' AS old", copy.display())).await;
    }

    /// Runs statements and says how many rows the last one changed.
    async fn run(&mut self, sql: &str) -> u64 {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut self.database).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// Closes the connection and leaves the copy.
    async fn database_closed(mut self) -> TempDir {
        self.run("DETACH old").await;
        self.database.close().await.unwrap();
        self.before
    }

    /// Closes the connection: the database of a stopped server must not look used.
    async fn leave(self) {
        self.database.close().await.unwrap();
    }
}

async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Opens the database of a stopped server, and closes it again.
async fn reopen(server: &TestServer) -> Result<(), OpenError> {
    Store::open(server.directory(), server.clock().clone(), &root_keys()).await?.close().await;
    Ok(())
}

/// Whether the passkey signs somebody in on a fresh page.
async fn signs_in(server: &TestServer, email: &str, authenticator: &mut SoftwareAuthenticator) -> bool {
    let mut page = Page::connect(server).await;
    let ceremony = page.begin_sign_in(email).await;
    // An account that looks unknown names none of this authenticator's passkeys.
    let Ok(credential) = authenticator.sign_in(&ceremony.public_key.0, &server.origin()) else {
        return false;
    };
    matches!(page.finish(&ceremony, credential).await, ServerMessage::SignedIn(_))
}

/// The account of each `tamperingDetected` that the log holds.
async fn suspects(server: &TestServer) -> Vec<(TamperedRow, Option<AccountID>)> {
    use passkey_accounts::protocol::event::EventKind;
    let seq = server.context().store.logs().tail(server.app_id).unwrap().state().seq();
    let mut view = BackEnd::view(server, json!({ "types": ["*"], "start": "earliest" })).await;
    let mut suspects = Vec::new();
    for _ in 0..seq {
        if let Ok(Some(EventKind::TamperingDetected(event))) = view.event().await.kind() {
            suspects.push((event.row, event.account_id));
        }
    }
    suspects
}

/// SQL for a blob.
fn hex(bytes: &[u8]) -> String {
    format!("x'{}'", data_encoding::HEXLOWER.encode(bytes))
}

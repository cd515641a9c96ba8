//! A log that somebody rewrites who runs the server, and has no key of anybody else's: the chain is whole again, heads that
//! were signed before are not.

use std::path::Path;

use passkey_accounts::{
    log::{ChainHash, Entry},
    protocol::{AppID, UnixMillis},
};
use passkey_accounts_server::{clock::Clock, store::Store};
use sqlx::{Connection, SqliteConnection};

use crate::root_keys;

/// Edits the entries of a server that does not run, whose data lies in this folder. `edit` gets an entry's number, that of
/// the last one, and what the entry says.
///
/// # Panics
/// When the database has no such log.
pub async fn rewrite(folder: &Path, app_id: AppID, edit: impl Fn(u64, u64, String) -> String) {
    let path = folder.join("accounts.sqlite");
    let path = path.to_str().expect("temporary folders are text");
    let mut database = SqliteConnection::connect(path).await.expect("the database opens");
    let epoch: String = sqlx::query_scalar("SELECT epoch FROM apps WHERE app_id = ?")
        .bind(app_id.as_bytes().as_slice())
        .fetch_one(&mut database)
        .await
        .expect("the app is there");
    let epoch = epoch.parse().expect("it is one");
    let rows: Vec<(i64, i64, String, String)> =
        sqlx::query_as("SELECT seq, time_ms, type, data FROM events WHERE app_id = ? ORDER BY seq")
            .bind(app_id.as_bytes().as_slice())
            .fetch_all(&mut database)
            .await
            .expect("the log can be read");
    let number = |number: i64| u64::try_from(number).expect("numbers begin with 1");
    let last = rows.last().map(|row| number(row.0)).expect("something has happened");
    let now = UnixMillis(rows.last().map_or(0, |row| number(row.1)));
    let mut hash = ChainHash::GENESIS;
    let mut changes = database.begin().await.expect("a transaction begins");
    for (seq, time, name, data) in rows {
        let edited = edit(number(seq), last, data);
        let (seq_number, time) = (number(seq), UnixMillis(number(time)));
        hash = hash.followed_by(&Entry { app_id, epoch, seq: seq_number, time, name: &name, data: &edited });
        sqlx::query("UPDATE events SET data = ?, hash = ? WHERE app_id = ? AND seq = ?")
            .bind(&edited)
            .bind(hash.0.as_slice())
            .bind(app_id.as_bytes().as_slice())
            .bind(seq)
            .execute(&mut *changes)
            .await
            .expect("an entry can be written");
    }
    changes.commit().await.expect("the transaction is stored");
    database.close().await.expect("the database closes");
    // Whoever runs the server has its root key: what was written is what it takes for right.
    let accepted = Store::accept(folder, Clock::manual(now), &root_keys()).await;
    accepted.expect("the database opens").close().await;
}

//! Event rows, and the head of each app's log.

use std::{collections::HashMap, sync::Arc};

use passkey_accounts::{
    log::{ChainHash, Epoch},
    protocol::{AppID, UnixMillis},
};
use sqlx::{QueryBuilder, SqliteConnection};

use super::{
    Store, StoreError,
    rows::{bytes, millis, runs, signed, unsigned},
};
use crate::log::{Entry, LogState};

/// A row of the table, but for the app's id.
type Row = (i64, i64, String, String, Vec<u8>);

/// An app's id and epoch, and the number and hash of its last entry.
type HeadRow = (Vec<u8>, String, Option<i64>, Option<Vec<u8>>);

impl Store {
    /// Up to `limit` entries of an app's log after `seq`, from the database.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn entries_after(
        &self,
        app_id: AppID,
        epoch: Epoch,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, time_ms, type, data, hash FROM events WHERE app_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        )
        .bind(app_id.as_bytes().as_slice())
        .bind(signed(seq))
        .bind(signed(limit as u64))
        .fetch_all(&self.reads)
        .await?;
        rows.into_iter().map(|row| entry(epoch, row).map(Arc::new)).collect()
    }

    /// The hash of the entry with that number; [`ChainHash::GENESIS`] for 0, `None` when it is not kept.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or the row is unreadable.
    pub async fn chain_hash(&self, app_id: AppID, seq: u64) -> Result<Option<ChainHash>, StoreError> {
        if seq == 0 {
            return Ok(Some(ChainHash::GENESIS));
        }
        let hash: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT hash FROM events WHERE app_id = ? AND seq = ?")
                .bind(app_id.as_bytes().as_slice())
                .bind(signed(seq))
                .fetch_optional(&self.reads)
                .await?;
        hash.map(|hash| bytes(&hash, "event").map(ChainHash)).transpose()
    }
}

/// The state of each app's log, without its open sessions.
pub(super) async fn load_heads(
    connection: &mut SqliteConnection,
) -> Result<HashMap<AppID, LogState>, StoreError> {
    let rows: Vec<HeadRow> = sqlx::query_as(
        "SELECT a.app_id, a.epoch, e.seq, e.hash FROM apps a
         LEFT JOIN events e ON e.app_id = a.app_id AND e.seq = (SELECT max(seq) FROM events WHERE app_id = a.app_id)",
    )
    .fetch_all(connection)
    .await?;
    let state = |(app_id, epoch, seq, hash): HeadRow| {
        let app_id = AppID::from_bytes(bytes(&app_id, "app id")?);
        let epoch = epoch.parse().map_err(|_| StoreError::Corrupt("epoch"))?;
        let seq = unsigned(seq.unwrap_or(0), "event")?;
        let hash = hash.map_or(Ok(ChainHash::GENESIS), |hash| bytes(&hash, "event").map(ChainHash))?;
        Ok((app_id, LogState::new(app_id, epoch, seq, hash)))
    };
    rows.into_iter().map(state).collect()
}

/// Inserts the entries of a batch.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    entries: &[(AppID, Arc<Entry>)],
) -> Result<(), StoreError> {
    for run in runs(entries) {
        QueryBuilder::new("INSERT INTO events (app_id, seq, time_ms, type, data, hash) ")
            .push_values(run, |mut row, (app_id, entry)| {
                row.push_bind(app_id.as_bytes().to_vec())
                    .push_bind(signed(entry.seq))
                    .push_bind(millis(entry.time))
                    .push_bind(entry.name.to_string())
                    .push_bind(entry.data.clone())
                    .push_bind(entry.hash.0.to_vec());
            })
            .build()
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn entry(epoch: Epoch, (seq, time, name, data, hash): Row) -> Result<Entry, StoreError> {
    let (seq, time) = (unsigned(seq, "event")?, UnixMillis(unsigned(time, "event")?));
    Ok(Entry::new(epoch, seq, time, name, data, ChainHash(bytes(&hash, "event")?)))
}

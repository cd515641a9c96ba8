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
use crate::{
    limits::CUT_ENTRIES,
    log::{Entry, LogState, Place},
};

/// A row of the table, but for the app's id.
type Row = (i64, i64, String, String, Vec<u8>);

/// An app's id and epoch, where its log starts, and the number and hash of its last entry.
type HeadRow = (Vec<u8>, String, i64, Option<Vec<u8>>, Option<i64>, Option<Vec<u8>>);

impl Store {
    /// Up to `limit` entries of an app's log after `seq`, from the database; `None` when the next one is no longer kept.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn entries_after(
        &self,
        app_id: AppID,
        epoch: Epoch,
        seq: u64,
        limit: usize,
    ) -> Result<Option<Vec<Arc<Entry>>>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, time_ms, type, data, hash FROM events WHERE app_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        )
        .bind(app_id.as_bytes().as_slice())
        .bind(signed(seq))
        .bind(signed(limit as u64))
        .fetch_all(&self.reads)
        .await?;
        let entries: Vec<_> =
            rows.into_iter().map(|row| entry(epoch, row).map(Arc::new)).collect::<Result<_, _>>()?;
        // A hole before the first: the log was cut since the reader came here.
        Ok(entries.first().is_some_and(|first| first.seq == seq + 1).then_some(entries))
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

impl Store {
    /// Cuts off entries up to `by_number`, and those from before `oldest`, of a log that starts after `start`: at most
    /// [`CUT_ENTRIES`] at once. `false` if there were none.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn cut(
        &self,
        app_id: AppID,
        start: u64,
        by_number: u64,
        oldest: UnixMillis,
    ) -> Result<bool, StoreError> {
        // The first entry that stays, if the reach of this cut has one.
        let (stays, last): (Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT min(seq) FILTER (WHERE seq > ? AND time_ms >= ?), max(seq) FROM
             (SELECT seq, time_ms FROM events WHERE app_id = ? AND seq > ? ORDER BY seq LIMIT ?)",
        )
        .bind(signed(by_number))
        .bind(millis(oldest))
        .bind(app_id.as_bytes().as_slice())
        .bind(signed(start))
        .bind(signed(CUT_ENTRIES))
        .fetch_one(&self.reads)
        .await?;
        let Some(cut) = stays.map(|stays| stays - 1).or(last) else { return Ok(false) };
        let cut = unsigned(cut, "event")?;
        if cut <= start {
            return Ok(false);
        }
        let Some(hash) = self.chain_hash(app_id, cut).await? else { return Ok(false) };
        self.write(move |write| {
            Box::pin(async move {
                write.cut_log(app_id, cut, hash)?;
                let app = app_id.as_bytes().as_slice();
                sqlx::query("UPDATE apps SET log_start_seq = ?, log_start_hash = ? WHERE app_id = ?")
                    .bind(signed(cut))
                    .bind(hash.0.as_slice())
                    .bind(app)
                    .execute(write.writing())
                    .await?;
                sqlx::query("DELETE FROM events WHERE app_id = ? AND seq <= ?")
                    .bind(app)
                    .bind(signed(cut))
                    .execute(write.writing())
                    .await?;
                Ok(true)
            })
        })
        .await
    }
}

impl Store {
    /// Lets an app's log go on in a new lineage, because a backup was restored: every back end is told `gap` (`epoch`) and
    /// gets the state. Entries of the old lineage are cut off.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn begin_epoch(&self, app_id: AppID, epoch: Epoch) -> Result<(), StoreError> {
        self.write(move |write| {
            Box::pin(async move {
                let start = write.begin_epoch(app_id, epoch)?;
                let app = app_id.as_bytes().as_slice();
                sqlx::query(
                    "UPDATE apps SET epoch = ?, log_start_seq = ?, log_start_hash = ? WHERE app_id = ?",
                )
                .bind(epoch.as_str())
                .bind(signed(start.id.seq))
                .bind(start.hash.0.as_slice())
                .bind(app)
                .execute(write.writing())
                .await?;
                sqlx::query("DELETE FROM events WHERE app_id = ?").bind(app).execute(write.writing()).await?;
                Ok(())
            })
        })
        .await
    }
}

/// The state of each app's log, without its open sessions.
pub(super) async fn load_heads(
    connection: &mut SqliteConnection,
) -> Result<HashMap<AppID, LogState>, StoreError> {
    let rows: Vec<HeadRow> = sqlx::query_as(
        "SELECT a.app_id, a.epoch, a.log_start_seq, a.log_start_hash, e.seq, e.hash FROM apps a
         LEFT JOIN events e ON e.app_id = a.app_id AND e.seq = (SELECT max(seq) FROM events WHERE app_id = a.app_id)",
    )
    .fetch_all(connection)
    .await?;
    let state = |(app_id, epoch, start_seq, start_hash, seq, hash): HeadRow| {
        let app_id = AppID::from_bytes(bytes(&app_id, "app id")?);
        let epoch = epoch.parse().map_err(|_| StoreError::Corrupt("epoch"))?;
        let place = |seq: i64, hash: Option<Vec<u8>>| {
            let hash = hash.map_or(Ok(ChainHash::GENESIS), |hash| bytes(&hash, "event").map(ChainHash))?;
            Ok::<_, StoreError>(Place::new(epoch, unsigned(seq, "event")?, hash))
        };
        let start = place(start_seq, start_hash)?;
        let head = seq.map_or(Ok(start), |seq| place(seq, hash))?;
        Ok((app_id, LogState::new(app_id, start, head)))
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

//! Consumers: the positions that the server keeps for workers, and the leases of their lanes.

use passkey_accounts::{log::EventID, protocol::AppID};

use super::{
    Store, StoreError,
    rows::{millis, signed, unsigned},
};
use crate::limits::MAX_CONSUMERS_PER_APP;

/// A position to keep: lane, lease, and what is handled.
pub type Settled = (u32, u64, EventID);

impl Store {
    /// How many lanes a consumer has. It is made, with that many, if there is none; `None` when the app has as many
    /// consumers as it may.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn consumer_lanes(
        &self,
        app_id: AppID,
        name: &str,
        lanes: u32,
    ) -> Result<Option<u32>, StoreError> {
        const FIND: &str = "SELECT lanes FROM consumers WHERE app_id = ? AND name = ?";
        let found: Option<i64> = sqlx::query_scalar(FIND)
            .bind(app_id.as_bytes().as_slice())
            .bind(name)
            .fetch_optional(&self.reads)
            .await?;
        if let Some(lanes) = found {
            return lane_count(lanes).map(Some);
        }
        let name = name.to_owned();
        self.write(move |write| {
            Box::pin(async move {
                let app = app_id.as_bytes().as_slice();
                let count: i64 = sqlx::query_scalar("SELECT count(*) FROM consumers WHERE app_id = ?")
                    .bind(app)
                    .fetch_one(write.reading())
                    .await?;
                if count >= i64::from(MAX_CONSUMERS_PER_APP) {
                    return Ok(None);
                }
                let now = millis(write.now());
                sqlx::query(
                    "INSERT INTO consumers (app_id, name, lanes, created_ms) VALUES (?, ?, ?, ?)
                     ON CONFLICT DO NOTHING",
                )
                .bind(app)
                .bind(&name)
                .bind(i64::from(lanes))
                .bind(now)
                .execute(write.writing())
                .await?;
                let lanes = sqlx::query_scalar(FIND).bind(app).bind(&name).fetch_one(write.reading()).await?;
                lane_count(lanes).map(Some)
            })
        })
        .await
    }

    /// Begins a new ownership of a lane: its lease, and the position that is kept. The lease rises with every ownership,
    /// also over a restored backup, because it is never below the time in milliseconds.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn lease_lane(
        &self,
        app_id: AppID,
        name: &str,
        lane: u32,
    ) -> Result<(u64, Option<EventID>), StoreError> {
        let name = name.to_owned();
        self.write(move |write| {
            Box::pin(async move {
                let now = millis(write.now());
                let (lease, position): (i64, Option<String>) = sqlx::query_as(
                    "INSERT INTO consumer_lanes (app_id, name, lane, lease) VALUES (?, ?, ?, ?)
                     ON CONFLICT DO UPDATE SET lease = max(lease + 1, excluded.lease)
                     RETURNING lease, position",
                )
                .bind(app_id.as_bytes().as_slice())
                .bind(name)
                .bind(i64::from(lane))
                .bind(now)
                .fetch_one(write.writing())
                .await?;
                let position = position.map(|position| position.parse()).transpose();
                Ok((unsigned(lease, "lease")?, position.map_err(|_| StoreError::Corrupt("position"))?))
            })
        })
        .await
    }

    /// Keeps positions. `false` if a lane has a newer owner; its position is not touched.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn settle(&self, app_id: AppID, name: &str, settled: Vec<Settled>) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |write| {
            Box::pin(async move {
                let mut is_owner = true;
                for (lane, lease, position) in settled {
                    let done = sqlx::query(
                        "UPDATE consumer_lanes SET position = ?
                         WHERE app_id = ? AND name = ? AND lane = ? AND lease = ?",
                    )
                    .bind(position.to_string())
                    .bind(app_id.as_bytes().as_slice())
                    .bind(&name)
                    .bind(i64::from(lane))
                    .bind(signed(lease))
                    .execute(write.writing())
                    .await?;
                    is_owner &= done.rows_affected() == 1;
                }
                Ok(is_owner)
            })
        })
        .await
    }
}

fn lane_count(column: i64) -> Result<u32, StoreError> {
    u32::try_from(column).map_err(|_| StoreError::Corrupt("consumer"))
}

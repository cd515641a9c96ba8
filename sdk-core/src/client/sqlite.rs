//! Positions in SQLite, in the transaction of the effect.

use sqlx::{SqliteConnection, SqlitePool};

use super::{BoxError, Position, PositionStore};

/// Positions in a table of the application's own SQLite database: `passkey_accounts_positions`.
///
/// ```no_run
/// use passkey_accounts::{Accounts, SqlitePositions};
///
/// # async fn example(database: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
/// let accounts = Accounts::connect("https://auth.example", "pa_live_...")?;
/// let positions = SqlitePositions::open(database.clone()).await?;
/// let mut events = accounts.events().consumer("greetings").positions(positions.clone()).open();
/// while let Some(delivery) = events.next().await {
///     let delivery = delivery?;
///     let mut transaction = database.begin().await?;
///     sqlx::query("INSERT INTO greetings DEFAULT VALUES").execute(&mut *transaction).await?; // the effect
///     if let Some(position) = delivery.position() {
///         positions.save(&mut transaction, &position).await?; // refused: rolled back, and delivered to the new owner
///     }
///     transaction.commit().await?;
///     delivery.ack();
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SqlitePositions {
    pool: SqlitePool,
}

/// Why a position was not saved. Roll the transaction back and fail the delivery.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Another process owns the lane by now; it has or will have the item.
    #[error("another worker owns lane {lane} of {consumer:?} by now")]
    Fenced {
        /// The consumer's name.
        consumer: String,
        /// The lane.
        lane: u32,
    },
    /// The database's own error.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl SqlitePositions {
    /// Positions in this database. Makes the table if it is not there.
    ///
    /// # Errors
    /// The database's own.
    pub async fn open(pool: SqlitePool) -> Result<Self, sqlx::Error> {
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS passkey_accounts_positions (
                 consumer TEXT NOT NULL, lane INTEGER NOT NULL, id TEXT, lease INTEGER NOT NULL,
                 PRIMARY KEY (consumer, lane)
             ) STRICT, WITHOUT ROWID",
        )
        .execute(&pool)
        .await?;
        Ok(Self { pool })
    }

    /// Saves how far a lane is handled, within the transaction of the effect.
    ///
    /// # Errors
    /// [`SaveError::Fenced`] when a newer owner of the lane has begun.
    pub async fn save(
        &self,
        transaction: &mut SqliteConnection,
        position: &Position,
    ) -> Result<(), SaveError> {
        let saved = sqlx::query(
            "INSERT INTO passkey_accounts_positions (consumer, lane, id, lease) VALUES (?, ?, ?, ?)
             ON CONFLICT (consumer, lane) DO UPDATE SET id = excluded.id, lease = excluded.lease
             WHERE lease <= excluded.lease",
        )
        .bind(&position.consumer)
        .bind(position.lane)
        .bind(&position.id)
        .bind(lease_number(position.lease))
        .execute(transaction)
        .await?;
        if saved.rows_affected() == 0 {
            return Err(SaveError::Fenced { consumer: position.consumer.clone(), lane: position.lane });
        }
        Ok(())
    }
}

impl PositionStore for SqlitePositions {
    async fn claim(&self, consumer: &str, lane: u32, lease: u64) -> Result<Option<String>, BoxError> {
        let claimed: Option<(Option<String>,)> = sqlx::query_as(
            "INSERT INTO passkey_accounts_positions (consumer, lane, id, lease) VALUES (?, ?, NULL, ?)
             ON CONFLICT (consumer, lane) DO UPDATE SET lease = excluded.lease WHERE lease <= excluded.lease
             RETURNING id",
        )
        .bind(consumer)
        .bind(lane)
        .bind(lease_number(lease))
        .fetch_optional(&self.pool)
        .await?;
        let newer_owner = || SaveError::Fenced { consumer: consumer.to_owned(), lane };
        Ok(claimed.ok_or_else(newer_owner)?.0)
    }
}

/// SQLite's integers are signed. Leases are times in milliseconds, far below the difference.
fn lease_number(lease: u64) -> i64 {
    i64::try_from(lease).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};

    use super::{Position, PositionStore, SaveError, SqlitePositions};

    /// An application's database: its effects, and how far it is.
    async fn database() -> (SqlitePool, SqlitePositions) {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE effects (id TEXT NOT NULL)").execute(&pool).await.unwrap();
        let positions = SqlitePositions::open(pool.clone()).await.unwrap();
        (pool, positions)
    }

    /// Handles one event in one transaction.
    async fn handle(
        (pool, positions): &(SqlitePool, SqlitePositions),
        id: &str,
        lease: u64,
    ) -> Result<(), SaveError> {
        let mut transaction = pool.begin().await?;
        sqlx::query("INSERT INTO effects VALUES (?)").bind(id).execute(&mut *transaction).await?;
        let position = Position { consumer: "billing".into(), lane: 3, id: id.into(), lease };
        positions.save(&mut transaction, &position).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn effects((pool, _): &(SqlitePool, SqlitePositions)) -> Vec<String> {
        sqlx::query_scalar("SELECT id FROM effects ORDER BY rowid").fetch_all(pool).await.unwrap()
    }

    #[tokio::test]
    async fn a_lane_begins_where_its_last_effect_was_committed() {
        let database = database().await;
        assert_eq!(database.1.claim("billing", 3, 7).await.unwrap(), None);
        handle(&database, "e-2", 7).await.unwrap();
        handle(&database, "e-3", 7).await.unwrap();
        assert_eq!(database.1.claim("billing", 3, 8).await.unwrap().as_deref(), Some("e-3"));
        assert_eq!(database.1.claim("billing", 4, 8).await.unwrap(), None, "another lane");
        assert_eq!(database.1.claim("greeting", 3, 8).await.unwrap(), None, "another consumer");
    }

    #[tokio::test]
    async fn a_stale_lease_is_refused_and_its_effect_rolled_back() {
        let database = database().await;
        handle(&database, "e-2", 7).await.unwrap();
        handle(&database, "e-3", 8).await.unwrap();
        assert!(matches!(handle(&database, "e-3", 7).await, Err(SaveError::Fenced { lane: 3, .. })));
        assert_eq!(effects(&database).await, ["e-2", "e-3"]);
        assert!(database.1.claim("billing", 3, 7).await.is_err(), "a stale owner begins nothing");
    }

    #[tokio::test]
    async fn an_owner_that_wakes_up_after_the_next_one_has_begun_is_refused_before_any_effect_of_it() {
        let database = database().await;
        handle(&database, "e-2", 7).await.unwrap();
        assert_eq!(database.1.claim("billing", 3, 8).await.unwrap().as_deref(), Some("e-2"));
        assert!(matches!(handle(&database, "e-3", 7).await, Err(SaveError::Fenced { .. })));
        handle(&database, "e-3", 8).await.unwrap();
        assert_eq!(effects(&database).await, ["e-2", "e-3"]);
    }

    #[tokio::test]
    async fn a_crash_before_the_commit_leaves_neither_effect_nor_position() {
        let database = database().await;
        handle(&database, "e-2", 7).await.unwrap();
        let mut transaction = database.0.begin().await.unwrap();
        sqlx::query("INSERT INTO effects VALUES ('e-3')").execute(&mut *transaction).await.unwrap();
        let position = Position { consumer: "billing".into(), lane: 3, id: "e-3".into(), lease: 7 };
        database.1.save(&mut transaction, &position).await.unwrap();
        drop(transaction);
        assert_eq!(effects(&database).await, ["e-2"]);
        assert_eq!(database.1.claim("billing", 3, 8).await.unwrap().as_deref(), Some("e-2"));
    }

    #[tokio::test]
    async fn the_largest_lease_is_a_lease() {
        let database = database().await;
        handle(&database, "e-2", u64::MAX).await.unwrap();
        assert_eq!(database.1.claim("billing", 3, u64::MAX).await.unwrap().as_deref(), Some("e-2"));
    }
}

//! App rows: read once, when the database is opened.

use passkey_accounts::{
    log::Epoch,
    protocol::{AppID, UnixMillis, gateway::Policy},
};
use sqlx::SqliteConnection;

use super::{
    Store, StoreError,
    rows::{bytes, millis, signed, unsigned},
};
use crate::{
    apps::App,
    log::{LogState, Retention},
};

/// An app, as stored.
#[derive(Debug, Clone)]
pub struct AppRow {
    /// The app.
    pub app: App,
    /// When it was made.
    pub created_at: UnixMillis,
    pub(super) origins: String,
    pub(super) policy: &'static str,
    pub(super) retention_ms: Option<u64>,
    pub(super) retention_events: Option<u64>,
}

/// A row of the table: id, name, RP ID, origins, policy, beginning, how much of the log is kept, how long recoveries wait.
type Row = (Vec<u8>, String, String, String, String, i64, Option<i64>, Option<i64>, Option<i64>);

impl AppRow {
    fn new(app: App, created_at: UnixMillis) -> Result<Self, StoreError> {
        let origins = serde_json::to_string(&app.origins).map_err(|_| StoreError::Corrupt("origin"))?;
        let policy = word(app.policy);
        Ok(Self { app, created_at, origins, policy, retention_ms: None, retention_events: None })
    }
}

const fn word(policy: Policy) -> &'static str {
    match policy {
        Policy::Strict => "strict",
        Policy::Recoverable => "recoverable",
        Policy::Hardware => "hardware",
    }
}

impl Store {
    /// Adds an app with an empty log.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn create_app(&self, app: App, epoch: Epoch) -> Result<(), StoreError> {
        let app_id = app.app_id;
        let state = self
            .write(move |write| {
                Box::pin(async move {
                    let row = AppRow::new(app, write.now())?;
                    sqlx::query(
                        "INSERT INTO apps (app_id, name, rp_id, origins, policy, epoch, created_ms)
                         VALUES (?, ?, ?, ?, ?, ?, ?)",
                    )
                    .bind(app_id.as_bytes().as_slice())
                    .bind(&row.app.name)
                    .bind(&row.app.rp_id)
                    .bind(&row.origins)
                    .bind(row.policy)
                    .bind(epoch.as_str())
                    .bind(millis(row.created_at))
                    .execute(write.writing())
                    .await?;
                    let mut state = LogState::empty(app_id, epoch);
                    state.roll_mut().set_app(row);
                    write.add_log(app_id, state.clone());
                    Ok::<_, StoreError>(state)
                })
            })
            .await?;
        self.logs().insert(app_id, state);
        Ok(())
    }

    /// Every app, oldest first.
    pub fn apps(&self) -> Vec<App> {
        let states = self.logs().all().into_iter().map(|tail| tail.state());
        let mut rows: Vec<AppRow> = states.filter_map(|state| state.roll().app().cloned()).collect();
        rows.sort_by_key(|row| (row.created_at, row.app.app_id));
        rows.into_iter().map(|row| row.app).collect()
    }

    /// How much of an app's log is kept: its own wish, or the default.
    pub fn retention(&self, app_id: AppID, default: Retention) -> Retention {
        let state = self.logs().tail(app_id).map(|tail| tail.state());
        let row = state.as_ref().and_then(|state| state.roll().app());
        let (age_ms, entries) = row.map_or((None, None), |row| (row.retention_ms, row.retention_events));
        Retention { age_ms: age_ms.unwrap_or(default.age_ms), entries: entries.unwrap_or(default.entries) }
    }

    /// Sets how much of an app's log is kept; `None` for the server's default.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or there is no such app.
    pub async fn set_retention(
        &self,
        app_id: AppID,
        age_ms: Option<u64>,
        entries: Option<u64>,
    ) -> Result<(), StoreError> {
        self.write(move |write| {
            Box::pin(async move {
                let row = write.state(app_id).and_then(|state| state.roll().app()).cloned();
                let row = row.ok_or(StoreError::Corrupt("app id"))?;
                sqlx::query("UPDATE apps SET retention_ms = ?, retention_events = ? WHERE app_id = ?")
                    .bind(age_ms.map(signed))
                    .bind(entries.map(signed))
                    .bind(app_id.as_bytes().as_slice())
                    .execute(write.writing())
                    .await?;
                write.roll(app_id)?.set_app(AppRow {
                    retention_ms: age_ms,
                    retention_events: entries,
                    ..row
                });
                Ok(())
            })
        })
        .await
    }
}

/// Setting which passkeys are taken, and what somebody can do who has lost every one.
impl Store {
    /// Sets which passkeys are taken, of those that are there as of those that will be made.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or there is no such app.
    pub async fn set_policy(&self, app_id: AppID, policy: Policy) -> Result<(), StoreError> {
        self.write(move |write| {
            Box::pin(async move {
                let row = write.state(app_id).and_then(|state| state.roll().app()).cloned();
                let mut row = row.ok_or(StoreError::Corrupt("app id"))?;
                sqlx::query("UPDATE apps SET policy = ? WHERE app_id = ?")
                    .bind(word(policy))
                    .bind(app_id.as_bytes().as_slice())
                    .execute(write.writing())
                    .await?;
                row.app.policy = policy;
                row.policy = word(policy);
                write.roll(app_id)?.set_app(row);
                Ok(())
            })
        })
        .await
    }

    /// Sets how long recoveries wait, in milliseconds (from 24 hours to 30 days); `None` has
    /// accounts recovered by another passkey only. What runs already waits as long as it was to.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or there is no such app.
    pub async fn set_recovery(&self, app_id: AppID, hold_ms: Option<u64>) -> Result<(), StoreError> {
        self.write(move |write| {
            Box::pin(async move {
                let row = write.state(app_id).and_then(|state| state.roll().app()).cloned();
                let mut row = row.ok_or(StoreError::Corrupt("app id"))?;
                sqlx::query("UPDATE apps SET recovery_hold_ms = ? WHERE app_id = ?")
                    .bind(hold_ms.map(signed))
                    .bind(app_id.as_bytes().as_slice())
                    .execute(write.writing())
                    .await?;
                row.app.recovery_hold_ms = hold_ms;
                write.roll(app_id)?.set_app(row);
                Ok(())
            })
        })
        .await
    }
}

/// The rows of all apps.
pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Vec<AppRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT app_id, name, rp_id, origins, policy, created_ms, retention_ms, retention_events, recovery_hold_ms
            FROM apps",
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(app).collect()
}

fn app(row: Row) -> Result<AppRow, StoreError> {
    let (app_id, name, rp_id, origins, policy, created, retention_ms, retention_events, hold_ms) = row;
    let policy = match policy.as_str() {
        "strict" => Policy::Strict,
        "recoverable" => Policy::Recoverable,
        "hardware" => Policy::Hardware,
        _ => return Err(StoreError::Corrupt("policy")),
    };
    let parsed = serde_json::from_str(&origins).map_err(|_| StoreError::Corrupt("origin"))?;
    let app_id = AppID::from_bytes(bytes(&app_id, "app")?);
    let mut app = App::new(app_id, name, rp_id, parsed, policy).map_err(|_| StoreError::Corrupt("app"))?;
    app.recovery_hold_ms = hold_ms.map(|hold_ms| unsigned(hold_ms, "recovery hold")).transpose()?;
    let limit = |column: Option<i64>| column.map(|limit| unsigned(limit, "retention")).transpose();
    let row = AppRow::new(app, UnixMillis(unsigned(created, "app")?))?;
    // As it is stored, letter by letter: that is what was sealed.
    let (retention_ms, retention_events) = (limit(retention_ms)?, limit(retention_events)?);
    Ok(AppRow { origins, retention_ms, retention_events, ..row })
}

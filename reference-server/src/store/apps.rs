//! App rows.

use passkey_accounts::{
    log::Epoch,
    protocol::{AppID, gateway::Policy},
};

use super::{
    Store, StoreError,
    rows::{bytes, millis},
};
use crate::{apps::App, log::LogState};

/// A row of the table: id, name, RP ID, origins, policy.
type Row = (Vec<u8>, String, String, String, String);

const COLUMNS: &str = "SELECT app_id, name, rp_id, origins, policy FROM apps";

impl Store {
    /// Adds an app with an empty log.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn create_app(&self, app: App, epoch: Epoch) -> Result<(), StoreError> {
        let state = LogState::empty(app.app_id, epoch);
        let (app_id, added) = (app.app_id, state.clone());
        self.write(move |write| {
            Box::pin(async move {
                let policy = match app.policy {
                    Policy::Strict => "strict",
                    Policy::Recoverable => "recoverable",
                };
                let origins =
                    serde_json::to_string(&app.origins).map_err(|_| StoreError::Corrupt("origin"))?;
                let now = millis(write.now());
                sqlx::query(
                    "INSERT INTO apps (app_id, name, rp_id, origins, policy, epoch, created_ms)
                     VALUES (?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(app.app_id.as_bytes().as_slice())
                .bind(&app.name)
                .bind(&app.rp_id)
                .bind(origins)
                .bind(policy)
                .bind(epoch.as_str())
                .bind(now)
                .execute(write.writing())
                .await?;
                write.add_log(app.app_id, added);
                Ok::<_, StoreError>(())
            })
        })
        .await?;
        self.logs().insert(app_id, state);
        Ok(())
    }

    /// Every app, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn apps(&self) -> Result<Vec<App>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY created_ms, app_id"));
        let rows: Vec<Row> = sqlx::query_as(query).fetch_all(&self.reads).await?;
        rows.into_iter().map(app).collect()
    }
}

fn app((app_id, name, rp_id, origins, policy): Row) -> Result<App, StoreError> {
    let policy = match policy.as_str() {
        "strict" => Policy::Strict,
        "recoverable" => Policy::Recoverable,
        _ => return Err(StoreError::Corrupt("policy")),
    };
    let origins = serde_json::from_str(&origins).map_err(|_| StoreError::Corrupt("origin"))?;
    App::new(AppID::from_bytes(bytes(&app_id, "app")?), name, rp_id, origins, policy)
        .map_err(|_| StoreError::Corrupt("app"))
}

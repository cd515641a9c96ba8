//! Session rows: there is one as long as the session is open or may be resumed.

use std::sync::Arc;

use passkey_accounts::protocol::{
    AccountID, AppID, PasskeyID, SessionID, UnixMillis, base64url::Base64Url, gateway::SessionKey,
};
use sqlx::{QueryBuilder, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    StoreError,
    rows::{bytes, millis, runs, signed, unsigned},
};
use crate::{clock::Uptime, sessions::Session};

/// All open sessions of all apps.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    now: UnixMillis,
    uptime: Uptime,
) -> Result<Vec<Session>, StoreError> {
    let rows = sqlx::query(
        "SELECT session_id, app_id, account_id, passkey_id, origin, session_key, started_ms, expires_ms, idle_ms,
                grace_ms, user_agent FROM sessions ORDER BY session_id",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| session(row, now, uptime)).collect()
}

/// Inserts the sessions that a batch opened.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    opened: &[Arc<Session>],
) -> Result<(), StoreError> {
    for run in runs(opened) {
        QueryBuilder::new(
            "INSERT INTO sessions (session_id, app_id, account_id, passkey_id, origin, session_key, started_ms,
                                   expires_ms, idle_ms, grace_ms, user_agent) ",
        )
        .push_values(run, |mut row, session| {
            let Session { session_key, .. } = &**session;
            row.push_bind(session.session_id.as_bytes().to_vec())
                .push_bind(session.app_id.as_bytes().to_vec())
                .push_bind(session.account_id.as_bytes().to_vec())
                .push_bind(session.passkey_id.as_bytes().to_vec())
                .push_bind(session.origin.clone())
                .push_bind([session_key.x.0.as_slice(), session_key.y.0.as_slice()].concat())
                .push_bind(millis(session.started_at))
                .push_bind(millis(session.expires_at))
                .push_bind(signed(session.idle_ms))
                .push_bind(signed(session.grace_ms))
                .push_bind(session.user_agent.clone());
        })
        .build()
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Deletes the sessions that a batch ended.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    ended: &[Arc<Session>],
) -> Result<(), StoreError> {
    for run in runs(ended) {
        let mut query = QueryBuilder::new("DELETE FROM sessions WHERE session_id IN (");
        let mut ids = query.separated(", ");
        for session in run {
            ids.push_bind(session.session_id.as_bytes().to_vec());
        }
        query.push(")").build().execute(&mut *connection).await?;
    }
    Ok(())
}

fn session(row: &SqliteRow, now: UnixMillis, uptime: Uptime) -> Result<Session, StoreError> {
    let id = |column| bytes(row.try_get::<&[u8], _>(column)?, "session");
    let number = |column| unsigned(row.try_get::<i64, _>(column)?, "session");
    let key: [u8; 64] = bytes(row.try_get("session_key")?, "session")?;
    let (x, y) = key.split_at(32);
    let expires_at = UnixMillis(number("expires_ms")?);
    Ok(Session {
        session_id: SessionID::from_bytes(id("session_id")?),
        app_id: AppID::from_bytes(id("app_id")?),
        account_id: AccountID::from_bytes(id("account_id")?),
        passkey_id: PasskeyID::from_bytes(id("passkey_id")?),
        origin: row.try_get("origin")?,
        session_key: SessionKey {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x: Base64Url(x.to_vec()),
            y: Base64Url(y.to_vec()),
        },
        started_at: UnixMillis(number("started_ms")?),
        expires_at,
        ends: uptime.plus(expires_at.since(now)),
        idle_ms: number("idle_ms")?,
        grace_ms: number("grace_ms")?,
        user_agent: row.try_get("user_agent")?,
    })
}

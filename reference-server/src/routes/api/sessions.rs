//! `/v1/sessions`: who is signed in, and ending that.

use std::{ops::Bound, sync::Arc};

use axum::{Extension, Json, extract::State, http::StatusCode};
use passkey_accounts::protocol::{
    AccountID, Code, Scope, SessionID,
    http::{DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS, Problem as ProblemBody, SessionsPage},
    stream::OpenSession,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::Problem,
    answers::Refusals,
    body::{Asked, Named, bad_query},
    caller::Caller,
};
use crate::{
    context::Context,
    sessions::{Session, revoke},
};

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct SessionsQuery {
    /// Those after this one: `next` of the page before.
    after: Option<SessionID>,
    /// At most this many, 1 to 500. Default 100.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Those of this account only.
    #[serde(rename = "accountID")]
    #[param(rename = "accountID")]
    account_id: Option<AccountID>,
}

/// How many items a page has at most.
pub(super) fn page_items(limit: Option<usize>) -> Result<usize, Problem> {
    match limit {
        None => Ok(DEFAULT_PAGE_ITEMS),
        Some(limit @ 1..=MAX_PAGE_ITEMS) => Ok(limit),
        Some(_) => Err(bad_query(format!("\"limit\" is a number from 1 to {MAX_PAGE_ITEMS}"))),
    }
}

/// Lists the open sessions, oldest first. Needs `sessions:read`. Each page is exact at its own `head`.
#[utoipa::path(get, path = "/v1/sessions", operation_id = "listSessions", tag = "sessions", params(SessionsQuery),
    responses((status = 200, description = "A page of them.", body = SessionsPage), Refusals))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Asked(query): Asked<SessionsQuery>,
) -> Result<Json<SessionsPage>, Problem> {
    caller.require(Scope::SessionsRead)?;
    let limit = page_items(query.limit)?;
    let tail = context.store.logs().tail(caller.app_id).ok_or_else(|| Problem::not_found("app"))?;
    let state = tail.state();
    let from = query.after.map_or(Bound::Unbounded, Bound::Excluded);
    let is_meant = |session: &&Arc<Session>| query.account_id.is_none_or(|id| session.account_id == id);
    let mut found =
        state.sessions().range((from, Bound::Unbounded)).map(|(_, session)| session).filter(is_meant);
    let sessions: Vec<OpenSession> =
        found.by_ref().take(limit).map(|session| session.for_snapshot()).collect();
    let next = found.next().and(sessions.last()).map(|session| session.session_id);
    Ok(Json(SessionsPage { sessions, next, head: state.head().id.to_string() }))
}

/// Ends a session: its page is told and its socket closed at once, `loggedOut` says `revoked`. Needs `sessions:write`.
#[utoipa::path(delete, path = "/v1/sessions/{sessionID}", operation_id = "endSession", tag = "sessions",
    params(("sessionID" = SessionID, Path)),
    responses(
        (status = 204, description = "It has ended."),
        (status = 404, description = "No such session is open.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn end(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named(session_id): Named<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::SessionsWrite)?;
    let none =
        || Problem::new(StatusCode::NOT_FOUND, Code::NotFound).detail("no such session is open in this app");
    let session_id: SessionID = session_id.parse().map_err(|_| none())?;
    let Context { store, attached, detached, .. } = &*context;
    if revoke(store, attached, detached, caller.app_id, session_id).await? {
        tracing::info!(app.id = %caller.app_id, key.id = caller.key.key_id, session.id = %session_id, "session revoked");
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(none())
    }
}

//! `/v1/accounts/{accountID}`: what is known of an account, and erasing it.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use passkey_accounts::protocol::{
    AccountID, Scope,
    gateway::EndReason,
    http::{AccountInfo, Problem as ProblemBody},
};

use super::{super::Problem, answers::Refusals, body::Named, caller::Caller};
use crate::{accounts, context::Context, sessions::tell, store::Wanted};

/// Reads an account's id in an address.
pub(super) fn account_id(text: &str) -> Result<AccountID, Problem> {
    text.parse().map_err(|_| Problem::not_found("account"))
}

/// Says what is known of an account. Needs `accounts:read`.
#[utoipa::path(get, path = "/v1/accounts/{accountID}", operation_id = "showAccount", tag = "accounts",
    params(("accountID" = AccountID, Path)),
    responses(
        (status = 200, description = "The account.", body = AccountInfo),
        (status = 404, description = "The app has no such account.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn show(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
) -> Result<Json<AccountInfo>, Problem> {
    caller.require(Scope::AccountsRead)?;
    let account_id = account_id(&id)?;
    let account = context.store.account(caller.app_id, Wanted::Account(account_id)).await?;
    let account = account.ok_or_else(|| Problem::not_found("account"))?;
    let tail = context.store.logs().tail(caller.app_id).ok_or_else(|| Problem::not_found("app"))?;
    let sessions = tail.state().account_sessions(account_id);
    let (created_at, passkeys) = (account.created_at, account.passkeys.len() as u64);
    Ok(Json(AccountInfo { account_id, created_at, passkeys, sessions }))
}

/// Erases an account: its address, its passkeys and its sessions; their sockets are closed at once. Needs
/// `accounts:write`. The log keeps what happened, without an address.
#[utoipa::path(delete, path = "/v1/accounts/{accountID}", operation_id = "eraseAccount", tag = "accounts",
    params(("accountID" = AccountID, Path)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "The app has no such account.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn erase(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::AccountsWrite)?;
    let account_id = account_id(&id)?;
    let ended = accounts::erase(&context.store, caller.app_id, account_id).await?;
    let ended = ended.ok_or_else(|| Problem::not_found("account"))?;
    tell(&context.attached, &context.detached, &ended, EndReason::AccountErased);
    tracing::info!(app.id = %caller.app_id, key.id = caller.key.key_id, account.id = %account_id, "account erased");
    Ok(StatusCode::NO_CONTENT)
}

//! `/v1/accounts/{accountID}/passkeys`: listing them, and removing one.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use passkey_accounts::protocol::{
    AccountID, Code, PasskeyID, Scope,
    base64url::Base64Url,
    gateway::EndReason,
    http::{PasskeyInfo, PasskeyList, Problem as ProblemBody},
};

use super::{super::Problem, accounts::account_id, answers::Refusals, body::Named, caller::Caller};
use crate::{
    accounts::{Passkey, Removal, open_passkeys, remove_passkey},
    context::Context,
    mail::News,
    news::tell_address_beside,
    sessions::tell,
    store::PasskeyRow,
};

/// Lists the passkeys of an account, oldest first. Needs `accounts:read`.
#[utoipa::path(get, path = "/v1/accounts/{accountID}/passkeys", operation_id = "listPasskeys", tag = "accounts",
    params(("accountID" = AccountID, Path)),
    responses(
        (status = 200, description = "All of them.", body = PasskeyList),
        (status = 404, description = "The app has no such account.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
) -> Result<Json<PasskeyList>, Problem> {
    caller.require(Scope::AccountsRead)?;
    let account_id = account_id(&id)?;
    let passkeys = open_passkeys(&context.store, caller.app_id, account_id).await?;
    let passkeys = passkeys.ok_or_else(|| Problem::not_found("account"))?;
    let info = |(row, passkey): (PasskeyRow, Passkey)| PasskeyInfo {
        passkey_id: row.passkey_id,
        name: passkey.name.map(|name| name.as_str().to_owned()),
        created_at: row.created_at,
        last_used_at: passkey.last_used_at,
        aaguid: Base64Url(passkey.aaguid.to_vec()),
        backup_eligible: passkey.backup_eligible,
        backed_up: passkey.backed_up,
    };
    Ok(Json(PasskeyList { passkeys: passkeys.into_iter().map(info).collect() }))
}

/// Removes a passkey; the sessions that it opened end at once, with their sockets. Needs `accounts:write`. The last
/// passkey of an account stays: nobody could sign in to it any more.
#[utoipa::path(delete, path = "/v1/accounts/{accountID}/passkeys/{passkeyID}", operation_id = "removePasskey",
    tag = "accounts", params(("accountID" = AccountID, Path), ("passkeyID" = PasskeyID, Path)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "The app has no such account, or it no such passkey.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is the account's last.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named((account, passkey)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::AccountsWrite)?;
    let account_id = account_id(&account)?;
    let none = || Problem::not_found("passkey");
    let passkey_id: PasskeyID = passkey.parse().map_err(|_| none())?;
    let Context { store, attached, detached, .. } = &*context;
    match remove_passkey(store, caller.app_id, account_id, passkey_id).await? {
        Removal::Done(ended) => {
            tell(attached, detached, &ended, EndReason::PasskeyRemoved);
            tracing::info!(app.id = %caller.app_id, key.id = caller.key.key_id, passkey.id = %passkey_id, "passkey removed");
            if let Some(app) = context.apps.find(caller.app_id) {
                tell_address_beside(&context, &app, account_id, News::PasskeyRemoved);
            }
            Ok(StatusCode::NO_CONTENT)
        }
        Removal::NotFound => Err(none()),
        Removal::IsLast => Err(Problem::new(StatusCode::CONFLICT, Code::LastPasskey)),
    }
}

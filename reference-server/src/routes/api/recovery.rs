//! `/v1/recoveries` and `/v1/accounts/{accountID}/recovery`: the recoveries that run, an operator's approval, cancelling one.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use passkey_accounts::protocol::{
    AccountID, Code, Scope,
    http::{Problem as ProblemBody, RecoveryApproval, RecoveryInfo, RecoveryList},
};

use super::{super::Problem, accounts::account_id, answers::Refusals, body::Named, caller::Caller};
use crate::{
    accounts::{GestureError, Recoverable, approve_recovery, cancel_recovery, until},
    apps::App,
    clock::make_random,
    context::Context,
    mail::News,
    news::tell_recovery_news,
    recovery::{Approval, Beginning, RecoveryCode},
    store::Wanted,
};

/// Lists the recoveries that run. Needs `accounts:read`.
#[utoipa::path(get, path = "/v1/recoveries", operation_id = "listRecoveries", tag = "accounts",
    responses((status = 200, description = "All of them.", body = RecoveryList), Refusals))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<RecoveryList>, Problem> {
    caller.require(Scope::AccountsRead)?;
    let tail = context.store.logs().tail(caller.app_id).ok_or_else(|| Problem::not_found("app"))?;
    let (now, uptime) = (context.clock.now(), context.clock.uptime());
    let info = |(account_id, running): (&AccountID, &crate::recovery::Running)| {
        let mut running = running.clone();
        running.count(uptime);
        RecoveryInfo { account_id: *account_id, until: until(&running, now) }
    };
    Ok(Json(RecoveryList { recoveries: tail.state().recoveries().iter().map(info).collect() }))
}

/// Approves the recovery of an account whose person has lost every passkey and the recovery code. Needs
/// `recovery:approve`, and a key with a name: two keys with different names have to approve. With the second approval the
/// recovery begins, and the answer has the recovery code that the person needs besides the mail. Hand it over where you
/// know that it is them, never by mail.
#[utoipa::path(post, path = "/v1/accounts/{accountID}/recovery", operation_id = "approveRecovery", tag = "accounts",
    params(("accountID" = AccountID, Path)),
    responses(
        (status = 200, description = "How many have approved it.", body = RecoveryApproval),
        (status = 404, description = "The app has no such account.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The app has no recovery by code.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn approve(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
) -> Result<Json<RecoveryApproval>, Problem> {
    caller.require(Scope::RecoveryApprove)?;
    let operator = caller.key.name.trim().to_owned();
    if operator.is_empty() {
        return Err(Problem::new(StatusCode::FORBIDDEN, Code::Forbidden)
            .detail("an operator's API key needs a name: it tells two operators apart"));
    }
    let account_id = account_id(&id)?;
    let Context { store, clock, mailer, .. } = &*context;
    let app = app(&context, &caller)?;
    let hold_ms =
        app.recovery_hold_ms.ok_or_else(|| Problem::new(StatusCode::CONFLICT, Code::RecoveryOff))?;
    let (now, uptime) = (clock.now(), clock.uptime());
    let (code, recovery_id) = (RecoveryCode::from_random(make_random()), make_random());
    let found = Recoverable::find(store, app.app_id, Wanted::Account(account_id), uptime).await?;
    let mut found = found.ok_or_else(|| Problem::not_found("account"))?;
    // Before it begins: what cannot be told must not run.
    let looked = found.recovery.approve(&operator, [0; 32], Beginning { hold_ms, recovery_id, uptime, now });
    if looked == Approval::Second {
        let news = News::RecoveryStarted { until: now.plus(hold_ms) };
        let sent = mailer.send_news(&found.email, &app.name, &news, now).await;
        sent.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, Code::MailFailed))?;
    }
    let hold = (hold_ms, recovery_id);
    let approved = approve_recovery(store, app.app_id, account_id, operator, &code, hold).await?;
    let (approval, running) = approved.ok_or_else(|| Problem::not_found("account"))?;
    tracing::info!(app.id = %app.app_id, key.id = caller.key.key_id, account.id = %account_id, ?approval, "recovery approved");
    context.recoveries.send_replace(());
    let until = running.map(|running| until(&running, now));
    Ok(Json(match approval {
        Approval::First => RecoveryApproval { approvals: 1, until: None, recovery_code: None },
        Approval::Second => RecoveryApproval { approvals: 2, until, recovery_code: Some(code.reveal()) },
        Approval::Running => RecoveryApproval { approvals: 2, until, recovery_code: None },
    }))
}

/// Cancels the recovery of an account, or takes back an operator's approval; the recovery code that began it is burnt.
/// Needs `accounts:write`.
#[utoipa::path(delete, path = "/v1/accounts/{accountID}/recovery", operation_id = "cancelRecovery", tag = "accounts",
    params(("accountID" = AccountID, Path)),
    responses(
        (status = 204, description = "It is over."),
        (status = 404, description = "There is none, or no such account.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn cancel(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::AccountsWrite)?;
    let (account_id, app) = (account_id(&id)?, app(&context, &caller)?);
    let was_running = context.store.logs().tail(app.app_id);
    let was_running = was_running.is_some_and(|tail| tail.state().recoveries().contains_key(&account_id));
    let cancelled = cancel_recovery(&context.store, app.app_id, account_id, None).await;
    let was_there = cancelled.map_err(|error| match error {
        GestureError::Store(error) => Problem::from(error),
        _ => Problem::not_found("account"),
    })?;
    if !was_there {
        return Err(Problem::not_found("recovery"));
    }
    tracing::info!(app.id = %app.app_id, key.id = caller.key.key_id, account.id = %account_id, "recovery cancelled");
    if was_running {
        let news = News::RecoveryCancelled;
        tell_recovery_news(&context, &app, Wanted::Account(account_id), news).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn app(context: &Context, caller: &Caller) -> Result<Arc<App>, Problem> {
    context.apps.find(caller.app_id).ok_or_else(|| Problem::not_found("app"))
}

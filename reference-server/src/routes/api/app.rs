//! `/v1/app`: the app that the key speaks for.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use passkey_accounts::protocol::http::{AppInfo, Problem as ProblemBody};

use super::{super::Problem, answers::Refusals, caller::Caller};
use crate::{apps::Origin, context::Context};

/// The app that the key speaks for. Every key may ask.
#[utoipa::path(get, path = "/v1/app", operation_id = "showApp", tag = "app",
    responses(
        (status = 200, description = "The app.", body = AppInfo),
        (status = 404, description = "It was taken off this server.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn show(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<AppInfo>, Problem> {
    let app = context.apps.find(caller.app_id).ok_or_else(|| Problem::not_found("app"))?;
    Ok(Json(AppInfo {
        app_id: app.app_id,
        name: app.name.clone(),
        rp_id: app.rp_id.clone(),
        origins: app.origins.iter().map(Origin::as_str).map(str::to_owned).collect(),
        policy: app.policy,
    }))
}

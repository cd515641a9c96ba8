//! `/v1/checkpoint` and `/.well-known/jwks.json`: the newest signed head, and the key that checks it.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use passkey_accounts::protocol::{
    Scope,
    http::{Checkpoint, Jwk, JwkSet},
};

use super::{super::Problem, answers::Refusals, caller::Caller};
use crate::context::Context;

/// The head of the app's log, signed. Needs `events:read`. Who keeps one can prove later that history was changed.
#[utoipa::path(get, path = "/v1/checkpoint", operation_id = "showCheckpoint", tag = "events",
    responses((status = 200, description = "The newest signed head.", body = Checkpoint), Refusals))]
pub(super) async fn show(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Checkpoint>, Problem> {
    caller.require(Scope::EventsRead)?;
    let tail = context.store.logs().tail(caller.app_id).ok_or_else(|| Problem::not_found("app"))?;
    let head = tail.signed_head(context.keyring.head_signer(), context.clock.now());
    Ok(Json(Checkpoint { app_id: caller.app_id, head }))
}

/// The public keys of this server: nothing secret, so anybody may ask.
pub(in crate::routes) async fn keys(State(context): State<Arc<Context>>) -> Json<JwkSet> {
    let key = context.keyring.head_signer().public();
    Json(JwkSet {
        keys: vec![Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: key.jwk_x(),
            kid: key.id().to_owned(),
            r#use: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
        }],
    })
}

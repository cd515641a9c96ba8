//! `/v1/keys`: the app's API keys. No key makes one that may do more than itself.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use passkey_accounts::{
    key_pair::PublicKey,
    protocol::{
        Code, Scope, UnixMillis,
        http::{
            CreatedKey, DEFAULT_OVERLAP_MS, KeyInfo, KeyList, MAX_KEY_NAME_BYTES, MAX_OVERLAP_MS, NewKey,
            NewKeyPair, Problem as ProblemBody, Rotation,
        },
    },
};

use super::{
    super::Problem,
    answers::Refusals,
    body::{self, Named, OptionalJson, unprocessable},
    caller::{Caller, missing},
};
use crate::{
    clock::make_random,
    context::Context,
    keys::{ApiKey, KeyEnvironment},
    routes::Mode,
    store::{KeyError, NewKeyRow},
};

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let detail = error.to_string();
        match error {
            KeyError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, Code::NotFound).detail(detail),
            KeyError::NotLive(_) | KeyError::Taken | KeyError::IsPair(_) => {
                Self::new(StatusCode::CONFLICT, Code::Unexpected).detail(detail)
            }
            KeyError::TooMany => Self::new(StatusCode::CONFLICT, Code::TooManyKeys).detail(detail),
            KeyError::Store(error) => error.into(),
        }
    }
}

/// Lists the app's keys, oldest first, without their secrets. Needs `keys:write`.
#[utoipa::path(get, path = "/v1/keys", operation_id = "listKeys", tag = "keys",
    responses((status = 200, description = "All of them.", body = KeyList), Refusals))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<KeyList>, Problem> {
    caller.require(Scope::KeysWrite)?;
    let rows = context.store.keys_of(caller.app_id);
    Ok(Json(KeyList { keys: rows.iter().map(|row| row.info()).collect() }))
}

/// Makes a key. Needs `keys:write`. The answer is the only one that ever holds it.
#[utoipa::path(post, path = "/v1/keys", operation_id = "createKey", tag = "keys", request_body = NewKey,
    responses(
        (status = 201, description = "The new key.", body = CreatedKey),
        (status = 409, description = "The app has as many keys as it may.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn create(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    body::Json(new): body::Json<NewKey>,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    let NewKey { name, scopes, expires_at } = new;
    let scopes = check_new(&context, &caller, &name, scopes, expires_at)?;
    let key = make_key(&context);
    let new = NewKeyRow::secret(caller.app_id, &key, name, scopes, expires_at);
    let row = context.store.issue_key(new).await?;
    Ok((StatusCode::CREATED, Json(CreatedKey { api_key: key.reveal().to_owned(), key: row.info() })))
}

/// Registers the public half of a key pair, whose holder signs and sends no secret. Needs `keys:write`.
#[utoipa::path(post, path = "/v1/key-pairs", operation_id = "registerKeyPair", tag = "keys", request_body = NewKeyPair,
    responses(
        (status = 201, description = "What is known of it.", body = KeyInfo),
        (status = 409, description = "It is registered already, or the app has as many keys as it may.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn register(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    body::Json(new): body::Json<NewKeyPair>,
) -> Result<(StatusCode, Json<KeyInfo>), Problem> {
    let NewKeyPair { public_key, name, scopes, expires_at } = new;
    let scopes = check_new(&context, &caller, &name, scopes, expires_at)?;
    let key =
        PublicKey::parse(&public_key).map_err(|error| unprocessable(format!("\"publicKey\": {error}")))?;
    let new = NewKeyRow::pair(caller.app_id, key, name, scopes, expires_at);
    let row = context.store.issue_key(new).await?;
    Ok((StatusCode::CREATED, Json(row.info())))
}

/// Whether that key may be made by who asks, and what it may be used for.
fn check_new(
    context: &Context,
    caller: &Caller,
    name: &str,
    scopes: Option<Vec<Scope>>,
    expires_at: Option<UnixMillis>,
) -> Result<Vec<Scope>, Problem> {
    caller.require(Scope::KeysWrite)?;
    if name.len() > MAX_KEY_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(unprocessable(format!(
            "\"name\" has at most {MAX_KEY_NAME_BYTES} bytes and no control characters"
        )));
    }
    if expires_at.is_some_and(|at| at <= context.clock.now()) {
        return Err(unprocessable("\"expiresAt\" has passed already"));
    }
    let mut scopes = scopes.unwrap_or_else(|| caller.key.scopes.clone());
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() || scopes.contains(&Scope::Other) {
        let known: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        return Err(unprocessable(format!("\"scopes\" names at least one of {}", known.join(", "))));
    }
    may_hand_out(caller, &scopes)?;
    Ok(scopes)
}

/// Makes a key like this one, which still works for `overlapMs` and expires then. Needs `keys:write`.
#[utoipa::path(post, path = "/v1/keys/{keyID}/rotate", operation_id = "rotateKey", tag = "keys",
    params(("keyID" = String, Path)), request_body(content = Option<Rotation>),
    responses(
        (status = 201, description = "The new key.", body = CreatedKey),
        (status = 404, description = "The app has no such key.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The key is over already, or the app has as many keys as it may.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn rotate(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named(key_id): Named<String>,
    OptionalJson(rotation): OptionalJson<Rotation>,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    caller.require(Scope::KeysWrite)?;
    let overlap_ms = rotation.overlap_ms.unwrap_or(DEFAULT_OVERLAP_MS);
    if overlap_ms > MAX_OVERLAP_MS {
        return Err(unprocessable(format!("\"overlapMs\" is at most {MAX_OVERLAP_MS}, which is 30 days")));
    }
    let old = context.store.key(&key_id).filter(|row| row.app_id == caller.app_id);
    let old = old.ok_or_else(|| KeyError::NotFound(key_id.clone()))?;
    may_hand_out(&caller, &old.scopes)?;
    let key = make_key(&context);
    let row = context.store.rotate_key(caller.app_id, key_id.clone(), key.clone(), overlap_ms).await?;
    if overlap_ms == 0 {
        context.back_ends.revoke_key(caller.app_id, &key_id);
    } else {
        context.back_ends.keys_changed();
    }
    Ok((StatusCode::CREATED, Json(CreatedKey { api_key: key.reveal().to_owned(), key: row.info() })))
}

/// Takes a key back, also the one that asks; its event sockets are closed at once. Needs `keys:write`.
#[utoipa::path(delete, path = "/v1/keys/{keyID}", operation_id = "revokeKey", tag = "keys",
    params(("keyID" = String, Path)),
    responses(
        (status = 204, description = "It no longer works."),
        (status = 404, description = "The app has no such key.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn revoke(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Named(key_id): Named<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::KeysWrite)?;
    context.store.revoke_key_of(caller.app_id, key_id.clone()).await?;
    context.back_ends.revoke_key(caller.app_id, &key_id);
    tracing::info!(app.id = %caller.app_id, key.id = caller.key.key_id, revoked = key_id, "API key revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// A key must not hand out what it does not have: whoever stole one for a small thing would have them all.
fn may_hand_out(caller: &Caller, scopes: &[Scope]) -> Result<(), Problem> {
    scopes.iter().find(|scope| !caller.may(**scope)).map_or(Ok(()), |scope| Err(missing(*scope)))
}

fn make_key(context: &Context) -> ApiKey {
    let environment = match context.site.mode {
        Mode::Dev => KeyEnvironment::Dev,
        Mode::Serve => KeyEnvironment::Live,
    };
    ApiKey::new(environment, &make_random())
}

//! The HTTP API for back ends (docs/protocol.md section 4): one file per noun.

mod accounts;
mod answers;
mod app;
mod body;
mod caller;
mod checkpoint;
mod events;
mod idempotency;
mod keys;
mod openapi;
mod passkeys;
mod recovery;
mod sessions;

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use passkey_accounts::protocol::Code;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use caller::ApiState;
pub(super) use caller::{Caller, authenticate};

use super::Problem;
use crate::{context::Context, stream, unheard::Unheard};

/// The API's routes, and `/openapi.json`, which lists exactly these.
pub(super) fn router(context: &Arc<Context>) -> Router<Arc<Context>> {
    let (api, document) = OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(app::show))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(accounts::show, accounts::erase))
        .routes(routes!(passkeys::list))
        .routes(routes!(passkeys::remove))
        .routes(routes!(recovery::list))
        .routes(routes!(recovery::approve, recovery::cancel))
        .routes(routes!(events::list))
        .routes(routes!(checkpoint::show))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::register))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .split_for_parts();
    // Written once: strangers may ask for it as often as they like.
    let document = Bytes::from(serde_json::to_vec(&document).expect("an OpenAPI document is JSON"));
    // Outermost last: who asks is known before anything is read, and nothing runs twice for one Idempotency-Key.
    api.method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(context), idempotency::once))
        .layer(middleware::from_fn(body::read))
        .layer(middleware::from_fn_with_state(Arc::clone(context), caller::authorize))
        .layer(middleware::from_fn_with_state(Arc::clone(context), socket_first))
        .route("/.well-known/jwks.json", get(checkpoint::keys))
        .route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], document)))
}

/// The event socket and the pages of the log have one address.
async fn socket_first(
    State(context): State<Arc<Context>>,
    Extension(unheard): Extension<Unheard>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let is_socket = request.uri().path() == "/v1/events"
        && (headers.contains_key(header::UPGRADE) || headers.contains_key(header::SEC_WEBSOCKET_VERSION));
    if !is_socket {
        return next.run(request).await;
    }
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => stream::upgrade(context, &parts.headers, unheard, upgrade),
        Err(rejection) => Problem::upgrade_required(&rejection).into_response(),
    }
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, Code::BadMessage)
        .detail("this address does not take that method; \"Allow\" says which")
}

/// Reads a query as each route that has one would: for `fuzz/`, which gets no further than here without a database.
#[cfg(fuzzing)]
pub fn read_queries(query: &str) {
    fn read<T: serde::de::DeserializeOwned>(uri: &axum::http::Uri) {
        let _ = axum::extract::Query::<T>::try_from_uri(uri);
    }
    if let Ok(uri) = format!("/?{query}").parse() {
        read::<sessions::SessionsQuery>(&uri);
        read::<events::EventsQuery>(&uri);
    }
}

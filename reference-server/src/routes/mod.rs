//! The one list of HTTP routes.

mod api;
mod dev;
mod headers;
mod problem;
mod site;
mod trigger;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, StatusCode},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use passkey_accounts::protocol::Code;

pub use api::ApiState;
#[cfg(fuzzing)]
pub use api::read_queries;
pub use problem::Problem;
pub use site::{Mode, Site};

use crate::{context::Context, gateway, stream, unheard::Unheard};

/// Every route of the server.
pub fn router(context: Arc<Context>) -> Router {
    let mut router = Router::new()
        .merge(api::router(&context))
        .route("/", get(root))
        .route("/v1/gateway", get(gateway::upgrade))
        .route("/v1/{*unknown}", any(unknown))
        .route("/healthz", get(async || StatusCode::NO_CONTENT))
        .route("/site.json", get(site::describe))
        .fallback(get(site::file));
    if context.site.mode == Mode::Dev {
        router = router
            .route("/dev/outbox", get(dev::outbox))
            .route("/dev/quickstart", get(dev::quickstart))
            .route("/dev/trigger", post(trigger::trigger));
    }
    let headers = middleware::map_response_with_state(Arc::clone(&context), headers::secure);
    router.layer(headers).with_state(context)
}

/// `/` is the home page for a browser and the event socket for the shortest client.
async fn root(
    State(context): State<Arc<Context>>,
    Extension(unheard): Extension<Unheard>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    match upgrade {
        Ok(upgrade) => stream::upgrade(context, &headers, unheard, upgrade),
        Err(_) => site::file(State(context), request.uri().clone(), headers).await,
    }
}

async fn unknown() -> Response {
    Problem::new(StatusCode::NOT_FOUND, Code::NotFound)
        .detail("there is nothing at this address")
        .into_response()
}

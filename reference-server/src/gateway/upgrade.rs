//! Who may open a browser socket: a page at one of the app's origins.

use std::sync::Arc;

use axum::{
    extract::{Query, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, StatusCode, header::ORIGIN},
    response::{IntoResponse, Response},
};
use passkey_accounts::protocol::{Code, gateway};
use serde::Deserialize;

use super::socket::{Page, converse};
use crate::{
    context::Context,
    routes::Problem,
    socket::{Socket, tune},
};

/// The query of the upgrade.
#[derive(Debug, Deserialize)]
pub struct GatewayQuery {
    #[serde(default)]
    app: String,
}

/// Upgrades a page's request to a browser socket.
pub async fn upgrade(
    State(context): State<Arc<Context>>,
    Query(query): Query<GatewayQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([gateway::SUBPROTOCOL]),
        Err(rejection) => return Problem::upgrade_required(&rejection).into_response(),
    };
    let Some(app) = query.app.parse().ok().and_then(|app_id| context.apps.find(app_id)) else {
        return Problem::new(StatusCode::NOT_FOUND, Code::UnknownApp).into_response();
    };
    // Browsers always send Origin on a WebSocket and no page can change it. Nothing else belongs here.
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let Some(origin) = origin.and_then(|origin| app.origin(origin)).cloned() else {
        return Problem::new(StatusCode::FORBIDDEN, Code::OriginNotAllowed).into_response();
    };
    if upgrade.selected_protocol().is_none() {
        let detail = format!("offer the WebSocket subprotocol {}", gateway::SUBPROTOCOL);
        return Problem::new(StatusCode::BAD_REQUEST, Code::UnsupportedProtocol)
            .detail(detail)
            .into_response();
    }
    let sockets = context.sockets.clone();
    tune(upgrade, gateway::MAX_CLIENT_FRAME_BYTES).on_upgrade(move |socket| {
        let socket = Socket::new(socket, context.clock.clone());
        sockets.track_future(converse(Page::new(context, app, origin), socket))
    })
}

//! Who may open a browser socket: a page at one of the app's origins.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Query, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{
        HeaderMap, StatusCode,
        header::{ORIGIN, USER_AGENT},
    },
    response::{IntoResponse, Response},
};
use passkey_accounts::{
    defended,
    protocol::{Code, gateway},
};
use serde::Deserialize;

use super::socket::{Page, converse};
use crate::{
    context::Context,
    limits::{MAX_USER_AGENT_BYTES, RATE_LIMITED_MS},
    listen::Peer,
    routes::Problem,
    socket::{Socket, tune},
    unheard::Unheard,
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
    Extension(Peer(peer)): Extension<Peer>,
    Extension(unheard): Extension<Unheard>,
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
    let own = origin.and_then(|origin| app.origin(origin));
    let foreign = if defended!(SocketOrigin) { None } else { app.origins.first() };
    let Some(origin) = own.or(foreign).cloned() else {
        return Problem::new(StatusCode::FORBIDDEN, Code::OriginNotAllowed).into_response();
    };
    let source = context.rationing.source(peer, &headers);
    let Ok(open) = context.rationing.enter(source) else {
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited)
            .retry_after_ms(RATE_LIMITED_MS)
            .into_response();
    };
    if upgrade.selected_protocol().is_none() {
        let detail = format!("offer the WebSocket subprotocol {}", gateway::SUBPROTOCOL);
        return Problem::new(StatusCode::BAD_REQUEST, Code::UnsupportedProtocol)
            .detail(detail)
            .into_response();
    }
    let user_agent = user_agent(&headers);
    let sockets = context.sockets.clone();
    tune(upgrade, gateway::MAX_CLIENT_FRAME_BYTES).on_upgrade(move |socket| {
        let socket = Socket::new(socket, unheard, context.clock.clone());
        sockets.track_future(converse(Page::new(context, app, origin, user_agent, open), socket))
    })
}

/// What the browser calls itself: shown to the person, so without control characters and of bounded length.
fn user_agent(headers: &HeaderMap) -> String {
    let said = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let mut kept: String = said.unwrap_or_default().chars().filter(|char| !char.is_control()).collect();
    kept.truncate(kept.floor_char_boundary(MAX_USER_AGENT_BYTES));
    kept
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header::USER_AGENT};

    use super::user_agent;
    use crate::limits::MAX_USER_AGENT_BYTES;

    fn kept(said: &[u8]) -> String {
        user_agent(&HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_bytes(said).unwrap())]))
    }

    #[test]
    fn a_browser_is_called_what_it_says_but_not_at_any_length() {
        assert_eq!(user_agent(&HeaderMap::new()), "");
        assert_eq!(kept(b"Mozilla/5.0 (X11)"), "Mozilla/5.0 (X11)");
        assert_eq!(kept("a\tb\u{85}c\u{e4}".as_bytes()), "abc\u{e4}");
        assert_eq!(kept(&[b'x', 0xff]), "x\u{fffd}");
        let long = format!("x{}", "\u{e4}".repeat(MAX_USER_AGENT_BYTES));
        assert_eq!(kept(long.as_bytes()).len(), MAX_USER_AGENT_BYTES - 1, "no character is cut in two");
    }
}

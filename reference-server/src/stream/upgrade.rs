//! Who may open a back-end socket: anything but a page.

use std::sync::Arc;

use axum::{
    extract::WebSocketUpgrade,
    http::{HeaderMap, StatusCode, header::ORIGIN},
    response::{IntoResponse, Response},
};
use passkey_accounts::{
    defended,
    protocol::{Code, stream::MAX_CLIENT_MESSAGE_BYTES},
};

use super::link::serve;
use crate::{
    context::Context,
    routes::Problem,
    socket::{Socket, tune},
    unheard::Unheard,
};

/// Upgrades a back end's request to an event socket.
pub fn upgrade(
    context: Arc<Context>,
    headers: &HeaderMap,
    unheard: Unheard,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Only browsers send Origin, and an API key in a browser is an API key in everybody's hands.
    if headers.contains_key(ORIGIN) && defended!(BackEndSocketOrigin) {
        return Problem::new(StatusCode::FORBIDDEN, Code::Forbidden)
            .detail("this socket is for back ends: an API key does not belong in a browser, and requests with an Origin header come from one")
            .into_response();
    }
    let sockets = context.sockets.clone();
    tune(upgrade, MAX_CLIENT_MESSAGE_BYTES).on_upgrade(move |socket| {
        let socket = Socket::new(socket, unheard, context.clock.clone());
        socket.expect_at_most(MAX_CLIENT_MESSAGE_BYTES);
        sockets.track_future(serve(context, socket))
    })
}

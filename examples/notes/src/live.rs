//! The socket that tells a page of changes: it asks for a proof first, and closes when the session ends.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, StatusCode, header::ORIGIN},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64URL_NOPAD;
use passkey_accounts::{Account, protocol::Code};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::{Semaphore, broadcast::error::RecvError},
    time::timeout,
};

use crate::app::Parts;

/// How many sockets there may be at once.
#[derive(Debug)]
pub(crate) struct Sockets(Arc<Semaphore>);

impl Default for Sockets {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_SOCKETS)))
    }
}

/// `/api/live`. A page of another origin gets no socket; it could not prove anything on it either.
pub(crate) async fn upgrade(
    State(app): State<Arc<Parts>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if headers.get(ORIGIN).is_none_or(|origin| origin.as_bytes() != app.settings.origin.as_bytes()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Ok(place) = Arc::clone(&app.sockets.0).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES).on_upgrade(
        async move |socket| {
            // A peer that does not read what it is told is let go when the connection breaks.
            let _ = carry(&app, socket).await;
            drop(place);
        },
    )
}

#[derive(Deserialize)]
struct Proof {
    proof: String,
}

async fn carry(app: &Parts, mut socket: WebSocket) -> Result<(), axum::Error> {
    let mut random = [0; 32];
    if getrandom::fill(&mut random).is_err() {
        return close(socket, Code::Internal).await;
    }
    let nonce = BASE64URL_NOPAD.encode(&random);
    socket.send(Message::text(json!({ "nonce": nonce }).to_string())).await?;
    let Ok(Some(Ok(Message::Text(answer)))) = timeout(PROOF_WAIT, socket.recv()).await else {
        return close(socket, Code::ProofMissing).await;
    };
    let Ok(Proof { proof }) = serde_json::from_str(&answer) else {
        return close(socket, Code::ProofInvalid).await;
    };
    let audience = format!("{}/api/live", app.settings.origin.replacen("http", "ws", 1));
    match app.proofs.verify_socket(&proof, &audience, &nonce).await {
        Ok(account) => follow(app, socket, &account).await,
        Err(refused) => close(socket, refused.code()).await,
    }
}

/// Tells of the notes, now and after each change, until the session ends.
async fn follow(app: &Parts, mut socket: WebSocket, account: &Account) -> Result<(), axum::Error> {
    let mut changes = app.notes.changes();
    loop {
        let notes = app.notes.list(account.account_id);
        socket.send(Message::text(json!({ "notes": notes }).to_string())).await?;
        loop {
            tokio::select! {
                _ = account.session.ended() => return close(socket, Code::SessionGone).await,
                changed = changes.recv() => match changed {
                    Ok(whose) if whose != account.account_id => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Ok(()),
                },
                said = socket.recv() => match said {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return Ok(()),
                    // There is nothing that a page could say.
                    Some(Ok(_)) => {}
                },
            }
        }
    }
}

async fn close(mut socket: WebSocket, code: Code) -> Result<(), axum::Error> {
    let frame = CloseFrame { code: code.close_code(), reason: code.as_str().into() };
    socket.send(Message::Close(Some(frame))).await
}

/// The most sockets at once.
const MAX_SOCKETS: usize = 1_000;

/// A token is far shorter.
const MAX_MESSAGE_BYTES: usize = 4 * 1024;

/// How long a page may take for its proof.
const PROOF_WAIT: Duration = Duration::from_secs(10);

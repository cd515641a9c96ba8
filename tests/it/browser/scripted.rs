//! A server that says what a test wants said, to a page that runs the built package under the site's strict policy.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use passkey_accounts::{
    ceremony::binding,
    protocol::{
        AppID, CeremonyID, Code, ConnectionID, RequestID, UnixMillis,
        base64url::Base64Url,
        gateway::{
            AppName, Binding, Ceremony, CeremonyKind, ClientMessage, Hello, Policy, RawJson, RecoveryPolicy,
            SUBPROTOCOL, ServerMessage, SessionKey,
        },
    },
};
use tokio::net::TcpListener;

use super::dist;

/// The app that the page belongs to.
pub(super) const APP: AppID = AppID::from_bytes([7; 16]);

const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; \
                      require-trusted-types-for 'script'; trusted-types passkey-accounts; img-src data:";

/// What the server does with the page's next request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Answers it.
    Say(fn(&ClientMessage, &str) -> ServerMessage),
    /// Answers a request that was never made with one error, then this one with another.
    WithAnother(Code, Code),
    /// Closes with this code.
    Close(Code),
    /// Vanishes without a close frame.
    Vanish,
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    origin: String,
}

/// A running server.
pub(super) struct Scripted {
    pub(super) origin: String,
}

impl Scripted {
    /// Starts a server that greets every connection and then gives these answers, in this order.
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let router = Router::new()
            .route("/", get(page))
            .route("/sdk/{file}", get(sdk))
            .route("/v1/gateway", get(upgrade))
            .with_state(Script { answers, origin: origin.clone() });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin }
    }
}

async fn page() -> Response {
    let html = "<!doctype html><link rel=icon href=data:,><title>scripted</title>";
    ([(header::CONTENT_TYPE, "text/html"), (header::CONTENT_SECURITY_POLICY, POLICY)], html).into_response()
}

async fn sdk(Path(file): Path<String>) -> Response {
    let Ok(content) = std::fs::read(dist().join(&file)) else { return StatusCode::NOT_FOUND.into_response() };
    // A worker takes its policy from its own response.
    let fields = [(header::CONTENT_TYPE, "text/javascript"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (fields, content).into_response()
}

async fn upgrade(State(script): State<Script>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols([SUBPROTOCOL]).on_upgrade(|socket| converse(socket, script))
}

async fn converse(mut socket: WebSocket, script: Script) {
    if socket.send(text(&hello(), None)).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(request) = message else { continue };
        let (id, request) = ClientMessage::decode(&request);
        let request = request.unwrap();
        let answer = script.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let sent = match answer.expect("a request beyond the script") {
            Answer::Say(say) => socket.send(text(&say(&request, &script.origin), id)).await,
            Answer::WithAnother(first, second) => {
                let other = id.map(|id| id + 1);
                // The second send says whether the socket still lives.
                let _ = socket.send(text(&ServerMessage::Error(first.into()), other)).await;
                socket.send(text(&ServerMessage::Error(second.into()), id)).await
            }
            Answer::Close(code) => {
                let reason = code.as_str().into();
                socket.send(Message::Close(Some(CloseFrame { code: code.close_code(), reason }))).await
            }
            Answer::Vanish => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

fn text(message: &ServerMessage, id: Option<RequestID>) -> Message {
    Message::Text(message.encode(id).into())
}

fn hello() -> ServerMessage {
    ServerMessage::Hello(Hello {
        connection_id: ConnectionID::from_bytes([1; 16]),
        nonce: Base64Url(vec![2; 32]),
        heartbeat_ms: 20_000,
        rp_id: "localhost".into(),
        app: AppName { name: "Scripted".into() },
        policy: Policy::Strict,
        recovery: RecoveryPolicy::PasskeyOnly,
        time: UnixMillis(1_000_000),
    })
}

/// `ceremony.get` whose challenge binds this key and origin.
pub(super) fn sign_in_ceremony(session_key: &SessionKey, origin: &str) -> ServerMessage {
    let random = vec![3; 32];
    let challenge = binding::Binding {
        random: &random,
        kind: CeremonyKind::SignIn,
        app_id: APP,
        origin,
        thumbprint: &binding::thumbprint(session_key),
        action: None,
    }
    .derive_challenge();
    let challenge = passkey_accounts::protocol::base64url::encode(challenge);
    let options = format!(
        r#"{{"challenge":"{challenge}","rpId":"localhost","userVerification":"required","timeout":60000,
            "allowCredentials":[{{"type":"public-key","id":"AAAA","transports":["internal"]}}]}}"#
    );
    ServerMessage::CeremonyGet(Ceremony {
        ceremony_id: CeremonyID::from_bytes([4; 16]),
        public_key: RawJson(options),
        binding: Binding { random: Base64Url(random), kind: CeremonyKind::SignIn, added: None },
    })
}

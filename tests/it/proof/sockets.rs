//! A WebSocket of a customer's own, opened in the name of a session and closed with it.

use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    routing::any,
};
use futures_util::{SinkExt, StreamExt};
use passkey_accounts::{Accounts, Proofs};
use passkey_accounts_server::clock::make_random;
use passkey_accounts_tests::{PageKey, TestServer, proof::socket_token};
use tokio_tungstenite::{connect_async, tungstenite};

use super::back_end::{BackEnd, signed_in};

const AUDIENCE: &str = "wss://app.example/live";

/// Gives a nonce, takes a token, says who it is, and closes when the session ends.
async fn serve(mut socket: WebSocket, proofs: Proofs) {
    let nonce = data_encoding::BASE64URL_NOPAD.encode(&make_random::<16>());
    socket.send(Message::text(&nonce)).await.unwrap();
    let Some(Ok(Message::Text(token))) = socket.recv().await else { return };
    match proofs.verify_socket(&token, AUDIENCE, &nonce).await {
        Ok(account) => {
            socket.send(Message::text(account.account_id.to_string())).await.unwrap();
            account.session.ended().await;
        }
        Err(refused) => socket.send(Message::text(refused.code().as_str())).await.unwrap(),
    }
}

async fn start(server: &TestServer) -> BackEnd {
    let live = Accounts::connect(server.events_url(), server.api_key.clone()).unwrap().live_sessions();
    live.in_sync().await.unwrap();
    let proofs = live.proofs().origin("https://app.example").build().unwrap();
    let open = async |State(proofs): State<Proofs>, upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(move |socket| serve(socket, proofs))
    };
    BackEnd::start_with(live, |_| Router::new().route("/live", any(open)).with_state(proofs)).await
}

/// A page's end of that socket.
struct Live(tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>);

impl Live {
    async fn connect(back_end: &BackEnd) -> Self {
        Self(connect_async(format!("ws://{}/live", back_end.address)).await.unwrap().0)
    }

    /// The next text; `None` when it is closed.
    async fn hear(&mut self) -> Option<String> {
        match self.0.next().await {
            Some(Ok(tungstenite::Message::Text(text))) => Some(text.to_string()),
            _ => None,
        }
    }

    async fn say(&mut self, text: &str) -> Option<String> {
        self.0.send(tungstenite::Message::text(text)).await.unwrap();
        self.hear().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_opened_by_a_token_and_closed_with_its_session() {
    let server = TestServer::start_in_real_time().await;
    let back_end = start(&server).await;
    let (mut page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let mut socket = Live::connect(&back_end).await;
    let nonce = socket.hear().await.unwrap();
    let token = socket_token(&page.key, session.session_id, AUDIENCE, &nonce, back_end.live.server_time());
    assert_eq!(socket.say(&token).await, Some(session.account_id.to_string()));
    page.sign_out().await;
    assert_eq!(socket.hear().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_one_socket_of_one_back_end() {
    let server = TestServer::start_in_real_time().await;
    let back_end = start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let now = back_end.live.server_time();
    let answer_to = async |make: &dyn Fn(&str) -> String| {
        let mut socket = Live::connect(&back_end).await;
        let nonce = socket.hear().await.unwrap();
        socket.say(&make(&nonce)).await.unwrap()
    };
    let token =
        |audience: &str, nonce: &str| socket_token(&page.key, session.session_id, audience, nonce, now);
    let of_other_socket = token(AUDIENCE, "the nonce of another socket");
    assert_eq!(answer_to(&|_| of_other_socket.clone()).await, "proofInvalid");
    assert_eq!(answer_to(&|nonce| token("wss://evil.example/live", nonce)).await, "proofInvalid");
    let strange = PageKey::make();
    let forged = |nonce: &str| socket_token(&strange, session.session_id, AUDIENCE, nonce, now);
    assert_eq!(answer_to(&forged).await, "proofInvalid");
    let early = passkey_accounts::protocol::UnixMillis(now.0 - 90_000);
    let old = |nonce: &str| socket_token(&page.key, session.session_id, AUDIENCE, nonce, early);
    assert_eq!(answer_to(&old).await, "proofExpired");
    assert_eq!(answer_to(&|nonce| token(AUDIENCE, nonce)).await, session.account_id.to_string());

    // Even a back end that gives one nonce twice takes a token once.
    let once = token("a", "n");
    let proofs = back_end.live.proofs().origin("https://app.example").build().unwrap();
    assert!(proofs.verify_socket(&once, "a", "n").await.is_ok());
    assert_eq!(proofs.verify_socket(&once, "a", "n").await.unwrap_err().code().as_str(), "proofReplayed");
}

//! Proofs and the knowledge of who is signed in: early, late, stale, none.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, routing::any};
use passkey_accounts::{Accounts, ProofError, tower::ProofLayer};
use passkey_accounts_tests::TestServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::back_end::{BackEnd, LONG, signed_in, whoami};

/// A way to the server that lets nothing back while it is shut.
struct Gate {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Gate {
    async fn open_to(server: &TestServer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_open, gate) = watch::channel(true);
        let server = server.address();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = TcpStream::connect(server).await.unwrap().into_split();
                let mut gate = gate.clone();
                tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    while from_server.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                        if gate.wait_for(|is_open| *is_open).await.is_err()
                            || to_client.write_all(&bytes).await.is_err()
                        {
                            return;
                        }
                        bytes.clear();
                    }
                });
            }
        });
        Self { address, is_open }
    }

    fn accounts(&self, server: &TestServer) -> Accounts {
        Accounts::connect(format!("http://localhost:{}", self.address.port()), server.api_key.clone())
            .unwrap()
    }
}

/// A back end that knows everything up to now, and hears nothing more while the gate stays shut.
async fn in_sync_then_cut_off(server: &TestServer) -> (Gate, BackEnd) {
    let gate = Gate::open_to(server).await;
    let live = gate.accounts(server).live_sessions();
    live.in_sync().await.unwrap();
    let back_end = BackEnd::start_with(live, router).await;
    gate.is_open.send_replace(false);
    (gate, back_end)
}

fn router(layer: ProofLayer) -> Router {
    Router::new().route("/", any(whoami)).layer(layer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_overtakes_the_news_of_its_sign_in_waits_for_it() {
    let server = TestServer::start_in_real_time().await;
    let (gate, back_end) = in_sync_then_cut_off(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let request = back_end.get(&session, "/").sign(&page.key);
    let mut answer = Box::pin(request.send(back_end.address));
    let early = tokio::time::timeout(Duration::from_millis(500), &mut answer).await;
    assert!(early.is_err(), "{early:?}");
    gate.is_open.send_replace(true);
    assert_eq!(answer.await.outcome(), "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_news_do_not_come_is_refused_in_the_end() {
    let server = TestServer::start_in_real_time().await;
    let (_gate, back_end) = in_sync_then_cut_off(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let answer = back_end.get(&session, "/").sign(&page.key).send(back_end.address).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (401, "sessionGone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_that_does_not_know_enough_refuses_everybody() {
    let server = TestServer::start_in_real_time().await;
    let gate = Gate::open_to(&server).await;
    gate.is_open.send_replace(false);
    // The state has not arrived.
    let back_end = BackEnd::start_with(gate.accounts(&server).live_sessions(), router).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let answer = back_end.get(&session, "/").sign(&page.key).send(back_end.address).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (503, "stale"));
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    gate.is_open.send_replace(true);
    back_end.live.in_sync().await.unwrap();
    let request = back_end.get(&session, "/").sign(&page.key);
    assert_eq!(request.send(back_end.address).await.outcome(), "accepted");

    // It is older than this back end can accept: anything is.
    let strict =
        back_end.live.proofs().origin(&back_end.origin).fresh_within(Duration::ZERO).build().unwrap();
    let head = axum::http::Request::get("/").header("signature", "pa=::").body(()).unwrap().into_parts().0;
    assert!(matches!(strict.verify(&head, b"").await, Err(ProofError::Invalid(_))));
    let token = passkey_accounts_tests::proof::socket_token(
        &page.key,
        session.session_id,
        "a",
        "n",
        back_end.live.server_time(),
    );
    assert_eq!(strict.verify_socket(&token, "a", "n").await.unwrap_err(), ProofError::Stale);

    // The stream is over for good.
    let refused = Accounts::connect(server.events_url(), "pa_dev_nonsense").unwrap().live_sessions();
    assert!(refused.in_sync().await.is_err());
    let back_end = BackEnd::start_with(refused, router).await;
    let answer = back_end.get(&session, "/").sign(&page.key).send(back_end.address).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (503, "stale"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_in_between_keeps_the_rules() {
    let mut server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let request = back_end.get(&session, "/").sign(&page.key);
    assert_eq!(request.send(back_end.address).await.outcome(), "accepted");
    server.restart().await;
    // Still the same back end: what was used is used, whatever became of the session.
    let again = request.send(back_end.address).await.outcome();
    assert!(["proofReplayed", "sessionGone"].contains(&again.as_str()), "{again}");
    let (page, session) = signed_in(&server, "bob@shop.example", 2).await;
    back_end.live.wait_for(session.session_id, LONG).await.unwrap();
    let request = back_end.get(&session, "/").sign(&page.key);
    assert_eq!(request.send(back_end.address).await.outcome(), "accepted");
}

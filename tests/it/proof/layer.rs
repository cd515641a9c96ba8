//! The layer and the extractor: what passes, what is answered to what does not.

use std::net::SocketAddr;

use axum::{Router, routing::any};
use passkey_accounts::{Account, Accounts, LiveSessions};
use passkey_accounts_tests::{
    Page, TestServer,
    proof::{WireAnswer, WireRequest},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::back_end::{BODY_LIMIT, BackEnd, signed_in, whoami};

async fn live(server: &TestServer) -> LiveSessions {
    let live = Accounts::connect(server.events_url(), server.api_key.clone()).unwrap().live_sessions();
    live.in_sync().await.unwrap();
    live
}

fn bare(back_end: &BackEnd, target: &str) -> WireRequest {
    let host = back_end.origin.trim_start_matches("http://").to_owned();
    WireRequest {
        method: "GET".into(),
        target: target.into(),
        fields: vec![("Host".into(), host)],
        body: vec![],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_arrives_with_its_account_and_its_body() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let answer = back_end.get(&session, "/notes?a=%20b").sign(&page.key).send(back_end.address).await;
    assert_eq!(answer.body, format!("{} GET /notes?a=%20b 0", session.account_id));
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    for size in [0, 1, BODY_LIMIT] {
        let request = back_end.get(&session, "/").post(vec![b'x'; size]).sign(&page.key);
        let answer = request.send(back_end.address).await;
        assert_eq!(answer.body, format!("{} POST / {size}", session.account_id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_proof_gets_a_problem_and_a_challenge() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let answer = bare(&back_end, "/notes").send(back_end.address).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (401, "proofMissing"));
    for line in [
        "www-authenticate: passkey-accounts",
        "content-type: application/problem+json",
        "cache-control: no-store",
    ] {
        assert!(answer.head.contains(line), "{}", answer.head);
    }
    let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&problem["status"], &problem["title"]), (&401.into(), &"Unauthorized".into()));
    assert!(problem["detail"].as_str().unwrap().contains("session.fetch()"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_not_read() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let large = vec![b'x'; BODY_LIMIT + 1];
    let request = back_end.get(&session, "/").post(large.clone()).sign(&page.key);
    let answer = request.send(back_end.address).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (413, "tooLarge"));
    // In chunks it does not say how large it is.
    let request = back_end.get(&session, "/").post(large).sign(&page.key);
    let head = String::from_utf8(request.bytes()).unwrap();
    let head = head.split("Content-Length").next().unwrap().to_owned() + "Transfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", BODY_LIMIT + 1, "x".repeat(BODY_LIMIT + 1));
    let answer = send_raw(back_end.address, &(head + &chunk)).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (413, "tooLarge"));
    // Whoever has signed nothing is not listened to at all.
    let stranger = bare(&back_end, "/");
    let head = String::from_utf8(stranger.bytes()).unwrap().replace("Length: 0", "Length: 500");
    let answer = send_raw(back_end.address, &head).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (401, "proofMissing"));
}

async fn send_raw(address: SocketAddr, text: &str) -> WireAnswer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    WireAnswer::read(&mut socket).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_layer_lets_requests_without_a_proof_through_and_none_with_a_bad_one() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start_with(live(&server).await, |layer| {
        let greet = async |account: Option<Account>| match account {
            Some(account) => account.account_id.to_string(),
            None => "nobody".to_owned(),
        };
        Router::new().route("/public", any(greet)).route("/mine", any(whoami)).layer(layer.optional())
    })
    .await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    assert_eq!(bare(&back_end, "/public").send(back_end.address).await.body, "nobody");
    let proxied =
        bare(&back_end, "/public").and("Signature-Input", "proxy=()").and("Signature", "proxy=:AAAA:");
    assert_eq!(proxied.send(back_end.address).await.body, "nobody");
    let answer = back_end.get(&session, "/public").sign(&page.key).send(back_end.address).await;
    assert_eq!(answer.body, session.account_id.to_string());
    let answer = bare(&back_end, "/mine").send(back_end.address).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (401, "proofMissing"));
    let forged = back_end.get(&session, "/other").sign(&page.key);
    let answer = WireRequest { target: "/public".into(), ..forged }.send(back_end.address).await;
    assert_eq!((answer.status, answer.outcome().as_str()), (401, "proofInvalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn routers_may_be_nested_and_layers_may_be_doubled() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start_with(live(&server).await, |layer| {
        let inner = Router::new().route("/notes", any(whoami)).layer(layer.clone());
        Router::new().nest("/api", inner.clone()).nest("/twice", inner.layer(layer))
    })
    .await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    for target in ["/api/notes?a", "/twice/notes"] {
        let answer = back_end.get(&session, target).sign(&page.key).send(back_end.address).await;
        assert_eq!(answer.body, format!("{} GET {target} 0", session.account_id));
    }
    // What was signed is the whole address, not what is left of it inside.
    let short = back_end.get(&session, "/notes").sign(&page.key);
    let answer = WireRequest { target: "/api/notes".into(), ..short }.send(back_end.address).await;
    assert_eq!(answer.outcome(), "proofInvalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_pages_and_back_ends_do_not_disturb_each_other() {
    let server = TestServer::start_in_real_time().await;
    let (first, second) = (BackEnd::start(&server).await, BackEnd::start(&server).await);
    let (ada, adas) = signed_in(&server, "ada@shop.example", 1).await;
    let (bob, bobs) = signed_in(&server, "bob@shop.example", 2).await;
    let send = async |page: &Page, session, back_end: &BackEnd| {
        let mut draft = back_end.get(session, "/");
        draft.nonce = "the-same-for-all-of-them".into();
        draft.sign(&page.key).send(back_end.address).await.outcome()
    };
    for back_end in [&first, &second] {
        assert_eq!(send(&ada, &adas, back_end).await, "accepted");
        assert_eq!(send(&bob, &bobs, back_end).await, "accepted");
        assert_eq!(send(&ada, &adas, back_end).await, "proofReplayed");
    }
}

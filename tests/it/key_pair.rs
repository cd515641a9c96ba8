//! Key pairs: a back end that signs, and sends nothing that anybody else could use.

use axum::http::Method;
use passkey_accounts::{
    Accounts, Api, Events, Item,
    api::SessionsQuery,
    key_pair::KeyPair,
    proof::KeyProof,
    protocol::{
        Scope, UnixMillis,
        base64url::Base64Url,
        http::NewKeyPair,
        stream::{Message, Proven, Reply},
    },
};
use passkey_accounts_tests::{BackEnd, Http, Page, SoftwareAuthenticator, TestServer};
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

const ADA: &str = "ada.lovelace@example.org";

/// The nonce that the server asks this connection's key pair to sign.
async fn challenged(server: &TestServer, members: serde_json::Value) -> (BackEnd, String) {
    let mut back_end = BackEnd::connect(server, members.to_string()).await;
    let Message::Challenge(challenge) = back_end.message().await else { panic!("no challenge") };
    (back_end, challenge.nonce)
}

fn signature(bytes: [u8; 64]) -> String {
    Reply::Signature(Proven { signature: Base64Url(bytes.to_vec()) }).encode()
}

async fn refused(back_end: &mut BackEnd) -> (String, u16) {
    let Message::Error(failure) = back_end.message().await else { panic!("no error") };
    let (close, _) = back_end.text().await.unwrap_err();
    (failure.code, close)
}

async fn next_event(events: &mut Events) {
    let event = events.next().await.unwrap().unwrap();
    assert!(matches!(event.item(), Item::Event(_)));
    event.ack();
}

#[tokio::test]
async fn the_sdk_signs_for_the_stream_and_for_the_api() {
    let server = TestServer::start_in_real_time().await;
    let pair = server.make_key_pair().await;
    let text = pair.reveal().to_string();
    let accounts = Accounts::connect(server.origin(), text.clone()).unwrap();
    let mut events = accounts.events().open();
    let first = events.next().await.unwrap().unwrap();
    assert!(matches!(first.item(), Item::Snapshot(_)));
    first.ack();

    let mut page = Page::connect(&server).await;
    let session = page.sign_up(&server, ADA, &mut SoftwareAuthenticator::new([1; 32])).await;
    next_event(&mut events).await;

    let api = Api::new(&server.origin(), &text).unwrap();
    assert_eq!(api.sessions(&SessionsQuery::default()).await.unwrap().sessions.len(), 1);
    // With a body, and without one.
    let other = KeyPair::from_seed(&[7; 32]).public_key();
    let new = NewKeyPair { public_key: other.to_string(), name: "other".into(), ..NewKeyPair::default() };
    let registered = api.register_key_pair(&new).await.unwrap();
    assert_eq!((registered.key_id, registered.public_key), (other.key_id(), Some(other.to_string())));
    api.end_session(session.session_id).await.unwrap();
    next_event(&mut events).await;
    api.revoke_key(&pair.public_key().key_id()).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap_err().code().as_str(), "keyRevoked");
    assert_eq!(api.app().await.unwrap_err().code(), "keyRevoked");
}

#[tokio::test]
async fn the_shortest_client_has_one_message_more() {
    let server = TestServer::start().await;
    let pair = server.make_key_pair().await;
    let (mut back_end, nonce) = challenged(&server, json!({ "keyID": pair.public_key().key_id() })).await;
    back_end.send_text(signature(pair.answer(&server.origin(), &nonce))).await;
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, ADA, &mut SoftwareAuthenticator::new([1; 32])).await;
    assert!(back_end.text().await.unwrap().starts_with(r#"{"type":"loggedIn","data":{"accountID":"acct_"#));
}

#[tokio::test]
async fn a_signature_of_anything_else_is_refused() {
    let server = TestServer::start().await;
    let pair = server.make_key_pair().await;
    let stranger = KeyPair::from_seed(&[1; 32]);
    let key_id = pair.public_key().key_id();
    let origin = server.origin();
    let first = json!({ "keyID": key_id });
    let (_other, others_nonce) = challenged(&server, first.clone()).await;
    for (what, sign) in [
        ("another key's", Box::new(|nonce: &str| stranger.answer(&origin, nonce)) as Box<dyn Fn(&str) -> _>),
        ("for another server", Box::new(|nonce: &str| pair.answer("https://evil.example", nonce))),
        ("for another connection", Box::new(|_: &str| pair.answer(&origin, &others_nonce))),
        ("nothing", Box::new(|_: &str| [0; 64])),
    ] {
        let (mut back_end, nonce) = challenged(&server, first.clone()).await;
        back_end.send_text(signature(sign(&nonce))).await;
        assert_eq!(refused(&mut back_end).await, ("badKey".into(), 4501), "{what}");
    }
    // A key that does not exist is asked as well: nobody learns which ones do.
    let (mut back_end, nonce) = challenged(&server, json!({ "keyID": "0000000000000000" })).await;
    back_end.send_text(signature(stranger.answer(&origin, &nonce))).await;
    assert_eq!(refused(&mut back_end).await.0, "badKey");
    // The name of an API key opens nothing.
    let api_key_id = server.api_key.split('_').nth(2).unwrap();
    let (mut back_end, nonce) = challenged(&server, json!({ "keyID": api_key_id })).await;
    back_end.send_text(signature(stranger.answer(&origin, &nonce))).await;
    assert_eq!(refused(&mut back_end).await.0, "badKey");
    // Nor does something else in place of a signature.
    let (mut back_end, _) = challenged(&server, first).await;
    back_end.send_text(r#"{"type":"ack","data":{"id":"e-1"}}"#).await;
    assert_eq!(refused(&mut back_end).await, ("badMessage".into(), 4500));
}

#[tokio::test]
async fn a_private_half_that_was_sent_is_refused_with_what_to_do() {
    let server = TestServer::start().await;
    let pair = server.make_key_pair().await;
    let mut back_end = BackEnd::connect(&server, json!({ "apiKey": *pair.reveal() }).to_string()).await;
    let Message::Error(failure) = back_end.message().await else { panic!("no error") };
    assert!(failure.message.contains("must never be sent"), "{}", failure.message);
    assert_eq!(Http::new(&server).await.with_key(&pair.reveal()).get("/v1/app").await.status, 401);
}

/// What a signed request is answered with.
async fn answer(
    server: &TestServer,
    fields: &[(&'static str, String)],
    method: Method,
    path: &str,
    body: Option<&str>,
) -> (u16, String) {
    let http = Http::new(server).await;
    let mut request = http.bare(method, path);
    for (name, value) in fields {
        request = request.header(*name, value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_owned());
    }
    let answer = http.send(request).await;
    (answer.status, if answer.status < 300 { String::new() } else { answer.code().to_owned() })
}

#[tokio::test]
async fn a_signed_request_is_good_once_in_its_minute_for_what_it_says() {
    let server = TestServer::start().await;
    let pair = server.make_key_pair().await;
    let clock = server.clock();
    clock.advance(10_000);
    let now = clock.now().0 / 1_000;
    let uri = format!("{}/v1/app", server.origin());
    let sign = |created: u64, nonce: u8| KeyProof::sign(&pair, "GET", &uri, None, created, &[nonce; 16]);
    let get =
        async |fields: &[(&'static str, String)]| answer(&server, fields, Method::GET, "/v1/app", None).await;

    assert_eq!(get(&sign(now, 1)).await, (200, String::new()));
    assert_eq!(get(&sign(now, 1)).await, (401, "proofReplayed".into()));
    assert_eq!(get(&sign(now - 61, 2)).await, (401, "proofExpired".into()));
    assert_eq!(get(&sign(now + 61, 3)).await, (401, "proofExpired".into()));
    let elsewhere = "https://evil.example/v1/app";
    let relayed = KeyProof::sign(&pair, "GET", elsewhere, None, now, &[4; 16]);
    assert_eq!(get(&relayed).await, (401, "proofInvalid".into()));
    assert_eq!(get(&KeyProof::sign(&pair, "DELETE", &uri, None, now, &[5; 16])).await.1, "proofInvalid");
    let stranger = KeyPair::from_seed(&[1; 32]);
    assert_eq!(get(&KeyProof::sign(&stranger, "GET", &uri, None, now, &[6; 16])).await.1, "badKey");

    let keys = format!("{}/v1/keys", server.origin());
    let fields = KeyProof::sign(&pair, "POST", &keys, Some(b"{}"), now, &[7; 16]);
    let other_body = answer(&server, &fields, Method::POST, "/v1/keys", Some(r#"{"name":"mine"}"#)).await;
    assert_eq!(other_body, (401, "proofInvalid".into()));
    assert_eq!(Http::new(&server).await.get("/v1/keys").await.body["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_signed_before_a_restart_is_not_taken_after_it() {
    let mut server = TestServer::start().await;
    let pair = server.make_key_pair().await;
    server.clock().advance(10_000);
    let uri = format!("{}/v1/app", server.origin());
    let at = |clock: UnixMillis| clock.0 / 1_000;
    let caught = KeyProof::sign(&pair, "GET", &uri, None, at(server.clock().now()), &[1; 16]);
    assert_eq!(answer(&server, &caught, Method::GET, "/v1/app", None).await.0, 200);
    server.restart().await;
    assert_eq!(answer(&server, &caught, Method::GET, "/v1/app", None).await.1, "proofExpired");
    server.clock().advance(1_000);
    let fresh = KeyProof::sign(&pair, "GET", &uri, None, at(server.clock().now()), &[1; 16]);
    assert_eq!(answer(&server, &fresh, Method::GET, "/v1/app", None).await.0, 200);
}

#[tokio::test]
async fn a_public_key_is_registered_once_and_rotated_by_registering_another() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let public_key = KeyPair::from_seed(&[1; 32]).public_key();
    let new =
        json!({ "publicKey": public_key.to_string(), "name": "billing", "scopes": [Scope::EventsRead] });
    assert_eq!(http.post("/v1/key-pairs", &new).await.status, 201);
    let again = http.post("/v1/key-pairs", &new).await;
    assert_eq!((again.status, again.code()), (409, "unexpected"));
    let rotated = http.post(&format!("/v1/keys/{}/rotate", public_key.key_id()), &json!({})).await;
    assert_eq!(rotated.status, 409);
    assert!(rotated.body["detail"].as_str().unwrap().contains("register another one"));
    assert_eq!(http.post("/v1/key-pairs", &json!({ "publicKey": "AQ" })).await.status, 422);
}

#[tokio::test]
async fn a_row_that_was_made_into_an_api_key_is_noticed() {
    let mut server = TestServer::start().await;
    let pair = server.make_key_pair().await;
    server.stop().await;
    let options = SqliteConnectOptions::new().filename(server.directory().join("accounts.sqlite"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE api_keys SET kind = 'secret' WHERE kind = 'pair'")
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
    server.start_again().await;
    let (mut back_end, nonce) = challenged(&server, json!({ "keyID": pair.public_key().key_id() })).await;
    back_end.send_text(signature(pair.answer(&server.origin(), &nonce))).await;
    assert_eq!(refused(&mut back_end).await.0, "badKey");
}

//! How often strangers may ask: real sockets behind a proxy that says who they are, and a clock that the test moves.

use passkey_accounts::protocol::gateway::{ClientMessage, Failure, ServerMessage};
use passkey_accounts_server::rates::Rates;
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer};
use serde_json::Value;
use tokio_tungstenite::tungstenite;

const ADA: &str = "ada@example.org";
const HERE: &str = "192.0.2.1";
const THERE: &str = "192.0.2.2";

/// A server that takes the tests' own address for a proxy.
async fn start(rates: Rates) -> TestServer {
    let mut server = TestServer::start().await;
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap(), "::1/128".parse().unwrap()];
    server.ration(Rates { trusted_proxies, ..rates }).await;
    server
}

async fn connect(server: &TestServer, address: &str) -> Page {
    Page::connect_for(server, address).await.expect("the page connects")
}

async fn begin_sign_in(page: &mut Page) -> Result<(), Failure> {
    answered(page.ask(ClientMessage::SignInBegin(page.begin(ADA))).await)
}

async fn begin_sign_up(page: &mut Page, email: &str) -> Result<(), Failure> {
    answered(page.ask(ClientMessage::SignUpBegin(page.begin(email))).await)
}

fn answered(reply: ServerMessage) -> Result<(), Failure> {
    match reply {
        ServerMessage::Error(failure) => Err(failure),
        ServerMessage::CeremonyGet(_) | ServerMessage::CodeSent(_) => Ok(()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_address_has_so_many_sockets_at_once_and_another_address_has_its_own() {
    let server = start(Rates { page_sockets_per_address: 2, ..Rates::off() }).await;
    let first = connect(&server, HERE).await;
    let _second = connect(&server, HERE).await;
    let refused = Page::connect_for(&server, HERE).await.unwrap_err();
    let tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "60");
    let problem: Value = serde_json::from_slice(response.body().as_deref().unwrap()).unwrap();
    assert_eq!(problem["code"], "rateLimited");
    connect(&server, THERE).await.close().await;

    first.close().await;
    // The server frees the place when it has seen the end of the connection.
    while Page::connect_for(&server, HERE).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_writes_the_proxys_header_without_being_one_is_counted_by_their_own_address() {
    let mut server = TestServer::start().await;
    server.ration(Rates { page_sockets_per_address: 1, ..Rates::off() }).await;
    let _first = connect(&server, HERE).await;
    assert!(Page::connect_for(&server, THERE).await.is_err());
}

#[tokio::test]
async fn an_address_begins_so_many_sign_ins_in_a_minute_and_is_told_when_to_come_again() {
    let server = start(Rates { sign_ins_per_minute_per_address: 3, ..Rates::off() }).await;
    let (mut one, mut other) = (connect(&server, HERE).await, connect(&server, HERE).await);
    begin_sign_in(&mut one).await.unwrap();
    begin_sign_in(&mut other).await.unwrap();
    begin_sign_up(&mut one, ADA).await.unwrap();
    let failure = begin_sign_in(&mut other).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retry_after_ms), ("rateLimited", Some(60_000)));
    begin_sign_in(&mut connect(&server, THERE).await).await.unwrap();

    let wait = failure.retry_after_ms.unwrap();
    let mut later = connect(&server, HERE).await;
    later.let_pass(&server, wait).await;
    begin_sign_in(&mut later).await.unwrap();
}

#[tokio::test]
async fn an_email_address_is_sent_so_many_codes_in_an_hour_whoever_asks() {
    let server = start(Rates { codes_per_hour_per_email: 2, ..Rates::off() }).await;
    for address in [HERE, THERE] {
        begin_sign_up(&mut connect(&server, address).await, ADA).await.unwrap();
    }
    let mut third = connect(&server, "192.0.2.3").await;
    assert_eq!(begin_sign_up(&mut third, "ADA@example.org").await.unwrap_err().code, "rateLimited");
    begin_sign_up(&mut third, "grace@example.org").await.unwrap();
    server.clock().advance(30 * 60 * 1_000);
    begin_sign_up(&mut connect(&server, HERE).await, ADA).await.unwrap();
}

#[tokio::test]
async fn an_address_has_so_many_codes_mailed_in_an_hour_to_whomever() {
    let server = start(Rates { codes_per_hour_per_address: 2, ..Rates::off() }).await;
    let mut page = connect(&server, HERE).await;
    for email in ["a@example.org", "b@example.org"] {
        begin_sign_up(&mut page, email).await.unwrap();
    }
    assert_eq!(begin_sign_up(&mut page, "c@example.org").await.unwrap_err().code, "rateLimited");
    begin_sign_up(&mut connect(&server, THERE).await, "c@example.org").await.unwrap();
}

#[tokio::test]
async fn a_storm_of_sign_ins_is_told_to_come_again_and_who_is_signed_in_stays_so() {
    let server = start(Rates { sign_ins_per_second: 4, ..Rates::off() }).await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut ada = connect(&server, HERE).await;
    ada.sign_up(&server, ADA, &mut authenticator).await;
    for number in 0..3 {
        begin_sign_in(&mut connect(&server, &format!("198.51.100.{number}")).await).await.unwrap();
    }
    let mut late = connect(&server, THERE).await;
    let failure = begin_sign_in(&mut late).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retry_after_ms), ("overCapacity", Some(2_000)));
    assert_eq!(ada.passkeys().await.len(), 1);
    server.clock().advance(2_000);
    begin_sign_in(&mut late).await.unwrap();
}

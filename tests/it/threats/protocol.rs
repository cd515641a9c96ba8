//! Attacks on the protocol itself, finer than the cells of the matrix.

use std::{fs, path::Path};

use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use passkey_accounts::protocol::{
    AppID, Code,
    gateway::{Ceremony, ClientMessage, Finish, RawJson, ServerMessage},
};
use passkey_accounts_tests::{BackEnd, Page, SoftwareAuthenticator, TestServer};
use serde_json::Value;
use tokio_tungstenite::tungstenite;

const ADA: &str = "ada.lovelace@example.org";

fn assert_rejected(reply: &ServerMessage, code: Code) {
    assert!(matches!(reply, ServerMessage::Error(failure) if failure.code == code.as_str()), "{reply:?}");
}

/// A signed-up and signed-out person, a fresh challenge for her on `page`, and her passkey's answer to it.
async fn answered_challenge(
    server: &TestServer,
    page: &mut Page,
) -> (SoftwareAuthenticator, Ceremony, String) {
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    page.sign_up(server, ADA, &mut authenticator).await;
    page.sign_out().await;
    let ceremony = page.begin_sign_in(ADA).await;
    let credential = authenticator.sign_in(&ceremony.public_key.0, &server.origin()).unwrap();
    (authenticator, ceremony, credential)
}

#[tokio::test]
async fn an_assertion_replayed_on_the_same_connection_is_refused() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let (_, ceremony, credential) = answered_challenge(&server, &mut page).await;
    assert!(matches!(page.finish(&ceremony, credential.clone()).await, ServerMessage::SignedIn(_)));
    page.sign_out().await;
    assert_rejected(&page.finish(&ceremony, credential.clone()).await, Code::UnknownCeremony);
    // Under the id of a ceremony that is open, the old answer meets a new challenge.
    let fresh = page.begin_sign_in(ADA).await;
    assert_rejected(&page.finish(&fresh, credential).await, Code::PasskeyRejected);
}

#[tokio::test]
async fn an_assertion_replayed_on_another_connection_is_refused() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let (_, ceremony, credential) = answered_challenge(&server, &mut page).await;

    // Stolen before the person's own page could use it: the challenge lives on that connection alone.
    let mut thief = Page::connect(&server).await;
    assert_rejected(&thief.finish(&ceremony, credential.clone()).await, Code::UnknownCeremony);
    let fresh = thief.begin_sign_in(ADA).await;
    assert_rejected(&thief.finish(&fresh, credential.clone()).await, Code::PasskeyRejected);

    assert!(matches!(page.finish(&ceremony, credential).await, ServerMessage::SignedIn(_)));
}

#[tokio::test]
async fn a_challenge_is_burnt_by_a_failed_try() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let (_, ceremony, credential) = answered_challenge(&server, &mut page).await;
    assert_rejected(&page.finish(&ceremony, "{}".into()).await, Code::PasskeyRejected);
    assert_rejected(&page.finish(&ceremony, credential).await, Code::UnknownCeremony);
}

#[tokio::test]
async fn a_relayed_challenge_signed_for_another_session_key_is_refused() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let (mut authenticator, ..) = answered_challenge(&server, &mut page).await;
    // The attacker's connection asks with the attacker's key and lets the person sign the challenge of her own page.
    let mut attacker = Page::connect(&server).await;
    let attackers = attacker.begin_sign_in(ADA).await;
    let persons = page.begin_sign_in(ADA).await;
    let credential = authenticator.sign_in(&persons.public_key.0, &server.origin()).unwrap();
    assert_rejected(&attacker.finish(&attackers, credential).await, Code::PasskeyRejected);
}

#[tokio::test]
async fn a_socket_from_another_origin_is_refused() {
    let server = TestServer::start().await;
    let port = server.address().port();
    for origin in [
        "https://evil.example".to_owned(),
        format!("https://localhost:{port}"),
        "http://localhost".to_owned(),
        format!("http://localhost:{}", port ^ 1),
        format!("http://evil.localhost:{port}"),
        format!("http://localhost:{port}/"),
        "null".to_owned(),
    ] {
        let refused = Page::connect_from(&server.gateway_url(), server.app_id, &origin).await.unwrap_err();
        assert_status(&refused, 403, "originNotAllowed");
    }
    let other_app = AppID::from_bytes([9; 16]);
    let refused = Page::connect_from(&server.gateway_url(), other_app, &server.origin()).await.unwrap_err();
    assert_status(&refused, 404, "unknownApp");
}

#[tokio::test]
async fn an_assertion_made_for_another_origin_is_refused() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let (mut authenticator, ..) = answered_challenge(&server, &mut page).await;
    let port = server.address().port();
    for origin in [
        format!("http://evil.localhost:{port}"),
        "https://localhost".into(),
        format!("http://localhost:{port}/"),
    ] {
        let ceremony = page.begin_sign_in(ADA).await;
        let credential = authenticator.sign_in(&ceremony.public_key.0, &origin).unwrap();
        assert_rejected(&page.finish(&ceremony, credential).await, Code::PasskeyRejected);
    }
}

#[tokio::test]
async fn a_page_cannot_open_the_back_end_socket() {
    use tungstenite::client::IntoClientRequest;
    let server = TestServer::start().await;
    for path in ["/", "/v1/events"] {
        let mut request =
            format!("ws://localhost:{}{path}", server.address().port()).into_client_request().unwrap();
        let origin = tungstenite::http::HeaderValue::from_str(&server.origin()).unwrap();
        request.headers_mut().insert("origin", origin);
        let refused = tokio_tungstenite::connect_async(request).await.unwrap_err();
        assert_status(&refused, 403, "forbidden");
    }
}

#[tokio::test]
async fn a_stolen_database_copy_contains_no_email_and_no_api_key() {
    let mut server = TestServer::start().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, ADA, &mut authenticator).await;
    page.sign_out().await;
    page.sign_in(ADA, &mut authenticator).await;
    page.close().await;
    let live = server.make_key(None).await;
    let secret = |key: &str| key.split('_').nth(3).unwrap().to_owned();
    let secrets = [secret(&server.api_key), secret(live.reveal())];
    server.stop().await;

    let copy = database_bytes(server.directory());
    assert!(find(&copy, b"registered"), "the copy is a copy");
    for address in [ADA, "ada.lovelace", "ADA.LOVELACE@EXAMPLE.ORG", "lovelace@example"] {
        assert_absent(&copy, address.as_bytes());
    }
    for secret in secrets {
        assert_absent(&copy, secret.as_bytes());
    }
}

#[tokio::test]
async fn the_server_says_the_same_of_known_and_unknown_addresses() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    answered_challenge(&server, &mut page).await;
    let mut prober = Page::connect(&server).await;
    let mut shape = async |email: &str| {
        let sent = prober.ask(ClientMessage::SignUpBegin(prober.begin(email))).await;
        let ceremony = prober.begin_sign_in(email).await;
        let options: Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
        let members: Vec<String> = options.as_object().unwrap().keys().cloned().collect();
        let finish = Finish { ceremony_id: ceremony.ceremony_id, credential: RawJson("{}".into()) };
        let failure = prober.ask_in_vain(ClientMessage::CeremonyFinish(finish)).await;
        let ServerMessage::CodeSent(_) = sent else { panic!("{sent:?}") };
        assert!(!options["allowCredentials"].as_array().unwrap().is_empty());
        (members, failure)
    };
    assert_eq!(shape(ADA).await, shape("nobody@example.org").await);
}

#[tokio::test]
async fn an_account_with_several_passkeys_does_not_stand_out() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let (mut authenticator, ..) = answered_challenge(&server, &mut page).await;
    page.sign_in(ADA, &mut authenticator).await;
    for seed in 2..4 {
        page.add_passkey(&mut SoftwareAuthenticator::new([seed; 32]), &mut authenticator).await;
    }
    let mut prober = Page::connect(&server).await;
    let mut count = async |email: &str| {
        // No faster than a socket may ask.
        server.clock().advance(20);
        let ceremony = prober.begin_sign_in(email).await;
        let options: Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
        options["allowCredentials"].as_array().unwrap().len()
    };
    assert_eq!(count(ADA).await, 3);
    // Where the only account has three, unknown addresses have three. `tests/it/enumeration/` asks for more.
    for number in 0..20 {
        assert_eq!(count(&format!("nobody{number}@example.org")).await, 3);
    }
}

#[tokio::test]
async fn the_shortest_client_gets_nothing_with_a_key_of_another_app() {
    let server = TestServer::start().await;
    let other = TestServer::start().await;
    let mut back_end = BackEnd::connect(&server, format!(r#"{{"apiKey":"{}"}}"#, other.api_key)).await;
    assert!(back_end.text().await.unwrap().contains(r#""code":"badKey""#));
    assert_eq!(back_end.text().await.unwrap_err().0, Code::BadKey.close_code());
}

fn assert_status(error: &tungstenite::Error, status: u16, code: &str) {
    let tungstenite::Error::Http(response) = error else { panic!("{error}") };
    assert_eq!(response.status(), status);
    let problem: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
    assert_eq!(problem["code"], code);
    assert!(problem["detail"].as_str().unwrap().split(' ').count() > 4, "{problem}");
}

/// The database, its write-ahead log and whatever else lies beside it.
fn database_bytes(directory: &Path) -> Vec<u8> {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.flat_map(|file| fs::read(file).unwrap()).collect()
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn assert_absent(copy: &[u8], secret: &[u8]) {
    assert!(!find(copy, secret), "found in plain");
    assert!(!find(copy, HEXLOWER.encode(secret).as_bytes()), "found in hex");
    assert!(!find(copy, HEXUPPER.encode(secret).as_bytes()), "found in hex");
    // Base64 of the secret inside something longer differs with the offset; its middle is the same for each of three.
    for offset in 0..3 {
        let padded = [&vec![0; offset][..], secret].concat();
        for encoding in [&BASE64, &BASE64URL, &BASE64URL_NOPAD] {
            let text = encoding.encode(&padded);
            let middle = &text[4..text.len() - 4];
            assert!(!find(copy, middle.as_bytes()), "found in base64");
        }
    }
}

//! Bad input on both sockets: each mistake has its code, its sentence and its close code, and nothing panics.

use passkey_accounts::protocol::{
    CeremonyID, Code, SessionID, UnixMillis,
    base64url::Base64Url,
    gateway::{Begin, ClientMessage, Finish, RawJson, Resume, ServerMessage, Verify},
};
use passkey_accounts_server::limits::{
    ANONYMOUS_MS, DEAD_PEER_MS, FIRST_MESSAGE_MS, IDLE_MS, MAX_BACK_END_SOCKETS_PER_APP,
};
use passkey_accounts_tests::{BackEnd, Closed, Http, Page, START, SoftwareAuthenticator, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

/// The error and the close that the server answers a first message with.
async fn refusal(server: &TestServer, first: String) -> (Value, Closed) {
    let mut back_end = BackEnd::connect(server, first).await;
    let error: Value = serde_json::from_str(&back_end.text().await.expect("an error first")).unwrap();
    (error, back_end.text().await.expect_err("then the close"))
}

async fn assert_refused(server: &TestServer, first: String, code: Code) {
    let (error, (number, reason)) = refusal(server, first.clone()).await;
    assert_eq!(error["data"]["code"], code.as_str(), "{first}");
    assert!(error["data"]["message"].as_str().unwrap().split(' ').count() > 4, "{error}");
    assert_eq!(number, code.close_code(), "{first}");
    let reason: Value = serde_json::from_str(&reason).unwrap();
    assert_eq!(reason["error"], code.as_str());
}

#[tokio::test]
async fn a_back_end_without_a_good_key_is_told_what_is_wrong() {
    let server = TestServer::start().await;
    let key = |key: &str| json!({ "apiKey": key }).to_string();
    let changed = server.api_key.replace("pa_dev_", "pa_live_");
    for first in ["{}".to_owned(), r#"{"protocol":1}"#.to_owned(), key(""), key("secret"), key(&changed)] {
        assert_refused(&server, first, Code::BadKey).await;
    }
    let stranger = TestServer::start().await.api_key;
    assert_refused(&server, key(&stranger), Code::BadKey).await;
}

#[tokio::test]
async fn what_is_refused_is_counted_for_the_operators_log() {
    let server = TestServer::start().await;
    let refused = || server.context().refusals.take();
    assert_refused(&server, json!({ "apiKey": "pa_live_nonsense" }).to_string(), Code::BadKey).await;
    let mut page = Page::connect(&server).await;
    page.ask(ClientMessage::SignUpBegin(page.begin("ada@example.org"))).await;
    for code in ["wrong-1", "wrong-2"] {
        page.ask(ClientMessage::SignUpVerify(Verify { code: code.to_owned() })).await;
    }
    let foreign =
        Page::connect_from(&server.gateway_url(), server.app_id, "https://attacker.example").await.err();
    assert!(foreign.is_some());
    let http = Http::new(&server).await;
    assert_eq!(http.with_key("pa_live_nonsense").get("/v1/sessions").await.status, 401);
    assert_eq!(refused().as_deref(), Some("badKey=2 originNotAllowed=1 wrongCode=2"));
    page.sign_up(&server, "ada@example.org", &mut SoftwareAuthenticator::new([1; 32])).await;
    assert_eq!(refused(), None, "what goes well is no refusal");
}

#[tokio::test]
async fn expired_and_revoked_keys_are_told_apart_from_wrong_ones() {
    let server = TestServer::start().await;
    let expiring = server.make_key(Some(START.plus(1_000))).await;
    let first = json!({ "apiKey": expiring.reveal() }).to_string();
    server.clock().advance(1_000);
    assert_refused(&server, first, Code::KeyExpired).await;
    let revoked = server.make_key(None).await;
    assert!(server.context().store.revoke_key(revoked.id()).await.unwrap());
    assert_refused(&server, json!({ "apiKey": revoked.reveal() }).to_string(), Code::KeyRevoked).await;
}

#[tokio::test]
async fn a_first_message_that_cannot_be_read_is_refused() {
    let server = TestServer::start().await;
    for first in ["", "hello", "[]", "null", "{\"apiKey\":1}", "{\"apiKey\":\"\\ud800\"}", &"[".repeat(4_000)]
    {
        assert_refused(&server, first.to_owned(), Code::BadMessage).await;
    }
    let key = &server.api_key;
    assert_refused(&server, json!({ "apiKey": key, "protocol": 0 }).to_string(), Code::UnsupportedProtocol)
        .await;
    let after = json!({ "apiKey": key, "protocol": 1, "after": "yesterday" }).to_string();
    let mut back_end = BackEnd::connect(&server, after).await;
    assert!(back_end.text().await.unwrap().contains("ready"));
    assert!(back_end.text().await.unwrap().contains(r#""after\" is not an id"#));
    assert_eq!(back_end.text().await.unwrap_err().0, Code::BadMessage.close_code());
}

#[tokio::test]
async fn an_oversized_message_closes_the_socket_with_its_code() {
    let server = TestServer::start().await;
    let (_, (number, _)) = refusal(&server, "x".repeat(8 * 1024 + 1)).await;
    assert_eq!(number, Code::TooLarge.close_code());

    let mut page = Page::connect(&server).await;
    page.send_text("x".repeat(4 * 1024 + 1)).await;
    assert_eq!(page.hear().await.unwrap_err().0, Code::TooLarge.close_code());

    let mut page = Page::connect(&server).await;
    page.ask_in_vain(ClientMessage::SignUpBegin(Begin { email: "x".into(), session_key: page.key.public() }))
        .await;
    page.send_text("x".repeat(16 * 1024 + 1)).await;
    assert_eq!(page.hear().await.unwrap_err().0, Code::TooLarge.close_code());
}

#[tokio::test]
async fn a_silent_back_end_is_closed_after_ten_seconds() {
    let server = TestServer::start().await;
    let mut back_end = BackEnd::connect_silently(&server).await;
    let told = tokio::join!(back_end.text(), async {
        while server.context().sockets.is_empty() {
            tokio::task::yield_now().await;
        }
        server.clock().advance(FIRST_MESSAGE_MS);
        // The deadline counts from the moment the server took the socket, which may be after this step.
        server.clock().advance(FIRST_MESSAGE_MS);
    });
    assert!(told.0.unwrap().contains(Code::HelloTimeout.as_str()));
    assert_eq!(back_end.text().await.unwrap_err().0, Code::HelloTimeout.close_code());
}

#[tokio::test]
async fn an_app_has_a_bounded_number_of_back_end_sockets() {
    let server = TestServer::start().await;
    let mut back_ends = Vec::new();
    for _ in 0..MAX_BACK_END_SOCKETS_PER_APP {
        let mut back_end = BackEnd::view(&server, json!({})).await;
        back_end.snapshot().await;
        back_ends.push(back_end);
    }
    let (error, (number, reason)) = refusal(&server, json!({ "apiKey": server.api_key }).to_string()).await;
    assert_eq!(error["data"]["code"], Code::TooManyConnections.as_str());
    assert_eq!(number, Code::TooManyConnections.close_code());
    assert!(reason.contains(r#""retryAfterMs":60000"#), "{reason}");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_answered_and_three_end_the_connection() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    assert_eq!(page.ask_in_vain(ClientMessage::SignOut).await, Code::Unexpected.as_str());
    page.send_text(r#"{"type":"dance","id":7}"#).await;
    let (id, answer) = page.hear().await.unwrap();
    assert_eq!(id, Some(7));
    assert!(matches!(answer, ServerMessage::Error(failure) if failure.code == Code::UnknownType.as_str()));
    page.send_text("not json").await;
    let (_, answer) = page.hear().await.unwrap();
    assert!(matches!(answer, ServerMessage::Error(failure) if failure.code == Code::BadMessage.as_str()));
    assert_eq!(page.hear().await.unwrap_err().0, Code::BadMessage.close_code());
}

#[tokio::test]
async fn each_request_out_of_turn_has_its_code() {
    let server = TestServer::start().await;
    let finish = Finish { ceremony_id: CeremonyID::from_bytes([1; 16]), credential: RawJson("{}".into()) };
    let resume = Resume { session_id: SessionID::from_bytes([1; 16]), signature: Base64Url(vec![0; 64]) };
    for (message, code) in [
        (ClientMessage::SignUpVerify(Verify { code: "123456".into() }), Code::Unexpected),
        (ClientMessage::CeremonyFinish(finish), Code::UnknownCeremony),
        (ClientMessage::SessionResume(resume), Code::SessionGone),
        (ClientMessage::SignOut, Code::Unexpected),
    ] {
        let mut page = Page::connect(&server).await;
        assert_eq!(page.ask_in_vain(message).await, code.as_str());
    }
}

#[tokio::test]
async fn addresses_and_keys_that_cannot_be_are_refused() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    for email in ["", "ada", "ada@", "a b@example.org", "ada@example.org\r\nBcc: all@example.org"] {
        let begin = page.begin(email);
        assert_eq!(
            page.ask_in_vain(ClientMessage::SignInBegin(begin)).await,
            Code::InvalidEmail.as_str(),
            "{email:?}"
        );
    }
    let mut off_curve = page.begin("ada@example.org");
    off_curve.session_key.y.0[31] ^= 1;
    let mut short = page.begin("ada@example.org");
    short.session_key.x.0.pop();
    let mut other_curve = page.begin("ada@example.org");
    other_curve.session_key.crv = "P-384".into();
    for begin in [off_curve, short, other_curve] {
        assert_eq!(
            page.ask_in_vain(ClientMessage::SignUpBegin(begin)).await,
            Code::InvalidSessionKey.as_str()
        );
    }
}

#[tokio::test]
async fn a_connection_asks_for_five_codes_at_most() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    for _ in 0..5 {
        let sent = page.ask(ClientMessage::SignUpBegin(page.begin("ada@example.org"))).await;
        assert!(matches!(sent, ServerMessage::CodeSent(_)));
    }
    let begin = page.begin("ada@example.org");
    assert_eq!(page.ask_in_vain(ClientMessage::SignUpBegin(begin)).await, Code::RateLimited.as_str());
}

#[tokio::test]
async fn binary_frames_are_no_messages() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    page.send_frame(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(page.hear().await.unwrap_err().0, Code::BadMessage.close_code());
}

#[tokio::test]
async fn a_page_that_never_signs_in_is_closed_in_the_end() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    page.let_pass(&server, ANONYMOUS_MS - 1).await;
    server.clock().advance(1);
    assert_eq!(page.hear().await.unwrap_err().0, Code::Idle.close_code());
}

#[tokio::test]
async fn an_idle_view_gets_bookmarks_and_a_dead_one_is_closed() {
    let server = TestServer::start().await;
    let mut back_end = BackEnd::view(&server, json!({})).await;
    let id = back_end.snapshot().await.id;
    server.clock().advance(IDLE_MS);
    let passkey_accounts::protocol::stream::Message::Bookmark(bookmark) = back_end.message().await else {
        panic!()
    };
    assert_eq!((bookmark.id, bookmark.prev), (id.clone(), id));
    assert!(bookmark.time >= UnixMillis(START.0 + IDLE_MS));
    server.clock().advance(DEAD_PEER_MS);
    let text = back_end.text().await.unwrap();
    assert!(text.contains(Code::Idle.as_str()) || text.contains("bookmark"), "{text}");
}

#[tokio::test]
async fn a_back_end_that_only_reads_stays_connected_however_busy_the_log_is() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    page.sign_up(&server, "ada@example.org", &mut authenticator).await;
    let mut back_end = BackEnd::view(&server, json!({})).await;
    back_end.snapshot().await;
    // For three times the dead-peer time something is said to it more often than it would be asked for being idle. It
    // answers pings while it reads, as every library does, and says nothing else.
    for _ in 0..(3 * DEAD_PEER_MS / (IDLE_MS / 4)) {
        page.sign_out().await;
        page.sign_in("ada@example.org", &mut authenticator).await;
        assert_eq!(back_end.event().await.name, "loggedOut");
        assert_eq!(back_end.event().await.name, "loggedIn");
        page.let_pass(&server, IDLE_MS / 4).await;
    }
}

#[tokio::test]
async fn a_request_head_that_is_too_large_or_never_ends_gets_no_connection() {
    let server = TestServer::start().await;
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    // The server may hang up before it has read everything.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431"), "{text}");
}

//! Sign-up, sign-in and sign-out over real sockets.

use passkey_accounts::protocol::{
    Code,
    base64url::encode,
    event::EventKind,
    gateway::{Ceremony, ClientMessage, EndReason, ServerMessage, Verify},
    webauthn::Algorithm,
};
use passkey_accounts_server::limits::{CHALLENGE_MS, CODE_MS};
use passkey_accounts_tests::{BackEnd, Page, SoftwareAuthenticator, TestServer};
use serde_json::json;

const ADA: &str = "ada@example.org";

#[tokio::test]
async fn a_person_signs_up_in_and_out_and_a_back_end_sees_each_step() {
    let server = TestServer::start().await;
    let mut back_end = BackEnd::view(&server, json!({ "types": ["*"] })).await;
    assert!(back_end.snapshot().await.sessions.is_empty());
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);

    let mut page = Page::connect(&server).await;
    let first = page.sign_up(&server, ADA, &mut authenticator).await;
    let names = [back_end.event().await.name, back_end.event().await.name];
    assert_eq!(names, ["registered", "passkeyAdded"]);
    let Ok(Some(EventKind::LoggedIn(logged_in))) = back_end.event().await.kind() else {
        panic!("not loggedIn")
    };
    assert_eq!((logged_in.account_id, logged_in.session_id), (first.account_id, first.session_id));
    assert_eq!((logged_in.session_key, logged_in.account_sessions), (page.key.public(), 1));
    assert!(logged_in.user_verified && logged_in.evidence.is_none());

    assert!(matches!(page.sign_out().await, ServerMessage::SignedOut(out) if out.reason == EndReason::User));
    let Ok(Some(EventKind::LoggedOut(logged_out))) = back_end.event().await.kind() else {
        panic!("not loggedOut")
    };
    assert_eq!((logged_out.session_id, logged_out.reason), (first.session_id, EndReason::User));
    assert_eq!(logged_out.account_sessions, 0);

    let second = page.sign_in(ADA, &mut authenticator).await;
    assert_eq!(second.account_id, first.account_id);
    assert_ne!(second.session_id, first.session_id);
    let Ok(Some(EventKind::LoggedIn(logged_in))) = back_end.event().await.kind() else {
        panic!("not loggedIn")
    };
    assert!(logged_in.evidence.is_some());
}

#[tokio::test]
async fn every_offered_algorithm_registers_and_signs_in() {
    let server = TestServer::start().await;
    for (seed, algorithm) in (1..).zip(Algorithm::ALL) {
        let mut authenticator = SoftwareAuthenticator::new([seed; 32]);
        authenticator.algorithm = Some(algorithm);
        let email = format!("ada+{seed}@example.org");
        let mut page = Page::connect(&server).await;
        let up = page.sign_up(&server, &email, &mut authenticator).await;
        page.sign_out().await;
        let session = page.sign_in(&email, &mut authenticator).await;
        assert_eq!(session.account_id, up.account_id, "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_wrong_code_may_be_corrected_and_an_expired_one_not() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let verify = |code: &str| ClientMessage::SignUpVerify(Verify { code: code.to_owned() });
    page.ask(ClientMessage::SignUpBegin(page.begin(ADA))).await;
    let code = server.mailed_code(ADA).unwrap();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(page.ask_in_vain(verify(wrong)).await, Code::WrongCode.as_str());
    assert!(matches!(page.ask(verify(&code)).await, ServerMessage::CeremonyCreate(_)));

    page.ask(ClientMessage::SignUpBegin(page.begin(ADA))).await;
    page.let_pass(&server, CODE_MS).await;
    let code = server.mailed_code(ADA).unwrap();
    let late = page.ask_in_vain(verify(&code)).await;
    assert_eq!(late, Code::CodeExpired.as_str());
}

#[tokio::test]
async fn an_expired_challenge_is_refused_and_a_new_one_works() {
    let server = TestServer::start().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, ADA, &mut authenticator).await;
    page.sign_out().await;
    let ceremony = page.begin_sign_in(ADA).await;
    let credential = authenticator.sign_in(&ceremony.public_key.0, &server.origin()).unwrap();
    page.let_pass(&server, CHALLENGE_MS).await;
    let answer = page.finish(&ceremony, credential).await;
    assert!(
        matches!(answer, ServerMessage::Error(failure) if failure.code == Code::ChallengeExpired.as_str())
    );
    page.sign_in(ADA, &mut authenticator).await;
}

#[tokio::test]
async fn an_address_has_one_account_and_only_its_mail_reader_is_told() {
    let server = TestServer::start().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, ADA, &mut authenticator).await;

    let mut other = Page::connect(&server).await;
    let sent = other.ask(ClientMessage::SignUpBegin(other.begin("ADA@example.org"))).await;
    assert!(matches!(sent, ServerMessage::CodeSent(_)));
    let code = server.mailed_code("ADA@example.org").unwrap();
    let answer = other.ask_in_vain(ClientMessage::SignUpVerify(Verify { code })).await;
    assert_eq!(answer, Code::AccountExists.as_str());
}

#[tokio::test]
async fn two_sign_ups_with_one_address_make_one_account() {
    let server = TestServer::start().await;
    let mut first = Page::connect(&server).await;
    let mut second = Page::connect(&server).await;
    let (one, two) = (first.begin_sign_up(&server, ADA).await, second.begin_sign_up(&server, ADA).await);
    let made = |seed, ceremony: &Ceremony| {
        SoftwareAuthenticator::new([seed; 32]).register(&ceremony.public_key.0, &server.origin()).unwrap()
    };
    let (a, b) = tokio::join!(first.finish(&one, made(1, &one)), second.finish(&two, made(2, &two)));
    let is_signed_in = |reply: &ServerMessage| matches!(reply, ServerMessage::SignedIn(_));
    assert!(is_signed_in(&a) != is_signed_in(&b), "{a:?} {b:?}");
    let failure = if is_signed_in(&a) { b } else { a };
    assert!(matches!(failure, ServerMessage::Error(failure) if failure.code == Code::AccountExists.as_str()));
}

#[tokio::test]
async fn an_unknown_address_gets_the_same_decoy_every_time_and_no_session() {
    let server = TestServer::start().await;
    let mut page = Page::connect(&server).await;
    let allowed = |ceremony: &Ceremony| {
        let options: serde_json::Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
        options["allowCredentials"].clone()
    };
    let decoys = allowed(&page.begin_sign_in("nobody@example.org").await);
    assert!((1..=3).contains(&decoys.as_array().unwrap().len()), "{decoys}");
    assert_eq!(decoys, allowed(&page.begin_sign_in("nobody@example.org").await));
    assert_ne!(decoys, allowed(&page.begin_sign_in("somebody@example.org").await));

    // Someone with a real passkey answers the decoy challenge with it, correctly signed.
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut ada = Page::connect(&server).await;
    ada.sign_up(&server, ADA, &mut authenticator).await;
    let ceremony = page.begin_sign_in("nobody@example.org").await;
    let mut options: serde_json::Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
    options["allowCredentials"][0]["id"] = encode(&authenticator.passkeys[0].credential_id).into();
    let credential = authenticator.sign_in(&options.to_string(), &server.origin()).unwrap();
    let answer = page.finish(&ceremony, credential).await;
    assert!(
        matches!(answer, ServerMessage::Error(failure) if failure.code == Code::PasskeyRejected.as_str())
    );
}

#[tokio::test]
async fn a_counter_that_falls_is_reported_before_the_sign_in() {
    let server = TestServer::start().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    authenticator.counter_step = 1;
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, ADA, &mut authenticator).await;
    page.sign_out().await;
    for _ in 0..3 {
        page.sign_in(ADA, &mut authenticator).await;
        page.sign_out().await;
    }
    let mut back_end =
        BackEnd::view(&server, json!({ "types": ["counterRegressed", "loggedIn"], "start": "now" })).await;
    back_end.message().await;
    // As if a copy that was made back then were used now.
    authenticator.passkeys[0].sign_count = 0;
    page.sign_in(ADA, &mut authenticator).await;
    let Ok(Some(EventKind::CounterRegressed(event))) = back_end.event().await.kind() else {
        panic!("not reported")
    };
    assert!(event.received <= event.stored, "{event:?}");
    assert_eq!(back_end.event().await.name, "loggedIn");
}

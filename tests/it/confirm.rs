//! Confirming: a gesture whose signature covers the exact action, once, by a passkey of the account, for the session that
//! asked.

use passkey_accounts::{
    ceremony::binding::{Binding, thumbprint},
    evidence::{
        Algorithm, AssertionExpectation, KnownPasskey, PublicKey, UserVerification, verify_assertion,
    },
    protocol::{
        Code,
        base64url::encode,
        event::{Confirmed, EventKind, Evidence, LoggedIn, PasskeyAdded},
        gateway::{
            Ceremony, CeremonyKind, ClientMessage, ConfirmBegin, EndReason, EndSessions, MAX_ACTION_BYTES,
            RawJson, RemovePasskey, RenamePasskey, ServerMessage, Session, SessionKey,
        },
    },
};
use passkey_accounts_server::{limits::CHALLENGE_MS, sessions};
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer, audit::Audit};
use serde_json::Value;

const ADA: &str = "ada@example.org";
const PAY: &str = r#"{"type":"pay","amount":10,"to":"bob"}"#;

pub(crate) fn authenticator(seed: u8) -> SoftwareAuthenticator {
    SoftwareAuthenticator::new([seed; 32])
}

pub(crate) async fn signed_up(
    server: &TestServer,
    email: &str,
    seed: u8,
) -> (Page, SoftwareAuthenticator, Session) {
    let (mut page, mut authenticator) = (Page::connect(server).await, authenticator(seed));
    let session = page.sign_up(server, email, &mut authenticator).await;
    (page, authenticator, session)
}

pub(crate) fn assert_code(reply: &ServerMessage, code: Code) {
    assert!(matches!(reply, ServerMessage::Error(failure) if failure.code == code.as_str()), "{reply:?}");
}

/// Every event of the app's log.
pub(crate) fn events(server: &TestServer) -> Vec<EventKind> {
    let tail = server.context().store.logs().tail(server.app_id).unwrap();
    let entries = tail.entries_after(0, 10_000).unwrap();
    entries.iter().filter_map(|entry| EventKind::from_parts(&entry.name, &entry.data).unwrap()).collect()
}

/// Every `loggedIn` has at most one `loggedOut`, the chain holds, the rows fit the log.
pub(crate) async fn assert_log_holds(server: &TestServer) {
    assert_eq!(Audit::read(server.directory(), server.app_id).await.violations, [""; 0]);
}

pub(crate) fn added(server: &TestServer) -> Vec<PasskeyAdded> {
    let added = |kind| if let EventKind::PasskeyAdded(event) = kind { Some(event) } else { None };
    events(server).into_iter().filter_map(added).collect()
}

fn confirmed(server: &TestServer) -> Vec<Confirmed> {
    let confirmed = |kind| if let EventKind::Confirmed(event) = kind { Some(*event) } else { None };
    events(server).into_iter().filter_map(confirmed).collect()
}

fn logged_in(server: &TestServer) -> Vec<LoggedIn> {
    let logged_in = |kind| if let EventKind::LoggedIn(event) = kind { Some(*event) } else { None };
    events(server).into_iter().filter_map(logged_in).collect()
}

/// Whether evidence is a passkey's own signature over that action, for the session with that key.
pub(crate) fn holds(
    server: &TestServer,
    evidence: &Evidence,
    public_key_cose: &[u8],
    session_key: &SessionKey,
    action: Option<&str>,
) -> bool {
    let challenge = Binding {
        random: &evidence.random.0,
        kind: evidence.kind,
        app_id: server.app_id,
        origin: &evidence.origin,
        thumbprint: &thumbprint(session_key),
        action,
    }
    .derive_challenge();
    let expected = AssertionExpectation {
        challenge: &challenge,
        origin: &evidence.origin,
        rp_id: "localhost",
        user_verification: UserVerification::Required,
        algorithms: &Algorithm::ALL,
    };
    let passkey = KnownPasskey {
        credential_id: &evidence.credential_id.0,
        public_key: &PublicKey::from_cose(public_key_cose).unwrap(),
        sign_count: 0,
        backup_eligible: false,
        user_handle: &[],
    };
    let (data, client_data) = (&evidence.authenticator_data.0, &evidence.client_data_json.0);
    verify_assertion(client_data, data, &evidence.signature.0, &expected, &passkey).is_ok()
}

/// The ceremony's options with the challenge that the same parts make for another kind and action.
pub(crate) fn rebound(
    server: &TestServer,
    page: &Page,
    ceremony: &Ceremony,
    kind: CeremonyKind,
    action: Option<&str>,
) -> String {
    let challenge = Binding {
        random: &ceremony.binding.random.0,
        kind,
        app_id: server.app_id,
        origin: &server.origin(),
        thumbprint: &thumbprint(&page.key.public()),
        action,
    }
    .derive_challenge();
    let mut options: Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
    options["challenge"] = encode(challenge).into();
    options.to_string()
}

#[tokio::test]
async fn a_confirmed_action_is_an_event_that_a_back_end_can_check_without_the_server() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, session) = signed_up(&server, ADA, 1).await;
    let ceremony_id =
        page.confirm(" {\"to\":\"b\\u006fb\", \"amount\":1e1,\"type\":\"pay\"}", &mut passkey).await;
    let [event] = &confirmed(&server)[..] else { panic!("one event") };
    assert_eq!((event.ceremony_id, event.session_id), (ceremony_id, session.session_id));
    assert_eq!((event.account_id, event.passkey_id), (session.account_id, session.passkey_id));
    let action = r#"{"amount":10,"to":"bob","type":"pay"}"#;
    assert_eq!((event.action.0.as_str(), event.evidence.kind), (action, CeremonyKind::Confirm));
    // The key was pinned when the passkey was added; the session's key came with `loggedIn`.
    let pinned = &added(&server)[0].public_key.0;
    let session_key = &logged_in(&server)[0].session_key;
    assert!(holds(&server, &event.evidence, pinned, session_key, Some(action)));
    assert!(!holds(&server, &event.evidence, pinned, session_key, Some(&action.replace("10", "11"))));
    assert!(!holds(&server, &event.evidence, pinned, session_key, None));
    // The session goes on, and another confirmation has another name.
    assert_ne!(page.confirm(PAY, &mut passkey).await, ceremony_id);
    assert!(matches!(page.sign_out().await, ServerMessage::SignedOut(_)));
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn only_a_small_json_object_can_be_confirmed() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, _) = signed_up(&server, ADA, 1).await;
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_ACTION_BYTES));
    for action in ["[]", "1", "null", r#""pay""#, r#"{"a":1,"a":2}"#, r#"{"a":{"b":1,"\u0062":1}}"#, &large] {
        let begin = ConfirmBegin { action: RawJson(action.to_owned()) };
        let code = page.ask_in_vain(ClientMessage::ConfirmBegin(begin)).await;
        assert_eq!(code, Code::InvalidAction.as_str(), "{action}");
    }
    let fits = large.replacen(&"x".repeat(8), "", 1);
    page.confirm(&fits, &mut passkey).await;
    assert_eq!(confirmed(&server)[0].action.0, fits);
}

#[tokio::test]
async fn without_a_session_nothing_of_an_account_can_be_asked() {
    let server = TestServer::start().await;
    let (_, _, session) = signed_up(&server, ADA, 1).await;
    let passkey_id = session.passkey_id;
    for message in [
        ClientMessage::ConfirmBegin(ConfirmBegin { action: RawJson("{}".into()) }),
        ClientMessage::PasskeysList,
        ClientMessage::PasskeysAddBegin,
        ClientMessage::PasskeysRename(RenamePasskey { passkey_id, name: "x".into() }),
        ClientMessage::PasskeysRemoveBegin(RemovePasskey { passkey_id }),
        ClientMessage::SessionsList,
        ClientMessage::SessionsEnd(EndSessions { session_id: Some(session.session_id) }),
    ] {
        let code = Page::connect(&server).await.ask_in_vain(message.clone()).await;
        assert_eq!(code, Code::Unexpected.as_str(), "{message:?}");
    }
}

#[tokio::test]
async fn a_challenge_confirms_once_and_a_failed_try_burns_it() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, _) = signed_up(&server, ADA, 1).await;
    let ceremony = page.begin_confirm(PAY).await;
    let credential = passkey.sign_in(&ceremony.public_key.0, &server.origin()).unwrap();
    let done = page.finish(&ceremony, credential.clone()).await;
    assert!(matches!(done, ServerMessage::Confirmed(_)), "{done:?}");
    assert_code(&page.finish(&ceremony, credential.clone()).await, Code::UnknownCeremony);
    // Under the id of a ceremony that is open, the old answer meets a new challenge of the same action.
    let again = page.begin_confirm(PAY).await;
    assert_code(&page.finish(&again, credential).await, Code::PasskeyRejected);
    let right = passkey.sign_in(&again.public_key.0, &server.origin()).unwrap();
    assert_code(&page.finish(&again, right).await, Code::UnknownCeremony);
    assert_eq!(confirmed(&server).len(), 1);
}

#[tokio::test]
async fn a_challenge_confirms_for_five_minutes_and_on_its_own_connection_only() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, _) = signed_up(&server, ADA, 1).await;
    let late = page.begin_confirm(PAY).await;
    page.let_pass(&server, CHALLENGE_MS).await;
    assert_code(&page.answer(&late, &mut passkey).await, Code::ChallengeExpired);
    // A newer one drops the older; what is no ceremony does not.
    let dropped = page.begin_confirm(PAY).await;
    let pending = page.begin_confirm(PAY).await;
    page.passkeys().await;
    page.sessions().await;
    assert_code(&page.answer(&dropped, &mut passkey).await, Code::UnknownCeremony);
    let mut other = Page::connect(&server).await;
    other.sign_in(ADA, &mut passkey).await;
    assert_code(&other.answer(&pending, &mut passkey).await, Code::UnknownCeremony);
    let done = page.answer(&pending, &mut passkey).await;
    assert!(matches!(done, ServerMessage::Confirmed(_)), "{done:?}");
}

#[tokio::test]
async fn a_signature_over_another_action_or_for_another_purpose_confirms_nothing() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, _) = signed_up(&server, ADA, 1).await;
    let canonical = r#"{"amount":10,"to":"bob","type":"pay"}"#;
    for (kind, action) in [
        (CeremonyKind::Confirm, Some(r#"{"amount":11,"to":"bob","type":"pay"}"#)),
        (CeremonyKind::Confirm, Some(PAY)),
        (CeremonyKind::Confirm, None),
        (CeremonyKind::SignIn, None),
        (CeremonyKind::SignIn, Some(canonical)),
        (CeremonyKind::RemovePasskey, Some(canonical)),
    ] {
        let ceremony = page.begin_confirm(PAY).await;
        let options = rebound(&server, &page, &ceremony, kind, action);
        let credential = passkey.sign_in(&options, &server.origin()).unwrap();
        assert_code(&page.finish(&ceremony, credential).await, Code::PasskeyRejected);
    }
    assert!(confirmed(&server).is_empty());
    // The very same way, with what was asked: so it is the purpose that was refused.
    let ceremony = page.begin_confirm(PAY).await;
    let options = rebound(&server, &page, &ceremony, CeremonyKind::Confirm, Some(canonical));
    let credential = passkey.sign_in(&options, &server.origin()).unwrap();
    assert!(matches!(page.finish(&ceremony, credential).await, ServerMessage::Confirmed(_)));

    // And a confirmation signs nobody in.
    page.sign_out().await;
    let ceremony = page.begin_sign_in(ADA).await;
    let options = rebound(&server, &page, &ceremony, CeremonyKind::Confirm, Some(canonical));
    let credential = passkey.sign_in(&options, &server.origin()).unwrap();
    assert_code(&page.finish(&ceremony, credential).await, Code::PasskeyRejected);
}

#[tokio::test]
async fn a_passkey_of_another_account_confirms_nothing() {
    let server = TestServer::start().await;
    let (mut page, ..) = signed_up(&server, ADA, 1).await;
    let (_, mut bobs, _) = signed_up(&server, "bob@example.org", 2).await;
    let ceremony = page.begin_confirm(PAY).await;
    let mut options: Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
    options["allowCredentials"][0]["id"] = encode(&bobs.passkeys[0].credential_id).into();
    let credential = bobs.sign_in(&options.to_string(), &server.origin()).unwrap();
    assert_code(&page.finish(&ceremony, credential).await, Code::PasskeyRejected);
    assert!(confirmed(&server).is_empty());
}

#[tokio::test]
async fn a_session_that_ended_while_the_person_hesitated_confirms_nothing() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, session) = signed_up(&server, ADA, 1).await;
    let ceremony = page.begin_confirm(PAY).await;
    let context = server.context();
    let state = context.store.logs().tail(server.app_id).unwrap().state();
    // Committed, and the socket has not been told yet: the moment in between, held still.
    let stored = state.sessions().get(&session.session_id).unwrap();
    assert!(sessions::end(&context.store, stored, EndReason::Revoked).await.unwrap());
    assert_code(&page.answer(&ceremony, &mut passkey).await, Code::SessionGone);
    let rename = RenamePasskey { passkey_id: session.passkey_id, name: "Laptop".into() };
    assert_code(&page.ask(ClientMessage::PasskeysRename(rename)).await, Code::SessionGone);
    let end = EndSessions { session_id: None };
    assert_code(&page.ask(ClientMessage::SessionsEnd(end)).await, Code::SessionGone);
    assert!(confirmed(&server).is_empty());
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn a_passkey_that_is_removed_meanwhile_confirms_nothing() {
    let server = TestServer::start().await;
    let (mut page, mut first, session) = signed_up(&server, ADA, 1).await;
    let mut second = authenticator(2);
    page.add_passkey(&mut second, &mut first).await;
    page.sign_out().await;
    page.sign_in(ADA, &mut first).await;
    let mut other = Page::connect(&server).await;
    let ceremony = other.begin_sign_in(ADA).await;
    let other_session = other.answer(&ceremony, &mut second).await;
    assert!(matches!(other_session, ServerMessage::SignedIn(_)), "{other_session:?}");
    // A session of the second passkey; the first one signs, and is gone before its answer arrives.
    let ceremony = other.begin_confirm(PAY).await;
    let credential = first.sign_in(&ceremony.public_key.0, &server.origin()).unwrap();
    let removal = page.begin_remove_passkey(session.passkey_id).await;
    assert!(matches!(page.answer(&removal, &mut second).await, ServerMessage::PasskeyRemoved(_)));
    assert_code(&other.finish(&ceremony, credential).await, Code::PasskeyRejected);
    assert!(confirmed(&server).is_empty());
}

#[tokio::test]
async fn a_counter_that_falls_at_a_confirmation_is_reported_before_it() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, _) = signed_up(&server, ADA, 1).await;
    for _ in 0..3 {
        page.confirm(PAY, &mut passkey).await;
    }
    passkey.passkeys[0].sign_count = 1;
    page.confirm(PAY, &mut passkey).await;
    let events = events(&server);
    let [.., EventKind::CounterRegressed(regressed), EventKind::Confirmed(_)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((regressed.stored, regressed.received), (3, 2));
}

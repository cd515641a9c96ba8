//! Ending from elsewhere: whoever is revoked is off the socket at once, once, and does not come back.

use std::time::Duration;

use passkey_accounts::{
    Api,
    protocol::{
        Code, SessionID,
        event::{EventKind, LoggedOut},
        gateway::{EndReason, ServerMessage, Session},
    },
};
use passkey_accounts_tests::{BackEnd, Http, Page, START, SoftwareAuthenticator, TestServer};
use serde_json::json;

const ADA: &str = "ada@example.org";

fn authenticator() -> SoftwareAuthenticator {
    SoftwareAuthenticator::new([1; 32])
}

async fn signed_up(server: &TestServer) -> (Page, SoftwareAuthenticator, Session) {
    let (mut page, mut authenticator) = (Page::connect(server).await, authenticator());
    let session = page.sign_up(server, ADA, &mut authenticator).await;
    (page, authenticator, session)
}

fn api(server: &TestServer) -> Api {
    Api::new(&server.origin(), &server.api_key).unwrap()
}

/// The ends in the log.
async fn ends(server: &TestServer) -> Vec<LoggedOut> {
    let tail = server.context().store.logs().tail(server.app_id).unwrap();
    let entries = tail.entries_after(0, 1_000).unwrap();
    let read = |name: &str, data: &str| match EventKind::from_parts(name, data) {
        Ok(Some(EventKind::LoggedOut(end))) => Some(end),
        _ => None,
    };
    entries.iter().filter_map(|entry| read(&entry.name, &entry.data)).collect()
}

/// The page is told why, and then its socket is closed so that it may come back.
async fn assert_put_out(page: &mut Page, reason: EndReason) {
    let (_, told) = page.hear().await.expect("the page is told before the close");
    assert!(matches!(&told, ServerMessage::SignedOut(out) if out.reason == reason), "{told:?}");
    let (code, text) = page.hear().await.expect_err("the socket is closed");
    assert_eq!(code, 1000);
    assert_eq!(text, format!(r#"{{"ended":"{}"}}"#, reason.as_str()));
}

/// Waits until the server has noticed that the session's socket is gone.
async fn detached(server: &TestServer, session_id: SessionID) {
    while !server.context().detached.contains(session_id) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_revoked_session_is_off_its_socket_and_at_every_back_end_exactly_once() {
    let server = TestServer::start().await;
    let (mut page, mut authenticator, session) = signed_up(&server).await;
    let mut view = BackEnd::view(&server, json!({ "start": "now" })).await;
    view.message().await;
    api(&server).end_session(session.session_id).await.unwrap();
    assert_put_out(&mut page, EndReason::Revoked).await;
    let Ok(Some(EventKind::LoggedOut(end))) = view.event().await.kind() else { panic!("not loggedOut") };
    assert_eq!(
        (end.session_id, end.reason, end.account_sessions),
        (session.session_id, EndReason::Revoked, 0)
    );
    let again = api(&server).end_session(session.session_id).await.unwrap_err();
    assert!(again.is(Code::NotFound), "{again}");
    let thief = Page::connect(&server).await.resume(session.session_id, &page.key).await;
    assert!(matches!(thief, ServerMessage::Error(failure) if failure.code == Code::SessionGone.as_str()));
    assert_eq!(ends(&server).await.len(), 1);
    // The page may come back at once, and the person sign in anew.
    Page::connect(&server).await.sign_in(ADA, &mut authenticator).await;
}

#[tokio::test]
async fn a_revoked_session_without_a_socket_cannot_be_resumed() {
    let server = TestServer::start().await;
    let (page, _, session) = signed_up(&server).await;
    let key = page.drop_connection();
    detached(&server, session.session_id).await;
    api(&server).end_session(session.session_id).await.unwrap();
    let refused = Page::connect(&server).await.resume(session.session_id, &key).await;
    assert!(matches!(refused, ServerMessage::Error(failure) if failure.code == Code::SessionGone.as_str()));
    server.clock().advance(session.grace_ms);
    assert_eq!(ends(&server).await.len(), 1);
}

#[tokio::test]
async fn a_resume_that_comes_first_is_put_out_and_one_that_comes_later_is_refused() {
    // The resume has won the session, and the revocation commits before the page is attached: both orders of the rest.
    let server = TestServer::start().await;
    let context = server.context();
    let (page, _, session) = signed_up(&server).await;
    let key = page.drop_connection();
    detached(&server, session.session_id).await;
    // In transit: taken out as a resume does, so that the revocation finds it nowhere.
    let held = context.detached.take(session.session_id, |_| true).unwrap();
    api(&server).end_session(session.session_id).await.unwrap();
    // The dropped half of the race: a socket that was lost puts it back after its end.
    context.detached.insert(held, context.clock.uptime(), EndReason::ConnectionLost);
    let refused = Page::connect(&server).await.resume(session.session_id, &key).await;
    assert!(matches!(refused, ServerMessage::Error(failure) if failure.code == Code::SessionGone.as_str()));

    // The other order: resumed first, then revoked.
    let (page, _, session) = signed_up_again(&server).await;
    let key = page.drop_connection();
    detached(&server, session.session_id).await;
    let mut page = Page::connect(&server).await;
    assert!(matches!(page.resume(session.session_id, &key).await, ServerMessage::SignedIn(_)));
    api(&server).end_session(session.session_id).await.unwrap();
    assert_put_out(&mut page, EndReason::Revoked).await;
    assert_eq!(ends(&server).await.len(), 2);
}

async fn signed_up_again(server: &TestServer) -> (Page, SoftwareAuthenticator, Session) {
    let (mut page, mut authenticator) = (Page::connect(server).await, SoftwareAuthenticator::new([2; 32]));
    let session = page.sign_up(server, "bob@example.org", &mut authenticator).await;
    (page, authenticator, session)
}

#[tokio::test]
async fn revoking_while_resuming_leaves_no_session_on_a_socket() {
    let server = TestServer::start_in_real_time().await;
    let (mut page, mut authenticator, mut session) = signed_up(&server).await;
    for round in 0..40 {
        let key = page.drop_connection();
        detached(&server, session.session_id).await;
        page = Page::connect(&server).await;
        let api = api(&server);
        let revoke = async {
            // Different moments of the resume, the same ones in every run.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            api.end_session(session.session_id).await.unwrap();
        };
        let (reply, ()) = tokio::join!(page.resume(session.session_id, &key), revoke);
        match reply {
            ServerMessage::SignedIn(_) => assert_put_out(&mut page, EndReason::Revoked).await,
            ServerMessage::Error(failure) => assert_eq!(failure.code, Code::SessionGone.as_str()),
            other => panic!("{other:?}"),
        }
        let state = server.context().store.logs().tail(server.app_id).unwrap().state();
        assert_eq!(state.sessions().len(), 0, "round {round}");
        assert_eq!(ends(&server).await.len(), round + 1);
        page = Page::connect(&server).await;
        session = page.sign_in(ADA, &mut authenticator).await;
    }
}

#[tokio::test]
async fn revoking_while_signing_out_writes_one_end() {
    let server = TestServer::start_in_real_time().await;
    let mut page = Page::connect(&server).await;
    let mut authenticator = authenticator();
    let mut session = page.sign_up(&server, ADA, &mut authenticator).await;
    for round in 0..40_usize {
        let api = api(&server);
        let revoke = async {
            for _ in 0..round / 2 {
                tokio::task::yield_now().await;
            }
            api.end_session(session.session_id).await
        };
        let (told, revoked) = tokio::join!(
            async {
                page.send_text(r#"{"type":"signOut"}"#).await;
                page.hear().await.unwrap().1
            },
            revoke
        );
        assert!(matches!(told, ServerMessage::SignedOut(_)), "{told:?}");
        let ends = ends(&server).await;
        assert_eq!(ends.len(), round + 1);
        let by_whom = if revoked.is_ok() { EndReason::Revoked } else { EndReason::User };
        assert_eq!(ends[round].reason, by_whom);
        page = Page::connect(&server).await;
        session = page.sign_in(ADA, &mut authenticator).await;
    }
}

#[tokio::test]
async fn removing_a_passkey_ends_its_sessions_and_no_others() {
    let server = TestServer::start().await;
    let (mut page, _, session) = signed_up(&server).await;
    let (mut bystander, _, other) = signed_up_again(&server).await;
    let (account, passkey) = (session.account_id, session.passkey_id);
    let last = api(&server).remove_passkey(account, passkey).await.unwrap_err();
    assert!(last.is(Code::LastPasskey) && last.status() == Some(409), "{last}");
    server.add_passkey(account).await;
    api(&server).remove_passkey(account, passkey).await.unwrap();
    assert_put_out(&mut page, EndReason::PasskeyRemoved).await;
    let state = server.context().store.logs().tail(server.app_id).unwrap().state();
    assert_eq!(state.sessions().keys().copied().collect::<Vec<_>>(), [other.session_id]);
    assert!(matches!(bystander.sign_out().await, ServerMessage::SignedOut(_)));
    let log = api(&server)
        .events(&passkey_accounts::api::EventsQuery {
            types: vec!["passkeyRemoved".into()],
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(
        log.events[0].data.get(),
        format!(r#"{{"accountID":"{account}","passkeyID":"{passkey}","reason":"backEnd"}}"#)
    );
}

#[tokio::test]
async fn a_passkey_that_is_removed_between_challenge_and_answer_signs_nobody_in() {
    let server = TestServer::start().await;
    let (mut page, mut authenticator, session) = signed_up(&server).await;
    page.sign_out().await;
    let ceremony = page.begin_sign_in(ADA).await;
    let credential = authenticator.sign_in(&ceremony.public_key.0, &server.origin()).unwrap();
    server.add_passkey(session.account_id).await;
    api(&server).remove_passkey(session.account_id, session.passkey_id).await.unwrap();
    let reply = page.finish(&ceremony, credential).await;
    assert!(matches!(reply, ServerMessage::Error(failure) if failure.code == Code::PasskeyRejected.as_str()));

    // The same with the whole account.
    let (mut page, mut authenticator, session) = signed_up_again(&server).await;
    page.sign_out().await;
    let ceremony = page.begin_sign_in("bob@example.org").await;
    let credential = authenticator.sign_in(&ceremony.public_key.0, &server.origin()).unwrap();
    api(&server).erase_account(session.account_id).await.unwrap();
    let reply = page.finish(&ceremony, credential).await;
    assert!(matches!(reply, ServerMessage::Error(failure) if failure.code == Code::PasskeyRejected.as_str()));
}

#[tokio::test]
async fn an_erased_account_is_gone_with_its_sessions_and_its_address_is_free() {
    let server = TestServer::start().await;
    let (mut first, mut authenticator, session) = signed_up(&server).await;
    let mut second = Page::connect(&server).await;
    second.sign_in(ADA, &mut authenticator).await;
    api(&server).erase_account(session.account_id).await.unwrap();
    assert_put_out(&mut first, EndReason::AccountErased).await;
    assert_put_out(&mut second, EndReason::AccountErased).await;
    let ends = ends(&server).await;
    assert_eq!(ends.iter().map(|end| end.account_sessions).collect::<Vec<_>>(), [1, 0]);
    let tail = server.context().store.logs().tail(server.app_id).unwrap();
    assert_eq!(tail.entries_after(0, 100).unwrap().last().unwrap().name, "accountErased");
    assert!(api(&server).account(session.account_id).await.unwrap_err().is(Code::NotFound));
    assert!(api(&server).erase_account(session.account_id).await.unwrap_err().is(Code::NotFound));
    let mut page = Page::connect(&server).await;
    let anew = page.sign_up(&server, ADA, &mut SoftwareAuthenticator::new([3; 32])).await;
    assert_ne!(anew.account_id, session.account_id);
}

#[tokio::test]
async fn sign_ins_and_an_erasure_in_one_commit_leave_nothing_behind() {
    let server = TestServer::start_in_real_time().await;
    for round in 0..10 {
        let mut authenticator = SoftwareAuthenticator::new([round; 32]);
        let email = format!("ada{round}@example.org");
        let mut page = Page::connect(&server).await;
        let session = page.sign_up(&server, &email, &mut authenticator).await;
        let mut answers = Vec::new();
        for _ in 0..4 {
            let mut page = Page::connect(&server).await;
            let ceremony = page.begin_sign_in(&email).await;
            let credential = authenticator.sign_in(&ceremony.public_key.0, &server.origin()).unwrap();
            answers.push((page, ceremony, credential));
        }
        let finishing = answers.into_iter().map(async |(mut page, ceremony, credential)| {
            match page.finish(&ceremony, credential).await {
                ServerMessage::SignedIn(_) => assert_put_out(&mut page, EndReason::AccountErased).await,
                ServerMessage::Error(failure) => {
                    let codes = [Code::PasskeyRejected, Code::SessionGone].map(Code::as_str);
                    assert!(codes.contains(&failure.code.as_str()), "{failure:?}");
                }
                other => panic!("{other:?}"),
            }
        });
        let api = api(&server);
        let erasing = api.erase_account(session.account_id);
        let (_, erased) = tokio::join!(futures_util::future::join_all(finishing), erasing);
        erased.unwrap();
        let state = server.context().store.logs().tail(server.app_id).unwrap().state();
        assert_eq!(state.sessions().len(), 0, "round {round}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_off_its_sockets_and_other_keys_stay() {
    let server = TestServer::start().await;
    let key = server.make_key(None).await;
    let mut theirs =
        BackEnd::connect(&server, json!({ "apiKey": key.reveal(), "protocol": 1 }).to_string()).await;
    let mut shortest = BackEnd::connect(&server, json!({ "apiKey": key.reveal() }).to_string()).await;
    let mut ours = BackEnd::view(&server, json!({})).await;
    ours.snapshot().await;
    theirs.message().await;
    theirs.snapshot().await;
    while server.context().back_ends.count(server.app_id) < 3 {
        tokio::task::yield_now().await;
    }
    api(&server).revoke_key(key.id()).await.unwrap();
    for back_end in [&mut theirs, &mut shortest] {
        assert_ends_with(back_end, Code::KeyRevoked).await;
    }
    assert_eq!(Http::new(&server).await.with_key(key.reveal()).get("/v1/app").await.status, 401);
    let (page, _, _) = signed_up(&server).await;
    assert_eq!(ours.event().await.name, "loggedIn");
    drop(page);
}

#[tokio::test]
async fn a_key_that_expires_is_off_its_sockets_at_that_moment() {
    let server = TestServer::start().await;
    let key = server.make_key(Some(START.plus(10_000))).await;
    let first = json!({ "apiKey": key.reveal(), "protocol": 1 }).to_string();
    let mut back_end = BackEnd::connect(&server, first).await;
    back_end.message().await;
    back_end.snapshot().await;
    server.clock().advance(9_999);
    let (page, _, _) = signed_up(&server).await;
    let mut said = Vec::new();
    while !said.iter().any(|text: &String| text.contains("loggedIn")) {
        said.push(back_end.text().await.unwrap());
    }
    server.clock().advance(1);
    assert_ends_with(&mut back_end, Code::KeyExpired).await;
    drop(page);
}

/// Whatever is said before, an error with that code is last, then the close.
async fn assert_ends_with(back_end: &mut BackEnd, code: Code) {
    let mut last = String::new();
    let (number, reason) = loop {
        match back_end.text().await {
            Ok(text) => last = text,
            Err(closed) => break closed,
        }
    };
    assert!(last.contains(&format!(r#""code":"{code}""#)), "{last}");
    assert_eq!((number, reason), (code.close_code(), format!(r#"{{"error":"{code}"}}"#)));
}

#[tokio::test]
async fn a_rotated_key_is_off_its_sockets_when_its_overlap_is_over() {
    let server = TestServer::start().await;
    let mut back_end = BackEnd::view(&server, json!({})).await;
    back_end.snapshot().await;
    let key_id = server.api_key.split('_').nth(2).unwrap();
    api(&server).rotate_key(key_id, Duration::from_secs(5)).await.unwrap();
    server.clock().advance(5_000);
    assert_ends_with(&mut back_end, Code::KeyExpired).await;
}

//! What becomes of a session when its page, its socket or its server goes away.

use passkey_accounts::protocol::{
    Code, UnixMillis,
    event::{EventKind, LoggedOut},
    gateway::{EndReason, ServerMessage, Session},
};
use passkey_accounts_server::{clock::Clock, sessions::SessionLimits};
use passkey_accounts_tests::{BackEnd, Page, PageKey, START, SoftwareAuthenticator, TestServer};
use serde_json::json;

const ADA: &str = "ada@example.org";

/// The first end in the log, or the next one if there is none yet.
async fn first_end(server: &TestServer) -> LoggedOut {
    let mut back_end = BackEnd::view(server, json!({ "types": ["loggedOut"], "start": "earliest" })).await;
    back_end.message().await;
    match back_end.event().await.kind() {
        Ok(Some(EventKind::LoggedOut(logged_out))) => logged_out,
        other => panic!("not loggedOut: {other:?}"),
    }
}

async fn signed_in(server: &TestServer) -> (Page, Session) {
    let mut page = Page::connect(server).await;
    let session = page.sign_up(server, ADA, &mut SoftwareAuthenticator::new([1; 32])).await;
    (page, session)
}

/// Waits until the server has noticed that the session's socket is gone.
async fn detached(server: &TestServer, session: &Session) {
    while !server.context().detached.contains(session.session_id) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn leaving_the_page_ends_the_session_at_once() {
    let server = TestServer::start().await;
    let (page, session) = signed_in(&server).await;
    page.close().await;
    let end = first_end(&server).await;
    assert_eq!((end.session_id, end.reason), (session.session_id, EndReason::PageGone));
}

#[tokio::test]
async fn a_dropped_socket_ends_the_session_after_its_grace_time_only() {
    let server = TestServer::start().await;
    let (page, session) = signed_in(&server).await;
    page.drop_connection();
    detached(&server, &session).await;
    assert_eq!(BackEnd::view(&server, json!({})).await.snapshot().await.sessions.len(), 1);
    server.clock().advance(session.grace_ms);
    let end = first_end(&server).await;
    assert_eq!((end.session_id, end.reason), (session.session_id, EndReason::ConnectionLost));
    assert_eq!(BackEnd::view(&server, json!({})).await.snapshot().await.sessions.len(), 0);
}

#[tokio::test]
async fn the_session_key_resumes_a_dropped_session_and_no_other_key_does() {
    let server = TestServer::start().await;
    let (page, session) = signed_in(&server).await;
    let key = page.drop_connection();
    detached(&server, &session).await;

    let mut thief = Page::connect(&server).await;
    let refused = thief.resume(session.session_id, &PageKey::make()).await;
    assert!(matches!(refused, ServerMessage::Error(failure) if failure.code == Code::SessionGone.as_str()));

    let mut page = Page::connect(&server).await;
    let resumed = page.resume(session.session_id, &key).await;
    assert!(matches!(resumed, ServerMessage::SignedIn(signed_in) if signed_in.session == session));
    thief = Page::connect(&server).await;
    let refused = thief.resume(session.session_id, &PageKey::make()).await;
    assert!(matches!(refused, ServerMessage::Error(failure) if failure.code == Code::SessionGone.as_str()));
}

#[tokio::test]
async fn a_session_survives_a_restart_of_the_server_if_its_key_comes_back_in_time() {
    let mut server = TestServer::start().await;
    let (page, session) = signed_in(&server).await;
    let key = page.drop_connection();
    server.restart().await;
    let mut page = Page::connect(&server).await;
    assert!(matches!(page.resume(session.session_id, &key).await, ServerMessage::SignedIn(_)));
}

#[tokio::test]
async fn sessions_that_nobody_resumes_after_a_restart_end_as_server_lost_exactly_once() {
    let mut server = TestServer::start().await;
    let (page, session) = signed_in(&server).await;
    drop(page);
    server.restart().await;
    server.clock().advance(session.grace_ms);
    let end = first_end(&server).await;
    assert_eq!((end.session_id, end.reason), (session.session_id, EndReason::ServerLost));
    server.restart().await;
    server.clock().advance(session.grace_ms);
    assert_eq!(first_end(&server).await.session_id, session.session_id);
    assert_eq!(
        server.context().store.logs().tail(server.app_id).unwrap().state().seq(),
        4,
        "one end, not two"
    );
}

#[tokio::test]
async fn a_session_ends_at_its_greatest_age_and_its_page_is_told() {
    let limits = SessionLimits { absolute_ms: 60_000, ..SessionLimits::default() };
    let server = TestServer::start_with(Clock::manual(START), limits).await;
    let (mut page, _) = signed_in(&server).await;
    page.let_pass(&server, 59_999).await;
    server.clock().advance(1);
    assert_eq!(first_end(&server).await.reason, EndReason::AbsoluteTimeout);
    let (_, told) = page.hear().await.unwrap();
    assert!(matches!(told, ServerMessage::SignedOut(out) if out.reason == EndReason::AbsoluteTimeout));
}

#[tokio::test]
async fn a_silent_page_ends_its_session_by_idleness() {
    let limits = SessionLimits { idle_ms: 60_000, ..SessionLimits::default() };
    let server = TestServer::start_with(Clock::manual(START), limits).await;
    let (mut page, _) = signed_in(&server).await;
    page.let_pass(&server, 59_999).await;
    server.clock().advance(1);
    assert_eq!(first_end(&server).await.reason, EndReason::IdleTimeout);
}

#[tokio::test]
async fn without_grace_a_session_ends_with_its_socket() {
    let limits = SessionLimits { grace_ms: 0, ..SessionLimits::default() };
    let server = TestServer::start_with(Clock::manual(START), limits).await;
    let (page, _) = signed_in(&server).await;
    page.drop_connection();
    assert_eq!(first_end(&server).await.reason, EndReason::ConnectionLost);
}

#[tokio::test]
async fn setting_the_clock_back_makes_no_session_longer() {
    let limits = SessionLimits { absolute_ms: 60_000, ..SessionLimits::default() };
    let server = TestServer::start_with(Clock::manual(START), limits).await;
    let (mut page, _) = signed_in(&server).await;
    page.let_pass(&server, 30_000).await;
    server.clock().set(UnixMillis(START.0 - 86_400_000));
    page.let_pass(&server, 29_999).await;
    server.clock().advance(1);
    assert_eq!(first_end(&server).await.reason, EndReason::AbsoluteTimeout);
}

#[tokio::test]
async fn an_account_has_so_many_sessions_and_the_oldest_makes_room() {
    let limits = SessionLimits { per_account: 2, ..SessionLimits::default() };
    let server = TestServer::start_with(Clock::manual(START), limits).await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut oldest = Page::connect(&server).await;
    oldest.sign_up(&server, ADA, &mut authenticator).await;
    // Which of two was earlier, their ids say to the millisecond.
    server.clock().advance(1);
    let mut second = Page::connect(&server).await;
    second.sign_in(ADA, &mut authenticator).await;
    server.clock().advance(1);
    let mut third = Page::connect(&server).await;
    third.sign_in(ADA, &mut authenticator).await;
    let (_, told) = oldest.hear().await.unwrap();
    assert!(
        matches!(told, ServerMessage::SignedOut(ref out) if out.reason == EndReason::Replaced),
        "{told:?}"
    );
    assert_eq!(first_end(&server).await.reason, EndReason::Replaced);
    let tail = server.context().store.logs().tail(server.app_id).unwrap();
    assert_eq!(tail.state().sessions().len(), 2);
}

#[tokio::test]
async fn a_sign_in_in_a_browser_that_the_passkey_was_not_used_in_before_is_told_by_mail_once() {
    let server = TestServer::start().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let firefox = |version: u8| format!("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/{version}.0");
    let mut own = Page::connect_as(&server, &firefox(150)).await;
    own.sign_up(&server, ADA, &mut authenticator).await;
    let news = || server.mailed(ADA).into_iter().filter(|subject| subject.starts_with("New sign-in")).count();
    Page::connect_as(&server, &firefox(151)).await.sign_in(ADA, &mut authenticator).await;
    let other = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/150.0.0.0 Safari/537.36";
    Page::connect_as(&server, other).await.sign_in(ADA, &mut authenticator).await;
    Page::connect_as(&server, other).await.sign_in(ADA, &mut authenticator).await;
    Page::connect_as(&server, &firefox(150)).await.sign_in(ADA, &mut authenticator).await;
    // Mails leave in the order in which they were written: a further one would be there before this one.
    Page::connect_as(&server, "").await.sign_in(ADA, &mut authenticator).await;
    while news() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(news(), 2);
}

//! The live sessions of a back end against the real server: who is in, who waits, who is told of the end.

use std::time::Duration;

use passkey_accounts::{
    Accounts, LiveSessions,
    protocol::{SessionID, gateway::EndReason},
    session::{Ended, NotLive},
};
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

async fn live_sessions(server: &TestServer) -> LiveSessions {
    let live = Accounts::connect(server.events_url(), server.api_key.clone()).unwrap().live_sessions();
    live.in_sync().await.unwrap();
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_seen_and_its_end_reaches_whoever_holds_it() {
    let server = TestServer::start_in_real_time().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut ada = Page::connect(&server).await;
    let before = ada.sign_up(&server, "ada@shop.example", &mut authenticator).await;
    let live = live_sessions(&server).await;
    let session = live.fresh_within(LONG).unwrap().get(before.session_id).unwrap();
    assert_eq!(session.account_id, before.account_id);
    assert_eq!(session.key_point().unwrap()[1..33], ada.key.public().x.0);

    let mut second = Page::connect(&server).await;
    let after = second.sign_in("ada@shop.example", &mut authenticator).await;
    live.wait_for(after.session_id, LONG).await.unwrap();
    assert_eq!(live.of_account(before.account_id).len(), 2);

    let mut endings = live.endings();
    ada.sign_out().await;
    assert_eq!(session.ended().await, Ended::LoggedOut(EndReason::User));
    let end = endings.next().await.unwrap().unwrap();
    assert_eq!((end.session_id, end.account_is_gone), (before.session_id, false));
    assert!(live.get(before.session_id).is_none());
    second.sign_out().await;
    assert!(endings.next().await.unwrap().unwrap().account_is_gone);
    assert_eq!(live.is_logged_in(before.account_id), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_come_is_not_waited_for_any_longer() {
    let server = TestServer::start_in_real_time().await;
    let live = live_sessions(&server).await;
    let nobody = SessionID::from_bytes([9; 16]);
    let refused = live.wait_for(nobody, Duration::from_millis(1)).await;
    assert_eq!(refused.unwrap_err(), NotLive::NoSession);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_is_bridged() {
    let mut server = TestServer::start_in_real_time().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let live = live_sessions(&server).await;
    let mut ada = Page::connect(&server).await;
    let lost = ada.sign_up(&server, "ada@shop.example", &mut authenticator).await;
    live.wait_for(lost.session_id, LONG).await.unwrap();
    server.restart().await;
    let mut again = Page::connect(&server).await;
    let next = again.sign_in("ada@shop.example", &mut authenticator).await;
    let held = live.wait_for(next.session_id, LONG).await.unwrap();
    assert_eq!(held.end(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_leaves_nobody_signed_in() {
    let server = TestServer::start_in_real_time().await;
    let live = Accounts::connect(server.events_url(), "pa_dev_nonsense").unwrap().live_sessions();
    let error = live.in_sync().await.unwrap_err();
    assert_eq!((error.code().as_str(), live.failure()), ("badKey", Some(error)));
    assert_eq!(live.fresh_within(LONG).unwrap_err().code().as_str(), "stale");
    let nobody = SessionID::from_bytes([9; 16]);
    assert_eq!(live.wait_for(nobody, LONG).await.unwrap_err(), NotLive::Unfollowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_handle_that_is_dropped_ends_the_connection_and_says_so() {
    let server = TestServer::start_in_real_time().await;
    let live = live_sessions(&server).await;
    let mut ada = Page::connect(&server).await;
    let session = ada.sign_up(&server, "ada@shop.example", &mut SoftwareAuthenticator::new([1; 32])).await;
    let held = live.wait_for(session.session_id, LONG).await.unwrap();
    let (clone, mut status) = (live.clone(), live.status());
    drop(live);
    assert!(clone.get(session.session_id).is_some());
    drop(clone);
    assert_eq!(held.ended().await, Ended::Unfollowed);
    while status.changed().await.is_ok() {}
}

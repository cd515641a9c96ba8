//! Recovery: both codes, a hold that everybody hears of and anybody signed in can cancel, and then one new passkey.

use passkey_accounts::{
    Api,
    protocol::{
        Code, Scope, UnixMillis,
        event::{CancelReason, EventKind, RecoveryStarted},
        gateway::{
            Begin, Ceremony, CeremonyKind, ClientMessage, EndReason, ServerMessage, Session, VerifyRecovery,
        },
    },
};
use passkey_accounts_server::{
    accounts::count_recoveries,
    keys::ApiKey,
    limits::{APPROVAL_MS, MAX_CODE_TRIES, RECOVERY_COUNT_MS, RECOVERY_READY_MS},
    store::NewKeyRow,
};
use passkey_accounts_tests::{Page, START, SoftwareAuthenticator, TestServer};

use crate::confirm::{assert_code, assert_log_holds, authenticator, events, signed_up};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";
const HOUR_MS: u64 = 60 * 60 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const HOLD_MS: u64 = 72 * HOUR_MS;
/// A code that nobody was given: well formed, and wrong.
const NOBODYS: &str = "0123-4567-89AB-CDEF-GHJK-MNPQ-RR8";

/// A server that recovers accounts, and somebody with a recovery code.
async fn with_code() -> (TestServer, Page, SoftwareAuthenticator, Session, String) {
    let server = TestServer::start().await;
    server.allow_recovery(HOLD_MS).await;
    let (mut page, mut passkey, session) = signed_up(&server, ADA, 1).await;
    let code = page.make_recovery_code(&mut passkey).await;
    (server, page, passkey, session, code)
}

async fn held(page: &mut Page, server: &TestServer, code: &str) -> UnixMillis {
    match page.recover(server, ADA, code).await {
        ServerMessage::RecoveryHeld(held) => held.until,
        other => panic!("expected a hold, got {other:?}"),
    }
}

async fn ready(page: &mut Page, server: &TestServer, code: &str) -> Ceremony {
    match page.recover(server, ADA, code).await {
        ServerMessage::CeremonyCreate(ceremony) => ceremony,
        other => panic!("expected a ceremony, got {other:?}"),
    }
}

async fn hears(page: &mut Page) -> ServerMessage {
    page.hear().await.expect("the page is told").1
}

/// How recoveries of the log ended without a passkey.
fn cancelled(server: &TestServer) -> Vec<CancelReason> {
    let cancelled = |kind| if let EventKind::RecoveryCancelled(end) = kind { Some(end.reason) } else { None };
    events(server).into_iter().filter_map(cancelled).collect()
}

fn started(server: &TestServer) -> Vec<RecoveryStarted> {
    let started = |kind| if let EventKind::RecoveryStarted(start) = kind { Some(start) } else { None };
    events(server).into_iter().filter_map(started).collect()
}

#[tokio::test]
async fn both_codes_and_the_hold_give_one_new_passkey_and_sign_everybody_out() {
    let (server, mut page, mut lost, session, code) = with_code().await;
    let mut stranger = Page::connect(&server).await;
    let until = held(&mut stranger, &server, &code).await;
    assert_eq!(until, START.plus(HOLD_MS));

    // The address, the session and the back ends are told.
    assert!(server.mailed(ADA).contains(&"Somebody is recovering your Test Shop account".to_owned()));
    let ServerMessage::RecoveryHeld(told) = hears(&mut page).await else { panic!("not told") };
    assert_eq!(told.until, until);
    assert_eq!(started(&server), [RecoveryStarted { account_id: session.account_id, until }]);

    // A moment before its end it still waits.
    page.let_pass(&server, HOUR_MS).await;
    drop(page);
    server.clock().advance(HOLD_MS - HOUR_MS - 1);
    let mut later = Page::connect(&server).await;
    assert_eq!(held(&mut later, &server, &code).await, until);
    server.clock().advance(1);
    let mut last = Page::connect(&server).await;
    let mut other = Page::connect(&server).await;
    // The passkey was not lost after all: whoever is signed in is signed out by the recovery.
    let ceremony = other.begin_sign_in(ADA).await;
    let ServerMessage::SignedIn(signed_in) = other.answer(&ceremony, &mut lost).await else {
        panic!("not in")
    };
    assert_eq!(signed_in.recovery.map(|held| held.until), Some(until));
    let ceremony = ready(&mut last, &server, &code).await;
    assert_eq!(ceremony.binding.kind, CeremonyKind::Recover);
    let mut new = authenticator(2);
    let credential = new.register(&ceremony.public_key.0, &server.origin()).unwrap();
    let ServerMessage::PasskeyAdded(added) = last.finish(&ceremony, credential).await else {
        panic!("not added")
    };
    let ServerMessage::SignedOut(out) = hears(&mut other).await else { panic!("not out") };
    assert_eq!(out.reason, EndReason::Recovered);
    assert!(server.mailed(ADA).contains(&"Your Test Shop account has a new passkey".to_owned()));

    // The recovery itself opens no session; the new passkey does.
    assert_eq!(last.ask_in_vain(ClientMessage::PasskeysList).await, Code::Unexpected.as_str());
    let opened = last.sign_in(ADA, &mut new).await;
    assert_eq!((opened.account_id, opened.passkey_id), (session.account_id, added.passkey.passkey_id));
    assert_eq!(last.passkeys().await.len(), 2);
    let completed = events(&server).into_iter().filter_map(|kind| match kind {
        EventKind::RecoveryCompleted(completed) => Some(completed.passkey_id),
        _ => None,
    });
    assert_eq!(completed.collect::<Vec<_>>(), [added.passkey.passkey_id]);
    assert_eq!(cancelled(&server), []);

    // The code is used up.
    let reply = Page::connect(&server).await.recover(&server, ADA, &code).await;
    assert_code(&reply, Code::WrongRecoveryCode);
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn whoever_is_signed_in_cancels_and_the_code_that_began_it_is_burnt() {
    let (server, mut page, mut passkey, _, code) = with_code().await;
    let mut other = Page::connect(&server).await;
    other.sign_in(ADA, &mut passkey).await;
    assert_eq!(page.ask_in_vain(ClientMessage::RecoveryCancel).await, Code::NotFound.as_str());
    let mut stranger = Page::connect(&server).await;
    held(&mut stranger, &server, &code).await;
    for page in [&mut page, &mut other] {
        assert!(matches!(hears(page).await, ServerMessage::RecoveryHeld(_)));
    }
    assert_eq!(stranger.ask_in_vain(ClientMessage::RecoveryCancel).await, Code::Unexpected.as_str());
    assert_eq!(page.ask(ClientMessage::RecoveryCancel).await, ServerMessage::RecoveryCancelled {});
    assert_eq!(hears(&mut other).await, ServerMessage::RecoveryCancelled {});
    assert_eq!(cancelled(&server), [CancelReason::User]);
    assert!(server.mailed(ADA).contains(&"The recovery of your Test Shop account is cancelled".to_owned()));
    assert_code(&stranger.recover(&server, ADA, &code).await, Code::WrongRecoveryCode);

    // A new code begins another one, and to make a newer one cancels that.
    let second = page.make_recovery_code(&mut passkey).await;
    held(&mut stranger, &server, &second).await;
    assert!(matches!(hears(&mut page).await, ServerMessage::RecoveryHeld(_)));
    let third = page.make_recovery_code(&mut passkey).await;
    assert_eq!(cancelled(&server), [CancelReason::User; 2]);
    assert_code(&stranger.recover(&server, ADA, &second).await, Code::WrongRecoveryCode);
    held(&mut stranger, &server, &third).await;
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn a_cancelled_recovery_gives_no_passkey_also_when_the_challenge_was_made_before() {
    let (server, page, mut passkey, _, code) = with_code().await;
    let mut stranger = Page::connect(&server).await;
    held(&mut stranger, &server, &code).await;
    drop(page);
    server.clock().advance(HOLD_MS);
    let (mut stranger, mut owner) = (Page::connect(&server).await, Page::connect(&server).await);
    let ceremony = ready(&mut stranger, &server, &code).await;
    owner.sign_in(ADA, &mut passkey).await;
    assert_eq!(owner.ask(ClientMessage::RecoveryCancel).await, ServerMessage::RecoveryCancelled {});
    let credential = authenticator(2).register(&ceremony.public_key.0, &server.origin()).unwrap();
    assert_code(&stranger.finish(&ceremony, credential).await, Code::WrongRecoveryCode);
    assert_eq!(owner.passkeys().await.len(), 1);
}

#[tokio::test]
async fn one_challenge_gives_one_passkey_whoever_holds_the_others() {
    let (server, page, _, _, code) = with_code().await;
    let mut pages = [Page::connect(&server).await, Page::connect(&server).await];
    held(&mut pages[0], &server, &code).await;
    drop((page, pages));
    server.clock().advance(HOLD_MS);
    let mut pages = [Page::connect(&server).await, Page::connect(&server).await];
    let mut ceremonies = Vec::new();
    for page in &mut pages {
        ceremonies.push(ready(page, &server, &code).await);
    }
    let credentials: Vec<String> = ceremonies
        .iter()
        .zip(2..)
        .map(|(ceremony, seed)| {
            authenticator(seed).register(&ceremony.public_key.0, &server.origin()).unwrap()
        })
        .collect();
    let [first, second] = &mut pages;
    let (first, second) = tokio::join!(
        first.finish(&ceremonies[0], credentials[0].clone()),
        second.finish(&ceremonies[1], credentials[1].clone())
    );
    let added = |reply: &ServerMessage| matches!(reply, ServerMessage::PasskeyAdded(_));
    assert!(added(&first) != added(&second), "{first:?} {second:?}");
    assert_code(if added(&first) { &second } else { &first }, Code::WrongRecoveryCode);
}

#[tokio::test]
async fn the_mailbox_alone_does_nothing_and_learns_nothing() {
    let (server, _page, _, _, _code) = with_code().await;
    let (mut bobs, _, _) = signed_up(&server, BOB, 3).await;
    for email in [ADA, BOB, "nobody@example.org"] {
        let mut stranger = Page::connect(&server).await;
        stranger.begin_recovery(email).await;
        for tries in 1..=MAX_CODE_TRIES {
            let typed = if tries % 2 == 0 { NOBODYS } else { "mistyped" };
            let reply = stranger.verify_recovery(&server, email, typed).await;
            let is_last = tries == MAX_CODE_TRIES;
            let code = if is_last { Code::TooManyAttempts } else { Code::WrongRecoveryCode };
            assert_code(&reply, code);
        }
        let reply = stranger.verify_recovery(&server, email, NOBODYS).await;
        assert_code(&reply, Code::Unexpected);
    }
    assert_eq!(started(&server), []);
    assert_eq!(bobs.ask_in_vain(ClientMessage::RecoveryCancel).await, Code::NotFound.as_str());
}

#[tokio::test]
async fn the_recovery_code_alone_does_nothing() {
    let (server, _page, _, _, code) = with_code().await;
    let mut thief = Page::connect(&server).await;
    thief.begin_recovery(ADA).await;
    let mailed = server.mailed_code(ADA).unwrap();
    let wrong = if mailed == "000000" { "000001" } else { "000000" };
    for tries in 1..=MAX_CODE_TRIES {
        let verify = VerifyRecovery { code: wrong.into(), recovery_code: code.clone() };
        let expected = if tries == MAX_CODE_TRIES { Code::TooManyAttempts } else { Code::WrongCode };
        assert_eq!(thief.ask_in_vain(ClientMessage::RecoveryVerify(verify)).await, expected.as_str());
    }
    // A code that was mailed for something else does not do.
    let sent = thief.ask(ClientMessage::SignUpBegin(thief.begin(ADA))).await;
    assert!(matches!(sent, ServerMessage::CodeSent(_)), "{sent:?}");
    assert_code(&thief.verify_recovery(&server, ADA, &code).await, Code::Unexpected);
    assert_eq!(started(&server), []);
}

#[tokio::test]
async fn neither_a_restart_nor_another_time_of_day_shortens_the_hold() {
    let (mut server, page, _, _, code) = with_code().await;
    let mut stranger = Page::connect(&server).await;
    held(&mut stranger, &server, &code).await;
    drop((page, stranger));
    let left = async |server: &TestServer| {
        let until = held(&mut Page::connect(server).await, server, &code).await;
        until.0 - server.clock().now().0
    };
    server.clock().advance(HOUR_MS);
    count_recoveries(&server.context().store, server.app_id).await.unwrap();
    assert_eq!(left(&server).await, HOLD_MS - HOUR_MS);
    for time in [START.plus(1_000 * DAY_MS), UnixMillis(START.0 - 1_000 * DAY_MS), START.plus(HOLD_MS)] {
        server.clock().set(time);
        assert_eq!(left(&server).await, HOLD_MS - HOUR_MS, "{time:?}");
        server.restart().await;
        assert_eq!(left(&server).await, HOLD_MS - HOUR_MS, "{time:?}, restarted");
    }
    // What no server has counted is lost: the hold can only become longer.
    server.clock().advance(RECOVERY_COUNT_MS - 1);
    server.restart().await;
    assert!(left(&server).await >= HOLD_MS - HOUR_MS - RECOVERY_COUNT_MS);
    server.clock().advance(HOLD_MS);
    ready(&mut Page::connect(&server).await, &server, &code).await;
}

#[tokio::test]
async fn while_no_server_runs_the_hold_stands_still() {
    let (mut server, page, _, _, code) = with_code().await;
    held(&mut Page::connect(&server).await, &server, &code).await;
    drop(page);
    server.stop().await;
    server.clock().advance(30 * DAY_MS);
    server.start_again().await;
    server.allow_recovery(HOLD_MS).await;
    let until = held(&mut Page::connect(&server).await, &server, &code).await;
    assert_eq!(until, server.clock().now().plus(HOLD_MS));
}

#[tokio::test]
async fn a_recovery_that_nobody_comes_for_is_over_after_a_week() {
    let (server, page, _, _, code) = with_code().await;
    server.context().store.set_retention(server.app_id, Some(365 * DAY_MS), None).await.unwrap();
    held(&mut Page::connect(&server).await, &server, &code).await;
    drop(page);
    server.clock().advance(HOLD_MS + RECOVERY_READY_MS - 1);
    let mut last = Page::connect(&server).await;
    let ceremony = ready(&mut last, &server, &code).await;
    server.clock().advance(1);
    let credential = authenticator(2).register(&ceremony.public_key.0, &server.origin()).unwrap();
    assert_code(&last.finish(&ceremony, credential).await, Code::WrongRecoveryCode);
    // The server may have seen to it by itself.
    count_recoveries(&server.context().store, server.app_id).await.unwrap();
    assert_eq!(cancelled(&server), [CancelReason::Expired]);
    let reply = Page::connect(&server).await.recover(&server, ADA, &code).await;
    assert_code(&reply, Code::WrongRecoveryCode);
}

#[tokio::test]
async fn an_app_that_does_not_want_recovery_has_none() {
    let server = TestServer::start().await;
    let (mut page, _, _) = signed_up(&server, ADA, 1).await;
    let off = Code::RecoveryOff.as_str();
    assert_eq!(page.ask_in_vain(ClientMessage::RecoveryCodeBegin).await, off);
    let mut stranger = Page::connect(&server).await;
    let begin: Begin = stranger.begin(ADA);
    assert_eq!(stranger.ask_in_vain(ClientMessage::RecoveryBegin(begin)).await, off);
    let key = operator(&server, "alice").await;
    let account = page.sessions().await;
    assert_eq!(account.len(), 1);
    let error = key.approve_recovery(signed_in_account(&server)).await.unwrap_err();
    assert_eq!(error.code(), Code::RecoveryOff.as_str());
}

fn signed_in_account(server: &TestServer) -> passkey_accounts::protocol::AccountID {
    let tail = server.context().store.logs().tail(server.app_id).unwrap();
    tail.state().sessions().values().next().unwrap().account_id
}

/// The HTTP API with the key of an operator.
async fn operator(server: &TestServer, name: &str) -> Api {
    let key = ApiKey::new(
        passkey_accounts_server::keys::KeyEnvironment::Dev,
        &passkey_accounts_server::clock::make_random(),
    );
    let new = NewKeyRow::secret(server.app_id, &key, name.into(), vec![Scope::RecoveryApprove], None);
    server.context().store.issue_key(new).await.unwrap();
    Api::new(&server.origin(), key.reveal()).unwrap()
}

#[tokio::test]
async fn two_operators_begin_a_recovery_which_waits_like_any_other() {
    let (server, mut page, _, session, old) = with_code().await;
    let account_id = session.account_id;
    let (alice, again, bob) =
        (operator(&server, "alice").await, operator(&server, "alice").await, operator(&server, "bob").await);
    let back_end = Api::new(&server.origin(), &server.api_key).unwrap();
    let nameless = operator(&server, " ").await;
    for (api, code) in [(&back_end, Code::Forbidden), (&nameless, Code::Forbidden)] {
        assert_eq!(api.approve_recovery(account_id).await.unwrap_err().code(), code.as_str());
    }
    // One operator is one, with however many keys.
    for api in [&alice, &alice, &again] {
        let approval = api.approve_recovery(account_id).await.unwrap();
        assert_eq!((approval.approvals, approval.recovery_code), (1, None));
    }
    assert_eq!(started(&server), []);
    assert_eq!(back_end.recoveries().await.unwrap(), []);
    let approval = bob.approve_recovery(account_id).await.unwrap();
    let (code, until) = (approval.recovery_code.unwrap(), START.plus(HOLD_MS));
    assert_eq!((approval.approvals, approval.until), (2, Some(until)));
    assert!(matches!(hears(&mut page).await, ServerMessage::RecoveryHeld(_)));
    assert!(server.mailed(ADA).contains(&"Somebody is recovering your Test Shop account".to_owned()));
    let listed = back_end.recoveries().await.unwrap();
    assert_eq!(
        listed.iter().map(|info| (info.account_id, info.until)).collect::<Vec<_>>(),
        [(account_id, until)]
    );
    let more = alice.approve_recovery(account_id).await.unwrap();
    assert_eq!((more.approvals, more.recovery_code), (2, None), "it is shown once");

    let mut person = Page::connect(&server).await;
    assert_code(&person.recover(&server, ADA, &old).await, Code::WrongRecoveryCode);
    assert_eq!(held(&mut person, &server, &code).await, until);
    // A back end cancels it.
    back_end.cancel_recovery(account_id).await.unwrap();
    assert_eq!(hears(&mut page).await, ServerMessage::RecoveryCancelled {});
    assert_eq!(cancelled(&server), [CancelReason::BackEnd]);
    assert_code(&person.recover(&server, ADA, &code).await, Code::WrongRecoveryCode);
    assert_eq!(back_end.cancel_recovery(account_id).await.unwrap_err().code(), Code::NotFound.as_str());
    assert_eq!(alice.cancel_recovery(account_id).await.unwrap_err().code(), Code::Forbidden.as_str());
}

#[tokio::test]
async fn an_approval_waits_a_day_for_another_operators() {
    let (server, _, _, session, _) = with_code().await;
    let (alice, bob) = (operator(&server, "alice").await, operator(&server, "bob").await);
    let approvals = async |api: &Api| api.approve_recovery(session.account_id).await.unwrap().approvals;
    assert_eq!(approvals(&alice).await, 1);
    server.clock().advance(APPROVAL_MS);
    assert_eq!(approvals(&bob).await, 1, "the other one was too long ago");
    server.clock().advance(APPROVAL_MS - 1);
    assert_eq!(approvals(&alice).await, 2);
}

#[tokio::test]
async fn nothing_of_a_recovery_outlives_its_account() {
    let (mut server, page, _, session, code) = with_code().await;
    held(&mut Page::connect(&server).await, &server, &code).await;
    drop(page);
    let api = Api::new(&server.origin(), &server.api_key).unwrap();
    api.erase_account(session.account_id).await.unwrap();
    assert_eq!(api.recoveries().await.unwrap(), []);
    server.clock().advance(HOLD_MS);
    for _ in 0..2 {
        let reply = Page::connect(&server).await.recover(&server, ADA, &code).await;
        assert_code(&reply, Code::WrongRecoveryCode);
        server.restart().await;
    }
}

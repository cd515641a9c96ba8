//! Resuming: the key moves its session to a new connection, also away from a socket that the server still takes for alive.
//! One connection carries it at any time, whatever races.

use passkey_accounts::{
    Api,
    ceremony::binding::resume_signing_input,
    protocol::{
        Code, SessionID,
        base64url::Base64Url,
        event::EventKind,
        gateway::{ClientMessage, EndReason, Resume, ServerMessage, Session},
    },
};
use passkey_accounts_server::limits::DEAD_PEER_MS;
use passkey_accounts_tests::{Page, PageKey, TestServer};

use crate::confirm::{assert_code, assert_log_holds, authenticator, events, signed_up};

const ADA: &str = "ada@example.org";

fn ends(server: &TestServer) -> Vec<EndReason> {
    let end = |kind| if let EventKind::LoggedOut(end) = kind { Some(end.reason) } else { None };
    events(server).into_iter().filter_map(end).collect()
}

fn is_open(server: &TestServer, session_id: SessionID) -> bool {
    server.context().store.logs().tail(server.app_id).unwrap().state().sessions().contains_key(&session_id)
}

/// A page signs up; its key is taken along to a second connection, and the first one keeps its socket.
async fn half_open(server: &TestServer) -> (Page, PageKey, Session) {
    let (mut page, _, session) = signed_up(server, ADA, 1).await;
    let key = std::mem::replace(&mut page.key, PageKey::make());
    (page, key, session)
}

/// The old socket is closed without a word about an end.
async fn assert_moved_away(old: &mut Page) {
    let closed = old.hear().await.expect_err("it is closed, and nothing is said before");
    assert_eq!(closed, (1000, r#"{"resumed":"elsewhere"}"#.to_owned()));
}

/// Seeded waits: a different moment in every round, the same ones in every run.
async fn wait(random: &mut fastrand::Rng) {
    for _ in 0..random.u32(0..40) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_key_takes_its_session_away_from_a_socket_that_looks_alive() {
    let server = TestServer::start().await;
    let (mut old, key, session) = half_open(&server).await;
    let mut new = Page::connect(&server).await;
    let resumed = new.resume(session.session_id, &key).await;
    assert!(matches!(&resumed, ServerMessage::SignedIn(said) if said.session == session), "{resumed:?}");
    assert_moved_away(&mut old).await;
    assert!(is_open(&server, session.session_id));
    assert_eq!(new.sessions().await.len(), 1);
    // Whatever becomes of the old socket, the session is the new one's.
    drop(old);
    server.clock().advance(session.grace_ms - 1);
    assert!(ends(&server).is_empty());
    assert!(matches!(new.sign_out().await, ServerMessage::SignedOut(_)));
    assert_eq!(ends(&server), [EndReason::User]);
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn a_farewell_ends_the_session_before_it_is_resumed_or_not_at_all() {
    let server = TestServer::start_in_real_time().await;
    let mut random = fastrand::Rng::with_seed(4);
    let (mut old, mut passkey, mut session) = signed_up(&server, ADA, 1).await;
    let mut key = std::mem::replace(&mut old.key, PageKey::make());
    let (mut farewells, mut resumed) = (0, 0);
    for round in 0..80 {
        let mut new = Page::connect(&server).await;
        let is_early = random.bool();
        let mut later = random.fork();
        let resume = async {
            if is_early {
                wait(&mut random).await;
            }
            new.resume(session.session_id, &key).await
        };
        let farewell = async {
            if !is_early {
                wait(&mut later).await;
            }
            old.close().await;
        };
        let (reply, ()) = tokio::join!(resume, farewell);
        if matches!(reply, ServerMessage::SignedIn(_)) {
            assert!(is_open(&server, session.session_id), "round {round}");
            resumed += 1;
        } else {
            assert_code(&reply, Code::SessionGone);
            farewells += 1;
            session = new.sign_in(ADA, &mut passkey).await;
            key = std::mem::replace(&mut new.key, PageKey::make());
        }
        assert_eq!(new.sessions().await.len(), 1, "round {round}");
        assert_eq!(ends(&server), vec![EndReason::PageGone; farewells], "round {round}");
        old = new;
    }
    assert!(farewells > 0 && resumed > 0, "both orders happen: {farewells} {resumed}");
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn what_was_pending_on_the_old_socket_is_not_taken_along() {
    let server = TestServer::start().await;
    let (mut old, mut passkey, session) = signed_up(&server, ADA, 1).await;
    let ceremony = old.begin_confirm("{}").await;
    let key = std::mem::replace(&mut old.key, PageKey::make());
    let mut new = Page::connect(&server).await;
    assert!(matches!(new.resume(session.session_id, &key).await, ServerMessage::SignedIn(_)));
    assert_code(&new.answer(&ceremony, &mut passkey).await, Code::UnknownCeremony);
    new.confirm("{}", &mut passkey).await;
}

#[tokio::test]
async fn a_session_is_resumed_with_its_key_nonce_origin_and_app_only() {
    let server = TestServer::start().await;
    let origins = [server.origin(), server.origin().replace("localhost", "app.localhost")];
    let app_id = server.make_app_at(&origins).await;
    let other_app = server.make_app_at(&origins).await;
    let connect =
        async |app_id, origin: &str| Page::connect_from(&server.gateway_url(), app_id, origin).await.unwrap();
    let mut page = connect(app_id, &origins[0]).await;
    let session = page.sign_up(&server, ADA, &mut authenticator(1)).await;
    let key = std::mem::replace(&mut page.key, PageKey::make());
    let id = session.session_id;

    let mut thief = connect(app_id, &origins[0]).await;
    assert_code(&thief.resume(id, &PageKey::make()).await, Code::SessionGone);
    // A signature for another connection's nonce.
    let heard = connect(app_id, &origins[0]).await.resuming(id, &key);
    assert_code(&thief.ask(heard).await, Code::SessionGone);
    // The right key at another origin of the same app, and at the same origin of another app.
    assert_code(&connect(app_id, &origins[1]).await.resume(id, &key).await, Code::SessionGone);
    assert_code(&connect(other_app, &origins[0]).await.resume(id, &key).await, Code::SessionGone);
    // Said for the right origin from the wrong one.
    let mut elsewhere = connect(app_id, &origins[1]).await;
    let input = resume_signing_input(id, &origins[0], &elsewhere.hello.nonce.0);
    let signature = Base64Url(key.sign(&input));
    let said = ClientMessage::SessionResume(Resume { session_id: id, signature });
    assert_code(&elsewhere.ask(said).await, Code::SessionGone);
    // None of that has moved it.
    assert_eq!(page.sessions().await.len(), 1);
    assert!(matches!(connect(app_id, &origins[0]).await.resume(id, &key).await, ServerMessage::SignedIn(_)));
    assert_moved_away(&mut page).await;
}

#[tokio::test]
async fn racing_resumes_leave_one_connection_with_the_session() {
    let server = TestServer::start_in_real_time().await;
    let (mut old, key, session) = half_open(&server).await;
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..60 {
        let (mut first, mut second) = (Page::connect(&server).await, Page::connect(&server).await);
        let drops = random.bool();
        let mut later = random.clone();
        let (one, two, kept) = tokio::join!(
            first.resume(session.session_id, &key),
            async {
                wait(&mut random).await;
                second.resume(session.session_id, &key).await
            },
            async {
                wait(&mut later).await;
                // A socket that is lost at that very moment, or one that stays half open.
                if drops { drop(old) } else { assert_moved_away(&mut old).await }
            }
        );
        let () = kept;
        for reply in [one, two] {
            assert!(matches!(&reply, ServerMessage::SignedIn(_)), "round {round}: {reply:?}");
        }
        // One of the two was moved away from; the other one carries it.
        old = tokio::select! {
            biased;
            closed = first.hear() => { assert_eq!(closed.unwrap_err().0, 1000, "round {round}"); second }
            closed = second.hear() => { assert_eq!(closed.unwrap_err().0, 1000, "round {round}"); first }
        };
        assert_eq!(old.sessions().await.len(), 1, "round {round}");
        assert!(ends(&server).is_empty(), "round {round}");
    }
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn resuming_while_it_is_revoked_or_signed_out_ends_the_session_once_and_for_everyone() {
    let server = TestServer::start_in_real_time().await;
    let mut random = fastrand::Rng::with_seed(2);
    let mut passkey = authenticator(1);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, ADA, &mut passkey).await;
    page.sign_out().await;
    let api = Api::new(&server.origin(), &server.api_key).unwrap();
    for round in 0..60 {
        let mut old = Page::connect(&server).await;
        let session = old.sign_in(ADA, &mut passkey).await;
        let key = std::mem::replace(&mut old.key, PageKey::make());
        let mut new = Page::connect(&server).await;
        let before = ends(&server).len();
        let is_revoked = round % 2 == 0;
        let ending = async {
            wait(&mut random).await;
            if is_revoked {
                api.end_session(session.session_id).await.unwrap();
            } else {
                old.send_text(r#"{"type":"signOut"}"#).await;
            }
        };
        let (reply, ()) = tokio::join!(new.resume(session.session_id, &key), ending);
        match reply {
            ServerMessage::SignedIn(_) if is_revoked => {
                let (_, told) = new.hear().await.expect("it is told");
                assert!(matches!(told, ServerMessage::SignedOut(out) if out.reason == EndReason::Revoked));
            }
            // The old socket lost the session before its word was heard, or after: then the new one is told.
            ServerMessage::SignedIn(_) => match old.hear().await {
                Err(closed) => {
                    assert_eq!(closed.0, 1000);
                    new.sign_out().await;
                }
                Ok((_, ServerMessage::SignedOut(_))) => {
                    let (_, told) = new.hear().await.expect("it is told");
                    assert!(matches!(told, ServerMessage::SignedOut(out) if out.reason == EndReason::User));
                }
                Ok((_, other)) => {
                    assert_code(&other, Code::SessionGone);
                    new.sign_out().await;
                }
            },
            reply => assert_code(&reply, Code::SessionGone),
        }
        while is_open(&server, session.session_id) {
            tokio::task::yield_now().await;
        }
        assert_eq!(ends(&server).len(), before + 1, "round {round}");
    }
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn a_resume_at_the_moment_when_the_old_socket_is_given_up_finds_the_session() {
    let server = TestServer::start().await;
    let (mut old, key, session) = half_open(&server).await;
    let mut random = fastrand::Rng::with_seed(3);
    for round in 0..60 {
        let mut new = Page::connect(&server).await;
        // The new page is heard in time, the old one has been silent for too long.
        server.clock().advance(DEAD_PEER_MS / 2);
        new.let_pass(&server, DEAD_PEER_MS / 2 - 1).await;
        let dying = async {
            wait(&mut random).await;
            server.clock().advance(1);
        };
        let (reply, ()) = tokio::join!(new.resume(session.session_id, &key), dying);
        assert!(matches!(&reply, ServerMessage::SignedIn(_)), "round {round}: {reply:?}");
        assert!(!server.context().detached.contains(session.session_id), "round {round}");
        drop(old);
        old = new;
    }
    assert!(ends(&server).is_empty());
}

#[tokio::test]
async fn a_page_that_takes_the_connection_for_lost_may_say_so_and_come_back() {
    let server = TestServer::start().await;
    let (page, _, session) = signed_up(&server, ADA, 1).await;
    let key = page.close_with(Code::ConnectionLost.close_code()).await;
    while !server.context().detached.contains(session.session_id) {
        tokio::task::yield_now().await;
    }
    assert!(ends(&server).is_empty());
    let resumed = Page::connect(&server).await.resume(session.session_id, &key).await;
    assert!(matches!(resumed, ServerMessage::SignedIn(_)), "{resumed:?}");
}

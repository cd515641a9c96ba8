//! What a signed-in person does with their account: passkeys listed, added, renamed, removed; sessions seen and ended.

use passkey_accounts::{
    Api,
    ceremony::action,
    protocol::{
        Code, SessionID,
        event::{EventKind, LoggedOut, PasskeyRemoved, RemovalReason},
        gateway::{
            Ceremony, CeremonyKind, ClientMessage, EndReason, EndSessions, RemovePasskey, RenamePasskey,
            ServerMessage,
        },
    },
};
use passkey_accounts_server::{
    clock::Clock,
    limits::{DEAD_PEER_MS, EXPIRING_MS, MAX_LISTED_SESSIONS, MAX_PASSKEYS_PER_ACCOUNT},
    sessions::SessionLimits,
    store::Wanted,
};
use passkey_accounts_tests::{Http, Page, Refused, START, SoftwareAuthenticator, TestServer};
use serde_json::{Value, json};

use crate::confirm::{
    added, assert_code, assert_log_holds, authenticator, events, holds, rebound, signed_up,
};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn logged_out(server: &TestServer) -> Vec<LoggedOut> {
    let end = |kind| if let EventKind::LoggedOut(end) = kind { Some(end) } else { None };
    events(server).into_iter().filter_map(end).collect()
}

fn removed(server: &TestServer) -> Vec<PasskeyRemoved> {
    let removed = |kind| if let EventKind::PasskeyRemoved(event) = kind { Some(event) } else { None };
    events(server).into_iter().filter_map(removed).collect()
}

fn allowed(ceremony: &Ceremony, list: &str) -> usize {
    let options: Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
    options[list].as_array().unwrap().len()
}

/// Another page where the person signs in.
async fn second_page(server: &TestServer, authenticator: &mut SoftwareAuthenticator) -> Page {
    let mut page = Page::connect(server).await;
    page.sign_in(ADA, authenticator).await;
    page
}

/// The page is told why, and then its socket is closed so that it may come back.
async fn assert_put_out(page: &mut Page, reason: EndReason) {
    let (_, told) = page.hear().await.expect("the page is told before the close");
    assert!(matches!(&told, ServerMessage::SignedOut(out) if out.reason == reason), "{told:?}");
    let closed = page.hear().await.expect_err("the socket is closed");
    assert_eq!(closed, (1000, format!(r#"{{"ended":"{}"}}"#, reason.as_str())));
}

#[tokio::test]
async fn a_second_passkey_is_vouched_for_by_the_first_and_signs_in() {
    let server = TestServer::start().await;
    let (mut page, mut first, session) = signed_up(&server, ADA, 1).await;
    let mut second = authenticator(2);
    second.backup_eligible = true;
    second.backed_up = true;
    let begin = page.begin_add_passkey().await;
    let options: Value = serde_json::from_str(&begin.public_key.0).unwrap();
    assert_eq!((begin.binding.kind, allowed(&begin, "excludeCredentials")), (CeremonyKind::AddPasskey, 1));
    assert_eq!(options["user"]["name"], ADA);
    assert_eq!(
        first.register(&begin.public_key.0, &server.origin()).unwrap_err(),
        Refused::AlreadyRegistered
    );
    server.clock().advance(1_000);
    let vouching = page.make_passkey(&mut second).await;
    let named = vouching.binding.added.clone().expect("the page is told which one it vouches for");
    assert_eq!(
        (vouching.binding.kind, allowed(&vouching, "allowCredentials")),
        (CeremonyKind::AddPasskey, 1)
    );
    let ServerMessage::PasskeyAdded(reply) = page.answer(&vouching, &mut first).await else {
        panic!("not added")
    };
    let passkey = reply.passkey;
    assert_eq!(passkey.passkey_id, named.passkey_id);
    assert_eq!(passkey.credential_id.0, second.passkeys[0].credential_id);
    assert_eq!((passkey.created_at, passkey.last_used_at), (START.plus(1_000), None));
    assert!(passkey.name.is_none() && passkey.backup_eligible && passkey.backed_up);

    // The event's evidence is the first passkey's signature over the new key.
    let [old, new] = &added(&server)[..] else { panic!("two events") };
    assert!(old.evidence.is_none());
    assert_eq!((new.passkey_id, &new.public_key), (named.passkey_id, &named.public_key));
    let evidence = new.evidence.as_ref().unwrap();
    let (key, pinned) = (page.key.public(), &old.public_key.0);
    let signed = action::add_passkey(new.passkey_id, &new.public_key.0);
    assert!(holds(&server, evidence, pinned, &key, Some(&signed)));
    let other = action::add_passkey(new.passkey_id, pinned);
    assert!(!holds(&server, evidence, pinned, &key, Some(&other)));

    page.sign_out().await;
    let ceremony = page.begin_sign_in(ADA).await;
    assert_eq!(allowed(&ceremony, "allowCredentials"), 2);
    let ServerMessage::SignedIn(signed_in) = page.answer(&ceremony, &mut second).await else {
        panic!("not signed in")
    };
    assert_eq!(signed_in.session.passkey_id, passkey.passkey_id);
    assert_eq!(signed_in.session.account_id, session.account_id);
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn a_session_and_a_passkey_of_the_account_are_told_to_its_other_pages_and_to_nobody_else() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, _) = signed_up(&server, ADA, 1).await;
    let (mut stranger, mut strangers, _) = signed_up(&server, BOB, 2).await;
    let opened = |news| match news {
        ServerMessage::SessionOpened(opened) => opened.session,
        other => panic!("expected a session, got {other:?}"),
    };

    let mut second = Page::connect_as(&server, "Second/1.0").await;
    let session = second.sign_in(ADA, &mut passkey).await;
    let told = opened(page.hear_news().await);
    assert_eq!((told.session_id, told.passkey_id), (session.session_id, session.passkey_id));
    assert_eq!((told.started_at, told.expires_at), (session.started_at, session.expires_at));
    assert_eq!(
        (told.user_agent.as_str(), told.origin, told.is_current),
        ("Second/1.0", server.origin(), false)
    );

    // Who signs in is told of the next one first, and not of themselves.
    let third = Page::connect(&server).await.sign_in(ADA, &mut passkey).await.session_id;
    for page in [&mut page, &mut second] {
        assert_eq!(opened(page.hear_news().await).session_id, third);
    }

    let mut another = authenticator(3);
    let vouching = second.make_passkey(&mut another).await;
    let ServerMessage::PasskeyAdded(added) = second.answer(&vouching, &mut passkey).await else {
        panic!("not added")
    };
    assert_eq!(page.hear_news().await, ServerMessage::PasskeyAdded(added));

    // Nor is anybody else: the first that is told them is about their own account.
    let mut theirs = Page::connect(&server).await;
    let session = theirs.sign_in(BOB, &mut strangers).await;
    assert_eq!(opened(stranger.hear_news().await).session_id, session.session_id);
    let session = Page::connect(&server).await.sign_in(ADA, &mut another).await;
    assert_eq!(opened(second.hear_news().await).session_id, session.session_id, "its own passkey is no news");
}

#[tokio::test]
async fn a_passkey_is_not_added_by_a_signature_that_does_not_cover_it() {
    let server = TestServer::start().await;
    let (mut page, mut first, _) = signed_up(&server, ADA, 1).await;
    let (mut second, mut slipped_in) = (authenticator(2), authenticator(3));
    // A key that the server, or a script between, would rather have had vouched for.
    let honest = page.make_passkey(&mut second).await;
    let honest = honest.binding.added.unwrap();
    let ceremony = page.make_passkey(&mut slipped_in).await;
    let theirs = ceremony.binding.added.clone().unwrap();
    let right = action::add_passkey(theirs.passkey_id, &theirs.public_key.0);
    for (kind, signed) in [
        (CeremonyKind::AddPasskey, Some(action::add_passkey(honest.passkey_id, &honest.public_key.0))),
        (CeremonyKind::AddPasskey, Some(action::add_passkey(theirs.passkey_id, &honest.public_key.0))),
        (CeremonyKind::AddPasskey, None),
        (CeremonyKind::SignIn, None),
        (CeremonyKind::Confirm, Some(right.clone())),
    ] {
        let ceremony = page.make_passkey(&mut authenticator(3)).await;
        let options = rebound(&server, &page, &ceremony, kind, signed.as_deref());
        let credential = first.sign_in(&options, &server.origin()).unwrap();
        assert_code(&page.finish(&ceremony, credential).await, Code::PasskeyRejected);
    }
    // The new passkey cannot vouch for itself.
    let ceremony = page.make_passkey(&mut slipped_in).await;
    let own = slipped_in.passkeys.last().unwrap().credential_id.clone();
    let mut options: Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
    options["allowCredentials"] =
        json!([{ "type": "public-key", "id": passkey_accounts::protocol::base64url::encode(own) }]);
    let credential = slipped_in.sign_in(&options.to_string(), &server.origin()).unwrap();
    assert_code(&page.finish(&ceremony, credential).await, Code::PasskeyRejected);
    // Nor does a registration do for the vouching.
    let ceremony = page.make_passkey(&mut second).await;
    let create = page.begin_add_passkey().await;
    let made = authenticator(4).register(&create.public_key.0, &server.origin()).unwrap();
    assert_code(&page.finish(&ceremony, made).await, Code::UnknownCeremony);
    assert_eq!((added(&server).len(), page.passkeys().await.len()), (1, 1));
    // The whole way, as a person does it.
    page.add_passkey(&mut authenticator(5), &mut first).await;
    assert_eq!(added(&server).len(), 2);
}

#[tokio::test]
async fn a_credential_that_is_registered_already_is_not_added() {
    let server = TestServer::start().await;
    let (mut page, mut first, _) = signed_up(&server, ADA, 1).await;
    let (mut bob, mut bobs, _) = signed_up(&server, BOB, 2).await;
    // The same seed makes the same credential.
    let ceremony = page.begin_add_passkey().await;
    let same = authenticator(2).register(&ceremony.public_key.0, &server.origin()).unwrap();
    assert_code(&page.finish(&ceremony, same).await, Code::PasskeyExists);
    // Made in two places at once: the transaction decides.
    let (hers, his) =
        (page.make_passkey(&mut authenticator(3)).await, bob.make_passkey(&mut authenticator(3)).await);
    assert!(matches!(page.answer(&hers, &mut first).await, ServerMessage::PasskeyAdded(_)));
    assert_code(&bob.answer(&his, &mut bobs).await, Code::PasskeyExists);
    assert_eq!((page.passkeys().await.len(), bob.passkeys().await.len()), (2, 1));
}

#[tokio::test]
async fn an_account_has_at_most_twenty_passkeys() {
    let server = TestServer::start().await;
    let (mut page, mut first, session) = signed_up(&server, ADA, 1).await;
    for _ in 2..MAX_PASSKEYS_PER_ACCOUNT {
        server.add_passkey(session.account_id).await;
    }
    let mut other = second_page(&server, &mut first).await;
    let (one, two) =
        (page.make_passkey(&mut authenticator(2)).await, other.make_passkey(&mut authenticator(3)).await);
    assert!(matches!(page.answer(&one, &mut first).await, ServerMessage::PasskeyAdded(_)));
    assert_code(&other.answer(&two, &mut first).await, Code::TooManyPasskeys);
    assert_code(&page.ask(ClientMessage::PasskeysAddBegin).await, Code::TooManyPasskeys);
    let list = page.passkeys().await;
    assert_eq!(list.len(), MAX_PASSKEYS_PER_ACCOUNT);
    // One frame holds them, also with the longest names.
    for passkey in list {
        let rename = RenamePasskey { passkey_id: passkey.passkey_id, name: "\u{1f511}".repeat(64) };
        assert!(matches!(
            page.ask(ClientMessage::PasskeysRename(rename)).await,
            ServerMessage::PasskeyRenamed(_)
        ));
    }
    assert_eq!(page.passkeys().await.len(), MAX_PASSKEYS_PER_ACCOUNT);
}

#[tokio::test]
async fn a_passkey_has_the_name_that_its_person_gave_it() {
    let mut server = TestServer::start().await;
    let (mut page, mut first, session) = signed_up(&server, ADA, 1).await;
    let (mut bob, _, bobs) = signed_up(&server, BOB, 2).await;
    let passkey_id = session.passkey_id;
    let rename = |passkey_id, name: &str| {
        ClientMessage::PasskeysRename(RenamePasskey { passkey_id, name: name.to_owned() })
    };
    for name in ["", "  ", "a\u{7}b", &"x".repeat(65)] {
        assert_eq!(page.ask_in_vain(rename(passkey_id, name)).await, Code::InvalidName.as_str());
    }
    assert_eq!(page.ask_in_vain(rename(bobs.passkey_id, "Mine")).await, Code::NotFound.as_str());
    // A sign-in that is under way does not bring the old record back.
    let mut other = Page::connect(&server).await;
    let ceremony = other.begin_sign_in(ADA).await;
    let reply = page.ask(rename(passkey_id, " Work laptop ")).await;
    assert!(
        matches!(&reply, ServerMessage::PasskeyRenamed(named) if named.passkey.name.as_deref() == Some("Work laptop")),
        "{reply:?}"
    );
    assert!(matches!(other.answer(&ceremony, &mut first).await, ServerMessage::SignedIn(_)));
    // The name that it has already is no event.
    page.ask(rename(passkey_id, "Work laptop")).await;
    let renamed = events(&server).into_iter().filter(|kind| matches!(kind, EventKind::PasskeyRenamed(_)));
    assert_eq!(renamed.count(), 1);
    let api = Api::new(&server.origin(), &server.api_key).unwrap();
    assert_eq!(api.passkeys(session.account_id).await.unwrap()[0].name.as_deref(), Some("Work laptop"));
    assert!(bob.passkeys().await[0].name.is_none());
    let key = page.drop_connection();
    server.restart().await;
    let mut page = Page::connect(&server).await;
    page.resume(session.session_id, &key).await;
    assert_eq!(page.passkeys().await[0].name.as_deref(), Some("Work laptop"));
}

#[tokio::test]
async fn the_day_of_the_last_use_is_kept_and_few_uses_write() {
    let server = TestServer::start().await;
    let (mut page, mut passkey, session) = signed_up(&server, ADA, 1).await;
    passkey.counter_step = 0;
    let written = async || {
        let wanted = Wanted::Account(session.account_id);
        let account = server.context().store.account(server.app_id, wanted).await.unwrap().unwrap();
        account.passkeys[0].version
    };
    let unused = written().await;
    assert_eq!(page.passkeys().await[0].last_used_at, None);
    let today = START.0 - START.0 % DAY_MS;
    page.confirm("{}", &mut passkey).await;
    assert_eq!(page.passkeys().await[0].last_used_at.unwrap().0, today);
    let used = written().await;
    assert_ne!(used, unused);
    page.confirm("{}", &mut passkey).await;
    assert_eq!(written().await, used, "another use on the same day writes nothing");
    page.sign_out().await;
    page.let_pass(&server, 600_000).await;
    server.clock().advance(DAY_MS);
    let mut page = second_page(&server, &mut passkey).await;
    let last_used_at = page.passkeys().await[0].last_used_at;
    assert_eq!(last_used_at.unwrap().0, today + DAY_MS);
    let api = Api::new(&server.origin(), &server.api_key).unwrap();
    assert_eq!(api.passkeys(session.account_id).await.unwrap()[0].last_used_at, last_used_at);
}

#[tokio::test]
async fn a_removed_passkey_takes_the_sessions_that_it_opened_along_and_no_others() {
    let server = TestServer::start().await;
    let (mut page, mut first, session) = signed_up(&server, ADA, 1).await;
    let mut second = authenticator(2);
    let passkey = page.add_passkey(&mut second, &mut first).await;
    let mut elsewhere = second_page(&server, &mut second).await;
    let ceremony = page.begin_remove_passkey(passkey.passkey_id).await;
    assert_eq!(
        (ceremony.binding.kind, allowed(&ceremony, "allowCredentials")),
        (CeremonyKind::RemovePasskey, 2)
    );
    let ServerMessage::PasskeyRemoved(reply) = page.answer(&ceremony, &mut first).await else {
        panic!("not removed")
    };
    assert_eq!((reply.passkey_id, &reply.credential_id), (passkey.passkey_id, &passkey.credential_id));
    assert_put_out(&mut elsewhere, EndReason::PasskeyRemoved).await;
    let [event] = &removed(&server)[..] else { panic!("one event") };
    assert_eq!((event.passkey_id, event.reason), (passkey.passkey_id, RemovalReason::User));
    let (evidence, pinned) = (event.evidence.as_ref().unwrap(), &added(&server)[0].public_key.0);
    let signed = action::remove_passkey(passkey.passkey_id);
    assert!(holds(&server, evidence, pinned, &page.key.public(), Some(&signed)));
    // It signs nobody in any more, and the last one stays.
    assert_eq!(page.passkeys().await.len(), 1);
    let ceremony = Page::connect(&server).await.begin_sign_in(ADA).await;
    assert_eq!(second.sign_in(&ceremony.public_key.0, &server.origin()).unwrap_err(), Refused::NoPasskey);
    let remove = |passkey_id| ClientMessage::PasskeysRemoveBegin(RemovePasskey { passkey_id });
    assert_eq!(page.ask_in_vain(remove(passkey.passkey_id)).await, Code::NotFound.as_str());
    assert_eq!(page.ask_in_vain(remove(session.passkey_id)).await, Code::LastPasskey.as_str());
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn removing_the_passkey_of_the_own_session_is_answered_and_then_ends_it() {
    let server = TestServer::start().await;
    let (mut page, mut first, session) = signed_up(&server, ADA, 1).await;
    let mut second = authenticator(2);
    page.add_passkey(&mut second, &mut first).await;
    let ceremony = page.begin_remove_passkey(session.passkey_id).await;
    // By the one that goes: any passkey of the account may.
    let reply = page.answer(&ceremony, &mut first).await;
    assert!(matches!(reply, ServerMessage::PasskeyRemoved(_)), "{reply:?}");
    assert_put_out(&mut page, EndReason::PasskeyRemoved).await;
    assert_eq!(logged_out(&server).len(), 1);
    assert_eq!(second_page(&server, &mut second).await.passkeys().await.len(), 1);
}

#[tokio::test]
async fn a_removal_needs_a_signature_over_that_passkey() {
    let server = TestServer::start().await;
    let (mut page, mut first, session) = signed_up(&server, ADA, 1).await;
    let passkey = page.add_passkey(&mut authenticator(2), &mut first).await;
    let right = action::remove_passkey(passkey.passkey_id);
    for (kind, signed) in [
        (CeremonyKind::RemovePasskey, Some(action::remove_passkey(session.passkey_id))),
        (CeremonyKind::RemovePasskey, None),
        (CeremonyKind::Confirm, Some(right.clone())),
        (CeremonyKind::SignIn, None),
    ] {
        let ceremony = page.begin_remove_passkey(passkey.passkey_id).await;
        let options = rebound(&server, &page, &ceremony, kind, signed.as_deref());
        let credential = first.sign_in(&options, &server.origin()).unwrap();
        assert_code(&page.finish(&ceremony, credential).await, Code::PasskeyRejected);
    }
    assert!(removed(&server).is_empty());
    let ceremony = page.begin_remove_passkey(passkey.passkey_id).await;
    let options = rebound(&server, &page, &ceremony, CeremonyKind::RemovePasskey, Some(&right));
    let credential = first.sign_in(&options, &server.origin()).unwrap();
    assert!(matches!(page.finish(&ceremony, credential).await, ServerMessage::PasskeyRemoved(_)));
}

#[tokio::test]
async fn two_removals_at_once_leave_a_passkey() {
    let server = TestServer::start_in_real_time().await;
    for round in 0..10 {
        let email = format!("ada{round}@example.org");
        let (mut page, mut first, session) = signed_up(&server, &email, 10 + round).await;
        let mut second = authenticator(100 + round);
        let passkey = page.add_passkey(&mut second, &mut first).await;
        let mut other = Page::connect(&server).await;
        other.sign_in(&email, &mut first).await;
        // Both sessions are the first passkey's. In every second round there is no race: the second comes too late.
        let (one, two) = (
            page.begin_remove_passkey(passkey.passkey_id).await,
            other.begin_remove_passkey(session.passkey_id).await,
        );
        let signed = |ceremony: &Ceremony, authenticator: &mut SoftwareAuthenticator| {
            authenticator.sign_in(&ceremony.public_key.0, &server.origin()).unwrap()
        };
        let (by_first, by_second) = (signed(&one, &mut first), signed(&two, &mut first));
        let (a, b) = if round % 2 == 0 {
            (page.finish(&one, by_first).await, other.finish(&two, by_second).await)
        } else {
            tokio::join!(page.finish(&one, by_first), other.finish(&two, by_second))
        };
        let is_done = |reply: &ServerMessage| matches!(reply, ServerMessage::PasskeyRemoved(_));
        assert!(is_done(&a) != is_done(&b), "round {round}: {a:?} {b:?}");
        if is_done(&a) {
            assert_code(&b, Code::LastPasskey);
        } else {
            // The first passkey is gone, and both sessions with it.
            assert_code(&a, Code::SessionGone);
        }
        let wanted = Wanted::Account(session.account_id);
        let left = server.context().store.account(server.app_id, wanted).await.unwrap().unwrap();
        assert_eq!(left.passkeys.len(), 1, "round {round}");
    }
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn a_person_sees_where_they_are_signed_in_and_signs_out_elsewhere() {
    let server = TestServer::start().await;
    let mut passkey = authenticator(1);
    let mut page = Page::connect_as(&server, "Mozilla/5.0 (X11; Linux)").await;
    let session = page.sign_up(&server, ADA, &mut passkey).await;
    let (mut bob, _, bobs) = signed_up(&server, BOB, 2).await;
    server.clock().advance(1);
    let mut phone = Page::connect_as(&server, &"x".repeat(300)).await;
    let phones = phone.sign_in(ADA, &mut passkey).await;
    server.clock().advance(1);
    let mut third = second_page(&server, &mut passkey).await;
    let list = page.sessions().await;
    let agents: Vec<&str> = list.iter().map(|session| session.user_agent.as_str()).collect();
    assert_eq!(agents, ["Mozilla/5.0 (X11; Linux)", &"x".repeat(256), ""]);
    assert_eq!(list.iter().map(|session| session.is_current).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!((list[1].session_id, &list[1].origin), (phones.session_id, &server.origin()));
    assert_eq!((list[1].started_at, list[1].passkey_id), (START.plus(1), session.passkey_id));

    let end = |session_id: Option<SessionID>| ClientMessage::SessionsEnd(EndSessions { session_id });
    for foreign in [bobs.session_id, SessionID::from_bytes([9; 16])] {
        assert_eq!(page.ask_in_vain(end(Some(foreign))).await, Code::NotFound.as_str());
    }
    assert_eq!(page.ask_in_vain(end(Some(session.session_id))).await, Code::Unexpected.as_str());
    assert!(logged_out(&server).is_empty());
    let reply = page.ask(end(Some(phones.session_id))).await;
    assert!(matches!(reply, ServerMessage::SessionsEnded(ended) if ended.session_ids == [phones.session_id]));
    assert_put_out(&mut phone, EndReason::User).await;
    assert_eq!(page.ask_in_vain(end(Some(phones.session_id))).await, Code::NotFound.as_str());

    // All others, also one without a socket: its key does not bring it back.
    let mut waiting = Page::connect(&server).await;
    let waits = waiting.sign_in(ADA, &mut passkey).await.session_id;
    let key = waiting.drop_connection();
    while !server.context().detached.contains(waits) {
        tokio::task::yield_now().await;
    }
    let reply = page.ask(end(None)).await;
    assert!(
        matches!(&reply, ServerMessage::SessionsEnded(ended) if ended.session_ids.len() == 2),
        "{reply:?}"
    );
    assert_put_out(&mut third, EndReason::User).await;
    assert_code(&Page::connect(&server).await.resume(waits, &key).await, Code::SessionGone);
    let reply = page.ask(end(None)).await;
    assert!(
        matches!(&reply, ServerMessage::SessionsEnded(ended) if ended.session_ids.is_empty()),
        "{reply:?}"
    );
    assert_eq!((page.sessions().await.len(), bob.sessions().await.len()), (1, 1));
    let ends: Vec<EndReason> = logged_out(&server).into_iter().map(|end| end.reason).collect();
    assert_eq!(ends, [EndReason::User; 3]);
    assert_log_holds(&server).await;
}

#[tokio::test]
async fn the_newest_sessions_are_listed_and_all_of_them_are_ended() {
    let server = TestServer::start_with_room(1_000).await;
    let (mut page, mut passkey, _) = signed_up(&server, ADA, 1).await;
    let mut pages = Vec::new();
    for _ in 0..=MAX_LISTED_SESSIONS {
        server.clock().advance(1);
        let mut page = Page::connect_as(&server, &"\"".repeat(256)).await;
        page.sign_in(ADA, &mut passkey).await;
        pages.push(page);
    }
    let list = pages[MAX_LISTED_SESSIONS].sessions().await;
    assert_eq!(list.len(), MAX_LISTED_SESSIONS);
    assert!(list.last().unwrap().is_current && list.is_sorted_by_key(|session| session.started_at));
    let reply = page.ask(ClientMessage::SessionsEnd(EndSessions { session_id: None })).await;
    assert!(
        matches!(&reply, ServerMessage::SessionsEnded(ended) if ended.session_ids.len() == MAX_LISTED_SESSIONS + 1)
    );
    assert_eq!(page.sessions().await.len(), 1);
}

#[tokio::test]
async fn a_page_is_told_a_minute_before_its_session_ends() {
    let limits = SessionLimits { absolute_ms: 300_000, idle_ms: 150_000, ..SessionLimits::default() };
    let server = TestServer::start_with(Clock::manual(START), limits).await;
    let (mut page, _, session) = signed_up(&server, ADA, 1).await;
    // By idleness at 150 s: told at 90 s, once. It says something at 140 s, so the end moves to 290 s; told at 230 s.
    for (lasts_ms, end_ms) in [(90_000, 150_000), (90_000, 290_000)] {
        page.let_pass(&server, lasts_ms - 1).await;
        server.clock().advance(1);
        let (id, told) = page.hear().await.unwrap();
        let at = START.plus(end_ms);
        assert!(id.is_none());
        assert!(matches!(&told, ServerMessage::SessionExpiring(expiring) if expiring.at == at), "{told:?}");
        assert_eq!(at.since(server.clock().now()), EXPIRING_MS);
        if end_ms == 150_000 {
            page.let_pass(&server, 50_000).await;
            page.passkeys().await;
        }
    }
    // At 240 s it speaks again: the greatest age is what ends it now, and of that it is told at once.
    page.let_pass(&server, 10_000).await;
    page.passkeys().await;
    let (_, told) = page.hear().await.unwrap();
    assert!(
        matches!(&told, ServerMessage::SessionExpiring(expiring) if expiring.at == session.expires_at),
        "{told:?}"
    );
    page.let_pass(&server, 60_000 - DEAD_PEER_MS / 2).await;
    server.clock().advance(DEAD_PEER_MS / 2);
    let (_, told) = page.hear().await.unwrap();
    assert!(
        matches!(&told, ServerMessage::SignedOut(out) if out.reason == EndReason::AbsoluteTimeout),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_change_of_passkeys_or_of_the_recovery_code_is_mailed() {
    let server = TestServer::start().await;
    server.allow_recovery(3 * DAY_MS).await;
    let (mut first, mut second) = (SoftwareAuthenticator::new([1; 32]), SoftwareAuthenticator::new([2; 32]));
    let mut page = Page::connect(&server).await;
    let session = page.sign_up(&server, ADA, &mut first).await;
    let told = async |server: &TestServer, subject: &str, times: usize| {
        while server.mailed(ADA).iter().filter(|mailed| *mailed == subject).count() < times {
            tokio::task::yield_now().await;
        }
    };
    let added = page.add_passkey(&mut second, &mut first).await;
    told(&server, "Your Test Shop account has another passkey", 1).await;
    let ceremony = page.begin_remove_passkey(added.passkey_id).await;
    page.answer(&ceremony, &mut first).await;
    told(&server, "Your Test Shop account has one passkey less", 1).await;
    let added = page.add_passkey(&mut second, &mut first).await;
    let passkeys = format!("/v1/accounts/{}/passkeys/{}", session.account_id, added.passkey_id);
    assert_eq!(Http::new(&server).await.delete(&passkeys).await.status, 204);
    told(&server, "Your Test Shop account has one passkey less", 2).await;
    page.make_recovery_code(&mut first).await;
    told(&server, "Your Test Shop account has a new recovery code", 1).await;
}

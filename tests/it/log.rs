//! The log over time: retention, restored backups, signed heads, keys that expire, a server that leaves.

use std::{collections::HashMap, path::Path};

use passkey_accounts::{
    log::{Epoch, head::verify},
    protocol::{
        UnixMillis,
        stream::{Bookmark, GapNext, GapReason, Message},
    },
};
use passkey_accounts_server::{log::Retention, store::Store};
use passkey_accounts_tests::{BackEnd, Page, START, SoftwareAuthenticator, TestServer, root_keys};
use serde_json::json;

/// Signs somebody up: three events.
async fn sign_up(server: &TestServer, name: &str) -> Page {
    let mut page = Page::connect(server).await;
    let mut authenticator = SoftwareAuthenticator::new([name.len().try_into().unwrap(); 32]);
    page.sign_up(server, &format!("{name}@example.org"), &mut authenticator).await;
    page
}

/// Cuts the log down to its last `entries`.
async fn cut(server: &TestServer, entries: u64) {
    let store = &server.context().store;
    store.set_retention(server.app_id, None, Some(entries)).await.unwrap();
    while Retention::default().cut(store, server.app_id, START).await.unwrap() {}
}

/// The ids of all events, by number.
async fn ids(server: &TestServer, count: u64) -> HashMap<u64, String> {
    let mut view = BackEnd::view(server, json!({ "types": ["*"], "start": "earliest" })).await;
    let mut ids = HashMap::new();
    while ids.len() < usize::try_from(count).unwrap() {
        let event = view.event().await;
        ids.insert(event.seq, event.id);
    }
    ids
}

#[tokio::test]
async fn what_was_cut_off_is_answered_with_a_gap_and_the_last_position_before_it_still_works() {
    let server = TestServer::start().await;
    let _pages = (sign_up(&server, "ada").await, sign_up(&server, "grace").await);
    let ids = ids(&server, 6).await;
    cut(&server, 2).await;
    let wish = |after: u64| json!({ "types": ["*"], "after": ids[&after] });
    let mut late = BackEnd::view(&server, wish(3)).await;
    let Message::Gap(gap) = late.message().await else { panic!("a gap comes first") };
    assert_eq!((gap.reason, gap.next, &gap.after), (GapReason::Truncated, GapNext::Snapshot, &ids[&3]));
    assert_eq!(gap.oldest.as_ref(), Some(&ids[&4]));
    let snapshot = late.snapshot().await;
    assert_eq!((snapshot.sessions.len(), &snapshot.id), (2, &ids[&6]));
    // Nothing is missing after the position just before the oldest entry.
    let mut just_in_time = BackEnd::view(&server, wish(4)).await;
    assert_eq!(just_in_time.event().await.seq, 5);
}

#[tokio::test]
async fn a_log_shipper_goes_on_at_the_oldest_event_or_ends_as_it_wishes() {
    let server = TestServer::start().await;
    let _pages = (sign_up(&server, "ada").await, sign_up(&server, "grace").await);
    let ids = ids(&server, 6).await;
    cut(&server, 2).await;
    let wish = json!({ "types": ["*"], "after": ids[&1], "snapshot": false });
    let mut shipper = BackEnd::view(&server, wish.clone()).await;
    let Message::Gap(gap) = shipper.message().await else { panic!("a gap comes first") };
    assert_eq!((gap.reason, gap.next), (GapReason::Truncated, GapNext::Oldest));
    let event = shipper.event().await;
    assert_eq!((event.seq, &event.prev), (5, &ids[&4]));
    let mut strict = wish;
    strict["skip"] = false.into();
    let mut strict = BackEnd::view(&server, strict).await;
    let Message::Error(error) = strict.message().await else { panic!("the reason comes first") };
    assert_eq!(error.code, "gone");
    assert_eq!(strict.text().await, Err((4505, r#"{"error":"gone"}"#.into())));
}

#[tokio::test]
async fn a_view_that_stood_still_while_the_log_was_cut_hears_of_a_gap_on_the_same_connection() {
    let server = TestServer::start().await;
    let _one = sign_up(&server, "ada").await;
    let mut slow = BackEnd::view(&server, json!({ "types": ["*"], "start": "earliest", "window": 1 })).await;
    let first = slow.event().await;
    let _two = sign_up(&server, "grace").await;
    cut(&server, 1).await;
    slow.ack(&first.id).await;
    let Message::Gap(gap) = slow.message().await else { panic!("a gap comes first") };
    assert_eq!((gap.reason, gap.after), (GapReason::Truncated, first.id));
    let snapshot = slow.snapshot().await;
    assert_eq!(snapshot.sessions.len(), 2);
    slow.ack(&snapshot.id).await;
    let _three = sign_up(&server, "barbara").await;
    assert_eq!(slow.event().await.prev, snapshot.id);
}

#[tokio::test]
async fn old_entries_are_cut_off_by_themselves_and_a_restart_remembers_where_the_log_starts() {
    let mut server = TestServer::start().await;
    let _page = sign_up(&server, "ada").await;
    let ids = ids(&server, 3).await;
    let day = 24 * 60 * 60 * 1_000;
    server.clock().advance(8 * day);
    // The page's session is over by then: one more event, and that one is young.
    let tail = server.context().store.logs().tail(server.app_id).unwrap();
    let mut changed = tail.subscribe();
    while tail.state().seq() < 4 || tail.state().start().id.seq < 3 {
        changed.changed().await.unwrap();
    }
    server.restart().await;
    let mut late = BackEnd::view(&server, json!({ "after": ids[&2] })).await;
    let Message::Gap(gap) = late.message().await else { panic!("a gap comes first") };
    assert_eq!((gap.reason, gap.oldest.as_ref()), (GapReason::Truncated, Some(&ids[&3])));
    let mut next = BackEnd::view(&server, json!({ "after": ids[&3] })).await;
    let event = next.event().await;
    assert_eq!((event.seq, event.name.as_str()), (4, "loggedOut"));
}

#[tokio::test]
async fn a_restored_backup_is_noticed_by_the_hash_although_nobody_announced_it() {
    let mut server = TestServer::start().await;
    let _one = sign_up(&server, "ada").await;
    let backup = tempfile::TempDir::new().unwrap();
    server.stop().await;
    copy(server.directory(), backup.path());
    server.start_again().await;
    let _two = sign_up(&server, "grace").await;
    let ids = ids(&server, 6).await;
    server.stop().await;
    copy(backup.path(), server.directory());
    server.start_again().await;
    // The log is shorter than the position ...
    let mut ahead = BackEnd::view(&server, json!({ "types": ["*"], "after": ids[&6] })).await;
    let Message::Gap(gap) = ahead.message().await else { panic!("a gap comes first") };
    assert!(matches!(gap.reason, GapReason::Ahead), "{gap:?}");
    // ... and once it has grown again, it says something else there.
    let _three = sign_up(&server, "barbara").await;
    let mut diverged = BackEnd::view(&server, json!({ "types": ["*"], "after": ids[&6] })).await;
    let Message::Gap(gap) = diverged.message().await else { panic!("a gap comes first") };
    assert!(matches!(gap.reason, GapReason::Diverged), "{gap:?}");
    // What the backup and the present have in common goes on without a word.
    let mut common = BackEnd::view(&server, json!({ "types": ["*"], "after": ids[&3] })).await;
    assert_eq!(common.event().await.seq, 4);
}

#[tokio::test]
async fn a_restore_that_the_operator_announces_begins_a_new_epoch() {
    let mut server = TestServer::start().await;
    let _one = sign_up(&server, "ada").await;
    let ids = ids(&server, 3).await;
    server.stop().await;
    let store = Store::open(server.directory(), server.clock().clone(), &root_keys()).await.unwrap();
    store.begin_epoch(server.app_id, Epoch::from_random(7)).await.unwrap();
    store.close().await;
    drop(store);
    server.start_again().await;
    let mut view = BackEnd::view(&server, json!({ "types": ["*"], "after": ids[&3] })).await;
    let Message::Gap(gap) = view.message().await else { panic!("a gap comes first") };
    assert!(matches!(gap.reason, GapReason::Epoch), "{gap:?}");
    let snapshot = view.snapshot().await;
    assert_eq!((snapshot.sessions.len(), snapshot.id.get(..7)), (1, Some("0007-3-")));
    let _two = sign_up(&server, "grace").await;
    let event = view.event().await;
    assert_eq!((event.seq, event.prev), (4, snapshot.id));
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(to).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_quiet_view_is_told_a_signed_head_that_verifies() {
    let server = TestServer::start().await;
    let _page = sign_up(&server, "ada").await;
    let mut view = BackEnd::view(&server, json!({ "types": ["nothing"] })).await;
    let snapshot = view.snapshot().await;
    server.clock().advance(20_000);
    let Message::Bookmark(Bookmark { id, prev, hash, head, .. }) = view.message().await else {
        panic!("a bookmark is due")
    };
    assert_eq!((&id, &prev, &hash), (&snapshot.id, &snapshot.id, &snapshot.hash));
    let signed = head.expect("the first bookmark carries a head");
    let keys = [server.context().keyring.head_signer().public().clone()];
    let head = verify(server.app_id, &signed, &keys).unwrap();
    assert_eq!((head.seq, Some(head.hash.0.to_vec())), (3, hash.map(|hash| hash.0)));
}

#[tokio::test]
async fn a_busy_view_is_told_a_signed_head_every_minute() {
    let server = TestServer::start().await;
    let mut view = BackEnd::view(&server, json!({ "start": "now" })).await;
    assert!(matches!(view.message().await, Message::Bookmark(_)));
    let mut heads = 0;
    for step in 1..=11 {
        server.clock().advance(10_000);
        let _page = sign_up(&server, &"x".repeat(step)).await;
        loop {
            match view.message().await {
                // The ack shows that it lives.
                Message::Event(event) => break view.ack(&event.id).await,
                Message::Bookmark(bookmark) => heads += u32::from(bookmark.head.is_some()),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(heads, 1, "110 seconds have room for one");
}

#[tokio::test]
async fn a_socket_whose_key_expires_is_told_before_and_closed_then() {
    let server = TestServer::start().await;
    let key = server.make_key(Some(UnixMillis(START.0 + 100_000))).await;
    let first = |rest: &str| format!(r#"{{"apiKey":"{}"{rest}}}"#, key.reveal());
    let mut shortest = BackEnd::connect(&server, first("")).await;
    let mut view = BackEnd::connect(&server, first(r#","protocol":1,"start":"now""#)).await;
    assert!(matches!(view.message().await, Message::Ready(_)));
    assert!(matches!(view.message().await, Message::Bookmark(_)));
    let mut told = false;
    let mut edge = false;
    for step in 1..=10 {
        server.clock().advance(10_000);
        // Both show that they live, or silence would end them first.
        for back_end in [&mut view, &mut shortest] {
            back_end.send_text(r#"{"type":"hm"}"#).await;
        }
        let _page = sign_up(&server, &"x".repeat(step)).await;
        loop {
            match view.text().await.map(|text| Message::decode(&text).unwrap()) {
                Ok(Some(Message::Drain(drain))) => {
                    assert_eq!((drain.reason.as_str(), drain.within_ms), ("keyExpiring", 60_000));
                    told = true;
                }
                Ok(Some(Message::Error(error))) if error.code == "unknownType" => break,
                Ok(Some(Message::Error(error))) => assert_eq!(error.code, "keyExpired"),
                Ok(_) => {}
                Err(closed) => {
                    assert_eq!(closed, (4502, r#"{"error":"keyExpired"}"#.into()));
                    edge = true;
                    break;
                }
            }
        }
    }
    assert!(told && edge);
}

#[tokio::test]
async fn a_server_that_stops_lets_views_leave_in_their_own_time() {
    let mut server = TestServer::start().await;
    server.set_drain_ms(5_000).await;
    let mut view = BackEnd::view(&server, json!({ "start": "now" })).await;
    assert!(matches!(view.message().await, Message::Bookmark(_)));
    let clock = server.clock().clone();
    let stopping = async {
        server.stop().await;
    };
    let leaving = async {
        let Message::Drain(drain) = view.message().await else { panic!("a drain is announced") };
        assert_eq!((drain.reason.as_str(), drain.within_ms), ("restart", 5_000));
        clock.advance(5_000);
        assert_eq!(view.text().await, Err((1012, r#"{"error":"restart"}"#.into())));
    };
    tokio::join!(stopping, leaving);
}

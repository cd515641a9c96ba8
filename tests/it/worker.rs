//! Workers by hand: leases, acknowledgements, the credit window, hand-over between connections.

use aws_lc_rs::digest::{SHA256, digest};
use passkey_accounts::protocol::stream::{Ack, GapReason, Message};
use passkey_accounts_tests::{BackEnd, Page, SoftwareAuthenticator, TestServer};
use serde_json::json;

/// Signs up `count` people, one after the other; each leaves three events.
async fn sign_up(server: &TestServer, names: std::ops::Range<u8>) -> Vec<Page> {
    let mut pages = Vec::new();
    for name in names {
        let mut page = Page::connect(server).await;
        let mut authenticator = SoftwareAuthenticator::new([name + 1; 32]);
        page.sign_up(server, &format!("person{name}@example.org"), &mut authenticator).await;
        pages.push(page);
    }
    pages
}

/// Takes the offered lane from the position that the server has.
async fn accept(worker: &mut BackEnd) -> (u64, Option<String>) {
    let offer = worker.assigned().await;
    worker.reply(Ack { lane: offer.lane, id: offer.id.clone(), release: false }).await;
    (offer.lease, offer.id)
}

#[tokio::test]
async fn a_worker_starts_with_state_and_goes_on_where_it_acknowledged() {
    let server = TestServer::start().await;
    let mut pages = sign_up(&server, 0..1).await;
    let mut worker = BackEnd::worker(&server, "billing", json!({})).await;
    let (first_lease, position) = accept(&mut worker).await;
    assert_eq!(position, None);
    let snapshot = worker.snapshot().await;
    assert_eq!(snapshot.sessions.len(), 1);
    worker.ack(&snapshot.id).await;
    pages[0].sign_out().await;
    let left = worker.event().await;
    assert_eq!((left.name.as_str(), left.prev), ("loggedOut", snapshot.id));
    worker.ack(&left.id).await;
    // Gone without a word: the next worker goes on after what was acknowledged.
    worker.close().await;
    let _pages = sign_up(&server, 1..2).await;
    let mut next = BackEnd::worker(&server, "billing", json!({})).await;
    let (lease, position) = accept(&mut next).await;
    assert!(lease > first_lease, "{lease} after {first_lease}");
    assert_eq!(position.as_deref(), Some(left.id.as_str()));
    let came = next.event().await;
    assert_eq!((came.name.as_str(), came.prev), ("loggedIn", left.id));
}

#[tokio::test]
async fn what_was_not_acknowledged_is_delivered_again() {
    let server = TestServer::start().await;
    let mut worker =
        BackEnd::worker(&server, "billing", json!({ "start": "earliest", "types": ["*"] })).await;
    accept(&mut worker).await;
    let Message::Bookmark(_) = worker.message().await else { panic!("the position comes first") };
    let _pages = sign_up(&server, 0..1).await;
    let (one, two) = (worker.event().await, worker.event().await);
    worker.ack(&one.id).await;
    worker.close().await;
    let mut next = BackEnd::worker(&server, "billing", json!({ "types": ["*"] })).await;
    accept(&mut next).await;
    assert_eq!(next.event().await, two);
}

#[tokio::test]
async fn a_worker_is_told_where_it_begins_once_that_is_stored() {
    let server = TestServer::start().await;
    let mut worker = BackEnd::worker(&server, "billing", json!({ "start": "now" })).await;
    accept(&mut worker).await;
    let Message::Bookmark(begun) = worker.message().await else { panic!("the position comes first") };
    // A server that was killed right now would find this: otherwise `now` would be later then.
    let (_, stored) = server.context().store.lease_lane(server.app_id, "billing", 0).await.unwrap();
    assert_eq!(stored.map(|id| id.to_string()), Some(begun.id));
}

#[tokio::test]
async fn a_standby_gets_the_lane_when_its_owner_is_gone_and_not_before() {
    let server = TestServer::start().await;
    let mut owner = BackEnd::worker(&server, "billing", json!({})).await;
    let (first_lease, _) = accept(&mut owner).await;
    let id = owner.snapshot().await.id;
    let mut standby = BackEnd::worker(&server, "billing", json!({})).await;
    let pages = sign_up(&server, 0..1).await;
    assert_eq!(owner.event().await.name, "loggedIn");
    owner.ack(&id).await;
    owner.close().await;
    // The first thing that it hears after `ready`: nothing was delivered to it while the owner lived.
    let (lease, position) = accept(&mut standby).await;
    assert!(lease > first_lease);
    assert_eq!(position, Some(id));
    assert_eq!(standby.event().await.name, "loggedIn");
    drop(pages);
}

#[tokio::test]
async fn no_more_is_sent_than_the_window_allows() {
    let server = TestServer::start().await;
    let _pages = sign_up(&server, 0..2).await;
    let mut view = BackEnd::view(&server, json!({ "start": "earliest", "types": ["*"], "window": 2 })).await;
    let Message::Bookmark(_) = view.message().await else { panic!("the position comes first") };
    let (one, two) = (view.event().await, view.event().await);
    // An unknown message is answered, so whatever the server had to say before has been said.
    view.send_text(r#"{"type":"hm"}"#).await;
    assert!(matches!(view.message().await, Message::Error(_)));
    view.ack(&one.id).await;
    let three = view.event().await;
    assert_eq!((three.seq, three.prev), (3, two.id));
    view.ack(&three.id).await;
    assert_eq!((view.event().await.seq, view.event().await.seq), (4, 5));
}

#[tokio::test]
async fn pages_of_state_count_against_the_window() {
    let server = TestServer::start_with_room(150).await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@example.org", &mut authenticator).await;
    let mut pages = vec![page];
    for _ in 0..129 {
        let mut page = Page::connect(&server).await;
        page.sign_in("ada@example.org", &mut authenticator).await;
        pages.push(page);
    }
    let mut view = BackEnd::view(&server, json!({ "window": 1 })).await;
    let one = view.snapshot().await;
    view.send_text(r#"{"type":"hm"}"#).await;
    assert!(matches!(view.message().await, Message::Error(_)));
    view.ack(&one.id).await;
    let two = view.snapshot().await;
    assert!(!one.last && two.last);
    assert_eq!(one.sessions.len() + two.sessions.len(), 130);
}

#[tokio::test]
async fn lanes_are_shared_among_workers_and_each_account_stays_in_one() {
    let server = TestServer::start().await;
    let wish = json!({ "lanes": 2, "start": "earliest" });
    let mut first = BackEnd::worker(&server, "billing", wish.clone()).await;
    let offers = [first.assigned().await.lane, first.assigned().await.lane];
    assert_eq!(offers, [0, 1]);
    for lane in offers {
        first.reply(Ack { lane, ..Ack::default() }).await;
    }
    for _ in offers {
        assert!(matches!(first.message().await, Message::Bookmark(_)), "the position comes first");
    }
    let mut second = BackEnd::worker(&server, "billing", wish).await;
    let Message::Revoked(revoked) = first.message().await else { panic!("a lane is wanted back") };
    assert_eq!((revoked.lane, revoked.within_ms), (1, 10_000));
    first.reply(Ack { lane: 1, id: None, release: true }).await;
    let offer = second.assigned().await;
    assert_eq!(offer.lane, 1);
    second.reply(Ack { lane: 1, id: offer.id, release: false }).await;
    let mut view = BackEnd::view(&server, json!({})).await;
    view.snapshot().await;
    let _pages = sign_up(&server, 0..16).await;
    for _ in 0..16 {
        // The lane is SHA-256 of the account's id, first byte, modulo the number of lanes.
        let event = view.event().await;
        let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        let hash = digest(&SHA256, data["accountID"].as_str().unwrap().as_bytes());
        let lane = u32::from(hash.as_ref()[0]) % 2;
        let worker = if lane == 0 { &mut first } else { &mut second };
        let delivered = worker.event().await;
        assert_eq!((delivered.lane, delivered.id), (lane, event.id));
    }
}

#[tokio::test]
async fn a_worker_that_does_not_give_a_lane_back_loses_it() {
    let server = TestServer::start().await;
    let mut first = BackEnd::worker(&server, "billing", json!({ "lanes": 2 })).await;
    first.assigned().await;
    first.assigned().await;
    let mut second = BackEnd::worker(&server, "billing", json!({})).await;
    assert!(matches!(first.message().await, Message::Revoked(_)));
    server.clock().advance(10_000);
    let Message::Error(error) = first.message().await else { panic!("the reason comes first") };
    assert_eq!(error.code, "leaseLost");
    assert_eq!(first.text().await, Err((4004, r#"{"error":"leaseLost"}"#.into())));
    second.assigned().await;
    second.assigned().await;
}

#[tokio::test]
async fn a_stuck_worker_is_closed_when_others_wait_and_left_alone_when_none_does() {
    let server = TestServer::start().await;
    let _pages = sign_up(&server, 0..1).await;
    let wish = json!({ "ackTimeoutMs": 5_000 });
    let mut stuck = BackEnd::worker(&server, "billing", wish.clone()).await;
    accept(&mut stuck).await;
    let snapshot = stuck.snapshot().await;
    server.clock().advance(6_000);
    // Nobody waits: it is still served.
    stuck.ack(&snapshot.id).await;
    let _more = sign_up(&server, 1..2).await;
    assert_eq!(stuck.event().await.name, "loggedIn");
    let mut standby = BackEnd::worker(&server, "billing", wish).await;
    standby.send_text(r#"{"type":"hm"}"#).await;
    assert!(matches!(standby.message().await, Message::Error(_)));
    server.clock().advance(4_000);
    // "Still working."
    stuck.ack(&snapshot.id).await;
    stuck.send_text(r#"{"type":"hm"}"#).await;
    assert!(matches!(stuck.message().await, Message::Error(_)));
    server.clock().advance(4_000);
    stuck.send_text(r#"{"type":"hm"}"#).await;
    assert!(matches!(stuck.message().await, Message::Error(_)), "the repeated ack gave it more time");
    server.clock().advance(1_000);
    let Message::Error(error) = stuck.message().await else { panic!("the reason comes first") };
    assert_eq!(error.code, "ackTimeout");
    assert_eq!(stuck.text().await, Err((4007, r#"{"error":"ackTimeout"}"#.into())));
    standby.assigned().await;
}

#[tokio::test]
async fn an_ack_of_something_that_was_never_sent_ends_the_connection() {
    let server = TestServer::start().await;
    for id in ["nonsense", "0000-99-AAAAAAAA"] {
        let mut view = BackEnd::view(&server, json!({})).await;
        view.snapshot().await;
        view.ack(id).await;
        let Message::Error(error) = view.message().await else { panic!("the reason comes first") };
        assert_eq!(error.code, "badMessage");
        assert_eq!(view.text().await.unwrap_err().0, 4500);
    }
}

#[tokio::test]
async fn a_flood_of_acks_is_stopped() {
    let server = TestServer::start().await;
    let mut view = BackEnd::view(&server, json!({})).await;
    let id = view.snapshot().await.id;
    // One for the page of state, and 200 that anybody may send.
    for _ in 0..202 {
        view.ack(&id).await;
    }
    let Message::Error(error) = view.message().await else { panic!("the reason comes first") };
    assert_eq!(error.code, "rateLimited");
    assert_eq!(view.text().await.unwrap_err().0, 4005);
}

#[tokio::test]
async fn a_worker_whose_position_is_of_another_history_hears_of_a_gap_and_gets_the_state() {
    let server = TestServer::start().await;
    let mut worker = BackEnd::worker(&server, "billing", json!({})).await;
    worker.assigned().await;
    worker.ack("0000-7-AAAAAAAA").await;
    let Message::Gap(gap) = worker.message().await else { panic!("a gap comes first") };
    assert!(matches!(gap.reason, GapReason::Epoch), "{gap:?}");
    assert!(worker.snapshot().await.last);
}

//! The back-end socket by hand: the promised shortest shape, and the plain view.

use passkey_accounts::{
    log::{ChainHash, Entry, EventID},
    protocol::stream::{GapReason, Message},
};
use passkey_accounts_tests::{BackEnd, Page, SoftwareAuthenticator, TestServer};
use serde_json::json;

async fn sign_up(server: &TestServer, email: &str) -> (Page, SoftwareAuthenticator, String) {
    let mut page = Page::connect(server).await;
    let mut authenticator = SoftwareAuthenticator::new([email.len().try_into().unwrap(); 32]);
    let session = page.sign_up(server, email, &mut authenticator).await;
    (page, authenticator, session.account_id.to_string())
}

#[tokio::test]
async fn the_shortest_client_reads_exactly_the_promised_bytes_on_account_edges_only() {
    let server = TestServer::start().await;
    let mut back_end = BackEnd::shortest(&server).await;
    wait_for_back_end(&server).await;
    let (mut first, mut authenticator, account_id) = sign_up(&server, "ada@example.org").await;
    let mut second = Page::connect(&server).await;
    second.sign_in("ada@example.org", &mut authenticator).await;
    first.sign_out().await;
    second.sign_out().await;
    let came = format!(r#"{{"type":"loggedIn","data":{{"accountID":"{account_id}"}}}}"#);
    let left = format!(r#"{{"type":"loggedOut","data":{{"accountID":"{account_id}"}}}}"#);
    assert_eq!(back_end.text().await, Ok(came));
    assert_eq!(back_end.text().await, Ok(left));
}

#[tokio::test]
async fn a_view_starts_with_the_open_sessions_and_goes_on_without_a_seam() {
    let server = TestServer::start().await;
    let (mut page, _, account_id) = sign_up(&server, "ada@example.org").await;
    let mut view = BackEnd::view(&server, json!({})).await;
    let snapshot = view.snapshot().await;
    assert!(snapshot.first && snapshot.last);
    assert_eq!(snapshot.sessions.len(), 1);
    assert_eq!(snapshot.sessions[0].account_id.to_string(), account_id);
    assert_eq!(snapshot.sessions[0].session_key, page.key.public());
    page.sign_out().await;
    let event = view.event().await;
    assert_eq!((event.name.as_str(), event.prev, event.seq), ("loggedOut", snapshot.id, 4));
}

#[tokio::test]
async fn who_asks_for_lines_gets_in_one_frame_what_others_get_in_many() {
    let server = TestServer::start().await;
    let (mut page, ..) = sign_up(&server, "ada@example.org").await;
    page.sign_out().await;
    let mut many = BackEnd::view(&server, json!({ "types": ["*"], "start": "earliest" })).await;
    let mut messages = Vec::new();
    for _ in 0..5 {
        messages.push(many.text().await.unwrap());
    }
    let first = json!({ "apiKey": server.api_key, "protocol": 1, "ndjson": true, "types": ["*"], "start": "earliest" });
    let mut one = BackEnd::connect(&server, first.to_string()).await;
    let Message::Ready(ready) = one.message().await else { panic!("the answer comes first, and alone") };
    assert!(ready.ndjson);
    assert_eq!(one.text().await, Ok(messages.join("\n")));
}

#[tokio::test]
async fn a_view_resumes_after_any_id_it_was_given() {
    let server = TestServer::start().await;
    let (mut page, ..) = sign_up(&server, "ada@example.org").await;
    page.sign_out().await;
    let mut all = BackEnd::view(&server, json!({ "types": ["*"], "start": "earliest" })).await;
    let Message::Bookmark(begin) = all.message().await else { panic!("the position is told first") };
    let mut prev = begin.id;
    let mut events = Vec::new();
    for _ in 0..4 {
        let event = all.event().await;
        assert_eq!(event.prev, prev);
        prev.clone_from(&event.id);
        events.push(event);
    }
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["registered", "passkeyAdded", "loggedIn", "loggedOut"]);
    for (index, event) in events.iter().enumerate().take(3) {
        let mut resumed = BackEnd::view(&server, json!({ "types": ["*"], "after": event.id })).await;
        assert_eq!(resumed.event().await, events[index + 1]);
    }
}

#[tokio::test]
async fn the_events_of_a_view_make_an_unbroken_hash_chain() {
    let server = TestServer::start().await;
    for email in ["ada@example.org", "grace@example.org"] {
        sign_up(&server, email).await.0.sign_out().await;
    }
    let mut view = BackEnd::view(&server, json!({ "types": ["*"], "start": "earliest" })).await;
    view.message().await;
    let mut hash = ChainHash::GENESIS;
    for seq in 1..=8 {
        let event = view.event().await;
        let id: EventID = event.id.parse().unwrap();
        let (app_id, epoch, time) = (server.app_id, id.epoch, event.time);
        hash = hash.followed_by(&Entry { app_id, epoch, seq, time, name: &event.name, data: &event.data });
        assert!(id.matches(&hash), "entry {seq}");
        assert_eq!(event.seq, seq);
    }
}

#[tokio::test]
async fn a_position_that_cannot_be_continued_is_answered_with_a_gap_and_the_state() {
    let server = TestServer::start().await;
    let (_page, ..) = sign_up(&server, "ada@example.org").await;
    let head: EventID = BackEnd::view(&server, json!({})).await.snapshot().await.id.parse().unwrap();
    let other_epoch = if head.epoch.as_str() == "0000" { "0001" } else { "0000" };
    for (position, reason) in [
        (EventID { seq: head.seq + 1, ..head }, GapReason::Ahead),
        (EventID { prefix: [0xaa; 6], ..head }, GapReason::Diverged),
        (EventID { epoch: other_epoch.parse().unwrap(), ..head }, GapReason::Epoch),
    ] {
        let mut view = BackEnd::view(&server, json!({ "after": position.to_string() })).await;
        let Message::Gap(gap) = view.message().await else { panic!("no gap") };
        assert_eq!((gap.reason, gap.after), (reason, position.to_string()));
        assert_eq!(view.snapshot().await.id, head.to_string());
    }
}

#[tokio::test]
async fn a_filtered_view_chains_its_own_events_and_bookmarks_the_rest() {
    let server = TestServer::start().await;
    let mut view = BackEnd::view(&server, json!({ "types": ["registered"] })).await;
    let begin = view.snapshot().await.id;
    let (mut page, ..) = sign_up(&server, "ada@example.org").await;
    page.sign_out().await;
    let event = view.event().await;
    assert_eq!((event.name.as_str(), event.prev), ("registered", begin));
    server.clock().advance(passkey_accounts_server::limits::IDLE_MS);
    let Message::Bookmark(bookmark) = view.message().await else { panic!("no bookmark") };
    assert_eq!(bookmark.prev, event.id);
    assert!(bookmark.id.contains("-4-"), "{}", bookmark.id);
}

#[tokio::test]
async fn large_states_come_in_pages_of_one_position() {
    let server = TestServer::start_with_room(150).await;
    let mut pages = Vec::new();
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut first = Page::connect(&server).await;
    first.sign_up(&server, "ada@example.org", &mut authenticator).await;
    for _ in 0..149 {
        let mut page = Page::connect(&server).await;
        page.sign_in("ada@example.org", &mut authenticator).await;
        pages.push(page);
    }
    let mut view = BackEnd::view(&server, json!({})).await;
    let (one, two) = (view.snapshot().await, view.snapshot().await);
    assert!(one.first && !one.last && !two.first && two.last);
    assert_eq!(one.sessions.len() + two.sessions.len(), 150);
    assert!(one.id.starts_with("receipt-"), "a page that is not the last is no position: {}", one.id);
    assert_eq!(two.id.parse::<EventID>().unwrap().seq, 152);
    // Another attempt has other receipts: an ack of the first cannot count for it.
    assert_ne!(BackEnd::view(&server, json!({})).await.snapshot().await.id, one.id);
}

/// Waits until the server counts the back end among its readers.
async fn wait_for_back_end(server: &TestServer) {
    while server.context().back_ends.count(server.app_id) == 0 {
        tokio::task::yield_now().await;
    }
}

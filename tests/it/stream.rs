//! The Rust client against the real server: state, tail without a seam, resume over restarts, final errors.

use passkey_accounts::{Accounts, Event, Events, Item, Status, protocol::event::EventKind};
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer};

fn events(server: &TestServer) -> passkey_accounts::EventsBuilder {
    Events::builder(server.events_url(), server.api_key.clone()).types(["*"])
}

/// The next item that is not a bookmark.
async fn next(events: &mut Events) -> Item {
    loop {
        let delivery = events.next().await.expect("the stream goes on").expect("nothing here is final");
        let (item, receipt) = delivery.into_parts();
        receipt.ack();
        match item {
            Item::Bookmark(_) => {}
            item @ (Item::Event(_) | Item::Snapshot(_) | Item::Gap(_)) => return item,
        }
    }
}

async fn next_event(events: &mut Events) -> Event {
    match next(events).await {
        Item::Event(event) => event,
        other => panic!("expected an event, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_and_the_tail_have_no_seam() {
    let server = TestServer::start_in_real_time().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut ada = Page::connect(&server).await;
    let session = ada.sign_up(&server, "ada@shop.example", &mut authenticator).await;

    // Another page signs up while the stream begins: wherever the state ends, the tail goes on right there.
    let mut stream = events(&server).open();
    let mut grace = Page::connect(&server).await;
    let other = grace.sign_up(&server, "grace@shop.example", &mut SoftwareAuthenticator::new([2; 32])).await;

    let mut open = Vec::new();
    loop {
        let Item::Snapshot(page) = next(&mut stream).await else { panic!("state comes first") };
        open.extend(page.sessions.iter().map(|session| session.session_id));
        if page.last {
            break;
        }
    }
    assert!(open.contains(&session.session_id));
    ada.sign_out().await;
    let mut last = None;
    loop {
        let event = next_event(&mut stream).await;
        assert!(last.is_none_or(|last| event.seq == last + 1), "{last:?}, then {}", event.seq);
        last = Some(event.seq);
        match event.kind {
            Some(EventKind::LoggedIn(login)) => open.push(login.session_id),
            Some(EventKind::LoggedOut(logout)) => {
                assert_eq!(logout.session_id, session.session_id);
                break;
            }
            Some(_) | None => {}
        }
    }
    assert_eq!(open.iter().filter(|open| **open == other.session_id).count(), 1, "seen exactly once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_is_bridged() {
    let mut server = TestServer::start_in_real_time().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut stream = events(&server).open();
    assert!(matches!(next(&mut stream).await, Item::Snapshot(page) if page.sessions.is_empty()));

    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@shop.example", &mut authenticator).await;
    page.sign_out().await;
    let mut seqs = Vec::new();
    for _ in 0..4 {
        seqs.push(next_event(&mut stream).await.seq);
    }
    server.restart().await;
    let mut page = Page::connect(&server).await;
    page.sign_in("ada@shop.example", &mut authenticator).await;
    page.sign_out().await;
    for _ in 0..2 {
        seqs.push(next_event(&mut stream).await.seq);
    }
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
    assert_eq!(*stream.status().borrow(), Status::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_resumes_where_the_last_one_stopped() {
    let server = TestServer::start_in_real_time().await;
    let mut stream = events(&server).open();
    let position = next(&mut stream).await.position().expect("the state has a position").to_owned();
    drop(stream);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@shop.example", &mut SoftwareAuthenticator::new([1; 32])).await;
    let mut stream = events(&server).after(position).open();
    for name in ["registered", "passkeyAdded", "loggedIn"] {
        assert_eq!(next_event(&mut stream).await.name, name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_of_another_history_is_a_gap_and_then_the_state() {
    let server = TestServer::start_in_real_time().await;
    let other = TestServer::start_in_real_time().await;
    let mut stream = events(&other).open();
    let foreign = next(&mut stream).await.position().expect("the state has a position").to_owned();
    let mut stream = events(&server).after(foreign.clone()).open();
    assert!(matches!(next(&mut stream).await, Item::Gap(gap) if gap.after == foreign));
    assert!(matches!(next(&mut stream).await, Item::Snapshot(page) if page.first && page.last));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_ends_the_stream_with_a_sentence() {
    let server = TestServer::start_in_real_time().await;
    let mut stream = Events::builder(server.events_url(), "pa_dev_nonsense").open();
    let error = stream.next().await.expect("an ending").expect_err("an error");
    assert_eq!(error.code().as_str(), "badKey");
    assert!(error.to_string().contains("send {\"apiKey\":\"pa_...\"} with a key of this server"), "{error}");
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_none_ends_the_stream_with_a_sentence() {
    let server = TestServer::start_in_real_time().await;
    let mut stream = events(&server).after("yesterday").open();
    let error = stream.next().await.expect("an ending").expect_err("an error");
    assert_eq!(error.code().as_str(), "badMessage");
    assert!(error.reason().contains("\"after\" is not an id of this server"), "{error}");
}

/// A worker of everything that is kept.
fn worker(server: &TestServer) -> Events {
    let accounts = Accounts::connect(server.events_url(), server.api_key.clone()).expect("an address");
    accounts.events().consumer("billing").types(["*"]).start(passkey_accounts::Start::Earliest).open()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_goes_on_where_the_last_one_acknowledged() {
    let server = TestServer::start_in_real_time().await;
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@shop.example", &mut SoftwareAuthenticator::new([1; 32])).await;
    let mut first = worker(&server);
    assert_eq!(next_event(&mut first).await.name, "registered");
    assert_eq!(next_event(&mut first).await.name, "passkeyAdded");
    let unhandled = first.next().await.expect("it goes on").expect("nothing here is final");
    assert!(matches!(unhandled.item(), Item::Event(event) if event.name == "loggedIn"));
    let mut second = worker(&server);
    let mut status = second.status();
    status.wait_for(|status| *status == Status::Standby).await.expect("the stream is open");
    // What was acknowledged is said before the goodbye.
    drop(first);
    assert_eq!(next_event(&mut second).await.name, "loggedIn");
    assert_eq!(*status.borrow(), Status::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_not_handed_twice_what_it_handled_before_a_restart_of_the_server() {
    let mut server = TestServer::start_in_real_time().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut events = worker(&server);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@shop.example", &mut authenticator).await;
    page.sign_out().await;
    let mut seqs = Vec::new();
    for _ in 0..4 {
        seqs.push(next_event(&mut events).await.seq);
    }
    server.restart().await;
    let mut page = Page::connect(&server).await;
    page.sign_in("ada@shop.example", &mut authenticator).await;
    page.sign_out().await;
    for _ in 0..2 {
        seqs.push(next_event(&mut events).await.seq);
    }
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_window_holds_nothing_up() {
    let server = TestServer::start_in_real_time().await;
    let mut stream = events(&server).window(1).open();
    assert!(matches!(next(&mut stream).await, Item::Snapshot(page) if page.last));
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@shop.example", &mut SoftwareAuthenticator::new([1; 32])).await;
    for name in ["registered", "passkeyAdded", "loggedIn"] {
        assert_eq!(next_event(&mut stream).await.name, name);
    }
}

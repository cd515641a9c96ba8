//! The rules of the stream, one test each, in virtual time.

use std::time::Duration;

use super::{
    Output,
    world::{ORIGIN, READY, World, bookmark, event, mismatch, page},
};
use crate::{
    protocol::{
        Code,
        stream::{GapNext, GapReason},
    },
    stream::{Item, Lost, Status, StreamError},
};

#[test]
fn it_connects_at_once_and_says_who_it_is() {
    let mut world = World::new(None);
    assert_eq!(world.wait(), [Output::Status(Status::Connecting), Output::Connect { url: None }]);
    assert_eq!(world.now, Duration::ZERO);
    world.machine.handle_opened(world.now, ORIGIN);
    let outputs = world.drain();
    let [Output::Send(first)] = outputs.as_slice() else { panic!("{outputs:?}") };
    let client = concat!("passkey-accounts/", env!("CARGO_PKG_VERSION"));
    assert_eq!(*first, format!(r#"{{"apiKey":"pa_dev_x","protocol":1,"ndjson":true,"client":"{client}"}}"#));
}

#[test]
fn the_key_is_not_in_debug_output() {
    let world = World::new(None);
    assert!(!format!("{:?}", world.machine).contains("pa_dev_x"));
}

#[test]
fn state_comes_first_then_the_tail_from_its_position() {
    let mut world = World::live(None);
    for text in [page("r-1", true, false), page("e-5", false, true), event("e-6", "e-5"), event("e-8", "e-6")]
    {
        assert_eq!(world.receive(&text), []);
    }
    let positions: Vec<_> = world.delivered.iter().map(Item::position).collect();
    assert_eq!(positions, [None, Some("e-5"), Some("e-6"), Some("e-8")]);
}

#[test]
fn a_hole_is_noticed_resumed_and_not_handed_on() {
    let mut world = World::live(None);
    world.receive(&page("e-10", true, true));
    assert_eq!(world.receive(&event("e-12", "e-11")).first(), Some(&mismatch()));
    assert_eq!(world.delivered.len(), 1);
    assert_eq!(world.connect()["after"], "e-10");
}

#[test]
fn a_repeated_event_is_noticed_and_not_handed_on() {
    let mut world = World::live(Some("e-1"));
    world.receive(&event("e-2", "e-1"));
    assert_eq!(world.receive(&event("e-2", "e-1")).first(), Some(&mismatch()));
    assert_eq!(world.delivered.len(), 1);
    assert_eq!(world.connect()["after"], "e-2");
}

#[test]
fn an_event_before_any_state_is_not_handed_on() {
    let mut world = World::live(None);
    assert_eq!(world.receive(&event("e-2", "e-1")).first(), Some(&mismatch()));
    assert_eq!(world.delivered, []);
}

#[test]
fn an_event_inside_a_snapshot_is_not_handed_on() {
    let mut world = World::live(None);
    world.receive(&page("r-1", true, false));
    assert_eq!(world.receive(&event("e-2", "r-1")).first(), Some(&mismatch()));
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn a_snapshot_that_was_cut_off_is_started_again() {
    let mut world = World::live(None);
    world.receive(&page("r-1", true, false));
    world.lose(Lost::Broken { why: "reset".into() });
    assert_eq!(world.connect().get("after"), None);
    assert_eq!(world.receive(&page("e-9", false, true)).first(), Some(&mismatch()), "resumed from inside");
    world.connect();
    assert_eq!(world.receive(&page("e-9", true, true)), []);
    world.close(1012, "");
    assert_eq!(world.connect()["after"], "e-9");
}

#[test]
fn a_gap_is_an_item_and_the_state_announced_with_it_comes_whatever_happens() {
    let gap = r#"{"type":"gap","data":{"reason":"truncated","after":"e-1","next":"snapshot"}}"#;
    let mut world = World::live(Some("e-1"));
    assert_eq!(world.receive(gap), []);
    let [Item::Gap(said)] = world.delivered.as_slice() else { panic!("{:?}", world.delivered) };
    assert_eq!((said.reason, said.next), (GapReason::Truncated, GapNext::Snapshot));
    world.receive(&page("r-1", true, false));
    world.close(1006, "");
    assert_eq!(world.connect().get("after"), None);
    world.receive(&page("e-9", true, true));
    assert_eq!(world.receive(&event("e-10", "e-9")), []);
    world.close(1006, "");
    assert_eq!(world.connect()["after"], "e-10");
}

#[test]
fn after_a_gap_to_the_oldest_event_any_event_may_follow() {
    let mut world = World::live(Some("e-1"));
    world.receive(r#"{"type":"gap","data":{"reason":"truncated","after":"e-1","next":"oldest"}}"#);
    assert_eq!(world.receive(&event("e-51", "e-50")), []);
    assert_eq!(world.receive(&event("e-53", "e-52")).first(), Some(&mismatch()));
}

#[test]
fn bookmarks_and_unknown_types_move_the_position() {
    let mut world = World::live(Some("e-1"));
    assert_eq!(world.receive(&bookmark("e-4", "e-1")), []);
    let later = event("e-5", "e-4").replace("loggedOut", "laterType");
    assert_eq!(world.receive(&later), []);
    let Some(Item::Event(unknown)) = world.delivered.last() else { panic!("{:?}", world.delivered) };
    assert_eq!((unknown.name.as_str(), &unknown.kind), ("laterType", &None));
    assert_eq!(world.receive(&bookmark("e-9", "e-1")).first(), Some(&mismatch()));
    assert_eq!(world.connect()["after"], "e-5");
}

fn line(message: &str) -> String {
    message.replace('\n', "")
}

#[test]
fn every_line_of_a_frame_is_a_message() {
    let mut world = World::of_lines();
    let lines = [("e-2", "e-1"), ("e-3", "e-2"), ("e-4", "e-3")].map(|(id, prev)| line(&event(id, prev)));
    assert_eq!(world.receive(&lines.join("\n")), []);
    let positions: Vec<_> = world.delivered.iter().map(Item::position).collect();
    assert_eq!(positions, [Some("e-2"), Some("e-3"), Some("e-4")]);
}

#[test]
fn a_hole_between_two_lines_ends_the_connection_and_what_was_not_fetched_comes_again() {
    let mut world = World::of_lines();
    let lines = [("e-2", "e-1"), ("e-4", "e-3"), ("e-3", "e-2")].map(|(id, prev)| line(&event(id, prev)));
    assert_eq!(world.receive(&lines.join("\n")).first(), Some(&mismatch()));
    assert_eq!(world.delivered, []);
    assert_eq!(world.connect()["after"], "e-1");
}

#[test]
fn a_line_without_a_message_ends_the_connection() {
    let mut world = World::of_lines();
    let lines = [line(&event("e-2", "e-1")), String::new()];
    let bad = Output::Close { code: 4500, reason: "badMessage" };
    assert_eq!(world.receive(&lines.join("\n")).first(), Some(&bad));
}

#[test]
fn a_line_break_is_white_space_to_a_client_whose_server_has_not_said_otherwise() {
    let mut world = World::live(Some("e-1"));
    assert_eq!(world.receive(&bookmark("e-2", "e-1").replace(',', ",\n")), []);
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn unknown_members_reasons_and_types_without_a_position_are_ignored() {
    let mut world = World::live(Some("e-1"));
    assert_eq!(world.receive(r#"{"type":"later","data":{"lane":3},"new":[1]}"#), []);
    let text = event("e-2", "e-1").replace(r#""reason":"user""#, r#""reason":"newerReason","more":{}"#);
    assert_eq!(world.receive(&text), []);
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn a_known_type_that_cannot_be_read_ends_the_stream_instead_of_being_skipped() {
    let mut world = World::live(Some("e-1"));
    let outputs = world.receive(&event("e-2", "e-1").replace("accountSessions", "renamed"));
    assert_eq!(outputs.first(), Some(&Output::Close { code: 4500, reason: "badMessage" }));
    assert_eq!(world.delivered, []);
    assert_eq!(world.ended.as_ref().map(StreamError::code), Some(Code::BadMessage));
    assert_eq!(world.machine.poll_timeout(), None);
}

#[test]
fn noise_on_the_line_costs_the_connection_only() {
    for noise in ["", "hello", "[]", "{}", r#"{"type":7}"#, "{\"type\":\"loggedIn\""] {
        let mut world = World::live(Some("e-1"));
        let outputs = world.receive(noise);
        assert_eq!(outputs.first(), Some(&Output::Close { code: 4500, reason: "badMessage" }), "{noise}");
        assert_eq!(world.connect()["after"], "e-1");
    }
}

#[test]
fn close_codes_up_to_4499_are_retried_at_the_same_position() {
    for code in [
        1000, 1001, 1005, 1006, 1011, 1012, 1013, 3000, 4000, 4002, 4003, 4004, 4005, 4006, 4007, 4008, 4009,
        4499,
    ] {
        let mut world = World::live(Some("e-1"));
        let outputs = world.close(code, "");
        assert!(
            matches!(outputs.as_slice(), [Output::Status(Status::Waiting { .. })]),
            "{code}: {outputs:?}"
        );
        assert_eq!(world.connect()["after"], "e-1", "{code}");
    }
}

#[test]
fn close_codes_from_4500_on_end_the_stream_with_a_sentence() {
    let cases = [
        (4500, Code::BadMessage),
        (4501, Code::BadKey),
        (4502, Code::KeyRevoked),
        (4503, Code::UnsupportedProtocol),
        (4504, Code::TooLarge),
        (4505, Code::Gone),
        (4506, Code::Forbidden),
        (4999, Code::Forbidden),
    ];
    for (close_code, code) in cases {
        let mut world = World::live(None);
        assert_eq!(world.close(close_code, ""), [Output::Status(Status::Closed)]);
        let error = world.ended.unwrap();
        assert_eq!(error.code(), code, "{close_code}");
        assert!(error.reason().split(' ').count() > 3, "{error}");
        assert_eq!(world.machine.poll_timeout(), None);
    }
}

#[test]
fn the_word_in_the_close_frame_is_more_precise_than_its_number() {
    let mut world = World::live(None);
    world.close(4502, r#"{"error":"keyExpired"}"#);
    assert_eq!(world.ended.unwrap().code(), Code::KeyExpired);
}

#[test]
fn the_servers_own_sentence_is_passed_on() {
    let error =
        r#"{"type":"error","data":{"code":"unsupportedProtocol","message":"this server speaks 2 and 3"}}"#;
    let mut world = World::live(None);
    assert_eq!(world.receive(error), []);
    world.close(4503, r#"{"error":"unsupportedProtocol"}"#);
    assert_eq!(world.ended.unwrap().to_string(), "unsupportedProtocol: this server speaks 2 and 3");
}

#[test]
fn a_final_error_counts_when_its_close_frame_was_lost() {
    let mut world = World::live(None);
    world.receive(
        r#"{"type":"error","data":{"code":"keyRevoked","message":"this API key has been revoked"}}"#,
    );
    world.lose(Lost::Broken { why: "reset".into() });
    assert_eq!(world.ended.unwrap().code(), Code::KeyRevoked);
}

#[test]
fn an_error_of_one_connection_does_not_end_the_next() {
    let mut world = World::live(None);
    world.receive(r#"{"type":"error","data":{"code":"keyRevoked","message":"a sentence of some words"}}"#);
    world.close(4009, "");
    world.connect();
    world.lose(Lost::Broken { why: "reset".into() });
    assert_eq!(world.ended, None);
}

#[test]
fn refused_upgrades_stop_or_wait_by_their_status() {
    for (status, code) in
        [(401, Code::BadKey), (403, Code::Forbidden), (404, Code::BadAddress), (426, Code::BadAddress)]
    {
        let mut world = World::new(None);
        world.wait();
        world.lose(Lost::Refused { status, retry_after: None });
        assert_eq!(world.ended.map(|error| error.code()), Some(code), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let mut world = World::new(None);
        world.wait();
        world.lose(Lost::Refused { status, retry_after: Some(Duration::from_secs(7)) });
        assert!(world.delay() > Duration::from_secs(7), "{status}");
    }
}

#[test]
fn retry_after_in_a_close_reason_is_a_lower_bound() {
    let mut world = World::live(None);
    world.close(4000, r#"{"error":"overCapacity","retryAfterMs":5000}"#);
    assert!(world.delay() > Duration::from_secs(5) && world.delay() < Duration::from_secs(6));
    let mut world = World::live(None);
    world.close(4008, "");
    assert!(world.delay() > Duration::from_secs(60), "one connection too many must be closed first");
}

#[test]
fn connecting_and_hello_have_ten_seconds_each() {
    let mut world = World::new(None);
    world.wait();
    let closed = Output::Close { code: 4003, reason: "idle" };
    assert_eq!(world.wait().first(), Some(&closed));
    assert_eq!(world.now, Duration::from_secs(10));
    world.wait();
    world.machine.handle_opened(world.now, ORIGIN);
    let opened = world.now;
    world.drain();
    assert_eq!(world.wait().first(), Some(&closed));
    assert_eq!(world.now, opened + Duration::from_secs(10));
}

#[test]
fn a_silent_server_is_left_after_its_beat_and_ten_seconds() {
    let mut world = World::live(Some("e-1"));
    world.now += Duration::from_secs(29);
    world.machine.handle_heard(world.now);
    let heard = world.now;
    assert_eq!(world.wait().first(), Some(&Output::Close { code: 4003, reason: "idle" }));
    assert_eq!(world.now, heard + Duration::from_secs(30));
    assert_eq!(world.connect()["after"], "e-1");
}

#[test]
fn an_absurd_beat_is_not_taken_at_its_word() {
    for idle_ms in ["0", "18446744073709551615"] {
        let mut world = World::new(None);
        world.wait();
        world.machine.handle_opened(world.now, ORIGIN);
        world.drain();
        world.receive(&READY.replace("20000", idle_ms));
        assert!((Duration::from_secs(11)..=Duration::from_secs(130)).contains(&world.delay()));
    }
}

#[test]
fn drain_spreads_leaving_over_four_fifths_and_resumes() {
    let mut turns = Vec::new();
    for _ in 0..50 {
        let mut world = World::live(Some("e-1"));
        world.machine.backoff = super::Backoff::new(turns.len() as u64);
        world.receive(
            r#"{"type":"drain","data":{"reason":"restart","withinMs":10000,"url":"wss://evil.example"}}"#,
        );
        world.receive(&event("e-2", "e-1"));
        turns.push(world.delay());
        assert_eq!(world.wait().first(), Some(&Output::Close { code: 1000, reason: "drain" }));
        assert_eq!(world.delivered.len(), 1);
        assert_eq!(world.connect()["after"], "e-2");
    }
    assert!(turns.iter().all(|turn| *turn <= Duration::from_secs(8)));
    assert!(turns.iter().any(|turn| *turn < Duration::from_secs(2)));
    assert!(turns.iter().any(|turn| *turn > Duration::from_secs(6)));
}

#[test]
fn failures_in_a_row_wait_longer_and_thirty_live_seconds_forgive() {
    let mut world = World::new(None);
    let mut longest = Duration::ZERO;
    for _ in 0..30 {
        world.wait();
        world.lose(Lost::Broken { why: "refused".into() });
        longest = longest.max(world.delay());
        assert!(world.delay() <= Duration::from_secs(30));
    }
    assert!(longest > Duration::from_secs(15));
    world.connect();
    world.now += Duration::from_secs(31);
    world.close(1006, "");
    assert!(world.delay() <= Duration::from_millis(500));
}

#[test]
fn an_older_protocol_ends_the_stream() {
    let mut world = World::new(None);
    world.wait();
    world.machine.handle_opened(world.now, ORIGIN);
    world.drain();
    let outputs = world.receive(&READY.replace(r#""protocol":1"#, r#""protocol":2"#));
    assert_eq!(outputs.first(), Some(&Output::Close { code: 4503, reason: "unsupportedProtocol" }));
    assert_eq!(world.ended.unwrap().code(), Code::UnsupportedProtocol);
}

#[test]
fn what_comes_late_from_an_abandoned_connection_is_ignored() {
    let mut world = World::live(Some("e-1"));
    world.receive(&event("e-3", "e-2"));
    assert_eq!(world.receive(&event("e-2", "e-1")), []);
    assert_eq!(world.close(4501, ""), []);
    assert_eq!((world.delivered.len(), world.ended), (0, None));
}

//! Workers: lanes are offered, taken when idle, owned under a lease, and given back.

use std::time::Duration;

use super::{
    Output,
    world::{ORIGIN, World, ack, event, gap, mismatch, page},
};
use crate::stream::{InHand, Item, Status, Subscription};

fn worker(window: u32) -> World {
    let subscription = Subscription { consumer: Some("billing".into()), ..Subscription::default() };
    World::by_hand_with(window, subscription)
}

/// A worker that owns this lane from `e-1` on.
fn owner(window: u32, lane: u32) -> World {
    let mut world = worker(window);
    take(&mut world, lane, 7, Some("e-1"));
    world
}

/// The lane is offered and taken where the server says.
fn take(world: &mut World, lane: u32, lease: u64, id: Option<&str>) {
    assert!(world.receive(&assigned(lane, lease, id)).contains(&Output::Start { lane, lease }));
    world.machine.handle_position(world.now, lane, None);
    world.drain();
}

fn assigned(lane: u32, lease: u64, id: Option<&str>) -> String {
    let id = id.map_or("null".to_owned(), |id| format!("\"{id}\""));
    format!(r#"{{"type":"assigned","data":{{"lease":{lease}}},"lane":{lane},"id":{id}}}"#)
}

fn revoked(lane: u32) -> String {
    format!(r#"{{"type":"revoked","data":{{"withinMs":10000}},"lane":{lane}}}"#)
}

fn event_in(lane: u32, id: &str, prev: &str) -> String {
    event(id, prev).replace(r#""seq":1"#, &format!(r#""seq":1,"lane":{lane}"#))
}

fn id(in_hand: &InHand) -> &str {
    in_hand.item.position().expect("a position")
}

#[test]
fn the_first_message_names_the_consumer_and_no_position() {
    let subscription = Subscription {
        consumer: Some("billing".into()),
        lanes: Some(4),
        window: Some(64),
        ack_timeout_ms: Some(30_000),
        after: Some("e-1".into()),
        ..Subscription::default()
    };
    let mut world = World::with(subscription);
    let first = world.connect();
    assert_eq!(first["consumer"], "billing");
    assert_eq!(
        (&first["lanes"], &first["window"], &first["ackTimeoutMs"]),
        (&4.into(), &64.into(), &30_000.into())
    );
    assert_eq!(first.get("after"), None);
}

#[test]
fn the_applications_own_position_goes_before_the_servers() {
    for (offered, own, said) in [
        (Some("e-1"), Some("e-9"), r#"{"id":"e-9"}"#),
        (Some("e-1"), None, r#"{"id":"e-1"}"#),
        (None, Some("e-9"), r#"{"id":"e-9"}"#),
        (None, None, r#"{"id":null}"#),
    ] {
        let mut world = worker(8);
        assert_eq!(world.receive(&assigned(0, 7, offered)), [Output::Start { lane: 0, lease: 7 }]);
        world.machine.handle_position(world.now, 0, own.map(str::to_owned));
        assert_eq!(world.drain(), [ack(said), Output::Status(Status::Live)]);
    }
}

#[test]
fn a_lane_without_any_position_begins_with_the_state() {
    let mut world = worker(8);
    take(&mut world, 0, 7, None);
    assert_eq!(world.receive(&event("e-2", "e-1")).first(), Some(&mismatch()));
    world.connect();
    take(&mut world, 0, 8, None);
    assert_eq!(world.receive(&page("e-9", true, true)), []);
    assert!(matches!(world.fetch().item, Item::Snapshot(_)));
}

#[test]
fn a_worker_without_a_lane_stands_by() {
    let mut world = World::with(Subscription { consumer: Some("billing".into()), ..Subscription::default() });
    world.is_eager = false;
    world.wait();
    world.machine.handle_opened(world.now, ORIGIN);
    world.drain();
    assert_eq!(world.receive(super::world::READY), [Output::Status(Status::Standby)]);
    world.receive(&assigned(0, 7, None));
    world.machine.handle_position(world.now, 0, None);
    assert!(world.drain().contains(&Output::Status(Status::Live)));
    let outputs = world.receive(&revoked(0));
    assert_eq!(outputs, [ack(r#"{"id":null,"release":true}"#), Output::Status(Status::Standby)]);
}

#[test]
fn a_lane_is_taken_when_its_handler_is_idle_and_the_position_is_asked_for_then() {
    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    world.reconnect();
    assert_eq!(world.receive(&assigned(0, 8, Some("e-1"))), [], "asked while an effect is under way");
    assert_eq!(world.settle(&in_hand, true), [Output::Start { lane: 0, lease: 8 }]);
}

#[test]
fn a_position_read_under_an_earlier_ownership_is_not_used() {
    let mut world = worker(8);
    assert_eq!(world.receive(&assigned(0, 7, Some("e-1"))), [Output::Start { lane: 0, lease: 7 }]);
    world.reconnect();
    assert_eq!(world.receive(&assigned(0, 8, Some("e-5"))), [], "one question at a time");
    world.machine.handle_position(world.now, 0, Some("e-2".into()));
    assert_eq!(world.drain(), [Output::Start { lane: 0, lease: 8 }], "asked again");
    world.machine.handle_position(world.now, 0, Some("e-6".into()));
    assert_eq!(world.drain().first(), Some(&ack(r#"{"id":"e-6"}"#)));
}

#[test]
fn a_position_that_cannot_be_read_leaves_the_lane_to_others() {
    let mut world = worker(8);
    world.receive(&assigned(0, 7, None));
    world.machine.handle_position_failed(world.now, 0, "the database is locked");
    let outputs = world.drain();
    assert_eq!(outputs.first(), Some(&Output::Close { code: 1000, reason: "position" }));
    assert!(format!("{outputs:?}").contains("the database is locked"));
}

#[test]
fn a_delivery_carries_the_lease_that_it_was_made_under() {
    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    let slow = world.fetch();
    world.reconnect();
    world.receive(&assigned(0, 8, Some("e-1")));
    assert_eq!(slow.lease, 7);
    world.settle(&slow, false);
    world.machine.handle_position(world.now, 0, None);
    world.receive(&event("e-2", "e-1"));
    assert_eq!(world.fetch().lease, 8);
}

#[test]
fn a_refused_item_is_not_acknowledged_and_ends_the_connection() {
    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    let refused = world.fetch();
    let outputs = world.settle(&refused, false);
    assert!(matches!(
        outputs.as_slice(),
        [Output::Close { code: 1000, reason: "failed" }, Output::Status(_)]
    ));
}

#[test]
fn messages_after_the_end_of_a_connection_are_ignored() {
    let mut world = owner(8, 0);
    world.lose(crate::stream::Lost::Broken { why: "reset".into() });
    assert_eq!(world.receive(&event("e-2", "e-1")), []);
    assert_eq!(world.receive(&assigned(0, 9, None)), []);
    assert!(!world.has_item());
}

#[test]
fn a_revoked_lane_is_given_back_when_what_is_in_hand_is_settled() {
    let mut world = owner(8, 3);
    world.receive(&event_in(3, "e-2", "e-1"));
    world.receive(&event_in(3, "e-3", "e-2"));
    let in_hand = world.fetch();
    assert_eq!(world.receive(&revoked(3)), []);
    assert_eq!(
        world.settle(&in_hand, true),
        [ack(r#"{"lane":3,"id":"e-2","release":true}"#), Output::Status(Status::Standby)]
    );
    assert!(!world.has_item(), "what waited is another's");
    assert_eq!(world.receive(&event_in(3, "e-4", "e-3")), [], "it was on its way");
}

#[test]
fn a_revoked_item_that_fails_is_given_back_without_an_acknowledgement() {
    let mut world = owner(8, 3);
    world.receive(&event_in(3, "e-2", "e-1"));
    let in_hand = world.fetch();
    world.receive(&revoked(3));
    assert_eq!(world.settle(&in_hand, false).first(), Some(&ack(r#"{"lane":3,"id":null,"release":true}"#)));
}

#[test]
fn a_lane_that_was_not_taken_yet_is_given_back_at_once() {
    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    let _in_hand = world.fetch();
    world.reconnect();
    world.receive(&assigned(0, 8, Some("e-1")));
    assert_eq!(world.receive(&revoked(0)), [ack(r#"{"id":null,"release":true}"#)]);
    world.receive(&assigned(1, 9, None));
    assert_eq!(world.receive(&revoked(1)), [ack(r#"{"lane":1,"id":null,"release":true}"#)]);
    world.machine.handle_position(world.now, 1, Some("e-4".into()));
    assert_eq!(world.drain(), [], "taken after it was given back");
}

#[test]
fn after_a_gap_a_lane_is_still_given_back_only_when_its_handler_is_through() {
    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    world.receive(&gap("e-2", "snapshot"));
    assert_eq!(world.receive(&revoked(0)), []);
    let outputs = world.settle(&in_hand, true);
    assert_eq!(outputs.first(), Some(&ack(r#"{"id":null,"release":true}"#)));
}

#[test]
fn still_working_is_said_three_times_per_timeout_while_something_is_in_hand() {
    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    world.receive(&event("e-3", "e-2"));
    world.pass(Duration::from_secs(25));
    world.machine.handle_heard(world.now);
    let in_hand = world.fetch();
    for _ in 0..10 {
        let before = world.now;
        assert_eq!(world.wait(), [ack(r#"{"id":"e-1"}"#)]);
        assert_eq!(world.now, before + Duration::from_secs(20));
        world.machine.handle_heard(world.now);
    }
    world.settle(&in_hand, true);
    assert_eq!(world.wait(), [ack(r#"{"id":"e-2"}"#)]);
    for _ in 0..10 {
        assert_eq!(world.pass(Duration::from_secs(20)), [], "nothing is in hand: others may have the lane");
        world.machine.handle_heard(world.now);
    }
}

#[test]
fn after_a_gap_no_id_of_before_is_said_again() {
    let mut world = owner(8, 0);
    world.receive(&gap("e-1", "snapshot"));
    let _in_hand = world.fetch();
    assert_eq!(world.wait(), [ack(r#"{"id":null}"#)]);
}

#[test]
fn what_this_process_has_handled_is_not_handed_to_it_again() {
    let mut world = owner(8, 0);
    for (id, prev) in [("e-2", "e-1"), ("e-3", "e-2")] {
        world.receive(&event(id, prev));
        let in_hand = world.fetch();
        world.settle(&in_hand, true);
    }
    world.reconnect();
    take(&mut world, 0, 8, Some("e-1"));
    for (id, prev) in [("e-2", "e-1"), ("e-3", "e-2"), ("e-4", "e-3")] {
        world.receive(&event(id, prev));
    }
    assert_eq!(id(&world.fetch()), "e-4");
    assert_eq!(world.wait(), [ack(r#"{"id":"e-3"}"#)], "and counts as handled");
}

#[test]
fn what_the_applications_store_does_not_have_is_handed_over_again() {
    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    world.settle(&in_hand, true);
    world.reconnect();
    world.receive(&assigned(0, 8, Some("e-2")));
    world.machine.handle_position(world.now, 0, Some("e-1".into()));
    world.drain();
    world.receive(&event("e-2", "e-1"));
    assert_eq!(id(&world.fetch()), "e-2");
}

#[test]
fn lanes_go_on_side_by_side_and_take_turns() {
    let mut world = worker(32);
    for lane in 0..3 {
        take(&mut world, lane, 7, Some("e-1"));
        world.receive(&event_in(lane, "e-2", "e-1"));
        world.receive(&event_in(lane, "e-3", "e-2"));
    }
    let [first, second, third] = std::array::from_fn(|_| world.fetch());
    assert_eq!([first.lane, second.lane, third.lane], [0, 1, 2]);
    assert!(!world.has_item());
    world.settle(&second, true);
    world.settle(&first, true);
    assert_eq!(world.fetch().lane, 0);
    assert_eq!(world.fetch().lane, 1);
    assert_eq!(world.wait(), [ack(r#"{"id":"e-2"}"#), ack(r#"{"lane":1,"id":"e-2"}"#)]);
}

#[test]
fn no_lane_waits_behind_another_that_is_always_busy() {
    let mut world = worker(32);
    for lane in 0..2 {
        take(&mut world, lane, 7, Some("e-1"));
        for number in 2..5 {
            world.receive(&event_in(lane, &format!("e-{number}"), &format!("e-{}", number - 1)));
        }
    }
    let lanes: Vec<_> = (0..6)
        .map(|_| {
            let in_hand = world.fetch();
            world.settle(&in_hand, true);
            in_hand.lane
        })
        .collect();
    assert_eq!(lanes, [0, 1, 0, 1, 0, 1]);
}

#[test]
fn half_the_window_counts_over_all_lanes() {
    let mut world = worker(4);
    for lane in 0..2 {
        take(&mut world, lane, 7, Some("e-1"));
        world.receive(&event_in(lane, "e-2", "e-1"));
    }
    let (first, second) = (world.fetch(), world.fetch());
    assert_eq!(world.settle(&first, true), []);
    assert_eq!(world.settle(&second, true), [ack(r#"{"id":"e-2"}"#), ack(r#"{"lane":1,"id":"e-2"}"#)]);
}

#[test]
fn a_failure_in_one_lane_repeats_nothing_of_another() {
    let mut world = worker(8);
    for lane in 0..2 {
        take(&mut world, lane, 7, Some("e-1"));
        world.receive(&event_in(lane, "e-2", "e-1"));
    }
    let (fails, works) = (world.fetch(), world.fetch());
    world.settle(&fails, false);
    world.settle(&works, true);
    world.connect();
    for lane in 0..2 {
        take(&mut world, lane, 8, Some("e-1"));
        world.receive(&event_in(lane, "e-2", "e-1"));
    }
    assert_eq!(world.fetch().lane, 0);
    assert!(!world.has_item());
}

#[test]
fn a_lane_that_was_never_offered_is_a_bug_of_the_server() {
    let mut world = owner(8, 0);
    assert_eq!(world.receive(&event_in(1, "e-2", "e-1")).first(), Some(&mismatch()));
    let mut world = owner(8, 0);
    assert_eq!(world.receive(&assigned(64, 7, None)).first(), Some(&mismatch()));
}

#[test]
fn a_draining_worker_finishes_acknowledges_and_leaves() {
    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    world.receive(&event("e-3", "e-2"));
    let in_hand = world.fetch();
    world.receive(r#"{"type":"drain","data":{"reason":"restart","withinMs":10000}}"#);
    assert_eq!(world.pass(Duration::from_secs(9)), []);
    let outputs = world.settle(&in_hand, true);
    assert_eq!(outputs[..2], [ack(r#"{"id":"e-2"}"#), Output::Close { code: 1000, reason: "drain" }]);
    assert!(!world.has_item());

    let mut world = owner(8, 0);
    world.receive(&event("e-2", "e-1"));
    let _slow = world.fetch();
    let drained_at = world.now;
    world.receive(r#"{"type":"drain","data":{"reason":"restart","withinMs":10000}}"#);
    while !world.wait().iter().any(|output| matches!(output, Output::Close { .. })) {}
    assert_eq!(world.now, drained_at + Duration::from_secs(10));
}

#[test]
fn four_thousand_reconnects_of_a_worker_take_no_more_memory_than_two_thousand() {
    let mut world = worker(8);
    let mut sizes = Vec::new();
    for round in 1..4_000_u32 {
        world.reconnect();
        take(&mut world, 0, u64::from(round), Some(&format!("e-{round}")));
        for number in round..round + 8 {
            world.receive(&event(&format!("e-{}", number + 1), &format!("e-{number}")));
        }
        let in_hand = world.fetch();
        world.settle(&in_hand, true);
        sizes.push(format!("{:?}", world.machine).len());
    }
    let (early, late) = (sizes[1_900..2_000].iter().max(), sizes[3_900..].iter().max());
    assert!(late.unwrap() < &(early.unwrap() + 200), "{early:?} then {late:?}");
}

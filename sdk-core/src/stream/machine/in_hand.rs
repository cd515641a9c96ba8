//! What the application has in hand, what is acknowledged of it, and what happens to it when connections end.

use std::time::Duration;

use super::{
    Output,
    world::{World, ack, bookmark, event, gap, page},
};
use crate::stream::{Item, Status, Subscription};

fn id(item: &Item) -> &str {
    item.position().expect("a position")
}

#[test]
fn the_next_item_waits_until_the_last_one_is_settled() {
    let mut world = World::by_hand(8);
    world.receive(&event("e-2", "e-1"));
    world.receive(&event("e-3", "e-2"));
    let first = world.fetch();
    assert!(!world.has_item() && world.machine.poll_item(world.now).is_none());
    world.settle(&first, true);
    assert_eq!(id(&world.fetch().item), "e-3");
}

#[test]
fn what_is_handled_together_is_acknowledged_once_and_in_the_order_of_the_log() {
    let mut world = World::by_hand_with(
        8,
        Subscription { after: Some("e-1".into()), in_hand: 4, ..Subscription::default() },
    );
    for (id, prev) in [("e-2", "e-1"), ("e-3", "e-2"), ("e-4", "e-3"), ("e-5", "e-4"), ("e-6", "e-5")] {
        world.receive(&event(id, prev));
    }
    let tokens: Vec<_> = (0..4).map(|_| world.fetch().token).collect();
    assert!(!world.has_item());
    let (first, others) = tokens.split_first().unwrap();
    world.machine.handle_handled(world.now, others);
    assert_eq!(world.drain(), [], "the first of them is not handled");
    assert_eq!(world.pass(Duration::from_millis(200)), []);
    world.machine.handle_handled(world.now, &[*first, *first]);
    assert_eq!(world.drain(), [ack(r#"{"id":"e-5"}"#)]);
    assert_eq!(id(&world.fetch().item), "e-6");
}

#[test]
fn a_loss_drops_what_waits_and_resumes_behind_what_is_in_hand() {
    let mut world = World::by_hand(8);
    for text in [event("e-2", "e-1"), event("e-3", "e-2"), event("e-4", "e-3")] {
        world.receive(&text);
    }
    let in_hand = world.fetch();
    assert_eq!(world.reconnect()["after"], "e-2");
    assert!(world.machine.queued_items() == 0);
    world.receive(&event("e-3", "e-2"));
    assert!(!world.has_item(), "two items of one lane in hand");
    world.settle(&in_hand, true);
    assert_eq!(id(&world.fetch().item), "e-3");
}

#[test]
fn an_outcome_of_an_earlier_connection_moves_the_position_and_is_not_acknowledged() {
    let mut world = World::by_hand(2);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    world.reconnect();
    assert_eq!(world.settle(&in_hand, true), []);
    assert_eq!(world.pass(Duration::from_millis(200)), []);
    assert_eq!(world.settle(&in_hand, false), [], "an outcome counts once");
    assert_eq!(world.reconnect()["after"], "e-2");
}

#[test]
fn an_outcome_from_before_a_gap_is_not_acknowledged_after_it() {
    let mut world = World::by_hand(2);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    world.receive(&gap("e-2", "snapshot"));
    assert_eq!(world.settle(&in_hand, true), []);
    assert_eq!(world.pass(Duration::from_millis(200)), []);
    let said = world.fetch();
    assert!(matches!(said.item, Item::Gap(_)));
    assert_eq!(world.settle(&said, true), []);
    world.receive(&page("d-7", true, true));
    let state = world.fetch();
    assert_eq!(world.settle(&state, true), [ack(r#"{"id":"d-7"}"#)]);
}

#[test]
fn an_item_that_fails_after_a_reconnect_comes_again() {
    let mut world = World::by_hand(8);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    world.reconnect();
    world.receive(&event("e-3", "e-2"));
    let outputs = world.settle(&in_hand, false);
    assert_eq!(outputs.first(), Some(&Output::Close { code: 1000, reason: "failed" }));
    assert!(!world.has_item());
    assert_eq!(world.connect()["after"], "e-1");
}

#[test]
fn what_was_handled_before_a_failure_is_acknowledged_first() {
    let mut world = World::by_hand(8);
    world.receive(&event("e-2", "e-1"));
    world.receive(&event("e-3", "e-2"));
    let handled = world.fetch();
    assert_eq!(world.settle(&handled, true), []);
    let failed = world.fetch();
    let outputs = world.settle(&failed, false);
    assert_eq!(outputs[..2], [ack(r#"{"id":"e-2"}"#), Output::Close { code: 1000, reason: "failed" }]);
    assert_eq!(world.connect()["after"], "e-2");
}

#[test]
fn a_handler_that_always_fails_is_tried_less_and_less_often() {
    let mut world = World::by_hand(8);
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        world.receive(&event("e-2", "e-1"));
        let in_hand = world.fetch();
        world.settle(&in_hand, false);
        longest = longest.max(world.delay());
        assert_eq!(world.connect()["after"], "e-1");
    }
    assert!(longest > Duration::from_secs(10));
}

#[test]
fn a_gap_that_nobody_has_handled_is_met_again() {
    let mut world = World::by_hand(8);
    world.receive(&gap("e-1", "snapshot"));
    world.receive(&page("e-9", true, true));
    assert_eq!(world.reconnect()["after"], "e-1", "the gap was dropped with the queue");
    world.receive(&gap("e-1", "snapshot"));
    let said = world.fetch();
    assert_eq!(world.reconnect().get("after"), None, "the gap is in hand, its state is still due");
    world.settle(&said, false);
    assert_eq!(world.connect()["after"], "e-1", "the gap was not handled");
}

#[test]
fn a_gap_that_goes_on_with_events_leaves_the_position_to_be_asked_for() {
    let mut world = World::by_hand(8);
    world.receive(&gap("e-1", "oldest"));
    let said = world.fetch();
    world.settle(&said, true);
    assert_eq!(world.reconnect()["after"], "e-1", "a snapshot would be something that nobody asked for");
}

#[test]
fn a_snapshot_page_in_hand_means_that_the_state_starts_again() {
    let mut world = World::by_hand_with(8, Subscription::default());
    world.receive(&page("r-1", true, false));
    world.receive(&page("e-9", false, true));
    let first = world.fetch();
    assert_eq!(world.reconnect().get("after"), None);
    world.settle(&first, true);
    world.receive(&page("e-9", true, true));
    let whole = world.fetch();
    assert_eq!(world.reconnect()["after"], "e-9");
    world.settle(&whole, true);
}

#[test]
fn acknowledgements_are_gathered_to_half_the_window_or_a_tenth_of_a_second() {
    let mut world = World::by_hand(4);
    for (id, prev) in [("e-2", "e-1"), ("e-3", "e-2"), ("e-4", "e-3")] {
        world.receive(&event(id, prev));
    }
    let first = world.fetch();
    assert_eq!(world.settle(&first, true), []);
    let second = world.fetch();
    assert_eq!(world.settle(&second, true), [ack(r#"{"id":"e-3"}"#)]);
    let third = world.fetch();
    let settled_at = world.now;
    assert_eq!(world.settle(&third, true), []);
    assert_eq!(world.wait(), [ack(r#"{"id":"e-4"}"#)]);
    assert_eq!(world.now, settled_at + Duration::from_millis(100));
    assert_eq!(world.pass(Duration::from_secs(1)), [], "a view has nothing to repeat");
}

#[test]
fn pages_are_acknowledged_by_their_receipts_and_what_does_not_count_is_not() {
    let mut world = World::by_hand_with(1, Subscription::default());
    world.receive(&page("r-1", true, false));
    let first = world.fetch();
    assert_eq!(world.settle(&first, true), [ack(r#"{"id":"r-1"}"#)]);
    world.receive(&page("e-9", false, true));
    let last = world.fetch();
    assert_eq!(world.settle(&last, true), [ack(r#"{"id":"e-9"}"#)]);
    world.receive(&bookmark("e-12", "e-9"));
    let nothing = world.fetch();
    assert_eq!(world.settle(&nothing, true), []);
    assert_eq!(world.pass(Duration::from_secs(1)), []);
    assert_eq!(world.reconnect()["after"], "e-12");
}

#[test]
fn without_a_window_nothing_is_acknowledged() {
    let mut world = World::by_hand(0);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    assert_eq!(world.settle(&in_hand, true), []);
    assert_eq!(world.pass(Duration::from_secs(1)), []);
}

#[test]
fn several_in_hand_count_in_the_order_of_the_log() {
    let subscription = Subscription { after: Some("e-1".into()), in_hand: 3, ..Subscription::default() };
    let mut world = World::by_hand_with(2, subscription);
    for (id, prev) in [("e-2", "e-1"), ("e-3", "e-2"), ("e-4", "e-3"), ("e-5", "e-4")] {
        world.receive(&event(id, prev));
    }
    let [first, second, third] = std::array::from_fn(|_| world.fetch());
    assert!(!world.has_item());
    assert_eq!(world.settle(&second, true), []);
    assert_eq!(world.pass(Duration::from_millis(200)), [], "the first is not settled");
    assert_eq!(world.settle(&first, true), [ack(r#"{"id":"e-3"}"#)]);
    let fourth = world.fetch();
    let outputs = world.settle(&third, false);
    assert_eq!(outputs.first(), Some(&Output::Close { code: 1000, reason: "failed" }));
    assert_eq!(world.settle(&fourth, true), [], "what follows a failed item fails with it");
    assert_eq!(world.connect()["after"], "e-3");
}

#[test]
fn stopping_acknowledges_what_is_settled_and_says_goodbye() {
    let mut world = World::by_hand(8);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    world.settle(&in_hand, true);
    world.machine.handle_stopped(world.now);
    let outputs = world.drain();
    let goodbye = Output::Close { code: 1000, reason: "" };
    assert_eq!(outputs, [ack(r#"{"id":"e-2"}"#), goodbye, Output::Status(Status::Closed)]);
    assert_eq!(world.machine.poll_timeout(), None);
}

#[test]
fn while_too_much_waits_nothing_is_read_and_silence_is_not_the_servers() {
    for window in [0, 8] {
        let mut world = World::by_hand(window);
        let mut received = 1;
        while !world.machine.is_full() {
            world.receive(&event(&format!("e-{}", received + 1), &format!("e-{received}")));
            received += 1;
            assert!(received < 300, "a server that ignores the window fills the memory");
        }
        assert_eq!(world.pass(Duration::from_secs(3_600)), []);
        let in_hand = world.fetch();
        assert!(!world.machine.is_full());
        world.settle(&in_hand, true);
        assert_eq!(world.pass(Duration::from_secs(29)).iter().filter(|output| is_close(output)).count(), 0);
        assert!(world.pass(Duration::from_secs(2)).iter().any(is_close), "silence after reading again");
    }
}

fn is_close(output: &Output) -> bool {
    matches!(output, Output::Close { .. })
}

#[test]
fn a_quiet_stream_does_not_fill_the_queue_of_a_slow_application() {
    let mut world = World::by_hand(8);
    world.receive(&event("e-2", "e-1"));
    let in_hand = world.fetch();
    for number in 2..1_000 {
        world.receive(&bookmark(&format!("e-{}", number + 1), &format!("e-{number}")));
    }
    world.settle(&in_hand, true);
    assert_eq!(id(&world.fetch().item), "e-1000");
    assert!(world.machine.queued_items() == 0);
}

#[test]
fn a_thousand_reconnects_take_no_more_memory_than_ten() {
    let mut world = World::by_hand(8);
    let mut sizes = Vec::new();
    for round in 0..1_000 {
        let after = world.reconnect()["after"].as_str().unwrap().to_owned();
        let number: u32 = after.trim_start_matches("e-").parse().unwrap();
        for number in number..number + 8 {
            world.receive(&event(&format!("e-{}", number + 1), &format!("e-{number}")));
        }
        // Every other time the application gets to one of them, and is still at it when the connection is lost.
        if round % 2 == 0 {
            let in_hand = world.fetch();
            world.settle(&in_hand, true);
        }
        sizes.push(format!("{:?}", world.machine).len());
    }
    let (early, late) = (sizes[..10].iter().max(), sizes[990..].iter().max());
    assert!(late.unwrap() < &(early.unwrap() + 200), "{early:?} then {late:?}");
}

//! Keys: asked for before each connection, and once more when one was refused.

use std::time::Duration;

use super::{
    Output,
    world::{ORIGIN, READY, World},
};
use crate::{
    key_pair::KeyPair,
    protocol::{
        Code,
        stream::{Proven, Reply},
    },
    stream::{Lost, Status},
};

#[test]
fn each_connection_uses_the_key_of_its_time() {
    let mut world = World::live(Some("e-1"));
    world.receive(r#"{"type":"drain","data":{"reason":"keyExpiring","withinMs":5000}}"#);
    world.key = "pa_dev_next";
    world.wait();
    assert_eq!(world.connect()["apiKey"], "pa_dev_next");
}

#[test]
fn a_refused_key_is_tried_again_when_there_is_another() {
    for (close_code, word) in [(4501, "badKey"), (4502, "keyRevoked"), (4502, "keyExpired")] {
        let mut world = World::live(Some("e-1"));
        world.key = "pa_dev_next";
        world.close(close_code, &format!(r#"{{"error":"{word}"}}"#));
        assert_eq!(world.ended, None);
        let first = world.connect();
        assert_eq!((&first["apiKey"], &first["after"]), (&"pa_dev_next".into(), &"e-1".into()));
    }
}

#[test]
fn a_refused_key_ends_the_stream_when_there_is_no_other() {
    let mut world = World::live(Some("e-1"));
    world.close(4501, "");
    assert_eq!(world.ended.map(|error| error.code()), Some(Code::BadKey));
}

#[test]
fn a_refused_key_is_asked_about_once() {
    let mut world = World::live(Some("e-1"));
    world.machine.handle_lost(world.now, Lost::Closed { code: 4501, reason: String::new() });
    assert_eq!(world.machine.poll_output(), Some(Output::Key));
    world.machine.handle_key_failed(world.now, "the vault is closed");
    world.drain();
    assert_eq!(world.ended.map(|error| error.code()), Some(Code::BadKey));

    let mut world = World::live(Some("e-1"));
    world.machine.handle_lost(world.now, Lost::Closed { code: 4502, reason: String::new() });
    assert_eq!(world.machine.poll_output(), Some(Output::Key));
    world.pass(Duration::from_secs(10));
    assert_eq!(world.ended.map(|error| error.code()), Some(Code::KeyRevoked), "no answer is an answer");
}

#[test]
fn a_key_that_cannot_be_had_is_asked_for_again_later() {
    let mut world = World::new(None);
    world.machine.handle_tick(world.now);
    while world.machine.poll_output().is_some_and(|output| output != Output::Key) {}
    world.machine.handle_key_failed(world.now, "the vault is closed");
    let outputs = world.drain();
    assert!(format!("{outputs:?}").contains("no API key: the vault is closed"), "{outputs:?}");
    world.connect();
}

#[test]
fn a_key_pair_is_never_sent_and_signs_what_the_server_asks() {
    let pair = KeyPair::from_seed(&[7; 32]);
    let mut world = World::new(None);
    world.key = pair.reveal().to_string().leak();
    world.wait();
    world.machine.handle_opened(world.now, ORIGIN);
    let outputs = world.drain();
    let [Output::Send(first)] = outputs.as_slice() else { panic!("{outputs:?}") };
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(first["keyID"], pair.public_key().key_id());
    assert!(first.get("apiKey").is_none());

    let outputs = world.receive(r#"{"type":"challenge","data":{"nonce":"bm9uY2U"}}"#);
    let [Output::Send(answer)] = outputs.as_slice() else { panic!("{outputs:?}") };
    let Ok(Reply::Signature(Proven { signature })) = Reply::decode(answer) else { panic!("{answer}") };
    assert!(pair.public_key().check_answer(ORIGIN, "bm9uY2U", &signature.0).is_ok());
    assert_eq!(world.receive(READY), [Output::Status(Status::Live)]);
}

#[test]
fn an_api_key_does_not_answer_a_challenge() {
    let mut world = World::new(None);
    world.wait();
    world.machine.handle_opened(world.now, ORIGIN);
    world.drain();
    assert_eq!(world.receive(r#"{"type":"challenge","data":{"nonce":"bm9uY2U"}}"#), []);
}

#[test]
fn a_misspelt_key_pair_ends_the_stream_before_there_is_a_connection() {
    let mut world = World::new(None);
    world.key = "pa_pair_040g2081";
    world.wait();
    assert_eq!(world.ended.map(|error| error.code()), Some(Code::BadKey));
}

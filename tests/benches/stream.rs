//! How fast an event gets from text to typed item, position checked, against reading the same text into a JSON tree.
//!
//! `cargo bench -p passkey-accounts-tests --bench stream`. One thread, its CPU time, interleaved rounds, medians.

use std::{hint::black_box, time::Duration};

use cpu_time::ThreadTime;
use passkey_accounts::{
    protocol::base64url::encode,
    stream::{Machine, Subscription},
};

const ROUNDS: usize = 41;
const EVENTS: u32 = 1_000;

fn main() {
    println!("microseconds of thread CPU time per event, medians of {ROUNDS} interleaved rounds");
    println!("{:24} {:>6} {:>8} {:>8} {:>8}", "", "bytes", "ours", "tree", "ratio");
    let account =
        "\"accountID\":\"acct_00000000000000000000000000\",\"sessionID\":\"ses_00000000000000000000000000\"";
    let key = encode([1; 32]);
    let login = format!(
        r#"{account},"passkeyID":"pk_00000000000000000000000000","origin":"https://shop.example","sessionKey":{{
        "kty":"EC","crv":"P-256","x":"{key}","y":"{key}"}},"expiresAt":"2026-11-22T18:00:00.123Z",
        "userVerified":true,"backedUp":false,"accountSessions":1"#
    );
    let evidence = format!(
        r#","evidence":{{"random":"{key}","kind":"signIn","origin":"https://shop.example","thumbprint":"{key}",
        "credentialID":"{key}","authenticatorData":"{}","clientDataJSON":"{}","signature":"{}"}}"#,
        encode([2; 37]),
        encode([3; 240]),
        encode([4; 71]),
    );
    measure("loggedOut", "loggedOut", &format!(r#"{{{account},"reason":"user","accountSessions":0}}"#));
    measure("loggedIn", "loggedIn", &format!("{{{login}}}"));
    measure("loggedIn with evidence", "loggedIn", &format!("{{{login}{evidence}}}"));
    println!("tree: serde_json::Value. The goal for a small event is 0.4 us.");
}

fn measure(label: &str, name: &str, data: &str) {
    let message = |number: u32| {
        format!(
            r#"{{"type":"{name}","data":{data},"id":"k3f9-{number}-Q7hB2cX0","prev":"k3f9-{}-Q7hB2cX0","seq":{number},
            "time":"2026-11-22T18:00:00.123Z"}}"#,
            number - 1
        )
    };
    let messages: Vec<_> = (1..=EVENTS).map(message).collect();
    let ours = || {
        let mut machine = live();
        let start = ThreadTime::now();
        for message in &messages {
            machine.handle_message(Duration::ZERO, message);
            let in_hand = machine.poll_item(Duration::ZERO).expect("an item");
            machine.handle_settled(Duration::ZERO, in_hand.token, true);
            black_box(in_hand);
        }
        start.elapsed()
    };
    let tree = || {
        let start = ThreadTime::now();
        for message in &messages {
            black_box(serde_json::from_str::<serde_json::Value>(message).expect("JSON"));
        }
        start.elapsed()
    };
    let (mut our_rounds, mut tree_rounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_rounds.push(ours());
        tree_rounds.push(tree());
    }
    let (ours, tree) = (median(our_rounds), median(tree_rounds));
    let bytes = messages.first().map_or(0, String::len);
    println!("{label:24} {bytes:>6} {ours:>8.2} {tree:>8.2} {:>8.2}", ours / tree);
}

/// A machine that waits for the first event.
fn live() -> Machine {
    let subscription = Subscription { after: Some("k3f9-0-Q7hB2cX0".into()), ..Subscription::default() };
    let mut machine = Machine::new(subscription, 1, Duration::ZERO);
    machine.handle_tick(Duration::ZERO);
    machine.handle_key(Duration::ZERO, "k".into());
    machine.handle_opened(Duration::ZERO, "https://auth.example");
    machine.handle_message(
        Duration::ZERO,
        r#"{"type":"ready","data":{"protocol":1,"connection":"con_00000000000000000000000000","idleMs":20000,
        "window":0,"time":"2026-11-22T18:00:00.000Z"}}"#,
    );
    while machine.poll_output().is_some() {}
    machine
}

/// Microseconds per event.
fn median(mut rounds: Vec<Duration>) -> f64 {
    rounds.sort_unstable();
    let middle = rounds.get(ROUNDS / 2).expect("there are rounds");
    middle.as_secs_f64() * 1e6 / f64::from(EVENTS)
}

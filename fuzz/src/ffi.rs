//! The entry points of the other languages: what a server or a stranger sends goes through the binding as they call it.

use std::sync::LazyLock;

use passkey_accounts_ffi::{
    Batch, EventsOptions, Field, ProofReplay, ReplayOutput, RequestHead, StreamReplay, WitnessOptions,
};
use serde_json::Value;

use crate::{
    proof::{REQUESTS, SOCKETS},
    stream::frame,
    world::{NOW, sessions, text},
};

/// A stream as Python, Kotlin and Swift read it: the first byte says how it was asked for; then frames, one a line
/// ([`frame`]), and between them what else can happen. Every batch must be what its documentation says.
pub(crate) fn stream(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let Some(rest) = text(rest) else { return };
    let address = "wss://auth.example/v1/events".to_owned();
    let replay = StreamReplay::new(address, options(*kind), 7).expect("the options can be");
    let (mut now, mut turn) = (0_u64, usize::from(*kind));
    for line in rest.split('\n').take(64) {
        now += 1_000_000;
        perform(&replay, now);
        happen(&replay, &mut now, line);
        while take(&replay, now, turn) {
            turn += 1;
        }
    }
    perform(&replay, now);
}

fn options(kind: u8) -> EventsOptions {
    let witness = WitnessOptions { keys: Vec::new(), checkpoint_path: String::new() };
    EventsOptions {
        types: (kind & 1 == 1).then(|| vec!["*".to_owned()]),
        after: (kind & 2 == 2).then(|| "0007-1-AAAAAAAA".to_owned()),
        start: None,
        snapshot: None,
        skip: None,
        consumer: (kind & 4 == 4).then(|| "fuzz".to_owned()),
        lanes: None,
        window: None,
        prefetch: None,
        ack_timeout: None,
        positions: None,
        evidence: None,
        witness: (kind & 8 == 8).then_some(witness),
    }
}

fn happen(replay: &StreamReplay, now: &mut u64, line: &str) {
    let number = |text: &str| text.trim().parse::<u64>().unwrap_or(1);
    match (line.as_bytes().first(), line.get(1..)) {
        (Some(b'c'), Some(code)) => {
            replay.closed(*now, u16::try_from(number(code) % 5_000).unwrap_or(1000), "said so".to_owned());
        }
        (Some(b'r'), Some(status)) => {
            replay.refused(*now, u16::try_from(number(status) % 600).unwrap_or(500), None);
        }
        (Some(b'b'), _) => replay.broken(*now, "no route".to_owned()),
        (Some(b'p'), Some(lane)) => {
            replay.position(
                *now,
                u32::try_from(number(lane)).unwrap_or(0),
                Some("0007-0-AAAAAAAA".to_owned()),
            );
        }
        (Some(b't'), Some(millis)) => {
            *now = now.saturating_add(number(millis).min(600_000) * 1_000_000);
            replay.tick(*now);
        }
        (Some(b's'), Some(receipt)) => replay.settle(*now, number(receipt), !receipt.ends_with('-')),
        _ => replay.message(*now, &frame(line)),
    }
}

/// Does at once what the machine wants done.
fn perform(replay: &StreamReplay, now: u64) {
    for _ in 0..10_000 {
        match replay.poll_output() {
            None => return,
            Some(ReplayOutput::Key) => replay.key(now, "pa_dev_key".to_owned()),
            Some(ReplayOutput::Connect { address }) => {
                assert!(address.starts_with("wss://"), "{address}");
                replay.opened(now);
            }
            Some(ReplayOutput::Start { lane, .. }) => replay.position(now, lane, None),
            Some(
                ReplayOutput::Send { .. }
                | ReplayOutput::Close { .. }
                | ReplayOutput::Status { .. }
                | ReplayOutput::End { .. },
            ) => {}
        }
    }
    panic!("the machine does not come to rest");
}

/// Takes an item in one of the three ways, reads it, and settles it.
fn take(replay: &StreamReplay, now: u64, turn: usize) -> bool {
    let receipt = match turn % 3 {
        0 => replay.poll_item_text(now).map(|text| text.map(|text| read_text(&text))),
        1 => replay.poll_item_packed(now).map(|batch| batch.map(|batch| read_packed(&batch))),
        _ => replay.poll_item(now).map(|delivery| delivery.map(|delivery| delivery.receipt)),
    };
    let Ok(Some(receipt)) = receipt else { return false };
    replay.settle(now, receipt, true);
    true
}

/// A batch of one as `text.rs` describes it. Returns its receipt.
fn read_text(text: &str) -> u64 {
    let parts: Vec<&str> = text.split('\x1d').collect();
    let [receipt, records, members] = parts[..] else { panic!("not three parts: {text:?}") };
    let fields: Vec<&str> = records.split('\x1f').collect();
    assert!(!records.contains('\x1e'), "more than one record: {text:?}");
    let [lane, lease, kind, rest @ ..] = &fields[..] else { panic!("a record is short: {text:?}") };
    assert!(lane.parse::<u32>().is_ok() && lease.parse::<u64>().is_ok());
    match (*kind, rest) {
        ("event", [seq, time, id, name, data]) => {
            assert!(seq.parse::<u64>().is_ok() && time.parse::<u64>().is_ok());
            assert!([id, name].iter().all(|json| serde_json::from_str::<String>(json).is_ok()));
            assert!(serde_json::from_str::<&serde_json::value::RawValue>(data).is_ok(), "{data}");
        }
        ("snapshot" | "gap" | "bookmark", [data]) => {
            assert!(serde_json::from_str::<Value>(data).is_ok_and(|value| value.is_object()), "{data}");
        }
        _ => panic!("neither an event nor another item: {text:?}"),
    }
    let members: Vec<Value> = serde_json::from_str(members).expect("the members are one JSON array");
    assert_eq!(members.len(), 1);
    receipt.parse().expect("a receipt is a number")
}

/// A batch of one as `packed.rs` describes it, as far as it is the same for all. Returns its receipt.
fn read_packed(batch: &Batch) -> u64 {
    let (address, size) = (batch.address() as usize, batch.size() as usize);
    #[expect(unsafe_code, reason = "this is how another language reads it")]
    // SAFETY: the batch is held meanwhile, and says so of its own memory.
    let mut rest =
        unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(address), size) };
    let length = u32::from_be_bytes(taken(&mut rest)) as usize;
    assert_eq!(length, rest.len(), "one record is the whole batch");
    let receipt = u64::from_be_bytes(taken(&mut rest));
    let (_lane, _lease): ([u8; 4], [u8; 8]) = (taken(&mut rest), taken(&mut rest));
    if let [0] = taken(&mut rest) {
        let (_seq, _time): ([u8; 8], [u8; 8]) = (taken(&mut rest), taken(&mut rest));
        let [_id, _name, data] = [(); 3].map(|()| packed_text(&mut rest));
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(data).is_ok(), "{data}");
        let [kind] = taken(&mut rest);
        assert!((1..=13).contains(&kind));
        assert_eq!(kind == 12, rest.is_empty(), "an event that is known has members");
    }
    receipt
}

fn packed_text<'a>(rest: &mut &'a [u8]) -> &'a str {
    let length = u32::from_be_bytes(taken(rest)) as usize;
    let (text, after) = rest.split_at(length);
    *rest = after;
    std::str::from_utf8(text).expect("it is UTF-8")
}

fn taken<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, after) = rest.split_first_chunk().expect("a record is as long as it says");
    *rest = after;
    *taken
}

/// A request as a server in another language hands it over: method, target, fields one a line, an empty line, the body.
/// Without a space in the first line: a token for a socket.
pub(crate) fn proof(bytes: &[u8]) {
    static KEYS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| sessions(&REQUESTS));
    static ASKED: LazyLock<[String; 2]> = LazyLock::new(|| {
        let step = &SOCKETS["cases"][0]["steps"][0];
        ["audience", "nonce"].map(|name| step[name].as_str().expect("it has it").to_owned())
    });
    let origins = vec!["https://app.example".to_owned(), "http://localhost:8080".to_owned()];
    let replay = ProofReplay::new(origins, KEYS.iter().cloned().collect()).expect("the keys can be");
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Some(first) = lines.next().and_then(text) else { return };
    let Some((method, target)) = first.split_once(' ') else {
        let check = || replay.socket(NOW.0, first, &ASKED[0], &ASKED[1]);
        assert!(check().is_err() || check().is_err(), "a proof passes once");
        return;
    };
    let mut fields = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let Some(name) = text(&line[..at]) else { return };
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii().to_vec();
        fields.push(Field { name: name.to_owned(), value });
    }
    let body = lines.collect::<Vec<_>>().join(&b'\n');
    let head = RequestHead { method: method.to_owned(), target: target.to_owned(), fields };
    let check = || replay.request(NOW.0, head.clone(), &body);
    assert!(check().is_err() || check().is_err(), "a proof passes once");
}

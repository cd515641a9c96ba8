//! The back-end socket: what the server sends, what a back end sends, and those who believe or doubt it.

use std::{borrow::Cow, time::Duration};

use passkey_accounts::{
    evidence::{Expected, Pins},
    log::{Checkpoint, Epoch, Sees, Witness},
    protocol::{
        Code, ConnectionID,
        event::EventKind,
        stream::{FirstMessage, MAX_LANES, MAX_WINDOW, Message, RawEvent, Read, Reply},
    },
    stream::{Lost, Machine, Output, Subscription},
};
use passkey_accounts_server::{
    log::LogState,
    stream::{self as served, Greeting, Machine as ServerMachine, Output as ServerOutput, Request, Wish},
};

use crate::world::{APP, NOW, ORIGIN, RP_ID, text};

/// What the server sends: reading in one pass says what reading in two says, and an event's data reads back.
pub(crate) fn messages(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let decoded = Message::decode(text);
    let read = Message::read(text).map(|read| {
        read.map(|read| match read {
            Read::Event(event) => {
                let (kind, event) = (event.kind.clone(), RawEvent::from(event));
                assert_eq!(event.kind(), Ok(Some(kind)));
                Message::Event(event)
            }
            Read::Other(message) => message,
        })
    });
    assert_eq!(read, decoded);
    let Ok(Some(Message::Event(event))) = decoded else { return };
    if let Ok(Some(kind)) = event.kind() {
        assert_eq!(kind.name(), event.name);
        let written = kind.data_json();
        assert_eq!(EventKind::from_parts(kind.name(), &written).ok(), Some(Some(kind)), "{written}");
    }
}

/// What a back end sends: the first line is its first message, and the machine gets the others.
pub(crate) fn server(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if let Ok(message) = FirstMessage::decode(first) {
        let written = serde_json::to_string(&message).expect("it can be written");
        assert_eq!(FirstMessage::decode(&written), Ok(message));
    }
    let wish = match served::read(first) {
        Ok((_, Request::Full(wish))) => wish,
        Ok((_, Request::Shortest)) => return,
        Err(refusal) => {
            assert!(!refusal.message.is_empty());
            return;
        }
    };
    assert!(wish.window <= MAX_WINDOW && wish.client.len() <= 64);
    assert!(wish.worker.iter().all(|worker| (1..=MAX_LANES).contains(&worker.lanes)));
    converse(wish, lines);
}

fn converse<'a>(wish: Wish, lines: impl Iterator<Item = &'a str>) {
    let lanes = wish.worker.as_ref().map_or(1, |worker| worker.lanes);
    let is_worker = wish.worker.is_some();
    let state = LogState::empty(APP, Epoch::from_random(7));
    let greeting = Greeting {
        connection_id: ConnectionID::from_bytes([3; 16]),
        app_id: APP,
        lanes,
        key_expires_at: None,
        page_sessions: 2,
    };
    let (mut machine, mut now) = (ServerMachine::new(wish, greeting, &state, NOW), NOW);
    if is_worker {
        machine.handle_offered(0, 1, None, Epoch::from_random(7), now);
    }
    for line in lines.take(64) {
        if let Ok(reply) = Reply::decode(line) {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
        machine.handle_message(line, now);
        now = now.plus(10);
        let mut outputs = 0;
        while let Some(output) = machine.poll_output(now) {
            outputs += 1;
            assert!(outputs < 1_000, "the machine does not come to rest");
            match output {
                ServerOutput::Send(frame) => {
                    assert!(Message::decode(&frame).is_ok_and(|message| message.is_some()))
                }
                ServerOutput::Locate { lane, .. } => machine.handle_located(lane, &state, None, now),
                ServerOutput::Read { lane, .. } => machine.handle_entries(lane, Some(&[]), now),
                ServerOutput::End(_) => return,
                ServerOutput::SignHead | ServerOutput::Settle { .. } | ServerOutput::Release { .. } => {}
            }
        }
    }
}

/// Those who remember: a witness and pins read along, and what they remember survives its file.
pub(crate) fn believers(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut lines = text.lines().peekable();
    let checkpoint = lines.peek().and_then(|line| serde_json::from_str::<Checkpoint>(line).ok());
    let types = Some(vec!["*".to_owned()]);
    let mut machine =
        Machine::new(Subscription { types, in_hand: 256, ..Subscription::default() }, 7, Duration::ZERO);
    let mut witness = Witness::new(Sees::Everything, Vec::new(), checkpoint);
    let mut pins = Pins::default();
    let expected = Expected { app_id: APP, rp_id: RP_ID.to_owned(), origins: vec![ORIGIN.to_owned()] };
    let mut now = Duration::ZERO;
    for line in lines.take(64) {
        now += Duration::from_millis(10);
        answer(&mut machine, now);
        machine.handle_message(now, &frame(line));
        while let Some(in_hand) = machine.poll_item(now) {
            machine.handle_settled(now, in_hand.token, true);
            if witness.check(&in_hand.item).is_err() {
                return;
            }
            let Ok((_, change)) = pins.check(&expected, in_hand.item) else { return };
            pins.apply(change);
        }
    }
    let written = serde_json::to_string(&pins).expect("pins can be written");
    let read: Pins = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_value(&read).ok(), serde_json::to_value(&pins).ok());
    if let Some(checkpoint) = witness.checkpoint() {
        let written = serde_json::to_string(&checkpoint).expect("a checkpoint can be written");
        assert_eq!(serde_json::from_str::<Checkpoint>(&written).ok(), Some(checkpoint));
    }
}

/// The frame that a line of an input stands for: U+001E is a line break within it.
pub(crate) fn frame(line: &str) -> Cow<'_, str> {
    if line.contains('\u{1e}') { line.replace('\u{1e}', "\n").into() } else { line.into() }
}

/// Does at once what a client's machine wants done.
fn answer(machine: &mut Machine, now: Duration) {
    let mut outputs = 0;
    while let Some(output) = machine.poll_output() {
        outputs += 1;
        assert!(outputs < 10_000, "the machine does not come to rest");
        match output {
            Output::Key => machine.handle_key(now, "pa_dev_key".to_owned()),
            Output::Connect { .. } => machine.handle_opened(now, "https://auth.example"),
            Output::Start { lane, .. } => machine.handle_position(now, lane, None),
            Output::Close { code, .. } => {
                assert!(Code::of_close(code).is_some() || code == 1000, "{code}");
                machine.handle_lost(now, Lost::Closed { code, reason: String::new() });
            }
            Output::Send(_) | Output::Status(_) | Output::End(_) => {}
        }
    }
}

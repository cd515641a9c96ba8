//! For tests: a machine, its clock, and an application that handles items at once or when it is told to.

use std::time::Duration;

use super::{Machine, Output};
use crate::stream::{InHand, Item, Lost, Status, StreamError, Subscription};

/// A machine, its clock, and what it asked for.
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) now: Duration,
    pub(super) delivered: Vec<Item>,
    /// Whether the application fetches items by itself and handles them at once.
    pub(super) is_eager: bool,
    pub(super) key: &'static str,
    pub(super) ended: Option<StreamError>,
    pub(super) window: u32,
    /// Whether its servers send a message a line.
    pub(super) is_ndjson: bool,
}

impl World {
    pub(super) fn new(after: Option<&str>) -> Self {
        let subscription = Subscription { after: after.map(str::to_owned), ..Subscription::default() };
        Self::with(subscription)
    }

    pub(super) fn with(subscription: Subscription) -> Self {
        let machine = Machine::new(subscription, 7, Duration::ZERO);
        Self {
            machine,
            now: Duration::ZERO,
            delivered: Vec::new(),
            is_eager: true,
            key: "pa_dev_x",
            ended: None,
            window: 0,
            is_ndjson: false,
        }
    }

    /// A world whose first connection is live.
    pub(super) fn live(after: Option<&str>) -> Self {
        let mut world = Self::new(after);
        world.connect();
        world
    }

    /// As [`live`](Self::live) after `e-1`, where a frame holds a message a line.
    pub(super) fn of_lines() -> Self {
        let mut world = Self::new(Some("e-1"));
        world.is_ndjson = true;
        world.connect();
        world
    }

    /// Waits for the next connection, opens it, greets, and returns the first message.
    pub(super) fn connect(&mut self) -> serde_json::Value {
        assert!(self.wait().iter().any(|output| matches!(output, Output::Connect { .. })));
        self.machine.handle_opened(self.now, ORIGIN);
        let outputs = self.drain();
        let [Output::Send(first)] = outputs.as_slice() else { panic!("not a first message: {outputs:?}") };
        let first = serde_json::from_str(first).unwrap();
        let granted = format!(r#""window":{},"ndjson":{}"#, self.window, self.is_ndjson);
        let ready = READY.replace(r#""window":0"#, &granted);
        assert!(matches!(self.receive(&ready).as_slice(), [Output::Status(Status::Live | Status::Standby)]));
        first
    }

    /// Lets time pass until the machine's own deadline.
    pub(super) fn wait(&mut self) -> Vec<Output> {
        self.now = self.now.max(self.machine.poll_timeout().expect("it has a deadline"));
        self.machine.handle_tick(self.now);
        self.drain()
    }

    pub(super) fn receive(&mut self, text: &str) -> Vec<Output> {
        self.machine.handle_message(self.now, text);
        self.drain()
    }

    pub(super) fn lose(&mut self, lost: Lost) -> Vec<Output> {
        self.machine.handle_lost(self.now, lost);
        self.drain()
    }

    pub(super) fn close(&mut self, code: u16, reason: &str) -> Vec<Output> {
        self.lose(Lost::Closed { code, reason: reason.into() })
    }

    /// How long until the next connection.
    pub(super) fn delay(&self) -> Duration {
        self.machine.poll_timeout().expect("it will come back") - self.now
    }

    /// A view whose window is granted and whose application fetches by hand, live after `e-1`.
    pub(super) fn by_hand(window: u32) -> Self {
        Self::by_hand_with(window, Subscription { after: Some("e-1".into()), ..Subscription::default() })
    }

    pub(super) fn by_hand_with(window: u32, subscription: Subscription) -> Self {
        let mut world = Self::with(subscription);
        (world.is_eager, world.window) = (false, window);
        world.connect();
        world
    }

    /// Fetches an item.
    pub(super) fn fetch(&mut self) -> InHand {
        self.machine.poll_item(self.now).expect("an item")
    }

    pub(super) fn has_item(&mut self) -> bool {
        self.machine.has_item()
    }

    pub(super) fn settle(&mut self, in_hand: &InHand, is_handled: bool) -> Vec<Output> {
        self.machine.handle_settled(self.now, in_hand.token, is_handled);
        self.drain()
    }

    /// Lets that time pass.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.machine.handle_tick(self.now);
        self.drain()
    }

    /// The connection is reset and made again; returns the first message.
    pub(super) fn reconnect(&mut self) -> serde_json::Value {
        self.lose(Lost::Broken { why: "reset".into() });
        self.connect()
    }

    /// What the machine asks for. The key is given and items are handled at once.
    pub(super) fn drain(&mut self) -> Vec<Output> {
        while self.is_eager
            && let Some(InHand { token, item, .. }) = self.machine.poll_item(self.now)
        {
            self.delivered.push(item);
            self.machine.handle_settled(self.now, token, true);
        }
        let mut outputs = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Key => self.machine.handle_key(self.now, self.key.into()),
                Output::End(error) => self.ended = Some(error),
                other => outputs.push(other),
            }
        }
        outputs
    }
}

/// Where its connections lead.
pub(super) const ORIGIN: &str = "https://auth.example";

pub(super) const READY: &str = r#"{"type":"ready","data":{"protocol":1,"connection":"con_00000000000000000000000000",
    "idleMs":20000,"window":0,"lanes":1,"maxMessageBytes":65536,"time":"2026-11-22T18:00:00.000Z"}}"#;

/// An acknowledgement as it is sent.
pub(super) fn ack(data: &str) -> Output {
    Output::Send(format!(r#"{{"type":"ack","data":{data}}}"#))
}

pub(super) fn gap(after: &str, next: &str) -> String {
    format!(r#"{{"type":"gap","data":{{"reason":"truncated","after":"{after}","next":"{next}"}}}}"#)
}

pub(super) fn event(id: &str, prev: &str) -> String {
    format!(
        r#"{{"type":"loggedOut","data":{{"accountID":"acct_00000000000000000000000000","sessionID":
        "ses_00000000000000000000000000","reason":"user","accountSessions":0}},"id":"{id}","prev":"{prev}","seq":1,
        "time":"2026-11-22T18:00:00.000Z"}}"#
    )
}

pub(super) fn page(id: &str, first: bool, last: bool) -> String {
    format!(r#"{{"type":"snapshot","data":{{"sessions":[],"first":{first},"last":{last}}},"id":"{id}"}}"#)
}

pub(super) fn bookmark(id: &str, prev: &str) -> String {
    format!(
        r#"{{"type":"bookmark","data":{{"time":"2026-11-22T18:00:00.000Z"}},"id":"{id}","prev":"{prev}"}}"#
    )
}

pub(super) fn mismatch() -> Output {
    Output::Close { code: 4009, reason: "positionMismatch" }
}

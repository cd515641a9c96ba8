//! The event stream's machine, driven by JavaScript. Times are milliseconds of a clock that never goes back.

use std::collections::BTreeMap;

use passkey_accounts::{
    evidence::{Expected, Guard, Pins},
    log::{Checkpoint, Watch, head::HeadKey},
    protocol::{
        Code,
        stream::{OpenSession, Start},
    },
    stream::{Greeting, InHand, Item, Lost, Machine, Output, Status, StreamError, Subscription, Token},
    transport,
};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{duration, item::Batch, json, milliseconds};

/// One stream. What it wants done is asked for with [`poll_output`](Self::poll_output) after every other call.
#[wasm_bindgen]
pub struct Stream {
    machine: Machine,
    subscription: Subscription,
    seed: u64,
    guard: Option<Guard>,
    /// Open sessions that were left out.
    unproven: usize,
    /// The pins have changed since they were taken.
    pins_are_new: bool,
    watch: Option<Watch>,
    /// What the witness remembers, once that has changed.
    checkpoint: Option<Checkpoint>,
    /// An item did not pass: what is left is not for the application.
    is_given_up: bool,
    /// What the application has in hand, by the numbers that JavaScript knows them by.
    in_hand: BTreeMap<u32, Token>,
    next_number: u32,
}

#[wasm_bindgen]
impl Stream {
    /// A stream of what this JSON asks for, whose random waits come from the seed.
    ///
    /// # Errors
    /// What cannot be read: the wish is not one.
    #[wasm_bindgen(constructor)]
    pub fn new(wish: &str, seed: f64, now: f64) -> Result<Self, String> {
        let wish: Wish = serde_json::from_str(wish).map_err(|error| error.to_string())?;
        let subscription = Subscription::from(wish);
        let seed = seed.to_bits();
        Ok(Self {
            machine: Machine::new(subscription.clone(), seed, duration(now)),
            subscription,
            seed,
            guard: None,
            unproven: 0,
            pins_are_new: false,
            watch: None,
            checkpoint: None,
            is_given_up: false,
            in_hand: BTreeMap::new(),
            next_number: 0,
        })
    }

    /// Has every item held against pins, both JSON. Before anything else is done with the stream: it begins where the pins
    /// end.
    ///
    /// # Errors
    /// As JSON: an app or pins that are none, a stream that cannot be held against pins.
    pub fn evidence(&mut self, expected: &str, pins: Option<String>, now: f64) -> Result<(), String> {
        let App { app_id, rp_id, origins } =
            serde_json::from_str(expected).map_err(|error| unexpected(&error.to_string()))?;
        let app_id = app_id.parse().map_err(|_| unexpected(&format!("{app_id:?} is no app's id")))?;
        let expected = Expected { app_id, rp_id, origins };
        // To go on without them would be to believe the server once more.
        let pins: Option<Pins> =
            pins.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| {
                let why = format!("the pins cannot be read: {error}");
                Failure { code: Code::Internal.as_str(), message: &why, retryable: false }.json()
            })?;
        let guard = Guard::new(expected, pins, &mut self.subscription)
            .map_err(|error| Failure::from(&error).json())?;
        self.guard = Some(guard);
        self.machine = Machine::new(self.subscription.clone(), self.seed, duration(now));
        Ok(())
    }

    /// The pins as JSON, once they have changed.
    #[wasm_bindgen(js_name = takePins)]
    pub fn take_pins(&mut self) -> Option<String> {
        let guard = self.guard.as_ref().filter(|_| self.pins_are_new)?;
        self.pins_are_new = false;
        Some(json(guard.pins()))
    }

    /// How many open sessions were left out since the last call, because no event has shown that a passkey opened them.
    #[wasm_bindgen(js_name = takeUnproven)]
    pub fn take_unproven(&mut self) -> usize {
        std::mem::take(&mut self.unproven)
    }

    /// Has a witness check every item from here on. The keys are the members `x` of JWKs, the checkpoint is JSON.
    ///
    /// # Errors
    /// As JSON: keys or a checkpoint that are none, a stream that no witness can read, a position that contradicts the
    /// checkpoint.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "wasm-bindgen hands over vectors and optional strings only"
    )]
    pub fn witness(&mut self, keys: Vec<String>, checkpoint: Option<String>) -> Result<(), String> {
        let refused = |error: StreamError| Failure::from(&error).json();
        let read =
            |x: &String| HeadKey::from_jwk_x(x).map_err(|error| unexpected(&format!("{x:?}: {error}")));
        let keys = keys.iter().map(read).collect::<Result<_, _>>()?;
        let checkpoint = checkpoint.map(|text| serde_json::from_str(&text)).transpose();
        // To go on without it would be to forget what the server must be held to.
        let checkpoint =
            checkpoint.map_err(|error| unexpected(&format!("the checkpoint cannot be read: {error}")))?;
        self.watch = Some(Watch::new(&self.subscription, keys, checkpoint).map_err(refused)?);
        Ok(())
    }

    /// What the witness is to remember from now on, as JSON; `undefined` until that changes.
    #[wasm_bindgen(js_name = takeCheckpoint)]
    pub fn take_checkpoint(&mut self) -> Option<String> {
        self.checkpoint.take().map(|checkpoint| json(&checkpoint))
    }

    /// The next thing to do, as JSON; `undefined` when it is time to wait.
    #[wasm_bindgen(js_name = pollOutput)]
    pub fn poll_output(&mut self) -> Option<String> {
        self.machine.poll_output().map(|output| json(&Wanted::from(&output)))
    }

    /// When to tick; `undefined` when it is over.
    #[wasm_bindgen(js_name = pollTimeout)]
    pub fn poll_timeout(&self) -> Option<f64> {
        self.machine.poll_timeout().map(milliseconds)
    }

    /// The next items, at most `most`, each of which counts as in hand until it is settled; their text is described at
    /// [`Batch`].
    ///
    /// # Errors
    /// As JSON: an event is forged, or the witness has found the log to contradict itself. The stream is over.
    #[wasm_bindgen(js_name = pollItems)]
    pub fn poll_items(&mut self, now: f64, most: u32) -> Result<Option<String>, String> {
        let mut batch = Batch::new();
        for _ in 0..if self.is_checked() { 1 } else { most } {
            let Some(in_hand) = self.take(now)? else { break };
            let number = self.next_number;
            self.next_number = number.wrapping_add(1);
            batch.push(number, &in_hand);
            self.in_hand.insert(number, in_hand.token);
            if batch.is_full() {
                break;
            }
        }
        Ok(batch.text())
    }

    /// How many items wait.
    #[wasm_bindgen(js_name = queuedItems)]
    pub fn queued_items(&self) -> usize {
        if self.is_given_up { 0 } else { self.machine.queued_items() }
    }

    /// Whether the socket is not to be read now.
    #[wasm_bindgen(js_name = isFull)]
    pub fn is_full(&self) -> bool {
        self.machine.is_full()
    }

    /// These items are handled; only the first outcome of each counts.
    pub fn handled(&mut self, now: f64, numbers: Vec<u32>) {
        if self.is_checked() {
            numbers.into_iter().for_each(|number| self.settle(now, number, true));
            return;
        }
        let tokens: Vec<_> = numbers.iter().filter_map(|number| self.in_hand.remove(number)).collect();
        self.machine.handle_handled(duration(now), &tokens);
    }

    /// What became of an item; only its first outcome counts.
    pub fn settle(&mut self, now: f64, number: u32, is_handled: bool) {
        if let Some(token) = self.in_hand.remove(&number) {
            self.conclude(now, token, is_handled);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: f64) {
        self.machine.handle_tick(duration(now));
    }

    /// The API key to use.
    pub fn key(&mut self, now: f64, api_key: String) {
        self.machine.handle_key(duration(now), api_key);
    }

    /// There is no API key to be had.
    #[wasm_bindgen(js_name = keyFailed)]
    pub fn key_failed(&mut self, now: f64, why: &str) {
        self.machine.handle_key_failed(duration(now), why);
    }

    /// The connection to this address is open.
    pub fn opened(&mut self, now: f64, address: &str) {
        self.machine.handle_opened(duration(now), &transport::origin_of(address).unwrap_or_default());
    }

    /// A ping or a pong.
    pub fn heard(&mut self, now: f64) {
        self.machine.handle_heard(duration(now));
    }

    /// A text frame.
    pub fn message(&mut self, now: f64, text: &str) {
        self.machine.handle_message(duration(now), text);
    }

    /// Text frames that have arrived together, one behind the other, and where each ends. What is not UTF-8 is no message.
    pub fn messages(&mut self, now: f64, frames: &[u8], ends: &[u32]) {
        let mut start = 0;
        for end in ends.iter().map(|end| usize::try_from(*end).unwrap_or(usize::MAX)) {
            let frame = frames.get(start..end).and_then(|frame| std::str::from_utf8(frame).ok());
            self.machine.handle_message(duration(now), frame.unwrap_or_default());
            start = end;
        }
    }

    /// The server has sent a close frame.
    pub fn closed(&mut self, now: f64, code: u16, reason: String) {
        self.machine.handle_lost(duration(now), Lost::Closed { code, reason });
    }

    /// The server has answered the upgrade with an HTTP status.
    pub fn refused(&mut self, now: f64, status: u16, retry_after_ms: Option<f64>) {
        let retry_after = retry_after_ms.map(duration);
        self.machine.handle_lost(duration(now), Lost::Refused { status, retry_after });
    }

    /// The connection has broken, or cannot be made.
    pub fn broken(&mut self, now: f64, why: String) {
        self.machine.handle_lost(duration(now), Lost::Broken { why });
    }

    /// The application's own position in a lane.
    pub fn position(&mut self, now: f64, lane: u32, id: Option<String>) {
        self.machine.handle_position(duration(now), lane, id);
    }

    /// The application's position cannot be had.
    #[wasm_bindgen(js_name = positionFailed)]
    pub fn position_failed(&mut self, now: f64, lane: u32, why: &str) {
        self.machine.handle_position_failed(duration(now), lane, why);
    }

    /// Nobody wants the stream any more.
    pub fn stop(&mut self, now: f64) {
        self.machine.handle_stopped(duration(now));
    }
}

impl Stream {
    /// Whether there are pins or a witness, which look at one item after the other.
    const fn is_checked(&self) -> bool {
        self.guard.is_some() || self.watch.is_some()
    }

    /// The next item, checked. With an error, which is JSON, the stream is over.
    pub(crate) fn take(&mut self, now: f64) -> Result<Option<InHand>, String> {
        if self.is_given_up {
            return Ok(None);
        }
        let Some(InHand { token, lane, lease, item }) = self.machine.poll_item(duration(now)) else {
            return Ok(None);
        };
        let item = self.check(item).map_err(|error| {
            self.is_given_up = true;
            self.machine.handle_stopped(duration(now));
            Failure::from(&error).json()
        })?;
        Ok(Some(InHand { token, lane, lease, item }))
    }

    fn check(&mut self, item: Item) -> Result<Item, StreamError> {
        if let Some(watch) = &mut self.watch {
            let app_id = self.machine.greeting().and_then(|greeting| greeting.app_id);
            watch.check(&item, app_id).map_err(|found| StreamError::from(&found))?;
        }
        match &mut self.guard {
            Some(guard) => {
                let (item, unproven) = guard.check(item).map_err(|found| StreamError::from(&found))?;
                self.unproven += unproven;
                Ok(item)
            }
            None => Ok(item),
        }
    }

    /// What became of an item that was taken.
    pub(crate) fn conclude(&mut self, now: f64, token: Token, is_handled: bool) {
        let checkpoint = self.watch.as_mut().and_then(|watch| watch.settle(is_handled));
        if checkpoint.is_some() {
            self.checkpoint = checkpoint;
        }
        if let Some(guard) = &mut self.guard {
            self.pins_are_new |= guard.settle(is_handled);
        }
        self.machine.handle_settled(duration(now), token, is_handled);
    }

    /// How far the pins have come.
    pub(crate) fn pinned_position(&self) -> Option<&str> {
        self.guard.as_ref().and_then(|guard| guard.pins().position())
    }

    /// The sessions that the pins say are open.
    pub(crate) fn pinned_sessions(&self) -> Vec<OpenSession> {
        self.guard.as_ref().map(|guard| guard.pins().open_sessions().cloned().collect()).unwrap_or_default()
    }

    pub(crate) const fn greeting(&self) -> Option<Greeting> {
        self.machine.greeting()
    }
}

/// What the application asks for: the members of [`Subscription`].
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Wish {
    types: Option<Vec<String>>,
    after: Option<String>,
    start: Option<Start>,
    snapshot: Option<bool>,
    skip: Option<bool>,
    consumer: Option<String>,
    lanes: Option<u32>,
    window: Option<u32>,
    ack_timeout_ms: Option<u64>,
    in_hand: u32,
}

impl From<Wish> for Subscription {
    fn from(wish: Wish) -> Self {
        let Wish { types, after, start, snapshot, skip, consumer, lanes, window, ack_timeout_ms, in_hand } =
            wish;
        Self { types, after, start, snapshot, skip, consumer, lanes, window, ack_timeout_ms, in_hand }
    }
}

/// What a back end knows of its own app: the members of [`Expected`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct App {
    #[serde(rename = "appID")]
    app_id: String,
    #[serde(rename = "rpID")]
    rp_id: String,
    origins: Vec<String>,
}

/// What JavaScript is to do.
#[derive(Serialize)]
#[serde(tag = "want", rename_all = "camelCase")]
enum Wanted<'a> {
    Key,
    Connect {
        url: Option<&'a str>,
    },
    Send {
        text: &'a str,
    },
    Close {
        code: u16,
        reason: &'a str,
    },
    Start {
        lane: u32,
        lease: u64,
    },
    Status {
        status: &'static str,
        #[serde(rename = "retryInMs", skip_serializing_if = "Option::is_none")]
        retry_in_ms: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'a str>,
    },
    End(Failure<'a>),
}

impl<'a> From<&'a Output> for Wanted<'a> {
    fn from(output: &'a Output) -> Self {
        match output {
            Output::Key => Self::Key,
            Output::Connect { url } => Self::Connect { url: url.as_deref() },
            Output::Send(text) => Self::Send { text },
            Output::Close { code, reason } => Self::Close { code: *code, reason },
            Output::Start { lane, lease } => Self::Start { lane: *lane, lease: *lease },
            Output::Status(status) => {
                let plain = |status| Self::Status { status, retry_in_ms: None, why: None };
                match status {
                    Status::Connecting => plain("connecting"),
                    Status::Live => plain("live"),
                    Status::Standby => plain("standby"),
                    Status::Waiting { retry_in, why } => {
                        let retry_in_ms = Some(milliseconds(*retry_in));
                        Self::Status { status: "waiting", retry_in_ms, why: Some(why) }
                    }
                    Status::Closed => plain("closed"),
                }
            }
            Output::End(error) => Self::End(error.into()),
        }
    }
}

/// What a `PasskeyError` is made of.
#[derive(Serialize)]
pub(crate) struct Failure<'a> {
    pub(crate) code: &'static str,
    pub(crate) message: &'a str,
    pub(crate) retryable: bool,
}

impl Failure<'_> {
    pub(crate) fn json(&self) -> String {
        json(self)
    }
}

fn unexpected(why: &str) -> String {
    Failure { code: Code::Unexpected.as_str(), message: why, retryable: false }.json()
}

impl<'a> From<&'a StreamError> for Failure<'a> {
    fn from(error: &'a StreamError) -> Self {
        let code = error.code();
        Self { code: code.as_str(), message: error.reason(), retryable: code.is_retryable() }
    }
}

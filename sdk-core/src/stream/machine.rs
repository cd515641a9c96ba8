//! The client's state machine: `Backoff -> Key -> Connecting -> Hello -> Live`, back to `Backoff` on any loss, or `Ended`.

#[cfg(test)]
mod in_hand;
#[cfg(test)]
mod keys;
mod live;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod worker_simulation;
#[cfg(test)]
mod workers;
#[cfg(test)]
mod world;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use self::live::Live;
use super::{
    Greeting, InHand, Lost, Status, StreamError, Subscription, Token,
    backoff::Backoff,
    credential::Credential,
    cursor::{Mismatch, Resume},
    ending::Verdict,
    lane::Lane,
};
use crate::{
    planted,
    protocol::{
        Code, DecodeError,
        gateway::Failure,
        stream::{Message, Read},
    },
};

/// What the driver is to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask for the API key, then report `handle_key` or `handle_key_failed`.
    Key,
    /// Open a connection, then report `handle_opened` or `handle_lost`.
    Connect {
        /// The address that the server wants to be come back to at. Only to be followed where the key may go: `wss`,
        /// the same port, the same host or one below it.
        url: Option<String>,
    },
    /// Send a text frame.
    Send(String),
    /// End the connection, or the attempt at one, after what was to be sent: nothing of it may be reported any more.
    Close {
        /// 1000 or 4000-4999.
        code: u16,
        /// The close frame's text.
        reason: &'static str,
    },
    /// Ask the application for its own position in this lane, then report `handle_position` or
    /// `handle_position_failed`: exactly one of them, also when the connection is lost meanwhile.
    Start {
        /// The lane.
        lane: u32,
        /// The number of the new ownership: the fencing token for whoever owned the lane before.
        lease: u64,
    },
    /// Tell whoever watches.
    Status(Status),
    /// Hand this to the application after the items that are left. The machine does nothing from here on.
    End(StreamError),
}

/// The event-stream client without its socket. Every `now` is the time since one fixed moment and never goes back.
///
/// ```
/// use std::time::Duration;
/// use passkey_accounts::stream::{Item, Machine, Output, Subscription};
///
/// let now = Duration::ZERO;
/// let mut machine = Machine::new(Subscription::default(), 7, now);
/// machine.handle_tick(now);
/// assert!(std::iter::from_fn(|| machine.poll_output()).any(|output| output == Output::Key));
/// machine.handle_key(now, "pa_live_...".into());
/// assert_eq!(machine.poll_output(), Some(Output::Connect { url: None }));
/// machine.handle_opened(now, "https://auth.example");
/// assert!(matches!(machine.poll_output(), Some(Output::Send(first)) if first.contains("pa_live_...")));
/// machine.handle_message(now, r#"{"type":"ready","data":{"protocol":1,"connection":"con_00000000000000000000000000",
///     "idleMs":20000,"window":256,"time":"2026-11-22T18:00:00.000Z"}}"#);
/// machine.handle_message(now, r#"{"type":"snapshot","data":{"sessions":[],"first":true,"last":true},"id":"e-1"}"#);
/// let state = machine.poll_item(now).expect("something to handle");
/// assert!(matches!(&state.item, Item::Snapshot(page) if page.last));
/// machine.handle_settled(now, state.token, true);
/// ```
#[derive(Debug)]
pub struct Machine {
    subscription: Subscription,
    key: Option<Credential>,
    backoff: Backoff,
    state: State,
    /// A view's one lane, or every lane that a worker was ever offered: at most [`MAX_LANES`].
    lanes: BTreeMap<u32, Lane>,
    /// Which lane is asked for an item first, so that none waits for ever.
    turn: u32,
    /// Items handed over so far, which names them.
    handed_over: u64,
    /// How many completed events a worker's lane remembers: more than can be settled and not stored by the server.
    done_events: usize,
    /// The address for the next connection, if the server named one.
    elsewhere: Option<String>,
    greeting: Option<Greeting>,
    /// The last `error` of this connection: the close that follows says the same in fewer words.
    failure: Option<Failure>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    Backoff {
        until: Duration,
    },
    /// The key is being asked for.
    Key {
        deadline: Duration,
    },
    /// The server has refused the key, and a different one may exist.
    Refused {
        deadline: Duration,
        error: StreamError,
    },
    Connecting {
        deadline: Duration,
    },
    Hello {
        deadline: Duration,
        resume: Resume,
        origin: String,
    },
    Live(Live),
    Ended,
}

impl Machine {
    /// A machine that connects at once. All its randomness comes from the seed.
    pub fn new(mut subscription: Subscription, seed: u64, now: Duration) -> Self {
        let mut lanes = BTreeMap::new();
        let floor = Resume::from_id(subscription.after.take());
        if !subscription.is_worker() {
            lanes.insert(VIEW, Lane::new(VIEW, floor));
        }
        Self {
            subscription,
            key: None,
            backoff: Backoff::new(seed),
            state: State::Backoff { until: now },
            lanes,
            turn: 0,
            handed_over: 0,
            done_events: 0,
            elsewhere: None,
            greeting: None,
            failure: None,
            outputs: VecDeque::new(),
        }
    }

    /// The next thing to do; `None` when it is time to wait.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether [`poll_output`](Self::poll_output) has something.
    pub fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// What the server said of itself last.
    pub const fn greeting(&self) -> Option<Greeting> {
        self.greeting
    }

    /// When to call [`handle_tick`](Self::handle_tick) if nothing happens before; `None` when it is over.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.state {
            State::Backoff { until } => Some(*until),
            State::Key { deadline }
            | State::Refused { deadline, .. }
            | State::Connecting { deadline }
            | State::Hello { deadline, .. } => Some(*deadline),
            State::Live(live) => self.live_deadlines(live).min(),
            State::Ended => None,
        }
    }

    /// The next item for the application, if there is one whose lane has nothing else in hand.
    ///
    /// It counts as in hand until [`handle_settled`](Self::handle_settled). What has not been fetched is dropped when
    /// its connection ends, and comes again.
    pub fn poll_item(&mut self, now: Duration) -> Option<InHand> {
        if matches!(&self.state, State::Live(live) if live.is_leaving) {
            return None;
        }
        let was_full = self.is_full();
        let in_hand_max = self.subscription.in_hand_max();
        let in_turn = self.lanes.range(self.turn..).chain(self.lanes.range(..self.turn));
        let next =
            in_turn.filter(|(_, lane)| lane.has_next(in_hand_max)).map(|(number, _)| *number).next()?;
        let in_hand = self.lanes.get_mut(&next)?.hand_over(now, in_hand_max, self.handed_over)?;
        self.handed_over += 1;
        self.turn = in_hand.lane + 1;
        self.may_read_again(now, was_full);
        Some(in_hand)
    }

    /// Whether [`poll_item`](Self::poll_item) has something.
    pub fn has_item(&self) -> bool {
        let is_leaving = matches!(&self.state, State::Live(live) if live.is_leaving);
        let in_hand_max = self.subscription.in_hand_max();
        !is_leaving && self.lanes.values().any(|lane| lane.has_next(in_hand_max))
    }

    /// How many items wait for the application, to be fetched now or once what is in hand is settled.
    pub fn queued_items(&self) -> usize {
        self.lanes.values().map(Lane::queued).sum()
    }

    /// Whether the driver is to stop reading the socket: as much waits for the application as may. Only happens without
    /// a window, or with a server that does not keep to it. The silence meanwhile is not the server's.
    pub fn is_full(&self) -> bool {
        let State::Live(live) = &self.state else { return false };
        let window = usize::try_from(live.window).unwrap_or(usize::MAX);
        // Beside what counts, there may be bookmarks and gaps.
        let most = if window == 0 { UNWINDOWED_ITEMS } else { window.saturating_mul(2).saturating_add(128) };
        self.queued_items() >= most
    }

    /// Time has passed.
    pub fn handle_tick(&mut self, now: Duration) {
        match &mut self.state {
            State::Backoff { until } if now >= *until => {
                self.state = State::Key { deadline: now.saturating_add(KEY_TIMEOUT) };
                self.outputs.extend([Output::Status(Status::Connecting), Output::Key]);
            }
            State::Key { deadline } if now >= *deadline => {
                self.wait(now, None, "the API key was not given in time".to_owned());
            }
            State::Refused { deadline, error } if now >= *deadline => {
                let error = error.clone();
                self.end(error);
            }
            State::Connecting { deadline } if now >= *deadline => {
                self.leave(now, Code::Idle.close_code(), "idle", "no connection could be made in time");
            }
            State::Hello { deadline, .. } if now >= *deadline => {
                self.leave(now, Code::Idle.close_code(), "idle", "the server did not answer in time");
            }
            State::Live(_) => self.tick_live(now),
            State::Backoff { .. }
            | State::Key { .. }
            | State::Refused { .. }
            | State::Connecting { .. }
            | State::Hello { .. }
            | State::Ended => {}
        }
    }

    /// The API key to use from here on, or the key pair. A key pair that is misspelt ends the stream (`badKey`).
    pub fn handle_key(&mut self, now: Duration, key: String) {
        let key = match Credential::read(key) {
            Ok(key) => Some(key),
            Err(_) if !matches!(self.state, State::Key { .. } | State::Refused { .. }) => return,
            Err(error) => return self.end(StreamError::refused(Code::BadKey, Some(error.to_string()))),
        };
        match &self.state {
            State::Key { .. } => {
                self.key = key;
                self.state = State::Connecting { deadline: now.saturating_add(CONNECT_TIMEOUT) };
                let url = self.elsewhere.take();
                self.outputs.push_back(Output::Connect { url });
            }
            State::Refused { error, .. } if key == self.key => {
                let error = error.clone();
                self.end(error);
            }
            State::Refused { error, .. } => {
                let why = error.reason().to_owned();
                self.wait(now, None, why);
            }
            State::Backoff { .. }
            | State::Connecting { .. }
            | State::Hello { .. }
            | State::Live(_)
            | State::Ended => {}
        }
    }

    /// No API key could be had. `why` is for people.
    pub fn handle_key_failed(&mut self, now: Duration, why: &str) {
        match &self.state {
            State::Key { .. } => self.wait(now, None, format!("no API key: {why}")),
            State::Refused { error, .. } => {
                let error = error.clone();
                self.end(error);
            }
            State::Backoff { .. }
            | State::Connecting { .. }
            | State::Hello { .. }
            | State::Live(_)
            | State::Ended => {}
        }
    }

    /// The connection asked for is open, to the server at `origin`: `https://host[:port]` as browsers write it. A key pair
    /// signs it along.
    pub fn handle_opened(&mut self, now: Duration, origin: &str) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        let resume = self.lanes.get(&VIEW).filter(|_| !self.subscription.is_worker()).map(Lane::resume);
        let resume = resume.unwrap_or(Resume::Beginning);
        let first = self.key.as_ref().map(Credential::first_message).unwrap_or_default();
        let first = self.subscription.first_message(first, &resume);
        let deadline = now.saturating_add(HELLO_TIMEOUT);
        self.state = State::Hello { deadline, resume, origin: origin.to_owned() };
        let text = serde_json::to_string(&first).expect("a first message holds nothing that JSON cannot");
        self.outputs.push_back(Output::Send(text));
    }

    /// A sign of life that carries nothing: a ping, a pong.
    pub fn handle_heard(&mut self, now: Duration) {
        if let State::Live(live) = &mut self.state {
            live.heard = now;
        }
    }

    /// A text frame has arrived: one message, or several, one a line.
    pub fn handle_message(&mut self, now: Duration, text: &str) {
        self.handle_heard(now);
        if matches!(&self.state, State::Live(live) if live.is_ndjson) {
            text.split('\n').for_each(|line| self.handle_line(now, line));
        } else {
            self.handle_line(now, text);
        }
    }

    fn handle_line(&mut self, now: Duration, text: &str) {
        match (&self.state, Message::read(text)) {
            (State::Hello { .. } | State::Live(_), Err(error)) => {
                self.refuse(now, Refusal::Unreadable(error));
            }
            (State::Hello { .. } | State::Live(_), Ok(Some(Read::Other(Message::Error(failure))))) => {
                self.failure = Some(failure);
            }
            (State::Hello { origin, .. }, Ok(Some(Read::Other(Message::Challenge(challenge))))) => {
                // A server that asks a key which cannot sign hears nothing.
                let answer = self.key.as_ref().and_then(|key| key.answer(origin, &challenge));
                self.outputs.extend(answer.map(|answer| Output::Send(answer.encode())));
            }
            (State::Hello { resume, .. }, Ok(Some(Read::Other(Message::Ready(ready))))) => {
                let resume = resume.clone();
                self.greet(now, &ready, &resume);
            }
            (State::Live(_), Ok(Some(read))) => {
                if let Err(refusal) = self.take(now, read) {
                    self.refuse(now, refusal);
                }
            }
            // A type of a newer server that is no event, or something before `ready`, or nothing of ours any more.
            (State::Hello { .. } | State::Live(_), Ok(_))
            | (
                State::Backoff { .. }
                | State::Key { .. }
                | State::Refused { .. }
                | State::Connecting { .. }
                | State::Ended,
                _,
            ) => {}
        }
    }

    /// The connection is gone, or could not be made.
    pub fn handle_lost(&mut self, now: Duration, lost: Lost) {
        let has_sent_key = matches!(self.state, State::Hello { .. } | State::Live(_));
        if !has_sent_key && !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        match lost.verdict(self.failure.take()) {
            Verdict::Retry { why, not_before } => self.wait(now, not_before, why),
            Verdict::Stop(error) if has_sent_key && error.is_about_the_key() => {
                self.stop_using_lanes();
                self.state = State::Refused { deadline: now.saturating_add(KEY_TIMEOUT), error };
                self.outputs.push_back(Output::Key);
            }
            Verdict::Stop(error) => self.end(error),
        }
    }

    /// The application's own position in a lane that [`Output::Start`] asked about; `None` when it has none.
    pub fn handle_position(&mut self, now: Duration, lane: u32, position: Option<String>) {
        let subscription = &self.subscription;
        let Some(found) = self.lanes.get_mut(&lane) else { return };
        if found.answer(position, |resume| subscription.expecting(resume)) {
            let ack = found.first_ack(now);
            self.say(ack);
            self.tell_status();
        } else {
            self.proceed(now, lane);
        }
    }

    /// The application's own position could not be read. The connection is given up, so that others may have the lane.
    pub fn handle_position_failed(&mut self, now: Duration, lane: u32, why: &str) {
        let is_needed = self.lanes.get_mut(&lane).is_some_and(Lane::has_no_answer);
        if is_needed {
            self.leave(now, NORMAL_CLOSURE, "position", &format!("the position could not be read: {why}"));
        } else {
            self.proceed(now, lane);
        }
    }

    /// The application has handled an item, or has not. Outcomes of what is no longer in hand are ignored.
    ///
    /// A failed item is not acknowledged. It ends the connection, so that it comes again, after a delay that grows while
    /// items keep failing.
    pub fn handle_settled(&mut self, now: Duration, token: Token, is_handled: bool) {
        let is_handled = is_handled || planted!(FailedAcked);
        let was_full = self.is_full();
        let capacity = self.done_events;
        let Some(lane) = self.lanes.get_mut(&token.lane) else { return };
        if !lane.settle(now, token, is_handled, capacity) {
            return;
        }
        let is_concerned = if self.subscription.is_worker() {
            lane.is_started()
        } else {
            matches!(self.state, State::Hello { .. } | State::Live(_))
        };
        if !is_handled && is_concerned {
            self.leave(now, NORMAL_CLOSURE, "failed", "an item was not handled, it will come again");
            return;
        }
        self.may_read_again(now, was_full);
        self.proceed(now, token.lane);
    }

    /// The application has handled these items: as [`handle_settled`](Self::handle_settled) of one after the other, and cheaper
    /// where many are of one lane.
    pub fn handle_handled(&mut self, now: Duration, tokens: &[Token]) {
        let was_full = self.is_full();
        let capacity = self.done_events;
        for of_one_lane in tokens.chunk_by(|one, other| one.lane == other.lane) {
            let Some(number) = of_one_lane.first().map(|token| token.lane) else { continue };
            let Some(lane) = self.lanes.get_mut(&number) else { continue };
            let mut is_of_interest = false;
            for token in of_one_lane {
                is_of_interest |= lane.settle(now, *token, true, capacity);
            }
            if is_of_interest {
                self.proceed(now, number);
            }
        }
        self.may_read_again(now, was_full);
    }

    /// Nobody wants the stream any more: acknowledges what is settled and says goodbye.
    pub fn handle_stopped(&mut self, now: Duration) {
        if matches!(self.state, State::Ended) {
            return;
        }
        self.flush(now);
        if matches!(self.state, State::Connecting { .. } | State::Hello { .. } | State::Live(_)) {
            self.outputs.push_back(Output::Close { code: NORMAL_CLOSURE, reason: "" });
        }
        self.drop_connection(now);
        self.state = State::Ended;
        self.outputs.push_back(Output::Status(Status::Closed));
    }

    fn refuse(&mut self, now: Duration, refusal: Refusal) {
        match refusal {
            // This connection has skipped or repeated something; the next one goes on after the position held.
            Refusal::Mismatch => {
                let code = Code::PositionMismatch;
                self.leave(now, code.close_code(), code.as_str(), code.message());
            }
            // A message of a known type that cannot be read will be the same next time. Anything else may not.
            Refusal::Unreadable(error @ DecodeError::BadData { .. }) => {
                let code = Code::BadMessage;
                self.flush(now);
                self.outputs.push_back(Output::Close { code: code.close_code(), reason: code.as_str() });
                self.end(StreamError::unreadable(&error));
            }
            Refusal::Unreadable(DecodeError::NotAMessage(_) | DecodeError::UnknownType(_)) => {
                let code = Code::BadMessage;
                self.leave(
                    now,
                    code.close_code(),
                    code.as_str(),
                    "the server sent something that is no message",
                );
            }
        }
    }

    /// Ends the connection from this side and comes back.
    fn leave(&mut self, now: Duration, code: u16, reason: &'static str, why: &str) {
        self.flush(now);
        self.outputs.push_back(Output::Close { code, reason });
        self.wait(now, None, why.to_owned());
    }

    fn wait(&mut self, now: Duration, not_before: Option<Duration>, why: String) {
        self.drop_connection(now);
        let retry_in = self.backoff.next_delay(not_before);
        self.state = State::Backoff { until: now.saturating_add(retry_in) };
        self.outputs.push_back(Output::Status(Status::Waiting { retry_in, why }));
    }

    fn drop_connection(&mut self, now: Duration) {
        if let State::Live(live) = &self.state {
            self.backoff.was_live_for(now.saturating_sub(live.since));
        }
        self.failure = None;
        self.lanes.values_mut().for_each(Lane::lose);
    }

    /// What a view has received is still handed out; a worker's lanes may be another's by now.
    fn stop_using_lanes(&mut self) {
        if self.subscription.is_worker() {
            self.lanes.values_mut().for_each(Lane::lose);
        }
    }

    fn end(&mut self, error: StreamError) {
        self.stop_using_lanes();
        self.state = State::Ended;
        self.outputs.push_back(Output::Status(Status::Closed));
        self.outputs.push_back(Output::End(error));
    }
}

/// Why a message was not taken.
#[derive(Debug)]
enum Refusal {
    Mismatch,
    Unreadable(DecodeError),
}

impl From<Mismatch> for Refusal {
    fn from(_: Mismatch) -> Self {
        Self::Mismatch
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::Unreadable(error)
    }
}

/// The lane of a view.
const VIEW: u32 = 0;

/// For whoever keeps the key.
const KEY_TIMEOUT: Duration = Duration::from_secs(10);

/// For connect, TLS and upgrade together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// From the open socket to `ready`.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// RFC 6455 section 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

/// Items that wait for the application where nothing is acknowledged. While there are so many, the socket is not read.
const UNWINDOWED_ITEMS: usize = 256;

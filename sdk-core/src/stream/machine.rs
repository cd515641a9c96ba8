//! The client's state machine: `Backoff -> Connecting -> Hello -> Live`, back to `Backoff` on any loss, or `Ended`.

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, fmt, time::Duration};

use super::{
    Bookmark, Event, Item, Lost, Status, StreamError,
    backoff::Backoff,
    cursor::{Cursor, Mismatch},
    ending::Verdict,
};
use crate::protocol::{
    Code, DecodeError,
    gateway::Failure,
    stream::{FirstMessage, Message, PROTOCOL, Ready},
};

/// What to ask the server for. `Debug` does not show the key.
#[derive(Clone, Default)]
pub struct Subscription {
    /// `pa_<env>_<id>_<secret>_<crc32>`.
    pub api_key: String,
    /// Event types; `None` for the server's default (`loggedIn`, `loggedOut`), `["*"]` for all.
    pub types: Option<Vec<String>>,
    /// Resume strictly after this position; `None` for the open sessions first.
    pub after: Option<String>,
}

/// What the driver is to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection, then report `handle_opened` or `handle_lost`.
    Connect,
    /// Send a text frame.
    Send(String),
    /// End the connection, or the attempt at one: nothing of it may be reported any more.
    Close {
        /// 1000 or 4000-4999.
        code: u16,
        /// The close frame's text.
        reason: &'static str,
    },
    /// Hand this to the application.
    Deliver(Item),
    /// Tell whoever watches.
    Status(Status),
    /// Hand this to the application as the last thing. The machine does nothing from here on.
    End(StreamError),
}

/// The event-stream client without its socket. Every `now` is the time since one fixed moment and never goes back.
#[derive(Debug)]
pub struct Machine {
    subscription: Subscription,
    cursor: Cursor,
    backoff: Backoff,
    state: State,
    /// The last `error` of this connection: the close that follows says the same in fewer words.
    failure: Option<Failure>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    Backoff {
        until: Duration,
    },
    Connecting {
        deadline: Duration,
    },
    Hello {
        deadline: Duration,
    },
    Live {
        since: Duration,
        /// When the server was last heard.
        heard: Duration,
        /// Silence for this long means that it is gone.
        patience: Duration,
        /// It goes down, and this is our turn to leave.
        leave_at: Option<Duration>,
    },
    Ended,
}

impl Machine {
    /// A machine that connects at once. All its randomness comes from the seed.
    pub fn new(mut subscription: Subscription, seed: u64, now: Duration) -> Self {
        Self {
            cursor: Cursor::new(subscription.after.take()),
            subscription,
            backoff: Backoff::new(seed),
            state: State::Backoff { until: now },
            failure: None,
            outputs: VecDeque::new(),
        }
    }

    /// The next thing to do; `None` when it is time to wait.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_tick`](Self::handle_tick) if nothing happens before; `None` when it is over.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Backoff { until } => Some(until),
            State::Connecting { deadline } | State::Hello { deadline } => Some(deadline),
            State::Live { heard, patience, leave_at, .. } => {
                let deadline = heard.saturating_add(patience);
                Some(leave_at.map_or(deadline, |leave_at| leave_at.min(deadline)))
            }
            State::Ended => None,
        }
    }

    /// Whether items may come. Only then may a driver stop reading to let the application catch up.
    pub const fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// Time has passed.
    pub fn handle_tick(&mut self, now: Duration) {
        match self.state {
            State::Backoff { until } if now >= until => {
                self.state = State::Connecting { deadline: now.saturating_add(CONNECT_TIMEOUT) };
                self.outputs.push_back(Output::Status(Status::Connecting));
                self.outputs.push_back(Output::Connect);
            }
            State::Connecting { deadline } if now >= deadline => {
                self.leave(now, Code::Idle.close_code(), "idle", "no connection could be made in time");
            }
            State::Hello { deadline } if now >= deadline => {
                self.leave(now, Code::Idle.close_code(), "idle", "the server did not answer in time");
            }
            State::Live { leave_at: Some(leave_at), .. } if now >= leave_at => {
                self.leave(now, NORMAL_CLOSURE, "drain", "the server is going down");
            }
            State::Live { heard, patience, .. } if now >= heard.saturating_add(patience) => {
                self.leave(now, Code::Idle.close_code(), "idle", "the server fell silent");
            }
            State::Backoff { .. }
            | State::Connecting { .. }
            | State::Hello { .. }
            | State::Live { .. }
            | State::Ended => {}
        }
    }

    /// The connection asked for is open.
    pub fn handle_opened(&mut self, now: Duration) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        self.state = State::Hello { deadline: now.saturating_add(HELLO_TIMEOUT) };
        let first = FirstMessage {
            api_key: Some(self.subscription.api_key.clone()),
            protocol: Some(PROTOCOL),
            after: self.cursor.reconnect().map(str::to_owned),
            window: Some(0),
            types: self.subscription.types.clone(),
            client: Some(concat!("passkey-accounts/", env!("CARGO_PKG_VERSION")).to_owned()),
            ..FirstMessage::default()
        };
        let text = serde_json::to_string(&first).expect("a first message holds nothing that JSON cannot");
        self.outputs.push_back(Output::Send(text));
    }

    /// A sign of life that carries nothing: a ping, a pong. Also after a pause in reading that was the driver's own.
    pub fn handle_heard(&mut self, now: Duration) {
        if let State::Live { heard, .. } = &mut self.state {
            *heard = now;
        }
    }

    /// A text frame has arrived.
    pub fn handle_message(&mut self, now: Duration, text: &str) {
        self.handle_heard(now);
        match (&self.state, Message::decode(text)) {
            (State::Hello { .. } | State::Live { .. }, Err(error)) => {
                self.refuse(now, Refusal::Unreadable(error));
            }
            (State::Hello { .. } | State::Live { .. }, Ok(Some(Message::Error(failure)))) => {
                self.failure = Some(failure);
            }
            (State::Hello { .. }, Ok(Some(Message::Ready(ready)))) => self.greet(now, &ready),
            (State::Live { .. }, Ok(Some(message))) => {
                if let Err(refusal) = self.take(now, message) {
                    self.refuse(now, refusal);
                }
            }
            // A type of a newer server that is no event, or something before `ready`, or nothing of ours any more.
            (State::Hello { .. } | State::Live { .. }, Ok(_))
            | (State::Backoff { .. } | State::Connecting { .. } | State::Ended, _) => {}
        }
    }

    /// The connection is gone, or could not be made.
    pub fn handle_lost(&mut self, now: Duration, lost: Lost) {
        if matches!(self.state, State::Backoff { .. } | State::Ended) {
            return;
        }
        match lost.verdict(self.failure.take()) {
            Verdict::Retry { why, not_before } => self.wait(now, not_before, why),
            Verdict::Stop(error) => self.end(error),
        }
    }

    fn greet(&mut self, now: Duration, ready: &Ready) {
        if ready.protocol != PROTOCOL {
            let code = Code::UnsupportedProtocol;
            self.outputs.push_back(Output::Close { code: code.close_code(), reason: code.as_str() });
            self.end(StreamError::refused(code, None));
            return;
        }
        // A server that promises a beat every millisecond or every year is not taken at its word.
        let beat = Duration::from_millis(ready.idle_ms).clamp(SHORTEST_BEAT, LONGEST_BEAT);
        self.state =
            State::Live { since: now, heard: now, patience: beat.saturating_add(GRACE), leave_at: None };
        self.outputs.push_back(Output::Status(Status::Live));
    }

    fn take(&mut self, now: Duration, message: Message) -> Result<(), Refusal> {
        let item = match message {
            Message::Event(raw) => {
                // The position first: what an event says that does not belong here is of no interest.
                self.cursor.advance(&raw.prev, &raw.id)?;
                Item::Event(Event::try_from(raw)?)
            }
            Message::Snapshot(page) => {
                self.cursor.take_page(&page)?;
                Item::Snapshot(page)
            }
            Message::Bookmark(bookmark) => {
                self.cursor.advance(&bookmark.prev, &bookmark.id)?;
                Item::Bookmark(Bookmark::from(bookmark))
            }
            Message::Gap(gap) => {
                self.cursor.skip(gap.next);
                Item::Gap(gap)
            }
            Message::Drain(drain) => {
                let turn = self.backoff.drain_delay(Duration::from_millis(drain.within_ms));
                if let State::Live { leave_at, .. } = &mut self.state {
                    *leave_at = Some(now.saturating_add(turn));
                }
                return Ok(());
            }
            // A second `ready` changes nothing; an `error` is remembered by the caller; a view has no lanes.
            Message::Ready(_) | Message::Error(_) | Message::Assigned(_) | Message::Revoked(_) => {
                return Ok(());
            }
        };
        self.outputs.push_back(Output::Deliver(item));
        Ok(())
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
        self.outputs.push_back(Output::Close { code, reason });
        self.wait(now, None, why.to_owned());
    }

    fn wait(&mut self, now: Duration, not_before: Option<Duration>, why: String) {
        if let State::Live { since, .. } = self.state {
            self.backoff.was_live_for(now.saturating_sub(since));
        }
        self.failure = None;
        let retry_in = self.backoff.next_delay(not_before);
        self.state = State::Backoff { until: now.saturating_add(retry_in) };
        self.outputs.push_back(Output::Status(Status::Waiting { retry_in, why }));
    }

    fn end(&mut self, error: StreamError) {
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

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("types", &self.types)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// For connect, TLS and upgrade together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// From the open socket to `ready`.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// One missed beat plus the tail of a retransmission.
const GRACE: Duration = Duration::from_secs(10);

const SHORTEST_BEAT: Duration = Duration::from_secs(1);
const LONGEST_BEAT: Duration = Duration::from_secs(120);

/// RFC 6455 section 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

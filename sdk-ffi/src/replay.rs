//! The stream's machine and the checking of proofs with a clock that a test sets: each language replays tests/vectors with
//! them, through the same conversions that its users get.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use passkey_accounts::{
    Item as CoreItem,
    evidence::Guard,
    log::{Sees, Witness},
    proof::{NonceWindow, Origins, Proof},
    protocol::{SessionID, UnixMillis},
    stream::{InHand, Lost, Machine, Output, Token},
    transport::elsewhere,
};

use crate::{
    error::Error,
    packed::{self, Batch},
    proofs::RequestHead,
    stream::{EventsOptions, head_keys},
    text,
    types::{Delivery, Status},
};

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum ReplayOutput {
    /// The API key is asked for: answer with `key` or `key_failed`.
    Key,
    /// A connection to this address: answer with `opened`, or with a loss.
    Connect {
        /// Where to.
        address: String,
    },
    /// This text frame goes to the server.
    Send {
        /// As it stands on the wire.
        text: String,
    },
    /// The connection is closed.
    Close {
        /// The close code.
        code: u16,
        /// The close frame's text.
        reason: String,
    },
    /// The application is asked for its position: answer with `position` or `position_failed`.
    Start {
        /// The lane.
        lane: u32,
        /// The number of the ownership.
        lease: u64,
    },
    /// The connection is doing otherwise.
    Status {
        /// How.
        status: Status,
    },
    /// It is over.
    End {
        /// The word of the one table of codes.
        code: String,
    },
}

/// A client of the event stream without a socket. Every `now` is nanoseconds since one fixed moment.
#[derive(Debug, uniffi::Object)]
pub struct StreamReplay(Mutex<Stage>);

#[derive(Debug)]
struct Stage {
    machine: Machine,
    address: String,
    witness: Option<Witness>,
    guard: Option<Guard>,
    tokens: BTreeMap<u64, Token>,
    last: u64,
}

impl StreamReplay {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, now: u64, what: impl FnOnce(&mut Machine, Duration)) {
        what(&mut self.lock().machine, Duration::from_nanos(now));
    }
}

impl Stage {
    /// The next item with its number. A witness or pins that find it false end everything.
    fn next(&mut self, now: u64) -> Result<Option<(u64, InHand)>, Error> {
        let Some(mut in_hand) = self.machine.poll_item(Duration::from_nanos(now)) else { return Ok(None) };
        if let Some(witness) = &mut self.witness {
            let app_id = self.machine.greeting().and_then(|greeting| greeting.app_id);
            let found = app_id.map_or(Ok(()), |app_id| witness.handle_app(app_id));
            if let Err(found) = found.and_then(|()| witness.check(&in_hand.item).map(drop)) {
                self.machine.handle_stopped(Duration::from_nanos(now));
                return Err(Error::refused(found.code(), &found.to_string()));
            }
        }
        if let Some(guard) = &mut self.guard {
            in_hand.item = match guard.check(in_hand.item) {
                Ok((item, _)) => item,
                Err(found) => {
                    self.machine.handle_stopped(Duration::from_nanos(now));
                    return Err(Error::refused(found.code(), &found.to_string()));
                }
            };
        }
        self.last += 1;
        self.tokens.insert(self.last, in_hand.token);
        Ok(Some((self.last, in_hand)))
    }
}

#[uniffi::export]
impl StreamReplay {
    /// A client that connects at time 0. `positions` and the paths of the witness and of the pins in the options are not
    /// used; `prefetch` is.
    ///
    /// # Errors
    /// Witness keys or an app that are none.
    #[uniffi::constructor]
    #[expect(clippy::needless_pass_by_value, reason = "UniFFI hands over records by value only")]
    pub fn new(address: String, options: EventsOptions, seed: u64) -> Result<Self, Error> {
        let mut subscription = options.subscription();
        let sees_all = subscription.types.iter().flatten().any(|name| name == "*");
        let sees = if sees_all { Sees::Everything } else { Sees::Some };
        let witness = match &options.witness {
            Some(witness) => Some(Witness::new(sees, head_keys(&witness.keys)?, None)),
            None => None,
        };
        let guard = match &options.evidence {
            Some(evidence) => Some(Guard::new(evidence.expected()?, None, &mut subscription)?),
            None => None,
        };
        let machine = Machine::new(subscription, seed, Duration::ZERO);
        Ok(Self(Mutex::new(Stage { machine, address, witness, guard, tokens: BTreeMap::new(), last: 0 })))
    }

    /// The next thing to do; nothing when it is time to wait.
    pub fn poll_output(&self) -> Option<ReplayOutput> {
        let mut stage = self.lock();
        Some(match stage.machine.poll_output()? {
            Output::Key => ReplayOutput::Key,
            Output::Connect { url } => {
                let address = url.and_then(|url| elsewhere(&stage.address, &url));
                ReplayOutput::Connect { address: address.unwrap_or_else(|| stage.address.clone()) }
            }
            Output::Send(text) => ReplayOutput::Send { text },
            Output::Close { code, reason } => ReplayOutput::Close { code, reason: reason.to_owned() },
            Output::Start { lane, lease } => ReplayOutput::Start { lane, lease },
            Output::Status(status) => ReplayOutput::Status { status: status.into() },
            Output::End(error) => ReplayOutput::End { code: error.code().as_str().to_owned() },
        })
    }

    /// When to tick if nothing happens before; nothing when it is over.
    pub fn poll_timeout(&self) -> Option<u64> {
        let deadline = self.lock().machine.poll_timeout()?;
        Some(u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The next item.
    ///
    /// # Errors
    /// A witness has found the log to contradict itself (`logRewritten`), or pins an event to be forged
    /// (`evidenceForged`), and the stream is over.
    pub fn poll_item(&self, now: u64) -> Result<Option<Delivery>, Error> {
        let next = self.lock().next(now)?;
        Ok(next.map(|(receipt, InHand { token: _, lane, lease, item })| Delivery {
            receipt,
            lane,
            lease,
            item: item.into(),
        }))
    }

    /// The next item as `take_text` has it.
    ///
    /// # Errors
    /// As `poll_item`.
    pub fn poll_item_text(&self, now: u64) -> Result<Option<String>, Error> {
        let next = self.lock().next(now)?;
        let encode = |(receipt, InHand { token: _, lane, lease, item }): (u64, InHand)| {
            let item: &CoreItem = &item;
            text::encode([(receipt, lane, lease, item)].into_iter())
        };
        Ok(next.map(encode))
    }

    /// The next item as `take_packed` has it.
    ///
    /// # Errors
    /// As `poll_item`.
    pub fn poll_item_packed(&self, now: u64) -> Result<Option<Arc<Batch>>, Error> {
        let next = self.lock().next(now)?;
        let encode = |(receipt, InHand { token: _, lane, lease, item }): (u64, InHand)| {
            let item: &CoreItem = &item;
            packed::encode([(receipt, lane, lease, item)].into_iter())
        };
        Ok(next.map(encode))
    }

    /// What became of an item.
    pub fn settle(&self, now: u64, receipt: u64, is_handled: bool) {
        let mut stage = self.lock();
        if let Some(token) = stage.tokens.get(&receipt).copied() {
            if let Some(guard) = &mut stage.guard {
                guard.settle(is_handled);
            }
            stage.machine.handle_settled(Duration::from_nanos(now), token, is_handled);
        }
    }

    /// Time has passed.
    pub fn tick(&self, now: u64) {
        self.tell(now, |machine, now| machine.handle_tick(now));
    }

    /// The API key to use.
    pub fn key(&self, now: u64, api_key: String) {
        self.tell(now, |machine, now| machine.handle_key(now, api_key));
    }

    /// There is no API key to be had.
    pub fn key_failed(&self, now: u64, why: &str) {
        self.tell(now, |machine, now| machine.handle_key_failed(now, why));
    }

    /// The connection is open.
    pub fn opened(&self, now: u64) {
        self.tell(now, |machine, now| machine.handle_opened(now, "https://auth.example"));
    }

    /// A ping or a pong.
    pub fn heard(&self, now: u64) {
        self.tell(now, |machine, now| machine.handle_heard(now));
    }

    /// A text frame.
    pub fn message(&self, now: u64, text: &str) {
        self.tell(now, |machine, now| machine.handle_message(now, text));
    }

    /// The server has sent a close frame.
    pub fn closed(&self, now: u64, code: u16, reason: String) {
        self.tell(now, |machine, now| machine.handle_lost(now, Lost::Closed { code, reason }));
    }

    /// The server has answered the upgrade with an HTTP status.
    pub fn refused(&self, now: u64, status: u16, retry_after: Option<Duration>) {
        self.tell(now, |machine, now| machine.handle_lost(now, Lost::Refused { status, retry_after }));
    }

    /// The connection has broken, or cannot be made.
    pub fn broken(&self, now: u64, why: String) {
        self.tell(now, |machine, now| machine.handle_lost(now, Lost::Broken { why }));
    }

    /// The application's own position in a lane.
    pub fn position(&self, now: u64, lane: u32, id: Option<String>) {
        self.tell(now, |machine, now| machine.handle_position(now, lane, id));
    }

    /// The application's position cannot be had.
    pub fn position_failed(&self, now: u64, lane: u32, why: &str) {
        self.tell(now, |machine, now| machine.handle_position_failed(now, lane, why));
    }

    /// Nobody wants the stream any more.
    pub fn stop(&self, now: u64) {
        self.tell(now, |machine, now| machine.handle_stopped(now));
    }
}

/// Checks proofs against sessions that are given, at times that are given.
#[derive(Debug, uniffi::Object)]
pub struct ProofReplay {
    origins: Origins,
    /// The key of each open session, an uncompressed point.
    keys: HashMap<SessionID, Vec<u8>>,
    window: NonceWindow,
}

impl ProofReplay {
    /// As `Proofs::admit` of the core does, with what was given instead of live sessions.
    fn admit(&self, now: u64, proof: &Proof) -> Result<(), Error> {
        let now = UnixMillis(now);
        proof.check_time(now)?;
        let key = self.keys.get(&proof.session_id());
        proof.verify_signature(key.ok_or(passkey_accounts::ProofError::SessionGone)?)?;
        Ok(self.window.remember(proof, now)?)
    }
}

#[uniffi::export]
impl ProofReplay {
    /// A back end at these origins that remembers no nonce. The sessions' keys are uncompressed points, 65 bytes.
    ///
    /// # Errors
    /// Origins or ids that cannot be.
    #[uniffi::constructor]
    pub fn new(origins: Vec<String>, keys: HashMap<String, Vec<u8>>) -> Result<Self, Error> {
        let origins = Origins::new(origins).map_err(|error| Error::unexpected(&error.to_string()))?;
        let read = |(id, key): (String, Vec<u8>)| Ok((id.parse().map_err(|_| Error::not_an_id(&id))?, key));
        let keys = keys.into_iter().map(read).collect::<Result<_, Error>>()?;
        Ok(Self { origins, keys, window: NonceWindow::new() })
    }

    /// Checks a request at this time, milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::Proof`]
    pub fn request(&self, now: u64, request: RequestHead, body: &[u8]) -> Result<(), Error> {
        let proof = Proof::of_parts(&request.into_parts()?, &self.origins)?;
        self.admit(now, &proof)?;
        Ok(proof.check_body(body)?)
    }

    /// Checks a token for a socket at this time, milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::Proof`]
    pub fn socket(&self, now: u64, token: &str, audience: &str, nonce: &str) -> Result<(), Error> {
        self.admit(now, &Proof::of_socket(token, audience, nonce)?)
    }
}

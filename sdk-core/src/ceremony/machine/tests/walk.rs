//! A seeded random walk of a million steps against a model server, half of the time a hostile one.

use std::collections::{HashMap, VecDeque};

use super::*;
use crate::{
    ceremony::{PlainRequest, Report, action},
    protocol::gateway::AddedPasskey,
};

const SEEDS: u64 = 500;
const STEPS: u32 = 2_000;
const ACTION: &str = r#"{"type":"pay"}"#;
const COSE_KEY: &[u8] = &[0xa5, 1, 2, 3, 0x26];
const NEW: PasskeyID = PasskeyID::from_bytes([77; 16]);

#[test]
fn no_walk_through_the_protocol_panics_or_breaks_an_invariant() {
    let mut all = Deeds::default();
    for seed in 0..SEEDS {
        Walk::new(seed).run(&mut all);
    }
    // The walk is worth something only if it gets everywhere.
    let Deeds { prompts, refused, sessions, resumed, given_up, reports, graces } = all;
    for (what, count) in [
        ("prompts", prompts),
        ("unbound challenges", refused),
        ("sessions", sessions),
        ("resumed", resumed),
        ("given up", given_up),
        ("reports", reports),
        ("grace times that ended", graces),
    ] {
        assert!(count > 100, "{what}: {count}");
    }
}

/// How often the walk got somewhere.
#[derive(Debug, Default)]
struct Deeds {
    prompts: u32,
    refused: u32,
    sessions: u32,
    resumed: u32,
    given_up: u32,
    reports: u32,
    graces: u32,
}

/// SplitMix64: the walk must be the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}

/// What a call is for, as the page knows it.
#[derive(Debug, Clone)]
enum Wish {
    SignUp(SessionKey),
    SignIn(SessionKey),
    SignOut,
    Confirm,
    Add,
    Remove,
    Plain,
}

/// A session as the server holds it.
#[derive(Debug, Clone)]
struct Held {
    key: SessionKey,
    /// The socket that carries it.
    carrier: Option<u32>,
}

/// What the server remembers of a connection.
#[derive(Debug, Default, Clone)]
struct Connection {
    code_for: Option<SessionKey>,
    /// What a `ceremony.finish` would do, by whose key.
    challenge: Option<(Wish, bool, SessionKey)>,
}

struct Walk {
    dice: Dice,
    is_hostile: bool,
    machine: Machine,
    now: u64,
    // The driver.
    socket: Option<u32>,
    abandoned: Vec<u32>,
    last_socket: u32,
    last_request: RequestID,
    prompt: Option<CallID>,
    to_sign: Vec<(RequestID, Vec<u8>)>,
    // The page.
    open: HashMap<CallID, Wish>,
    brought: Vec<(CallID, SessionKey)>,
    last_sign_up: Option<CallID>,
    lost_at: u64,
    was_signed_in: bool,
    is_resuming: bool,
    // The server.
    requests: VecDeque<(u32, RequestID, Asked)>,
    answers: VecDeque<(u32, Option<RequestID>, Incoming)>,
    connections: HashMap<u32, Connection>,
    sessions: HashMap<u8, Held>,
    last_session: u8,
}

enum Asked {
    Message(ClientMessage),
    Plain(PlainRequest),
}

impl Walk {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            is_hostile: seed % 2 == 1,
            machine: machine(),
            now: 0,
            socket: None,
            abandoned: Vec::new(),
            last_socket: 0,
            last_request: 0,
            prompt: None,
            to_sign: Vec::new(),
            open: HashMap::new(),
            brought: Vec::new(),
            last_sign_up: None,
            lost_at: 0,
            was_signed_in: false,
            is_resuming: false,
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            connections: HashMap::new(),
            sessions: HashMap::new(),
            last_session: 0,
        }
    }

    fn run(&mut self, deeds: &mut Deeds) {
        for _ in 0..STEPS {
            self.step();
            self.machine.handle_timeout(self.now, self.dice.roll());
            self.carry_out(deeds);
            self.check();
        }
        self.machine.close();
        self.carry_out(deeds);
        assert!(self.open.is_empty(), "calls without an end: {:?}", self.open);
        assert!(self.brought.iter().all(|(call, _)| !self.machine.holds_key(*call)));
        assert_eq!((self.socket, self.abandoned.len()), (None, 0));
    }

    fn step(&mut self) {
        match self.dice.below(64) {
            0 => self.lose_socket(),
            1 => self.now += self.dice.below(31_000),
            2 | 3 => self.now += self.dice.below(1_000),
            4 | 5 => {
                let (key, now) = (self.make_key(), self.now);
                let call = self.machine.sign_up(now, "ada@example.org".into(), key.clone());
                self.brought.push((call, key.clone()));
                self.last_sign_up = Some(call);
                self.begun(call, Wish::SignUp(key));
            }
            6 | 7 => {
                if let Some(sign_up) = self.last_sign_up {
                    let call = self.machine.verify(self.now, sign_up, "123456".into());
                    let key = self.key_of(sign_up);
                    self.begun(call, Wish::SignUp(key));
                }
            }
            8..=10 => {
                let (key, now) = (self.make_key(), self.now);
                let call = self.machine.sign_in(now, "ada@example.org".into(), key.clone());
                self.brought.push((call, key.clone()));
                self.begun(call, Wish::SignIn(key));
            }
            11 if self.dice.below(3) == 0 => {
                let call = self.machine.sign_out(self.now);
                self.begun(call, Wish::SignOut);
            }
            12 => {
                let call = self.machine.confirm(self.now, ACTION.into());
                self.begun(call, Wish::Confirm);
            }
            13 => {
                let call = self.machine.add_passkey(self.now);
                self.begun(call, Wish::Add);
            }
            14 => {
                let call = self.machine.remove_passkey(self.now, NEW);
                self.begun(call, Wish::Remove);
            }
            15 | 16 => {
                let asks = PlainRequest::ALL[usize::try_from(self.dice.below(4)).unwrap()];
                let call = self.machine.request(self.now, asks, RawJson("{}".into()));
                self.begun(call, Wish::Plain);
            }
            17 => {
                let call = self.open.keys().min().copied().unwrap_or(CallID(3));
                self.machine.cancel(call);
            }
            18 if self.dice.below(8) == 0 => self.machine.leave(),
            19 => self.machine.wake(self.now),
            20..=27 => self.answer_prompt(),
            28..=31 => {
                if let Some((request, input)) = self.to_sign.pop() {
                    let signature = match self.dice.below(30) {
                        0 => None,
                        _ => Some(Base64Url(input)),
                    };
                    self.machine.handle_signature(self.now, request, signature);
                }
            }
            32 if self.dice.below(4) == 0 => self.end_a_session(),
            33 if self.is_hostile => self.babble(),
            34..=47 => self.serve(),
            _ => self.deliver(),
        }
    }

    fn make_key(&mut self) -> SessionKey {
        key(u8::try_from(self.dice.below(200)).unwrap())
    }

    fn key_of(&self, call: CallID) -> SessionKey {
        self.brought.iter().find(|(of, _)| *of == call).map(|(_, key)| key.clone()).unwrap()
    }

    fn begun(&mut self, call: CallID, wish: Wish) {
        assert!(self.open.insert(call, wish).is_none(), "{call:?} was used before");
    }

    fn lose_socket(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        let code = match self.dice.below(12) {
            0 if self.is_hostile => Some(4506),
            1..=4 => None,
            5 => Some(1012),
            _ => Some(1006),
        };
        self.detach(socket, false);
        self.machine.handle_lost(self.now, self.dice.roll(), code);
    }

    fn answer_prompt(&mut self) {
        let Some(call) = self.prompt else {
            self.machine.handle_authenticator(self.now, CallID(1), Ok(credential()));
            return;
        };
        let mut data = vec![1; 32];
        data.push(0x45);
        data.extend([0; 22]);
        data.extend(COSE_KEY);
        let result = match self.dice.below(6) {
            0 => Err(Code::Cancelled.into()),
            1 => Ok(credential()),
            _ => Ok(Credential { authenticator_data: Some(data), ..credential() }),
        };
        self.prompt = None;
        self.machine.handle_authenticator(self.now, call, result);
    }

    // The driver.

    fn carry_out(&mut self, deeds: &mut Deeds) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Connect => {
                    assert_eq!(self.socket, None, "a second socket");
                    self.last_socket += 1;
                    self.socket = Some(self.last_socket);
                    self.connections.insert(self.last_socket, Connection::default());
                    self.answers.push_back((self.last_socket, None, hello()));
                }
                Output::Close => {
                    if let Some(socket) = self.socket.take() {
                        self.detach(socket, true);
                    }
                }
                Output::Abandon => self.abandoned.extend(self.socket.take()),
                Output::CloseAbandoned => {
                    assert!(!self.abandoned.is_empty());
                    for socket in core::mem::take(&mut self.abandoned) {
                        self.detach(socket, true);
                    }
                }
                Output::Send(id, message) => self.sent(id, Asked::Message(message)),
                Output::SendPlain(id, asks, _) => self.sent(id, Asked::Plain(asks)),
                Output::Sign { request, key, input } => {
                    assert!(request > self.last_request);
                    assert!(self.machine.holds_key(key), "no key to sign with");
                    self.to_sign.push((request, input));
                }
                Output::CallAuthenticator(call, options) => {
                    assert_eq!(self.prompt.replace(call), None, "two prompts");
                    deeds.prompts += 1;
                    self.check_prompt(call, &options);
                }
                Output::AbortAuthenticator => assert!(self.prompt.take().is_some(), "aborted nothing"),
                Output::Resolve(call, answer) => {
                    let wish = self.ended(call);
                    match (&wish, &answer) {
                        (Wish::SignUp(_) | Wish::SignIn(_), Answer::SignedIn) => deeds.sessions += 1,
                        (Wish::SignUp(_), Answer::CodeSent { .. }) => {}
                        (Wish::SignOut, Answer::SignedOut) => {}
                        (Wish::Confirm | Wish::Add | Wish::Remove | Wish::Plain, Answer::Data(_)) => {
                            deeds.reports += 1;
                        }
                        _ => panic!("{wish:?} ended with {answer:?}"),
                    }
                }
                Output::Reject(call, failure) => {
                    self.ended(call);
                    deeds.refused += u32::from(failure.code == "challengeMismatch");
                }
                Output::Greeted(_) => {}
                Output::StateChanged(state) => self.shown(&state, deeds),
            }
        }
    }

    fn shown(&mut self, state: &State, deeds: &mut Deeds) {
        match state {
            State::SignedIn { .. } => {
                assert!(self.socket.is_some());
                deeds.resumed += u32::from(self.is_resuming);
            }
            State::Resuming { .. } => self.lost_at = self.now,
            State::SignedOut { reason } | State::Reconnecting { reason } => {
                if self.was_signed_in {
                    self.lost_at = self.now;
                }
                if self.is_resuming {
                    deeds.given_up += u32::from(*reason == Some(EndReason::User));
                    deeds.graces += u32::from(*reason == Some(EndReason::ConnectionLost));
                }
            }
            State::Connecting | State::Closed { .. } => {}
        }
        self.was_signed_in = matches!(state, State::SignedIn { .. });
        self.is_resuming = matches!(state, State::Resuming { .. });
    }

    fn sent(&mut self, id: RequestID, asked: Asked) {
        let socket = self.socket.expect("sent into the void");
        // A resume has its number from before it was signed.
        let is_resume = matches!(asked, Asked::Message(ClientMessage::SessionResume(_)));
        assert!(id > self.last_request || is_resume, "a request id used twice");
        self.last_request = self.last_request.max(id);
        self.requests.push_back((socket, id, asked));
    }

    fn ended(&mut self, call: CallID) -> Wish {
        if self.prompt == Some(call) {
            self.prompt = None;
        }
        self.open.remove(&call).unwrap_or_else(|| panic!("{call:?} ended twice"))
    }

    // The server.

    /// The socket is gone; with a close frame the session that it carries ends.
    fn detach(&mut self, socket: u32, is_orderly: bool) {
        if is_orderly {
            self.sessions.retain(|_, held| held.carrier != Some(socket));
        }
        for held in self.sessions.values_mut().filter(|held| held.carrier == Some(socket)) {
            held.carrier = None;
        }
        self.connections.remove(&socket);
        self.requests.retain(|(of, ..)| *of != socket);
        self.answers.retain(|(of, ..)| *of != socket);
    }

    fn end_a_session(&mut self) {
        if self.dice.below(2) == 0 {
            if let Some(carrier) = self.sessions.values().find_map(|held| held.carrier) {
                self.answers.push_back((carrier, None, Incoming::Expiring(UnixMillis(self.now))));
            }
        } else if let Some(number) = self.sessions.keys().min().copied()
            && let Some(Held { carrier: Some(socket), .. }) = self.sessions.remove(&number)
        {
            self.answers.push_back((socket, None, signed_out(EndReason::Revoked)));
        }
    }

    /// Answers the oldest request.
    fn serve(&mut self) {
        let Some((socket, id, asked)) = self.requests.pop_front() else { return };
        let honest = self.answer(socket, id, asked);
        let answer = if self.is_hostile && self.dice.below(6) == 0 { self.anything() } else { honest };
        let id = if self.is_hostile && self.dice.below(20) == 0 { id + 1 } else { id };
        self.answers.push_back((socket, Some(id), answer));
    }

    fn answer(&mut self, socket: u32, id: RequestID, asked: Asked) -> Incoming {
        if self.dice.below(25) == 0 {
            return error([Code::Internal, Code::RateLimited][usize::try_from(self.dice.below(2)).unwrap()]);
        }
        let carried = self.sessions.iter().find(|(_, held)| held.carrier == Some(socket));
        let carried = carried.map(|(number, held)| (*number, held.key.clone()));
        let Some(connection) = self.connections.get_mut(&socket) else { return error(Code::Internal) };
        let message = match asked {
            Asked::Message(message) => message,
            Asked::Plain(asks) => {
                return if carried.is_some() {
                    Incoming::Report(asks.report(), RawJson("{}".into()))
                } else {
                    error(Code::Unexpected)
                };
            }
        };
        match (message, carried) {
            (ClientMessage::SignUpBegin(begin), None) => {
                connection.code_for = Some(begin.session_key);
                Incoming::CodeSent(UnixMillis(1))
            }
            (ClientMessage::SignUpVerify(_), None) => match connection.code_for.take() {
                Some(key) => self.challenge(socket, Wish::SignUp(key.clone()), false, key),
                None => error(Code::CodeExpired),
            },
            (ClientMessage::SignInBegin(begin), None) => {
                let key = begin.session_key;
                self.challenge(socket, Wish::SignIn(key.clone()), false, key)
            }
            (ClientMessage::ConfirmBegin(_), Some((_, key))) => {
                self.challenge(socket, Wish::Confirm, false, key)
            }
            (ClientMessage::PasskeysAddBegin, Some((_, key))) => {
                self.challenge(socket, Wish::Add, false, key)
            }
            (ClientMessage::PasskeysRemoveBegin(_), Some((_, key))) => {
                self.challenge(socket, Wish::Remove, false, key)
            }
            (ClientMessage::CeremonyFinish(_), carried) => match (connection.challenge.take(), carried) {
                (Some((Wish::SignUp(_) | Wish::SignIn(_), _, key)), None) => {
                    self.last_session = self.last_session.wrapping_add(1);
                    self.sessions.insert(self.last_session, Held { key, carrier: Some(socket) });
                    Incoming::SignedIn(numbered(self.last_session))
                }
                (Some((Wish::Add, false, key)), Some(_)) => self.challenge(socket, Wish::Add, true, key),
                (Some((Wish::Add, true, _)), Some(_)) => {
                    Incoming::Report(Report::PasskeyAdded, RawJson("{}".into()))
                }
                (Some((Wish::Confirm, ..)), Some(_)) => {
                    Incoming::Report(Report::Confirmed, RawJson("{}".into()))
                }
                (Some((Wish::Remove, ..)), Some(_)) => {
                    Incoming::Report(Report::PasskeyRemoved, RawJson("{}".into()))
                }
                _ => error(Code::UnknownCeremony),
            },
            (ClientMessage::SessionResume(resume), None) => {
                let number = resume.session_id.as_bytes()[0];
                match self.sessions.get_mut(&number) {
                    Some(held) => {
                        held.carrier = Some(socket);
                        Incoming::SignedIn(numbered(number))
                    }
                    None => error(Code::SessionGone),
                }
            }
            (ClientMessage::SignOut, Some((number, _))) => {
                self.sessions.remove(&number);
                self.answers.push_back((socket, Some(id), signed_out(EndReason::User)));
                Incoming::Heartbeat
            }
            _ => error(Code::Unexpected),
        }
    }

    fn challenge(&mut self, socket: u32, wish: Wish, is_vouching: bool, key: SessionKey) -> Incoming {
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.challenge = Some((wish.clone(), is_vouching, key.clone()));
        }
        let (kind, action, is_creation) = made_of(&wish, is_vouching);
        let added =
            is_vouching.then(|| AddedPasskey { passkey_id: NEW, public_key: Base64Url(COSE_KEY.to_vec()) });
        let mut forge = Forge { key, action, added, allow: usize::from(!is_creation), ..honest(kind) };
        if self.is_hostile {
            match self.dice.below(20) {
                0 => forge.random = vec![7; 16],
                1 => forge.kind_said = CeremonyKind::SignUp,
                2 => forge.rp_id = "evil.example",
                3 => forge.allow = 0,
                4 => forge.key = key_of_another(),
                5 => forge.kind_hashed = CeremonyKind::SignIn,
                6 => forge.action = Some(r#"{"type":"other"}"#.into()),
                7 => forge.added = None,
                8 => return forge.create(),
                9 => return forge.get(),
                _ => {}
            }
        }
        Incoming::Ceremony(forge.offer(is_creation))
    }

    fn anything(&mut self) -> Incoming {
        match self.dice.below(14) {
            0 => hello(),
            1 => Incoming::Heartbeat,
            2 => Incoming::Drain(self.dice.roll()),
            3 => Incoming::CodeSent(UnixMillis(1)),
            4 => honest(CeremonyKind::SignUp).create(),
            5 => honest(CeremonyKind::SignIn).get(),
            6 => Incoming::SignedIn(numbered(u8::try_from(self.dice.below(256)).unwrap())),
            7 => Incoming::Expiring(UnixMillis(self.dice.roll())),
            8 => error(Code::WrongCode),
            9 => Incoming::Error(Failure {
                retry_after_ms: Some(self.dice.roll()),
                ..Code::OverCapacity.into()
            }),
            10 => error(Code::SessionGone),
            11 => signed_out(EndReason::Revoked),
            index => Incoming::Report(Report::ALL[usize::try_from(index - 8).unwrap()], RawJson("{}".into())),
        }
    }

    fn babble(&mut self) {
        if let Some(socket) = self.socket {
            let id = match self.dice.below(3) {
                0 => None,
                _ => Some(self.last_request),
            };
            let message = self.anything();
            self.answers.push_back((socket, id, message));
        }
    }

    fn deliver(&mut self) {
        let Some((socket, id, message)) = self.answers.pop_front() else { return };
        if self.socket == Some(socket) {
            if self.is_hostile && self.dice.below(40) == 0 {
                self.machine.handle_unreadable(self.now, id);
            } else {
                self.machine.handle_message(self.now, id, message);
            }
        }
    }

    // What must hold.

    /// The prompt asks for what the page wanted, bound to the page's own key.
    fn check_prompt(&self, call: CallID, options: &BoundOptions) {
        let wish = self.open.get(&call).expect("the prompt of an open call");
        let key = match (wish, self.machine.state()) {
            (Wish::SignUp(key) | Wish::SignIn(key), _) => key.clone(),
            (_, State::SignedIn { key, .. }) => self.key_of(*key),
            (_, state) => panic!("{wish:?} in {state:?}"),
        };
        let read = read_options(options.public_key()).unwrap();
        let is_bound = [false, true].into_iter().any(|is_vouching| {
            let (kind, action, is_creation) = made_of(wish, is_vouching);
            let bound = binding::Binding {
                random: &[7; 32],
                kind,
                app_id: APP,
                origin: ORIGIN,
                thumbprint: &binding::thumbprint(&key),
                action: action.as_deref(),
            };
            is_creation == options.is_creation() && read.challenge == bound.derive_challenge()
        });
        assert!(is_bound, "an unbound challenge for {wish:?}");
        assert_eq!(read.rp_id, "shop.example");
        assert!(options.is_creation() || read.allow_credentials > 0);
    }

    fn check(&self) {
        let with_passkey = self.open.values().filter(|wish| !matches!(wish, Wish::Plain)).count();
        assert!(with_passkey <= 1, "more than one call with a passkey: {:?}", self.open);
        let deadline_ms = self.machine.deadline_ms();
        assert!(deadline_ms.is_none_or(|deadline_ms| deadline_ms >= self.now), "a deadline in the past");

        let held: Vec<_> =
            self.brought.iter().map(|(call, _)| *call).filter(|call| self.machine.holds_key(*call)).collect();
        let of_calls =
            usize::from(self.open.values().any(|wish| matches!(wish, Wish::SignUp(_) | Wish::SignIn(_))))
                .max(usize::from(self.last_sign_up.is_some_and(|call| held.contains(&call))));
        match self.machine.state() {
            State::SignedIn { key, .. } | State::Resuming { key, .. } => {
                // The key is kept exactly while a session can come back, and no other beside it.
                assert_eq!(held, [*key]);
            }
            State::SignedOut { reason } | State::Reconnecting { reason } => {
                let may_be_resumed_to_be_ended =
                    *reason == Some(EndReason::User) && self.now < self.lost_at + GRACE_MS;
                let of_sessions = usize::from(may_be_resumed_to_be_ended);
                assert!(held.len() <= of_calls + of_sessions, "keys are kept for nothing: {held:?}");
            }
            State::Connecting => assert!(held.len() <= of_calls),
            State::Closed { .. } => assert!(held.is_empty()),
        }

        // An honest server and the page agree whenever everything that was said has been heard.
        if !self.is_hostile && self.requests.is_empty() && self.answers.is_empty() {
            let is_carried =
                self.sessions.values().any(|held| held.carrier.is_some() && held.carrier == self.socket);
            let is_signed_in = matches!(self.machine.state(), State::SignedIn { .. });
            assert_eq!(is_signed_in, is_carried, "{:?}", self.machine.state());
        }
    }
}

fn key_of_another() -> SessionKey {
    key(255)
}

fn numbered(number: u8) -> Session {
    Session { session_id: SessionID::from_bytes([number; 16]), ..session() }
}

/// Kind and action of a ceremony, and whether a passkey is made in it.
fn made_of(wish: &Wish, is_vouching: bool) -> (CeremonyKind, Option<String>, bool) {
    match wish {
        Wish::SignUp(_) => (CeremonyKind::SignUp, None, true),
        Wish::SignIn(_) => (CeremonyKind::SignIn, None, false),
        Wish::Confirm => (CeremonyKind::Confirm, Some(ACTION.into()), false),
        Wish::Add if is_vouching => {
            (CeremonyKind::AddPasskey, Some(action::add_passkey(NEW, COSE_KEY)), false)
        }
        Wish::Add => (CeremonyKind::AddPasskey, None, true),
        Wish::Remove => (CeremonyKind::RemovePasskey, Some(action::remove_passkey(NEW)), false),
        Wish::SignOut | Wish::Plain => panic!("{wish:?} has no ceremony"),
    }
}

mod actions;
mod recovery;
mod resume;
mod walk;

use super::{Config, Machine};
use crate::{
    ceremony::{
        Answer, BoundOptions, CallID, Credential, Greeting, Incoming, Offer, Options, Output, State, binding,
    },
    protocol::{
        AccountID, AppID, CeremonyID, Code, PasskeyID, RequestID, SessionID, UnixMillis,
        base64url::{Base64Url, decode, encode},
        gateway::{
            AddedPasskey, Binding, CeremonyKind, ClientMessage, EndReason, Failure, RawJson, Session,
            SessionKey,
        },
    },
};

const APP: AppID = AppID::from_bytes([1; 16]);
const ORIGIN: &str = "https://shop.example";
const HEARTBEAT_MS: u64 = 20_000;
const GRACE_MS: u64 = 60_000;
/// The call that brought the key, in tests whose first call does.
const KEY: CallID = CallID(1);
const GREETED: Output = Output::Greeted(UnixMillis(0));

/// The tests' options are "challenge rpID count" instead of JSON: the machine leaves the reading to its driver.
fn read_options(text: &RawJson) -> Option<Options> {
    let mut words = text.0.split(' ');
    let challenge = decode(words.next()?).ok()?;
    let rp_id = words.next()?.to_owned();
    let allow_credentials = words.next()?.parse().ok()?;
    Some(Options { challenge, rp_id, allow_credentials })
}

fn machine() -> Machine {
    Machine::new(Config { app_id: APP, origin: ORIGIN.into() }, 0)
}

fn key(byte: u8) -> SessionKey {
    let part = |byte| Base64Url(vec![byte; 32]);
    SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part(byte), y: part(byte) }
}

fn hello() -> Incoming {
    Incoming::Hello(Greeting {
        nonce: vec![3; 32],
        heartbeat_ms: HEARTBEAT_MS,
        rp_id: "shop.example".into(),
        time: UnixMillis(0),
    })
}

fn session() -> Session {
    Session {
        session_id: SessionID::from_bytes([4; 16]),
        account_id: AccountID::from_bytes([5; 16]),
        passkey_id: PasskeyID::from_bytes([6; 16]),
        started_at: UnixMillis(1),
        expires_at: UnixMillis(99_000_000),
        idle_ms: 3,
        grace_ms: GRACE_MS,
    }
}

fn signed_in_state(key: CallID) -> State {
    State::SignedIn { session: session(), key, expiring_at: None, recovery_until: None }
}

fn resuming_state() -> State {
    State::Resuming { session: session(), key: KEY }
}

fn signed_in() -> Incoming {
    Incoming::SignedIn(session())
}

fn signed_out(reason: EndReason) -> Incoming {
    Incoming::SignedOut(reason)
}

fn error(code: Code) -> Incoming {
    Incoming::Error(code.into())
}

/// A ceremony as a server makes it that is told the truth, unless a test bends it.
struct Forge {
    random: Vec<u8>,
    app_id: AppID,
    origin: &'static str,
    key: SessionKey,
    kind_hashed: CeremonyKind,
    kind_said: CeremonyKind,
    action: Option<String>,
    added: Option<AddedPasskey>,
    rp_id: &'static str,
    allow: usize,
}

fn honest(kind: CeremonyKind) -> Forge {
    Forge {
        random: vec![7; 32],
        app_id: APP,
        origin: ORIGIN,
        key: key(9),
        kind_hashed: kind,
        kind_said: kind,
        action: None,
        added: None,
        rp_id: "shop.example",
        allow: usize::from(kind == CeremonyKind::SignIn),
    }
}

impl Forge {
    fn offer(&self, is_creation: bool) -> Offer {
        let challenge = binding::Binding {
            random: &self.random,
            kind: self.kind_hashed,
            app_id: self.app_id,
            origin: self.origin,
            thumbprint: &binding::thumbprint(&self.key),
            action: self.action.as_deref(),
        }
        .derive_challenge();
        let public_key = RawJson(format!("{} {} {}", encode(challenge), self.rp_id, self.allow));
        Offer {
            is_creation,
            ceremony_id: CeremonyID::from_bytes([8; 16]),
            options: read_options(&public_key),
            public_key,
            binding: Binding {
                random: Base64Url(self.random.clone()),
                kind: self.kind_said,
                added: self.added.clone(),
            },
        }
    }

    fn get(&self) -> Incoming {
        Incoming::Ceremony(self.offer(false))
    }

    fn create(&self) -> Incoming {
        Incoming::Ceremony(self.offer(true))
    }
}

fn credential() -> Credential {
    Credential { json: RawJson("credential".into()), authenticator_data: None }
}

fn drain(machine: &mut Machine) -> Vec<Output> {
    std::iter::from_fn(|| machine.poll()).collect()
}

fn ready() -> Machine {
    let mut machine = machine();
    machine.handle_message(0, None, hello());
    drain(&mut machine);
    machine
}

/// The number of the one request among the outputs.
fn sent(machine: &mut Machine) -> RequestID {
    let outputs = drain(machine);
    let mut requests = outputs.iter().filter_map(|output| match output {
        Output::Send(id, _) => Some(*id),
        _ => None,
    });
    let id = requests.next().unwrap_or_else(|| panic!("no request in {outputs:?}"));
    assert_eq!(requests.next(), None);
    id
}

fn prompted(outputs: &[Output]) -> Option<&BoundOptions> {
    outputs.iter().find_map(|output| match output {
        Output::CallAuthenticator(_, options) => Some(options),
        _ => None,
    })
}

fn rejected(call: CallID, code: Code) -> Output {
    Output::Reject(call, code.into())
}

fn sign_in(machine: &mut Machine) -> CallID {
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(machine);
    machine.handle_message(0, Some(request), honest(CeremonyKind::SignIn).get());
    assert!(prompted(&drain(machine)).is_some());
    machine.handle_authenticator(0, call, Ok(credential()));
    let request = sent(machine);
    machine.handle_message(0, Some(request), signed_in());
    call
}

fn signed_in_machine() -> Machine {
    let mut machine = ready();
    sign_in(&mut machine);
    drain(&mut machine);
    machine
}

#[test]
fn a_page_is_connecting_until_the_greeting() {
    let mut machine = machine();
    assert_eq!(drain(&mut machine), [Output::Connect]);
    assert_eq!(machine.state(), &State::Connecting);
    machine.handle_message(5, None, Incoming::Heartbeat);
    machine.handle_message(5, None, signed_in());
    assert_eq!(drain(&mut machine), []);
    machine.handle_message(5, None, hello());
    assert_eq!(drain(&mut machine), [GREETED, Output::StateChanged(State::SignedOut { reason: None })]);
    machine.handle_message(6, None, hello());
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn sign_up_goes_from_code_to_passkey_to_session() {
    let mut machine = ready();
    let begin = machine.sign_up(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), Incoming::CodeSent(UnixMillis(99)));
    let answer = Answer::CodeSent { expires_at: UnixMillis(99) };
    assert_eq!(drain(&mut machine), [Output::Resolve(begin, answer)]);

    let verify = machine.verify(0, begin, "123456".into());
    let request = sent(&mut machine);
    let made = honest(CeremonyKind::SignUp).offer(true);
    machine.handle_message(0, Some(request), Incoming::Ceremony(made.clone()));
    let outputs = drain(&mut machine);
    let options = prompted(&outputs).unwrap();
    assert_eq!((options.is_creation(), options.public_key()), (true, &made.public_key));

    machine.handle_authenticator(0, verify, Ok(credential()));
    let outputs = drain(&mut machine);
    let [Output::Send(request, ClientMessage::CeremonyFinish(finish))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!(finish.ceremony_id, made.ceremony_id);
    machine.handle_message(0, Some(*request), signed_in());
    assert_eq!(
        drain(&mut machine),
        [Output::StateChanged(signed_in_state(KEY)), Output::Resolve(verify, Answer::SignedIn)]
    );
}

#[test]
fn sign_in_and_sign_out_move_the_state() {
    let mut machine = ready();
    let call = sign_in(&mut machine);
    assert_eq!(
        drain(&mut machine),
        [Output::StateChanged(signed_in_state(KEY)), Output::Resolve(call, Answer::SignedIn)]
    );
    let call = machine.sign_out(0);
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), signed_out(EndReason::User));
    let reason = Some(EndReason::User);
    assert_eq!(
        drain(&mut machine),
        [Output::StateChanged(State::SignedOut { reason }), Output::Resolve(call, Answer::SignedOut)]
    );
    let call = machine.sign_out(0);
    assert_eq!(drain(&mut machine), [Output::Resolve(call, Answer::SignedOut)]);
}

#[test]
fn a_challenge_that_is_not_this_pages_own_reaches_no_authenticator() {
    let honest = || honest(CeremonyKind::SignIn);
    let forged: Vec<(&str, Forge)> = vec![
        ("another session key", Forge { key: key(10), ..honest() }),
        ("another origin", Forge { origin: "https://shop.example.evil", ..honest() }),
        ("another app", Forge { app_id: AppID::from_bytes([99; 16]), ..honest() }),
        ("another kind in the hash", Forge { kind_hashed: CeremonyKind::SignUp, ..honest() }),
        ("another kind said", Forge { kind_said: CeremonyKind::SignUp, ..honest() }),
        (
            "a consistent ceremony of another kind",
            Forge { kind_said: CeremonyKind::SignUp, kind_hashed: CeremonyKind::SignUp, ..honest() },
        ),
        ("too little randomness", Forge { random: vec![7; 31], ..honest() }),
        ("another RP ID", Forge { rp_id: "evil.example", ..honest() }),
        ("an empty allow list", Forge { allow: 0, ..honest() }),
    ];
    for (what, forge) in forged {
        let mut machine = ready();
        let call = machine.sign_in(0, "ada@example.org".into(), key(9));
        let request = sent(&mut machine);
        machine.handle_message(0, Some(request), forge.get());
        assert_eq!(drain(&mut machine), [rejected(call, Code::ChallengeMismatch)], "{what}");
        machine.handle_authenticator(0, call, Ok(credential()));
        assert_eq!(drain(&mut machine), [], "{what}");
    }
    let mut machine = ready();
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    let unreadable = Offer { options: None, ..honest().offer(false) };
    machine.handle_message(0, Some(request), Incoming::Ceremony(unreadable));
    assert_eq!(drain(&mut machine), [rejected(call, Code::ChallengeMismatch)]);
}

#[test]
fn a_server_cannot_turn_a_sign_in_into_a_new_passkey() {
    let mut machine = ready();
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), honest(CeremonyKind::SignIn).create());
    assert_eq!(drain(&mut machine), [rejected(call, Code::Unexpected)]);
}

#[test]
fn a_server_cannot_sign_a_page_in_without_its_passkey() {
    let mut machine = ready();
    machine.handle_message(0, None, signed_in());
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), signed_in());
    assert_eq!(drain(&mut machine), [rejected(call, Code::Unexpected)]);
    assert_eq!(machine.state(), &State::SignedOut { reason: None });
}

#[test]
fn an_answer_to_another_request_is_ignored() {
    let mut machine = ready();
    let _call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    for id in [None, Some(request + 1), Some(0)] {
        machine.handle_message(0, id, honest(CeremonyKind::SignIn).get());
        machine.handle_unreadable(0, id);
    }
    machine.handle_message(0, Some(request + 1), error(Code::Internal));
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn a_refused_request_rejects_its_call_with_the_servers_words() {
    let mut machine = ready();
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    let failure = Failure { code: "newWord".into(), message: "so be it".into(), retry_after_ms: Some(5) };
    machine.handle_message(0, Some(request), Incoming::Error(failure.clone()));
    assert_eq!(drain(&mut machine), [Output::Reject(call, failure)]);

    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_unreadable(0, Some(request));
    assert_eq!(drain(&mut machine), [rejected(call, Code::BadMessage)]);
}

#[test]
fn a_wrong_code_can_be_typed_again_and_an_expired_one_cannot() {
    let mut machine = ready();
    let begin = machine.sign_up(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), Incoming::CodeSent(UnixMillis(99)));
    drain(&mut machine);
    for code in [Code::WrongCode, Code::RateLimited, Code::CodeExpired] {
        let verify = machine.verify(0, begin, "000000".into());
        let request = sent(&mut machine);
        machine.handle_message(0, Some(request), error(code));
        assert_eq!(drain(&mut machine), [rejected(verify, code)]);
    }
    let verify = machine.verify(0, begin, "123456".into());
    assert_eq!(drain(&mut machine), [rejected(verify, Code::CodeExpired)]);
}

#[test]
fn a_code_of_an_older_sign_up_is_not_sent() {
    let mut machine = ready();
    let mut begin = || {
        let call = machine.sign_up(0, "ada@example.org".into(), key(9));
        let request = sent(&mut machine);
        let code_sent = Incoming::CodeSent(UnixMillis(99));
        machine.handle_message(0, Some(request), code_sent);
        drain(&mut machine);
        call
    };
    let (older, newer) = (begin(), begin());
    let verify = machine.verify(0, older, "123456".into());
    assert_eq!(drain(&mut machine), [rejected(verify, Code::CodeExpired)]);
    machine.verify(0, newer, "123456".into());
    sent(&mut machine);
}

#[test]
fn a_new_call_replaces_the_one_under_way() {
    let mut machine = ready();
    let first = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), honest(CeremonyKind::SignIn).get());
    drain(&mut machine);
    machine.sign_in(0, "bob@example.org".into(), key(9));
    let outputs = drain(&mut machine);
    assert_eq!(outputs[..2], [Output::AbortAuthenticator, rejected(first, Code::Cancelled)]);
    machine.handle_authenticator(0, first, Ok(credential()));
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn a_call_past_the_point_of_no_return_cannot_be_replaced_or_cancelled() {
    let mut machine = ready();
    let first = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), honest(CeremonyKind::SignIn).get());
    drain(&mut machine);
    machine.handle_authenticator(0, first, Ok(credential()));
    let request = sent(&mut machine);
    machine.cancel(first);
    let second = machine.sign_in(0, "bob@example.org".into(), key(9));
    let third = machine.sign_out(0);
    let refused = [rejected(second, Code::Unexpected), rejected(third, Code::Unexpected)];
    assert_eq!(drain(&mut machine), refused);
    machine.handle_message(0, Some(request), signed_in());
    assert_eq!(machine.state(), &signed_in_state(KEY));
}

#[test]
fn a_cancelled_call_ends_at_once_and_takes_its_prompt_away() {
    let mut machine = ready();
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), honest(CeremonyKind::SignIn).get());
    drain(&mut machine);
    machine.cancel(CallID(call.0 + 1));
    assert_eq!(drain(&mut machine), []);
    machine.cancel(call);
    assert_eq!(drain(&mut machine), [Output::AbortAuthenticator, rejected(call, Code::Cancelled)]);
    machine.cancel(call);
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn a_closed_prompt_rejects_the_call_and_the_next_one_works() {
    let mut machine = ready();
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), honest(CeremonyKind::SignIn).get());
    drain(&mut machine);
    machine.handle_authenticator(0, call, Err(Code::Cancelled.into()));
    assert_eq!(drain(&mut machine), [rejected(call, Code::Cancelled)]);
    sign_in(&mut machine);
}

#[test]
fn a_closed_prompt_of_a_sign_up_can_be_shown_again_without_a_new_code() {
    let mut machine = ready();
    let begin = machine.sign_up(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), Incoming::CodeSent(UnixMillis(99)));
    machine.verify(0, begin, "123456".into());
    drain(&mut machine);
    machine.handle_message(0, Some(request + 1), honest(CeremonyKind::SignUp).create());
    for _ in 0..3 {
        let outputs = drain(&mut machine);
        let [.., Output::CallAuthenticator(call, _)] = outputs.as_slice() else { panic!("{outputs:?}") };
        machine.handle_authenticator(0, *call, Err(Code::Cancelled.into()));
        assert_eq!(drain(&mut machine), [rejected(*call, Code::Cancelled)]);
        machine.verify(0, begin, "123456".into());
    }
    let outputs = drain(&mut machine);
    let [Output::CallAuthenticator(call, _)] = outputs.as_slice() else { panic!("{outputs:?}") };
    machine.handle_authenticator(0, *call, Ok(credential()));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), error(Code::PasskeyRejected));
    drain(&mut machine);
    // The answer used the challenge up.
    let late = machine.verify(0, begin, "123456".into());
    assert_eq!(drain(&mut machine), [rejected(late, Code::CodeExpired)]);
}

#[test]
fn a_second_session_on_one_page_is_refused_without_asking_the_server() {
    let mut machine = signed_in_machine();
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let outputs = drain(&mut machine);
    assert!(
        matches!(&outputs[..], [Output::Reject(of, failure)] if *of == call && failure.code == "unexpected")
    );
    assert_eq!(machine.state(), &signed_in_state(KEY));
}

#[test]
fn a_code_does_not_outlive_its_connection() {
    let mut machine = ready();
    let begin = machine.sign_up(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), Incoming::CodeSent(UnixMillis(99)));
    machine.handle_lost(0, 0, None);
    machine.handle_timeout(0, 0);
    machine.handle_message(0, None, hello());
    drain(&mut machine);
    let verify = machine.verify(0, begin, "123456".into());
    assert_eq!(drain(&mut machine), [rejected(verify, Code::CodeExpired)]);
}

#[test]
fn silence_is_a_lost_connection_and_any_message_is_a_sign_of_life() {
    let mut machine = ready();
    assert_eq!(machine.deadline_ms(), Some(HEARTBEAT_MS + 10_000));
    machine.handle_message(10_000, None, Incoming::Heartbeat);
    assert_eq!(machine.deadline_ms(), Some(HEARTBEAT_MS + 20_000));
    machine.handle_timeout(HEARTBEAT_MS + 19_999, 7);
    assert_eq!(drain(&mut machine), []);
    machine.handle_timeout(HEARTBEAT_MS + 20_000, 7);
    let reconnecting = Output::StateChanged(State::Reconnecting { reason: None });
    assert_eq!(drain(&mut machine), [Output::Close, reconnecting]);
    // What the closed socket still delivers has no meaning.
    machine.handle_message(HEARTBEAT_MS + 20_000, None, hello());
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn a_server_that_never_greets_or_never_answers_is_left() {
    let mut machine = machine();
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    assert_eq!(drain(&mut machine), [Output::Connect]);
    machine.handle_timeout(30_000, 0);
    assert!(drain(&mut machine).contains(&rejected(call, Code::ConnectionLost)));

    let mut machine = ready();
    let call = machine.sign_in(1_000, "ada@example.org".into(), key(9));
    drain(&mut machine);
    machine.handle_message(29_000, None, Incoming::Heartbeat);
    machine.handle_timeout(31_000, 0);
    let outputs = drain(&mut machine);
    assert_eq!(outputs[..2], [Output::Close, rejected(call, Code::ConnectionLost)]);
}

#[test]
fn a_call_waits_for_the_greeting_and_shortens_the_wait_for_a_new_connection() {
    let mut machine = ready();
    machine.handle_lost(0, 400, None);
    drain(&mut machine);
    machine.sign_in(100, "ada@example.org".into(), key(9));
    assert_eq!(drain(&mut machine), [Output::Connect]);
    machine.handle_message(200, None, hello());
    sent(&mut machine);
}

#[test]
fn waits_grow_with_each_failure_and_start_over_after_a_useful_connection() {
    let mut machine = machine();
    let mut now = 0;
    let wait = |machine: &mut Machine, now: &mut u64, random: u64| {
        machine.handle_lost(*now, random, None);
        let wait = machine.deadline_ms().unwrap() - *now;
        *now += wait;
        machine.handle_timeout(*now, 0);
        wait
    };
    for bound in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        assert_eq!(wait(&mut machine, &mut now, bound), bound);
    }
    machine.handle_message(now, None, hello());
    assert_eq!(wait(&mut machine, &mut now, 29_000), 29_000, "a greeting alone is no use");
    machine.handle_message(now, None, hello());
    now += 30_000;
    assert_eq!(wait(&mut machine, &mut now, 501), 0);
}

#[test]
fn final_close_codes_end_it_and_others_do_not() {
    for (close_code, is_final) in [(1000, false), (4000, false), (4499, false), (4500, true), (4999, true)] {
        let mut machine = ready();
        machine.handle_message(0, None, error(Code::UnknownApp));
        machine.handle_lost(0, 0, Some(close_code));
        assert_eq!(machine.deadline_ms().is_none(), is_final, "{close_code}");
        let closed = State::Closed { failure: Some(Code::UnknownApp.into()) };
        assert_eq!(machine.state() == &closed, is_final, "{close_code}");
    }
}

#[test]
fn a_server_can_ask_for_a_longer_wait_but_not_for_ever() {
    let mut machine = ready();
    let failure = |ms| Incoming::Error(Failure { retry_after_ms: Some(ms), ..Code::OverCapacity.into() });
    machine.handle_message(0, None, failure(7_000));
    machine.handle_lost(0, 1, None);
    assert_eq!(machine.deadline_ms(), Some(7_001));
    machine.handle_timeout(7_001, 0);
    machine.handle_message(7_001, None, failure(u64::MAX));
    machine.handle_lost(7_001, 0, None);
    assert_eq!(machine.deadline_ms(), Some(7_001 + 300_000));
}

#[test]
fn a_draining_server_is_left_in_time() {
    let mut machine = signed_in_machine();
    machine.handle_message(0, None, Incoming::Drain(5_000));
    machine.handle_timeout(4_999, 0);
    assert_eq!(drain(&mut machine), []);
    machine.handle_timeout(5_000, 0);
    // A close frame would say that the page is gone.
    let outputs = drain(&mut machine);
    assert_eq!(outputs, [Output::Abandon, Output::StateChanged(resuming_state())]);
}

#[test]
fn a_session_ended_elsewhere_is_known_at_once() {
    let mut machine = signed_in_machine();
    machine.handle_message(0, None, signed_out(EndReason::Revoked));
    let reason = Some(EndReason::Revoked);
    assert_eq!(drain(&mut machine), [Output::StateChanged(State::SignedOut { reason })]);
    machine.handle_message(0, None, signed_out(EndReason::User));
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn sign_out_is_answered_even_when_the_session_ended_otherwise() {
    let mut machine = signed_in_machine();
    let call = machine.sign_out(0);
    drain(&mut machine);
    machine.handle_message(0, None, signed_out(EndReason::Revoked));
    let answer = Answer::SignedOut;
    assert!(drain(&mut machine).contains(&Output::Resolve(call, answer)));
}

#[test]
fn a_page_that_is_put_away_signs_out_and_connects_anew_when_it_is_shown_again() {
    let mut machine = signed_in_machine();
    machine.leave();
    let reason = Some(EndReason::PageGone);
    assert_eq!(drain(&mut machine), [Output::Close, Output::StateChanged(State::Reconnecting { reason })]);
    assert!(!machine.holds_key(KEY));
    machine.leave();
    machine.handle_timeout(1_000_000, 0);
    assert_eq!((drain(&mut machine), machine.deadline_ms()), (vec![], None));
    machine.wake(1_000_000);
    machine.wake(1_000_000);
    assert_eq!(drain(&mut machine), [Output::Connect]);
    machine.handle_message(1_000_000, None, hello());
    assert_eq!(drain(&mut machine), [GREETED, Output::StateChanged(State::SignedOut { reason })]);

    machine.leave();
    drain(&mut machine);
    machine.sign_in(1_000_000, "ada@example.org".into(), key(9));
    assert_eq!(drain(&mut machine), [Output::Connect], "a call wakes it, too");
}

#[test]
fn a_closed_machine_stays_closed() {
    let mut machine = signed_in_machine();
    let pending = machine.sign_out(0);
    drain(&mut machine);
    machine.close();
    assert_eq!(
        drain(&mut machine),
        [
            rejected(pending, Code::Cancelled),
            Output::Close,
            Output::StateChanged(State::Closed { failure: None })
        ]
    );
    machine.close();
    machine.leave();
    machine.handle_message(0, None, hello());
    machine.handle_lost(0, 0, None);
    machine.handle_timeout(u64::MAX, 0);
    assert_eq!(machine.deadline_ms(), None);
    assert_eq!(drain(&mut machine), []);
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    assert_eq!(drain(&mut machine), [rejected(call, Code::Unexpected)]);
}

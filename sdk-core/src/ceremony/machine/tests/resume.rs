//! How a session outlives its connection.

use super::*;
use crate::ceremony::binding::resume_signing_input;

const SIGNATURE: [u8; 64] = [5; 64];

/// The signature that the machine asks for among the outputs.
fn asked_to_sign(outputs: &[Output]) -> Option<RequestID> {
    outputs.iter().find_map(|output| match output {
        Output::Sign { request, key, input } => {
            assert_eq!(*key, KEY);
            assert_eq!(*input, resume_signing_input(session().session_id, ORIGIN, &[3; 32]));
            Some(*request)
        }
        _ => None,
    })
}

fn sign(machine: &mut Machine, now_ms: u64, request: RequestID) {
    machine.handle_signature(now_ms, request, Some(Base64Url(SIGNATURE.to_vec())));
}

/// Signed in, then lost at `now_ms` with the wait 0.
fn lost(now_ms: u64) -> Machine {
    let mut machine = signed_in_machine();
    machine.handle_lost(now_ms, 0, Some(1006));
    machine
}

/// Lost and connected again: the key has been asked for its signature.
fn reconnected() -> (Machine, RequestID) {
    let mut machine = lost(0);
    machine.handle_timeout(0, 0);
    drain(&mut machine);
    machine.handle_message(0, None, hello());
    let outputs = drain(&mut machine);
    let request = asked_to_sign(&outputs).unwrap_or_else(|| panic!("{outputs:?}"));
    (machine, request)
}

/// ... and the server's answer is awaited.
fn resuming() -> (Machine, RequestID) {
    let (mut machine, request) = reconnected();
    sign(&mut machine, 0, request);
    let outputs = drain(&mut machine);
    let [Output::Send(sent, ClientMessage::SessionResume(resume))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!(*sent, request);
    assert_eq!((resume.session_id, resume.signature.0.as_slice()), (session().session_id, &SIGNATURE[..]));
    (machine, request)
}

#[test]
fn a_lost_connection_keeps_session_and_key_and_the_next_one_takes_over() {
    let mut machine = lost(0);
    assert_eq!(drain(&mut machine), [Output::StateChanged(resuming_state())]);
    assert!(machine.holds_key(KEY));
    machine.handle_timeout(0, 0);
    assert_eq!(drain(&mut machine), [Output::Connect]);
    machine.handle_message(1_000, None, hello());
    let outputs = drain(&mut machine);
    assert_eq!(outputs.len(), 2, "the state stays as it is: {outputs:?}");
    let request = asked_to_sign(&outputs).unwrap();
    sign(&mut machine, 1_000, request);
    drain(&mut machine);
    let newer = Session { started_at: UnixMillis(7), ..session() };
    machine.handle_message(1_000, Some(request), Incoming::SignedIn(newer.clone()));
    let state = State::SignedIn { session: newer, key: KEY, expiring_at: None, recovery_until: None };
    assert_eq!(drain(&mut machine), [Output::StateChanged(state)]);
    assert!(machine.holds_key(KEY));
    // The grace time of the first loss has no meaning any more.
    machine.handle_message(GRACE_MS, None, Incoming::Heartbeat);
    machine.handle_timeout(GRACE_MS, 0);
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn a_session_that_is_gone_signs_the_page_out() {
    for code in [Code::SessionGone, Code::Unexpected, Code::UnknownType] {
        let (mut machine, request) = resuming();
        machine.handle_message(0, Some(request), error(code));
        let reason = Some(EndReason::ConnectionLost);
        assert_eq!(drain(&mut machine), [Output::StateChanged(State::SignedOut { reason })]);
        assert!(!machine.holds_key(KEY));
        sign_in(&mut machine);
    }
}

#[test]
fn the_grace_time_ends_wherever_the_page_is_on_its_way_back() {
    let reason = Some(EndReason::ConnectionLost);
    let gone = Output::StateChanged(State::Reconnecting { reason });

    // Between two attempts.
    let mut machine = signed_in_machine();
    machine.handle_message(
        0,
        None,
        Incoming::Error(Failure { retry_after_ms: Some(300_000), ..Code::OverCapacity.into() }),
    );
    machine.handle_lost(0, 0, None);
    drain(&mut machine);
    assert_eq!(machine.deadline_ms(), Some(GRACE_MS));
    machine.handle_timeout(GRACE_MS - 1, 0);
    assert_eq!(drain(&mut machine), []);
    machine.handle_timeout(GRACE_MS, 0);
    assert_eq!(drain(&mut machine), std::slice::from_ref(&gone));
    assert!(!machine.holds_key(KEY));
    assert_eq!(machine.deadline_ms(), Some(300_000));

    // While connecting.
    let mut machine = lost(0);
    machine.wake(GRACE_MS - 1);
    drain(&mut machine);
    machine.handle_timeout(GRACE_MS, 0);
    assert_eq!(drain(&mut machine), std::slice::from_ref(&gone));
    machine.handle_message(GRACE_MS, None, hello());
    assert_eq!(drain(&mut machine), [GREETED, Output::StateChanged(State::SignedOut { reason })]);

    // While the key signs: the signature comes too late.
    let (mut machine, request) = reconnected();
    machine.handle_message(GRACE_MS - 1, None, Incoming::Heartbeat);
    machine.handle_timeout(GRACE_MS, 0);
    assert_eq!(drain(&mut machine), [Output::StateChanged(State::SignedOut { reason })]);
    sign(&mut machine, GRACE_MS, request);
    assert_eq!(drain(&mut machine), []);

    // While the answer is awaited: it may still come, so the page leaves, which ends the session.
    let (mut machine, request) = reconnected();
    machine.handle_message(GRACE_MS - 1, None, Incoming::Heartbeat);
    sign(&mut machine, GRACE_MS - 1, request);
    drain(&mut machine);
    machine.handle_timeout(GRACE_MS, 9);
    assert_eq!(drain(&mut machine), [Output::Close, gone]);
    machine.handle_message(GRACE_MS, Some(request), signed_in());
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn without_grace_time_a_lost_connection_ends_the_session() {
    let mut machine = ready();
    let call = machine.sign_in(0, "ada@example.org".into(), key(9));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), honest(CeremonyKind::SignIn).get());
    machine.handle_authenticator(0, call, Ok(credential()));
    let request = sent(&mut machine);
    let strict = Session { grace_ms: 0, ..session() };
    machine.handle_message(0, Some(request), Incoming::SignedIn(strict));
    drain(&mut machine);
    machine.handle_timeout(HEARTBEAT_MS + 10_000, 0);
    let reason = Some(EndReason::ConnectionLost);
    let outputs = drain(&mut machine);
    assert_eq!(outputs, [Output::Close, Output::StateChanged(State::Reconnecting { reason })]);
    assert!(!machine.holds_key(KEY));
}

#[test]
fn a_refusal_that_may_pass_is_tried_again_on_another_connection() {
    let (mut machine, request) = resuming();
    let refusal = Failure { retry_after_ms: Some(2_000), ..Code::RateLimited.into() };
    machine.handle_message(0, Some(request), Incoming::Error(refusal));
    assert_eq!((drain(&mut machine), machine.deadline_ms()), (vec![], Some(0)));
    machine.handle_timeout(0, 9);
    assert_eq!(drain(&mut machine), [Output::Close]);
    assert_eq!(machine.state(), &resuming_state());
    assert_eq!(machine.deadline_ms(), Some(2_009));
    machine.handle_timeout(2_009, 0);
    machine.handle_message(2_009, None, hello());
    let again = asked_to_sign(&drain(&mut machine)).unwrap();
    assert!(again > request);
    sign(&mut machine, 2_009, request);
    assert_eq!(drain(&mut machine), [], "a signature over an earlier nonce is not sent");
    sign(&mut machine, 2_009, again);
    machine.handle_message(2_009, Some(again), signed_in());
    assert_eq!(machine.state(), &signed_in_state(KEY));
}

#[test]
fn an_answer_that_is_lost_or_unreadable_is_asked_for_again_without_ending_the_session() {
    let (mut machine, request) = resuming();
    machine.handle_unreadable(0, Some(request));
    machine.handle_timeout(0, 0);
    // The server may hold this connection for the session's: no close frame yet.
    assert_eq!(drain(&mut machine), [Output::Abandon]);
    assert_eq!(machine.state(), &resuming_state());

    let (mut machine, request) = resuming();
    machine.handle_message(25_000, None, Incoming::Heartbeat);
    machine.handle_timeout(30_000, 0);
    assert_eq!(drain(&mut machine), [Output::Abandon]);
    machine.handle_timeout(30_000, 0);
    machine.handle_message(30_000, None, hello());
    let again = asked_to_sign(&drain(&mut machine)).unwrap();
    assert!(again > request);
    sign(&mut machine, 30_000, again);
    drain(&mut machine);
    machine.handle_message(30_000, Some(again), signed_in());
    // Now that another connection carries the session, the frame can do no harm.
    let outputs = drain(&mut machine);
    assert_eq!(outputs, [Output::CloseAbandoned, Output::StateChanged(signed_in_state(KEY))]);
}

#[test]
fn a_server_cannot_put_another_session_in_the_place_of_the_one_that_was_asked_for() {
    for other in [
        Session { session_id: SessionID::from_bytes([44; 16]), ..session() },
        Session { account_id: AccountID::from_bytes([44; 16]), ..session() },
    ] {
        let (mut machine, request) = resuming();
        machine.handle_message(0, Some(request), Incoming::SignedIn(other));
        machine.handle_timeout(0, 0);
        let reason = Some(EndReason::ConnectionLost);
        let outputs = drain(&mut machine);
        let [_, Output::Close, last] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert_eq!(last, &Output::StateChanged(State::Reconnecting { reason }));
        assert!(!machine.holds_key(KEY));
    }
}

#[test]
fn a_server_cannot_resume_a_session_unasked() {
    let (mut machine, request) = reconnected();
    for id in [None, Some(request), Some(request + 1)] {
        machine.handle_message(0, id, signed_in());
    }
    assert_eq!(drain(&mut machine), []);
    assert_eq!(machine.state(), &resuming_state());
}

#[test]
fn a_key_that_cannot_sign_ends_the_session_and_calls_go_on() {
    let (mut machine, request) = reconnected();
    machine.handle_signature(0, request, None);
    let reason = Some(EndReason::ConnectionLost);
    assert_eq!(drain(&mut machine), [Output::StateChanged(State::SignedOut { reason })]);
    assert!(!machine.holds_key(KEY));
}

#[test]
fn a_session_that_ends_elsewhere_while_it_is_resumed_is_over() {
    let (mut machine, request) = resuming();
    machine.handle_message(0, None, signed_out(EndReason::Revoked));
    let reason = Some(EndReason::Revoked);
    assert_eq!(drain(&mut machine), [Output::StateChanged(State::SignedOut { reason })]);
    machine.handle_message(0, Some(request), signed_in());
    assert_eq!((drain(&mut machine), machine.holds_key(KEY)), (vec![], false));
}

#[test]
fn a_final_close_ends_the_session_too() {
    let (mut machine, _) = resuming();
    machine.handle_lost(0, 0, Some(4506));
    let failure = Some(Code::Forbidden.into());
    assert_eq!(drain(&mut machine), [Output::StateChanged(State::Closed { failure })]);
    assert!(!machine.holds_key(KEY));
}

#[test]
fn a_restarted_server_is_asked_on_each_new_connection() {
    let (mut machine, first) = resuming();
    machine.handle_lost(0, 0, Some(1012));
    machine.handle_timeout(0, 0);
    drain(&mut machine);
    machine.handle_message(0, None, hello());
    let second = asked_to_sign(&drain(&mut machine)).unwrap();
    assert!(second > first);
    machine.handle_message(0, Some(first), signed_in());
    assert_eq!(machine.state(), &resuming_state(), "an answer of the old connection");
}

#[test]
fn who_signs_out_while_the_connection_is_lost_is_signed_out_here_at_once_and_there_in_time() {
    let mut machine = lost(0);
    machine.wake(0);
    drain(&mut machine);
    let call = machine.sign_out(10);
    let reason = Some(EndReason::User);
    assert_eq!(
        drain(&mut machine),
        [Output::StateChanged(State::Reconnecting { reason }), Output::Resolve(call, Answer::SignedOut)]
    );
    assert!(machine.holds_key(KEY), "it is needed to end the session on the server");
    machine.handle_message(20, None, hello());
    let outputs = drain(&mut machine);
    let request = asked_to_sign(&outputs).unwrap();
    assert!(outputs.contains(&Output::StateChanged(State::SignedOut { reason })));

    // Whoever signs in meanwhile waits until that is done.
    let next = machine.sign_in(20, "bob@example.org".into(), key(10));
    assert_eq!(drain(&mut machine), []);
    sign(&mut machine, 30, request);
    let outputs = drain(&mut machine);
    let [
        Output::Send(_, ClientMessage::SessionResume(_)),
        Output::Send(out, ClientMessage::SignOut),
        Output::Send(_, ClientMessage::SignInBegin(_)),
    ] = outputs.as_slice()
    else {
        panic!("{outputs:?}")
    };
    assert!(!machine.holds_key(KEY) && machine.holds_key(next));
    machine.handle_message(30, Some(request), signed_in());
    machine.handle_message(30, Some(*out), signed_out(EndReason::User));
    assert_eq!(drain(&mut machine), []);
    assert_eq!(machine.state(), &State::SignedOut { reason });
}

#[test]
fn a_server_that_fails_to_end_a_session_is_left_so_that_it_ends_all_the_same() {
    for (code, is_left) in [(Code::Internal, true), (Code::Unexpected, false)] {
        let (mut machine, _) = resuming();
        machine.sign_out(0);
        let outputs = drain(&mut machine);
        let Output::Send(farewell, ClientMessage::SignOut) = outputs[0] else { panic!("{outputs:?}") };
        machine.handle_message(0, Some(farewell), error(code));
        machine.handle_timeout(0, 0);
        assert_eq!(drain(&mut machine).first() == Some(&Output::Close), is_left);
    }
}

#[test]
fn a_session_that_was_given_up_is_forgotten_when_its_grace_time_is_over() {
    let mut machine = lost(0);
    machine.sign_out(0);
    machine.handle_timeout(GRACE_MS, 0);
    assert!(!machine.holds_key(KEY));
    let reason = Some(EndReason::User);
    assert_eq!(machine.state(), &State::Reconnecting { reason });
    drain(&mut machine);
    machine.handle_message(GRACE_MS, None, hello());
    assert_eq!(drain(&mut machine), [GREETED, Output::StateChanged(State::SignedOut { reason })]);
}

#[test]
fn a_sign_out_under_way_when_the_connection_is_lost_counts() {
    let mut machine = signed_in_machine();
    let call = machine.sign_out(0);
    drain(&mut machine);
    machine.handle_lost(0, 0, Some(1006));
    let reason = Some(EndReason::User);
    assert_eq!(
        drain(&mut machine),
        [Output::Resolve(call, Answer::SignedOut), Output::StateChanged(State::Reconnecting { reason })]
    );

    // Without an answer the page leaves in an orderly way, which ends the session.
    let mut machine = signed_in_machine();
    machine.sign_out(0);
    drain(&mut machine);
    machine.handle_timeout(30_000, 0);
    assert_eq!(drain(&mut machine)[0], Output::Close);

    let (mut machine, request) = resuming();
    let call = machine.sign_out(0);
    let outputs = drain(&mut machine);
    let [Output::Send(_, ClientMessage::SignOut), _, Output::Resolve(of, _)] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!(*of, call);
    machine.handle_message(0, Some(request), signed_in());
    assert_eq!(machine.state(), &State::SignedOut { reason });
}

#[test]
fn the_last_page_that_leaves_while_the_connection_is_lost_lets_go_of_the_key() {
    let mut machine = signed_in_machine();
    machine.handle_timeout(HEARTBEAT_MS + 10_000, 0);
    assert_eq!(drain(&mut machine)[0], Output::Abandon);
    machine.leave();
    let reason = Some(EndReason::PageGone);
    assert_eq!(
        drain(&mut machine),
        [Output::CloseAbandoned, Output::StateChanged(State::Reconnecting { reason })]
    );
    assert!(!machine.holds_key(KEY));
}

#[test]
fn calls_of_a_session_wait_while_it_is_resumed() {
    let mut machine = lost(0);
    drain(&mut machine);
    machine.confirm(0, "{}".into());
    assert_eq!(drain(&mut machine), [Output::Connect], "someone is waiting at the screen");
    machine.handle_message(0, None, hello());
    let request = asked_to_sign(&drain(&mut machine)).unwrap();
    sign(&mut machine, 0, request);
    drain(&mut machine);
    machine.handle_message(0, Some(request), signed_in());
    let outputs = drain(&mut machine);
    assert!(matches!(outputs[0], Output::Send(_, ClientMessage::ConfirmBegin(_))), "{outputs:?}");

    let (mut machine, request) = resuming();
    let lost_call = machine.confirm(0, "{}".into());
    machine.handle_message(0, Some(request), error(Code::SessionGone));
    assert!(drain(&mut machine).contains(&rejected(lost_call, Code::SessionGone)));
}

#[test]
fn a_session_says_that_it_expires_until_the_page_says_something() {
    let mut machine = signed_in_machine();
    let at = UnixMillis(5);
    machine.handle_message(0, None, Incoming::Expiring(at));
    let state = State::SignedIn { session: session(), key: KEY, expiring_at: Some(at), recovery_until: None };
    assert_eq!(drain(&mut machine), [Output::StateChanged(state)]);
    machine.add_passkey(0);
    let outputs = drain(&mut machine);
    assert_eq!(outputs[1..], [Output::StateChanged(signed_in_state(KEY))]);

    // Its greatest age is its greatest age.
    let mut machine = signed_in_machine();
    let at = session().expires_at;
    machine.handle_message(0, None, Incoming::Expiring(at));
    drain(&mut machine);
    machine.add_passkey(0);
    assert_eq!(drain(&mut machine).len(), 1);

    let mut machine = ready();
    machine.handle_message(0, None, Incoming::Expiring(at));
    assert_eq!(drain(&mut machine), []);
}

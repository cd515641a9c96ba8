//! Recovery from the page's side: two codes, a hold or a passkey, and what the session's page is told.

use super::*;
use crate::ceremony::{PlainRequest, Report};

const CODE: &str = "0123-4567-89AB-CDEF-GHJK-MNPQ-RR8";

/// A page whose mailed code is on its way.
fn asked() -> (Machine, CallID) {
    let mut machine = ready();
    let call = machine.recover(0, "ada@example.org".into(), key(9));
    let outputs = drain(&mut machine);
    let [Output::Send(request, ClientMessage::RecoveryBegin(_))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    machine.handle_message(0, Some(*request), Incoming::CodeSent(UnixMillis(99)));
    let answer = Answer::CodeSent { expires_at: UnixMillis(99) };
    assert_eq!(drain(&mut machine), [Output::Resolve(call, answer)]);
    (machine, call)
}

fn verify(machine: &mut Machine, asked: CallID) -> (CallID, RequestID) {
    let call = machine.verify_recovery(0, asked, "123456".into(), CODE.into());
    let outputs = drain(machine);
    let [Output::Send(request, ClientMessage::RecoveryVerify(verify))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!((verify.code.as_str(), verify.recovery_code.as_str()), ("123456", CODE));
    (call, *request)
}

fn data() -> RawJson {
    RawJson("{}".into())
}

#[test]
fn both_codes_come_to_a_hold_and_are_used_up_by_it() {
    let (mut machine, asked) = asked();
    let (call, request) = verify(&mut machine, asked);
    machine.handle_message(0, Some(request), Incoming::Report(Report::RecoveryHeld, data()));
    assert_eq!(drain(&mut machine), [Output::Resolve(call, Answer::Data(data()))]);
    let again = machine.verify_recovery(0, asked, "123456".into(), CODE.into());
    assert_eq!(drain(&mut machine), [rejected(again, Code::CodeExpired)]);
    assert!(!machine.holds_key(asked));
}

#[test]
fn after_a_typing_error_both_can_be_typed_again() {
    for code in [Code::WrongCode, Code::WrongRecoveryCode] {
        let (mut machine, asked) = asked();
        let (call, request) = verify(&mut machine, asked);
        machine.handle_message(0, Some(request), error(code));
        assert_eq!(drain(&mut machine), [rejected(call, code)]);
        verify(&mut machine, asked);
    }
    let (mut machine, asked) = asked();
    let (_, request) = verify(&mut machine, asked);
    machine.handle_message(0, Some(request), error(Code::TooManyAttempts));
    drain(&mut machine);
    let again = machine.verify_recovery(0, asked, "123456".into(), CODE.into());
    assert_eq!(drain(&mut machine), [rejected(again, Code::CodeExpired)]);
}

#[test]
fn a_recovery_that_has_waited_makes_a_passkey_and_opens_no_session() {
    let (mut machine, asked) = asked();
    let (call, request) = verify(&mut machine, asked);
    machine.handle_message(0, Some(request), honest(CeremonyKind::Recover).create());
    let outputs = drain(&mut machine);
    assert!(prompted(&outputs).is_some_and(BoundOptions::is_creation), "{outputs:?}");
    machine.handle_authenticator(0, call, Ok(credential()));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), Incoming::Report(Report::PasskeyAdded, data()));
    assert_eq!(drain(&mut machine), [Output::Resolve(call, Answer::Data(data()))]);
    assert_eq!(machine.state(), &State::SignedOut { reason: None });
}

#[test]
fn a_server_cannot_have_another_passkey_made_by_a_recovery() {
    for forge in [
        honest(CeremonyKind::SignUp),
        honest(CeremonyKind::AddPasskey),
        Forge { key: key(10), ..honest(CeremonyKind::Recover) },
        Forge { origin: "https://shop.example.evil", ..honest(CeremonyKind::Recover) },
    ] {
        let (mut machine, asked) = asked();
        let (call, request) = verify(&mut machine, asked);
        machine.handle_message(0, Some(request), forge.create());
        assert_eq!(drain(&mut machine), [rejected(call, Code::ChallengeMismatch)]);
    }
}

#[test]
fn a_recovery_code_is_made_by_a_gesture_of_that_kind() {
    let mut machine = signed_in_machine();
    let call = machine.make_recovery_code(0);
    let request = sent(&mut machine);
    let forge = Forge { allow: 1, ..honest(CeremonyKind::MakeRecoveryCode) };
    machine.handle_message(0, Some(request), forge.get());
    assert!(prompted(&drain(&mut machine)).is_some_and(|options| !options.is_creation()));
    machine.handle_authenticator(0, call, Ok(credential()));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), Incoming::Report(Report::RecoveryCode, data()));
    assert_eq!(drain(&mut machine), [Output::Resolve(call, Answer::Data(data()))]);
}

#[test]
fn a_page_is_shown_a_recovery_until_it_is_over() {
    let mut machine = signed_in_machine();
    let until = UnixMillis(1_000_000);
    machine.handle_recovery(Some(until));
    let held =
        State::SignedIn { session: session(), key: KEY, expiring_at: None, recovery_until: Some(until) };
    assert_eq!(drain(&mut machine), [Output::StateChanged(held)]);
    let call = machine.request(0, PlainRequest::RecoveryCancel, data());
    let outputs = drain(&mut machine);
    let [Output::SendPlain(request, PlainRequest::RecoveryCancel, _)] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    machine.handle_message(0, Some(*request), Incoming::Report(Report::RecoveryCancelled, data()));
    let outputs = drain(&mut machine);
    assert!(outputs.contains(&Output::Resolve(call, Answer::Data(data()))), "{outputs:?}");
    assert_eq!(machine.state(), &signed_in_state(KEY));
    machine.handle_recovery(Some(until));
    machine.handle_recovery(None);
    assert_eq!(machine.state(), &signed_in_state(KEY));
}

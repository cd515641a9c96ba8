//! What an open session does: confirm, add and remove passkeys, plain requests.

use super::*;
use crate::{
    ceremony::{PlainRequest, Report, action, machine::MAX_PLAIN_REQUESTS},
    protocol::gateway::AddedPasskey,
};

const ACTION: &str = r#"{"amount":5,"type":"pay"}"#;
const COSE_KEY: &[u8] = &[0xa5, 1, 2, 3, 0x26, 0x20, 1];
const NEW: PasskeyID = PasskeyID::from_bytes([77; 16]);

fn data() -> RawJson {
    RawJson("{}".into())
}

fn report(report: Report) -> Incoming {
    Incoming::Report(report, data())
}

/// An honest ceremony of `kind` over `action`.
fn over(kind: CeremonyKind, action: &str) -> Forge {
    Forge { action: Some(action.to_owned()), allow: 1, ..honest(kind) }
}

/// The authenticator data of a passkey with [`COSE_KEY`].
fn made() -> Credential {
    let mut data = vec![1; 32];
    data.push(0x45);
    data.extend([0; 20]);
    data.extend([0, 3, 7, 7, 7]);
    data.extend(COSE_KEY);
    Credential { authenticator_data: Some(data), ..credential() }
}

fn vouching(passkey_id: PasskeyID, public_key: &[u8]) -> Forge {
    Forge {
        added: Some(AddedPasskey { passkey_id, public_key: Base64Url(public_key.to_vec()) }),
        ..over(CeremonyKind::AddPasskey, &action::add_passkey(passkey_id, public_key))
    }
}

/// Signed in, with a further passkey made and handed in: the vouching ceremony is awaited.
fn passkey_made(credential: Credential) -> (Machine, CallID, RequestID) {
    let mut machine = signed_in_machine();
    let call = machine.add_passkey(0);
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), honest(CeremonyKind::AddPasskey).create());
    let outputs = drain(&mut machine);
    assert!(prompted(&outputs).is_some_and(BoundOptions::is_creation), "{outputs:?}");
    machine.handle_authenticator(0, call, Ok(credential));
    let outputs = drain(&mut machine);
    let [Output::Send(request, ClientMessage::CeremonyFinish(_))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    (machine, call, *request)
}

#[test]
fn a_confirmation_covers_exactly_the_action_that_the_page_asked_for() {
    let mut machine = signed_in_machine();
    let call = machine.confirm(0, ACTION.into());
    let outputs = drain(&mut machine);
    let [Output::Send(request, ClientMessage::ConfirmBegin(begin))] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!(begin.action.0, ACTION);
    machine.handle_message(0, Some(*request), over(CeremonyKind::Confirm, ACTION).get());
    let outputs = drain(&mut machine);
    assert!(prompted(&outputs).is_some_and(|options| !options.is_creation()), "{outputs:?}");
    machine.handle_authenticator(0, call, Ok(credential()));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), report(Report::Confirmed));
    assert_eq!(drain(&mut machine), [Output::Resolve(call, Answer::Data(data()))]);
    assert_eq!(machine.state(), &signed_in_state(KEY));
}

#[test]
fn a_server_cannot_have_another_action_or_key_or_kind_signed() {
    let honest = || over(CeremonyKind::Confirm, ACTION);
    let forged: Vec<(&str, Forge)> = vec![
        ("another action", over(CeremonyKind::Confirm, r#"{"amount":500,"type":"pay"}"#)),
        ("no action", Forge { action: None, ..honest() }),
        ("another session's key", Forge { key: key(10), ..honest() }),
        ("a sign-in", super::honest(CeremonyKind::SignIn)),
        (
            "a sign-in said to be a confirmation",
            Forge { kind_said: CeremonyKind::Confirm, ..super::honest(CeremonyKind::SignIn) },
        ),
        ("a removal", over(CeremonyKind::RemovePasskey, ACTION)),
        ("an empty allow list", Forge { allow: 0, ..honest() }),
        ("another RP ID", Forge { rp_id: "evil.example", ..honest() }),
        ("too little randomness", Forge { random: vec![7; 31], ..honest() }),
    ];
    for (what, forge) in forged {
        let mut machine = signed_in_machine();
        let call = machine.confirm(0, ACTION.into());
        let request = sent(&mut machine);
        machine.handle_message(0, Some(request), forge.get());
        assert_eq!(drain(&mut machine), [rejected(call, Code::ChallengeMismatch)], "{what}");
        assert_eq!(machine.state(), &signed_in_state(KEY), "{what}");
    }
    let mut machine = signed_in_machine();
    let call = machine.confirm(0, ACTION.into());
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), honest().create());
    assert_eq!(drain(&mut machine), [rejected(call, Code::Unexpected)], "a passkey to be made");
}

#[test]
fn a_further_passkey_is_made_and_vouched_for() {
    let (mut machine, call, request) = passkey_made(made());
    machine.handle_message(0, Some(request), vouching(NEW, COSE_KEY).get());
    let outputs = drain(&mut machine);
    assert!(prompted(&outputs).is_some_and(|options| !options.is_creation()), "{outputs:?}");
    machine.handle_authenticator(0, call, Ok(credential()));
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), report(Report::PasskeyAdded));
    assert_eq!(drain(&mut machine), [Output::Resolve(call, Answer::Data(data()))]);
}

#[test]
fn only_the_passkey_that_was_just_made_is_vouched_for() {
    let foreign = [0xa5, 1, 2, 3, 0x26, 0x20, 9];
    let forged: Vec<(&str, Forge)> = vec![
        ("a foreign key", vouching(NEW, &foreign)),
        ("a part of the key", vouching(NEW, &COSE_KEY[..6])),
        ("no key", vouching(NEW, &[])),
        ("nothing said", Forge { added: None, ..vouching(NEW, COSE_KEY) }),
        (
            "another key than the one said",
            Forge { action: Some(action::add_passkey(NEW, &foreign)), ..vouching(NEW, COSE_KEY) },
        ),
        (
            "another name than the one said",
            Forge {
                action: Some(action::add_passkey(PasskeyID::from_bytes([1; 16]), COSE_KEY)),
                ..vouching(NEW, COSE_KEY)
            },
        ),
        ("a removal instead", over(CeremonyKind::RemovePasskey, &action::remove_passkey(NEW))),
        ("no action", Forge { action: None, ..vouching(NEW, COSE_KEY) }),
    ];
    for (what, forge) in forged {
        let (mut machine, call, request) = passkey_made(made());
        machine.handle_message(0, Some(request), forge.get());
        assert_eq!(drain(&mut machine), [rejected(call, Code::ChallengeMismatch)], "{what}");
    }
    let (mut machine, call, request) = passkey_made(credential());
    machine.handle_message(0, Some(request), vouching(NEW, COSE_KEY).get());
    assert_eq!(drain(&mut machine), [rejected(call, Code::ChallengeMismatch)], "no authenticator data");

    // It cannot be skipped either.
    let (mut machine, call, request) = passkey_made(made());
    machine.handle_message(0, Some(request), report(Report::PasskeyAdded));
    assert_eq!(drain(&mut machine), [rejected(call, Code::Unexpected)]);
}

#[test]
fn a_removal_covers_the_passkey_that_the_page_named() {
    let mut machine = signed_in_machine();
    let call = machine.remove_passkey(0, NEW);
    let request = sent(&mut machine);
    let forge = over(CeremonyKind::RemovePasskey, &action::remove_passkey(NEW));
    machine.handle_message(0, Some(request), forge.get());
    machine.handle_authenticator(0, call, Ok(credential()));
    drain(&mut machine);
    machine.handle_message(0, Some(request + 1), report(Report::PasskeyRemoved));
    machine.handle_message(0, None, signed_out(EndReason::PasskeyRemoved));
    let reason = Some(EndReason::PasskeyRemoved);
    assert_eq!(
        drain(&mut machine),
        [Output::Resolve(call, Answer::Data(data())), Output::StateChanged(State::SignedOut { reason })]
    );

    let mut machine = signed_in_machine();
    let call = machine.remove_passkey(0, NEW);
    let request = sent(&mut machine);
    let other = action::remove_passkey(PasskeyID::from_bytes([1; 16]));
    machine.handle_message(0, Some(request), over(CeremonyKind::RemovePasskey, &other).get());
    assert_eq!(drain(&mut machine), [rejected(call, Code::ChallengeMismatch)]);
}

#[test]
fn an_answer_of_another_kind_ends_the_call() {
    for wrong in [report(Report::PasskeyAdded), signed_in(), Incoming::CodeSent(UnixMillis(1))] {
        let mut machine = signed_in_machine();
        let call = machine.confirm(0, ACTION.into());
        let request = sent(&mut machine);
        machine.handle_message(0, Some(request), over(CeremonyKind::Confirm, ACTION).get());
        machine.handle_authenticator(0, call, Ok(credential()));
        let request = sent(&mut machine);
        machine.handle_message(0, Some(request), wrong.clone());
        assert_eq!(drain(&mut machine), [rejected(call, Code::Unexpected)]);
        assert_eq!(machine.state(), &signed_in_state(KEY), "it changes nothing");

        let call = machine.request(0, PlainRequest::SessionsList, data());
        let outputs = drain(&mut machine);
        let [Output::SendPlain(request, ..)] = outputs.as_slice() else { panic!("{outputs:?}") };
        machine.handle_message(0, Some(*request), wrong);
        assert_eq!(drain(&mut machine), [rejected(call, Code::Unexpected)]);
    }
}

#[test]
fn what_the_server_says_by_itself_answers_no_call() {
    let mut machine = signed_in_machine();
    machine.request(0, PlainRequest::PasskeysList, data());
    machine.add_passkey(0);
    drain(&mut machine);
    for said in [Report::PasskeyAdded, Report::Passkeys] {
        machine.handle_message(0, None, report(said));
        assert_eq!(drain(&mut machine), []);
    }
}

#[test]
fn calls_of_a_session_need_one() {
    let mut machine = ready();
    for call in [
        machine.confirm(0, ACTION.into()),
        machine.add_passkey(0),
        machine.remove_passkey(0, NEW),
        machine.request(0, PlainRequest::PasskeysList, data()),
    ] {
        assert_eq!(machine.poll(), Some(rejected(call, Code::SessionGone)));
    }
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn what_a_session_was_doing_ends_with_it() {
    let mut machine = signed_in_machine();
    let confirm = machine.confirm(0, ACTION.into());
    let list = machine.request(0, PlainRequest::PasskeysList, data());
    let outputs = drain(&mut machine);
    let Output::Send(request, _) = outputs[0] else { panic!("{outputs:?}") };
    machine.handle_message(0, Some(request), over(CeremonyKind::Confirm, ACTION).get());
    drain(&mut machine);
    machine.handle_message(0, None, signed_out(EndReason::Revoked));
    let reason = Some(EndReason::Revoked);
    assert_eq!(
        drain(&mut machine),
        [
            rejected(list, Code::SessionGone),
            Output::AbortAuthenticator,
            rejected(confirm, Code::SessionGone),
            Output::StateChanged(State::SignedOut { reason }),
        ]
    );
}

#[test]
fn plain_requests_go_beside_a_prompt_and_find_their_own_answers() {
    let mut machine = signed_in_machine();
    let confirm = machine.confirm(0, ACTION.into());
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), over(CeremonyKind::Confirm, ACTION).get());
    drain(&mut machine);
    let reports = [Report::Passkeys, Report::PasskeyRenamed, Report::Sessions, Report::SessionsEnded];
    let calls = PlainRequest::ALL.map(|asks| machine.request(0, asks, data()));
    let outputs = drain(&mut machine);
    for ((output, call), answer) in outputs.iter().zip(calls).zip(reports).rev() {
        let Output::SendPlain(request, ..) = output else { panic!("{outputs:?}") };
        machine.handle_message(0, Some(*request), report(answer));
        assert_eq!(machine.poll(), Some(Output::Resolve(call, Answer::Data(data()))));
    }
    machine.handle_authenticator(0, confirm, Ok(credential()));
    sent(&mut machine);
}

#[test]
fn plain_requests_are_refused_cancelled_unreadable_lost_and_bounded() {
    let mut machine = signed_in_machine();
    let mut ask = |asks| {
        let call = machine.request(0, asks, data());
        let outputs = drain(&mut machine);
        let [Output::SendPlain(request, ..)] = outputs.as_slice() else { panic!("{outputs:?}") };
        (call, *request)
    };
    let (refused, first) = ask(PlainRequest::PasskeysRename);
    let (unreadable, second) = ask(PlainRequest::PasskeysList);
    let (cancelled, third) = ask(PlainRequest::SessionsList);
    let (kept, _) = ask(PlainRequest::SessionsEnd);
    machine.handle_message(0, Some(first), error(Code::InvalidName));
    machine.handle_unreadable(0, Some(second));
    machine.cancel(cancelled);
    machine.cancel(kept);
    machine.handle_message(0, Some(third), report(Report::Sessions));
    assert_eq!(
        drain(&mut machine),
        [
            rejected(refused, Code::InvalidName),
            rejected(unreadable, Code::BadMessage),
            rejected(cancelled, Code::Cancelled)
        ]
    );
    assert_eq!(machine.deadline_ms(), Some(30_000));
    machine.handle_timeout(30_000, 0);
    let outputs = drain(&mut machine);
    assert_eq!(outputs[..2], [Output::Abandon, rejected(kept, Code::ConnectionLost)]);

    let calls: Vec<_> = (0..=MAX_PLAIN_REQUESTS)
        .map(|_| machine.request(30_000, PlainRequest::PasskeysList, data()))
        .collect();
    let last = *calls.last().unwrap();
    assert_eq!(drain(&mut machine), [Output::Connect, rejected(last, Code::RateLimited)]);
}

#[test]
fn signing_out_does_not_wait_for_what_the_session_was_doing() {
    let mut machine = signed_in_machine();
    let confirm = machine.confirm(0, ACTION.into());
    let request = sent(&mut machine);
    machine.handle_message(0, Some(request), over(CeremonyKind::Confirm, ACTION).get());
    machine.handle_authenticator(0, confirm, Ok(credential()));
    drain(&mut machine);
    machine.cancel(confirm);
    assert_eq!(drain(&mut machine), [], "it may be confirmed already");
    machine.sign_out(0);
    let outputs = drain(&mut machine);
    assert_eq!(outputs[0], rejected(confirm, Code::Cancelled));
    assert!(matches!(outputs[1], Output::Send(_, ClientMessage::SignOut)), "{outputs:?}");
}

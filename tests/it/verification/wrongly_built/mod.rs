//! Correctly signed ceremonies that are built wrongly, one for every step and rule: each is refused for its own reason.

mod attestation;
mod attestation_object;
mod client_data;
mod public_key;
mod registration;
mod registration_answer;
mod sign_in;

use passkey_accounts::evidence::{Algorithm, AssertionError, Part, Step};
use passkey_accounts_server::ceremony::registration::RegistrationError;
use passkey_accounts_tests::{AttestationDraft, AuthenticatorDataDraft, SoftwareAuthenticator, Stage};
use serde_json::Value;

use super::{
    Edit, ORIGIN, authenticator, creation_options, register, sign_in_answer, unchanged, verify_new,
    verify_sign_in,
};

/// Why a ceremony must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Unreadable(Part),
    Fails(Step),
    HasCertificates,
}

impl From<AssertionError> for Verdict {
    fn from(error: AssertionError) -> Self {
        match error {
            AssertionError::Malformed(malformed) => Self::Unreadable(malformed.part),
            AssertionError::Refused(step) => Self::Fails(step),
        }
    }
}

impl From<RegistrationError> for Verdict {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Malformed(malformed) => Self::Unreadable(malformed.part),
            RegistrationError::Refused(step) => Self::Fails(step),
            RegistrationError::AttestationNotAccepted => Self::HasCertificates,
        }
    }
}

pub(crate) use attestation::none_cases;
pub(crate) use sign_in::cases as sign_in_cases;

/// Wrong registrations that carry self attestation.
pub(crate) fn registration_cases() -> Vec<Case> {
    [
        client_data::client_data_cases("webauthn.create", "webauthn.get"),
        registration::authenticator_data_cases(),
        public_key::key_cases(),
        attestation::statement_cases(),
        attestation_object::object_cases(),
        registration_answer::answer_cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// One wrong ceremony.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) edit: Edit,
}

pub(crate) fn case(name: &'static str, verdict: Verdict, edit: Edit) -> Case {
    Case { name, verdict, edit }
}

pub(crate) fn client_data(change: impl Fn(&mut Vec<u8>) + 'static) -> Edit {
    Box::new(move |stage| {
        if let Stage::ClientData(json) = stage {
            change(json);
        }
    })
}

/// Replaces the text in the client data, where it must be.
pub(crate) fn client_text(from: &'static str, to: &'static str) -> Edit {
    client_data(move |json| {
        let text = String::from_utf8(json.clone()).unwrap();
        assert!(text.contains(from), "{text} has no {from}");
        *json = text.replacen(from, to, 1).into_bytes();
    })
}

pub(crate) fn data(change: impl Fn(&mut AuthenticatorDataDraft) + 'static) -> Edit {
    Box::new(move |stage| {
        if let Stage::AuthenticatorData(data) = stage {
            change(data);
        }
    })
}

pub(crate) fn attestation(change: impl Fn(&mut AttestationDraft) + 'static) -> Edit {
    Box::new(move |stage| {
        if let Stage::Attestation(attestation) = stage {
            change(attestation);
        }
    })
}

pub(crate) fn object(change: impl Fn(&mut Vec<u8>) + 'static) -> Edit {
    Box::new(move |stage| {
        if let Stage::AttestationObject(object) = stage {
            change(object);
        }
    })
}

pub(crate) fn signature(change: impl Fn(&mut Vec<u8>) + 'static) -> Edit {
    Box::new(move |stage| {
        if let Stage::Signature(signature) = stage {
            change(signature);
        }
    })
}

/// Changes the answer as parsed JSON.
pub(crate) fn answer(change: impl Fn(&mut Value) + 'static) -> Edit {
    Box::new(move |stage| {
        if let Stage::Answer(text) = stage {
            let mut value = serde_json::from_str(text).unwrap();
            change(&mut value);
            *text = value.to_string();
        }
    })
}

/// Changes the answer as text.
pub(crate) fn answer_text(change: impl Fn(&str) -> String + 'static) -> Edit {
    Box::new(move |stage| {
        if let Stage::Answer(text) = stage {
            *text = change(text);
        }
    })
}

/// Changes one base64url member of `response`.
pub(crate) fn response_text(name: &'static str, change: impl Fn(&str) -> String + 'static) -> Edit {
    answer(move |value| {
        let text = value["response"][name].as_str().unwrap().to_owned();
        value["response"][name] = change(&text).into();
    })
}

pub(crate) fn self_attesting() -> SoftwareAuthenticator {
    let mut authenticator = authenticator(Algorithm::Es256);
    authenticator.attests_itself = true;
    authenticator
}

#[test]
fn every_wrongly_built_registration_is_refused_for_its_reason() {
    let cases = registration_cases();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    for case in &cases {
        let answer = self_attesting().register_with(&creation_options(), ORIGIN, &case.edit).unwrap();
        let verdict = verify_new(&answer).map_err(Verdict::from);
        assert_eq!(verdict.map(|_| "accepted"), Err(case.verdict), "{}", case.name);
    }
}

#[test]
fn every_wrongly_built_statement_of_no_attestation_is_refused() {
    for case in none_cases() {
        let mut authenticator = authenticator(Algorithm::Es256);
        let answer = authenticator.register_with(&creation_options(), ORIGIN, &case.edit).unwrap();
        let verdict = verify_new(&answer).map_err(Verdict::from);
        assert_eq!(verdict.map(|_| "accepted"), Err(case.verdict), "{}", case.name);
    }
}

#[test]
fn every_wrongly_built_sign_in_is_refused_for_its_reason() {
    let cases = sign_in_cases();
    assert!(cases.len() >= 70, "{} cases", cases.len());
    for algorithm in Algorithm::ALL {
        let mut authenticator = authenticator(algorithm);
        let passkey = register(&mut authenticator);
        for case in &cases {
            let answer = sign_in_answer(&mut authenticator, &passkey, &case.edit);
            let verdict = verify_sign_in(&answer, &passkey).map_err(Verdict::from);
            assert_eq!(verdict.map(|_| "accepted"), Err(case.verdict), "{} with {algorithm:?}", case.name);
        }
        let right = sign_in_answer(&mut authenticator, &passkey, &unchanged);
        assert!(verify_sign_in(&right, &passkey).is_ok());
    }
}

#[test]
fn a_sign_in_is_not_a_registration_nor_the_reverse() {
    let mut authenticator = self_attesting();
    let registration = authenticator.register(&creation_options(), ORIGIN).unwrap();
    let passkey = verify_new(&registration).unwrap();
    let sign_in = sign_in_answer(&mut authenticator, &passkey, &unchanged);
    assert_eq!(verify_new(&sign_in).map_err(Verdict::from), Err(Verdict::Unreadable(Part::Response)));
    assert_eq!(
        verify_sign_in(&registration, &passkey).map_err(Verdict::from),
        Err(Verdict::Unreadable(Part::Response))
    );
}

//! Correctly signed ceremonies that are built wrongly, one for every step and rule: each is refused for its own reason.

mod attestation;
mod attestation_object;
mod cbor;
mod client_data;
mod coverage;
mod other_keys;
mod public_key;
mod registration;
mod registration_answer;
mod sign_in;
mod signature_encoding;

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
            RegistrationError::NotAllowed(reason) => panic!("the policy allows everything: {reason}"),
        }
    }
}

/// Wrong ceremonies of one kind.
pub(crate) struct Group {
    pub(crate) algorithm: Algorithm,
    /// Of registrations: whether they are signed by the new passkey.
    pub(crate) attests_itself: bool,
    pub(crate) cases: Vec<Case>,
}

pub(crate) fn registrations() -> Vec<Group> {
    let group = |algorithm, attests_itself, cases: Vec<Vec<Case>>| {
        let cases = cases.into_iter().flatten().collect();
        Group { algorithm, attests_itself, cases }
    };
    vec![
        group(
            Algorithm::Es256,
            true,
            vec![
                client_data::client_data_cases("webauthn.create", "webauthn.get"),
                registration::authenticator_data_cases(),
                cbor::extension_cases(),
                public_key::key_cases(),
                attestation::statement_cases(),
                cbor::statement_cases(),
                attestation_object::object_cases(),
                registration_answer::answer_cases(),
            ],
        ),
        group(Algorithm::Es256, false, vec![attestation::none_cases()]),
        group(Algorithm::EdDsa, true, vec![other_keys::eddsa_cases()]),
        group(Algorithm::Rs256, true, vec![other_keys::rs256_cases()]),
    ]
}

pub(crate) fn sign_ins() -> Vec<Group> {
    let groups = Algorithm::ALL.into_iter().map(|algorithm| {
        let mut cases = sign_in::cases();
        cases.extend(cbor::extension_cases());
        if algorithm == Algorithm::Es256 {
            cases.extend(signature_encoding::es256_cases());
        }
        Group { algorithm, attests_itself: false, cases }
    });
    groups.collect()
}

impl Group {
    pub(crate) fn authenticator(&self) -> SoftwareAuthenticator {
        let mut authenticator = authenticator(self.algorithm);
        authenticator.attests_itself = self.attests_itself;
        authenticator
    }

    /// The answer of a registration that is wrong in this way.
    pub(crate) fn registration(&self, case: &Case) -> String {
        self.authenticator().register_with(&creation_options(), ORIGIN, &case.edit).unwrap()
    }
}

/// One wrong ceremony.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) edit: Edit,
}

pub(crate) fn case(name: impl Into<String>, verdict: Verdict, edit: Edit) -> Case {
    Case { name: name.into(), verdict, edit }
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

#[test]
fn every_wrongly_built_registration_is_refused_for_its_reason() {
    for group in registrations() {
        for case in &group.cases {
            let verdict = verify_new(&group.registration(case)).map_err(Verdict::from);
            assert_eq!(verdict.map(|_| "accepted"), Err(case.verdict), "{}", case.name);
        }
        let right = group.authenticator().register(&creation_options(), ORIGIN).unwrap();
        assert!(verify_new(&right).is_ok(), "what is changed was right");
    }
}

#[test]
fn every_wrongly_built_sign_in_is_refused_for_its_reason() {
    for group in sign_ins() {
        let mut authenticator = group.authenticator();
        let passkey = register(&mut authenticator);
        for case in &group.cases {
            let answer = sign_in_answer(&mut authenticator, &passkey, &case.edit);
            let verdict = verify_sign_in(&answer, &passkey).map_err(Verdict::from);
            assert_eq!(
                verdict.map(|_| "accepted"),
                Err(case.verdict),
                "{} with {:?}",
                case.name,
                group.algorithm
            );
        }
        let right = sign_in_answer(&mut authenticator, &passkey, &unchanged);
        assert!(verify_sign_in(&right, &passkey).is_ok(), "what is changed was right");
    }
}

#[test]
fn a_sign_in_is_not_a_registration_nor_the_reverse() {
    let mut authenticator = authenticator(Algorithm::Es256);
    let registration = authenticator.register(&creation_options(), ORIGIN).unwrap();
    let passkey = verify_new(&registration).unwrap();
    let sign_in = sign_in_answer(&mut authenticator, &passkey, &unchanged);
    assert_eq!(verify_new(&sign_in).map_err(Verdict::from), Err(Verdict::Unreadable(Part::Response)));
    assert_eq!(
        verify_sign_in(&registration, &passkey).map_err(Verdict::from),
        Err(Verdict::Unreadable(Part::Response))
    );
}

//! That the wrongly built ceremonies leave nothing out: every step of the specification and every reason of a parser has one.

use std::collections::BTreeSet;

use passkey_accounts::evidence::{AssertionError, Malformed, Part, Step};
use passkey_accounts_server::ceremony::registration::RegistrationError;

use super::{registrations, sign_ins};
use crate::verification::{register, sign_in_answer, verify_new, verify_sign_in};

/// Where parsers say what they cannot read.
const SOURCES: [&str; 6] = [
    include_str!("../../../../sdk-core/src/evidence/assertion.rs"),
    include_str!("../../../../sdk-core/src/evidence/authenticator_data.rs"),
    include_str!("../../../../sdk-core/src/evidence/client_data.rs"),
    include_str!("../../../../sdk-core/src/evidence/public_key.rs"),
    include_str!("../../../../reference-server/src/ceremony/attestation.rs"),
    include_str!("../../../../reference-server/src/ceremony/registration.rs"),
];

/// Reasons that no ceremony can meet.
const OUT_OF_REACH: [&str; 2] = [
    // Of keys that are stored, not received.
    "the stored form is of another shape",
    // The second lock behind the check of length, first and last byte.
    "the modulus is no modulus",
];

/// Every step, each named by the one before it, so that a new one cannot be forgotten here.
const fn step_after(step: Step) -> Option<Step> {
    Some(match step {
        Step::CredentialId => Step::UserHandle,
        Step::UserHandle => Step::Type,
        Step::Type => Step::Challenge,
        Step::Challenge => Step::Origin,
        Step::Origin => Step::CrossOrigin,
        Step::CrossOrigin => Step::TopOrigin,
        Step::TopOrigin => Step::RpIdHash,
        Step::RpIdHash => Step::UserPresent,
        Step::UserPresent => Step::UserVerified,
        Step::UserVerified => Step::BackupState,
        Step::BackupState => Step::BackupEligible,
        Step::BackupEligible => Step::Algorithm,
        Step::Algorithm => Step::Signature,
        Step::Signature => Step::AttestationFormat,
        Step::AttestationFormat => Step::AttestationStatement,
        Step::AttestationStatement => return None,
    })
}

/// What the verifier says of the cases, in its own words.
#[derive(Default)]
struct Said {
    steps: Vec<Step>,
    reasons: BTreeSet<&'static str>,
    parts: Vec<Part>,
}

impl Said {
    fn add(&mut self, malformed: Malformed) {
        self.reasons.insert(malformed.reason);
        self.parts.push(malformed.part);
    }
}

#[test]
fn every_step_and_every_reason_of_a_parser_has_a_ceremony_that_fails_it() {
    let (mut said, mut kinds) = (Said::default(), 0);
    for group in registrations() {
        kinds += group.cases.len();
        for case in &group.cases {
            match verify_new(&group.registration(case)).unwrap_err() {
                RegistrationError::Malformed(malformed) => said.add(malformed),
                RegistrationError::Refused(step) => said.steps.push(step),
                RegistrationError::AttestationNotAccepted => {}
                RegistrationError::NotAllowed(reason) => panic!("the policy allows everything: {reason}"),
            }
        }
    }
    // The sign-ins of one algorithm: those of the others are the same.
    let sign_ins = sign_ins();
    let most = sign_ins.iter().max_by_key(|group| group.cases.len()).unwrap();
    kinds += most.cases.len();
    let mut authenticator = most.authenticator();
    let passkey = register(&mut authenticator);
    for case in &most.cases {
        match verify_sign_in(&sign_in_answer(&mut authenticator, &passkey, &case.edit), &passkey).unwrap_err()
        {
            AssertionError::Malformed(malformed) => said.add(malformed),
            AssertionError::Refused(step) => said.steps.push(step),
        }
    }

    let mut step = Some(Step::CredentialId);
    while let Some(this) = step {
        assert!(said.steps.contains(&this), "no case fails this step: {this}");
        step = step_after(this);
    }
    for reason in SOURCES.into_iter().flat_map(reasons) {
        let is_met = said.reasons.contains(reason);
        assert_ne!(is_met, OUT_OF_REACH.contains(&reason), "is there a case for this? {reason}");
    }
    println!("{kinds} wrongly built ceremonies, {} reasons, {} parts", said.reasons.len(), said.parts.len());
    assert!(kinds >= 400, "{kinds} kinds");
}

#[test]
fn no_two_cases_of_a_kind_have_the_same_name_or_are_the_same_ceremony() {
    for group in registrations() {
        let (mut names, mut answers) = (BTreeSet::new(), BTreeSet::new());
        for case in &group.cases {
            assert!(names.insert(case.name.clone()), "{} comes twice", case.name);
            answers.insert(group.registration(case));
        }
        assert_eq!(answers.len(), names.len());
    }
    for group in sign_ins() {
        let names: BTreeSet<_> = group.cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), group.cases.len(), "a name comes twice");
    }
}

/// The texts that a source passes to `malformed`.
fn reasons(source: &'static str) -> impl Iterator<Item = &'static str> {
    source.split("malformed(\"").skip(1).filter_map(|rest| rest.split_once('"').map(|(reason, _)| reason))
}

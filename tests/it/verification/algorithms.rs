//! Every offered algorithm registers and signs in, and what the authenticator says is reported as it says it.

use passkey_accounts::evidence::{Algorithm, AssertionError, Counter, PublicKey, Step};
use passkey_accounts_server::ceremony::registration::{
    Attestation, RegistrationExpectation, verify_registration,
};
use passkey_accounts_tests::Stage;

use super::{
    ORIGIN, REGISTRATION, SIGN_IN, authenticator, creation_options, known, register, sign_in_answer,
    unchanged, verify_sign_in,
};
use passkey_accounts::evidence::{AssertionExpectation, AuthenticationResponse, UserVerification};

#[test]
fn every_offered_algorithm_registers_and_signs_in() {
    for algorithm in Algorithm::ALL {
        for attests_itself in [false, true] {
            let mut authenticator = authenticator(algorithm);
            authenticator.attests_itself = attests_itself;
            let passkey = register(&mut authenticator);
            assert_eq!(passkey.public_key.algorithm(), algorithm);
            assert_eq!(passkey.public_key.to_cose(), passkey.public_key_cose);
            assert_eq!(PublicKey::from_bytes(&passkey.public_key.to_bytes()), Ok(passkey.public_key.clone()));
            let attestation = if attests_itself { Attestation::SelfSigned } else { Attestation::None };
            assert_eq!(passkey.attestation, attestation);

            for count in 1..3 {
                let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
                let verified = verify_sign_in(&answer, &passkey).unwrap();
                assert_eq!(
                    (verified.sign_count, verified.counter),
                    (count, Counter::Advanced),
                    "{algorithm:?}"
                );
            }
        }
    }
}

#[test]
fn an_algorithm_that_is_not_accepted_neither_registers_nor_signs_in() {
    for algorithm in Algorithm::ALL {
        let others: Vec<_> = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        let mut authenticator = authenticator(algorithm);
        let answer = authenticator.register(&creation_options(), ORIGIN).unwrap();
        let expected = RegistrationExpectation { algorithms: &others, ..REGISTRATION };
        assert_eq!(verify_registration(&answer, &expected).unwrap_err(), Step::Algorithm.into());

        let passkey = verify_registration(&answer, &REGISTRATION).unwrap();
        let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
        let expected = AssertionExpectation { algorithms: &others, ..SIGN_IN };
        let verdict = AuthenticationResponse::parse(&answer).unwrap().verify(&expected, &known(&passkey));
        assert_eq!(verdict, Err(AssertionError::Refused(Step::Algorithm)));
    }
}

#[test]
fn a_key_does_not_verify_what_another_key_signed() {
    let keys: Vec<_> =
        Algorithm::ALL.into_iter().map(|alg| register(&mut authenticator(alg)).public_key).collect();
    for algorithm in Algorithm::ALL {
        let mut authenticator = authenticator(algorithm);
        let passkey = register(&mut authenticator);
        let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
        let response = AuthenticationResponse::parse(&answer).unwrap();
        for key in &keys {
            let other = passkey_accounts::evidence::KnownPasskey { public_key: key, ..known(&passkey) };
            // RS256 keys are drawn fresh, so only the same ES256 or EdDSA key comes out twice.
            let is_same = *key == passkey.public_key;
            assert_eq!(response.verify(&SIGN_IN, &other).is_ok(), is_same, "{algorithm:?} by {key:?}");
        }
    }
}

#[test]
fn user_verification_and_backup_are_reported_as_they_are() {
    for (verified, eligible, backed_up) in [
        (true, false, false),
        (true, true, false),
        (true, true, true),
        (false, false, false),
        (false, true, true),
    ] {
        let mut authenticator = authenticator(Algorithm::Es256);
        authenticator.user_verified = verified;
        authenticator.backup_eligible = eligible;
        authenticator.backed_up = backed_up;
        let answer = authenticator.register(&creation_options(), ORIGIN).unwrap();
        let expected =
            RegistrationExpectation { user_verification: UserVerification::Preferred, ..REGISTRATION };
        let passkey = verify_registration(&answer, &expected).unwrap();
        assert_eq!(
            (passkey.user_verified, passkey.backup_eligible, passkey.backed_up),
            (verified, eligible, backed_up)
        );

        let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
        let expected = AssertionExpectation { user_verification: UserVerification::Preferred, ..SIGN_IN };
        let response = AuthenticationResponse::parse(&answer).unwrap();
        let said = response.verify(&expected, &known(&passkey)).unwrap();
        assert_eq!((said.user_verified, said.backed_up), (verified, backed_up));
    }
}

#[test]
fn a_passkey_may_be_backed_up_later_but_not_become_eligible() {
    let mut authenticator = authenticator(Algorithm::Es256);
    authenticator.backup_eligible = true;
    let synced = register(&mut authenticator);
    authenticator.backed_up = true;
    let answer = sign_in_answer(&mut authenticator, &synced, &unchanged);
    assert!(verify_sign_in(&answer, &synced).unwrap().backed_up);

    for passkey in &mut authenticator.passkeys {
        passkey.backup_eligible = false;
    }
    authenticator.backed_up = false;
    let answer = sign_in_answer(&mut authenticator, &synced, &unchanged);
    assert_eq!(verify_sign_in(&answer, &synced), Err(AssertionError::Refused(Step::BackupEligible)));
}

#[test]
fn a_counter_that_does_not_rise_is_reported_and_not_refused() {
    let mut authenticator = authenticator(Algorithm::Es256);
    let mut passkey = register(&mut authenticator);
    passkey.sign_count = 5;
    let mut counter = || {
        let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
        verify_sign_in(&answer, &passkey).unwrap().counter
    };
    let seen: Vec<_> = (0..6).map(|_| counter()).collect();
    assert_eq!(seen, [[Counter::Regressed; 5].as_slice(), &[Counter::Advanced]].concat());

    authenticator.counter_step = 0;
    authenticator.passkeys[0].sign_count = 0;
    passkey.sign_count = 0;
    let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
    assert_eq!(verify_sign_in(&answer, &passkey).unwrap().counter, Counter::NotUsed);
}

#[test]
fn the_user_handle_may_be_absent_or_null() {
    let mut authenticator = authenticator(Algorithm::Es256);
    let passkey = register(&mut authenticator);
    authenticator.sends_user_handle = false;
    let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
    assert!(!answer.contains("userHandle"));
    assert!(verify_sign_in(&answer, &passkey).is_ok());
    let null = answer.replace(r#""response":{"#, r#""response":{"userHandle":null,"#);
    assert!(verify_sign_in(&null, &passkey).is_ok());
}

#[test]
fn extensions_and_new_members_are_allowed() {
    let edit = |stage: Stage<'_>| match stage {
        Stage::ClientData(json) => {
            json.pop();
            json.extend_from_slice(br#","future":{"a":[1,null]}}"#);
        }
        Stage::AuthenticatorData(data) => {
            data.flags |= 0x80;
            // {"credProtect": 2}
            data.extensions = [&[0xa1][..], &passkey_accounts_tests::cbor_text("credProtect"), &[2]].concat();
        }
        Stage::Answer(answer) => *answer = answer.replacen('{', r#"{"future":[{}],"#, 1),
        Stage::Attestation(_) | Stage::AttestationObject(_) | Stage::Signature(_) => {}
    };
    let mut authenticator = authenticator(Algorithm::Es256);
    let answer = authenticator.register_with(&creation_options(), ORIGIN, &edit).unwrap();
    let passkey = verify_registration(&answer, &REGISTRATION).unwrap();
    let answer = sign_in_answer(&mut authenticator, &passkey, &edit);
    assert!(verify_sign_in(&answer, &passkey).is_ok());
}

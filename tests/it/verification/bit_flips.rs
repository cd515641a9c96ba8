//! Any one bit of a valid ceremony, flipped: refused; or, where nothing signs the bit, reported as what it now says.

use passkey_accounts::{
    evidence::{Algorithm, AuthenticationResponse, Part, Step},
    protocol::base64url::{decode, encode},
};
use passkey_accounts_server::ceremony::registration::{NewPasskey, verify_registration};
use serde_json::Value;

use super::{
    ORIGIN, REGISTRATION, SIGN_IN, authenticator, creation_options, known, register, sign_in_answer,
    unchanged, verify_new, verify_sign_in, wrongly_built::Verdict,
};

fn flipped(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (bit, bytes)
    })
}

fn response_bytes(answer: &str, name: &str) -> Vec<u8> {
    let answer: Value = serde_json::from_str(answer).unwrap();
    decode(answer["response"][name].as_str().unwrap()).unwrap()
}

fn with_response_bytes(answer: &str, name: &str, bytes: &[u8]) -> String {
    let mut answer: Value = serde_json::from_str(answer).unwrap();
    answer["response"][name] = encode(bytes).into();
    answer.to_string()
}

#[test]
fn a_sign_in_with_any_bit_flipped_is_refused() {
    for algorithm in Algorithm::ALL {
        let mut authenticator = authenticator(algorithm);
        let passkey = register(&mut authenticator);
        let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
        let right = AuthenticationResponse::parse(&answer).unwrap();
        assert!(right.verify(&SIGN_IN, &known(&passkey)).is_ok());
        let refused = |wrong: AuthenticationResponse, what: &str, bit: usize| {
            let verdict = wrong.verify(&SIGN_IN, &known(&passkey));
            assert!(verdict.is_err(), "{algorithm:?}: bit {bit} of {what}");
        };
        for (bit, client_data_json) in flipped(&right.client_data_json) {
            refused(AuthenticationResponse { client_data_json, ..right.clone() }, "the client data", bit);
        }
        for (bit, authenticator_data) in flipped(&right.authenticator_data) {
            refused(
                AuthenticationResponse { authenticator_data, ..right.clone() },
                "the authenticator data",
                bit,
            );
        }
        for (bit, signature) in flipped(&right.signature) {
            refused(AuthenticationResponse { signature, ..right.clone() }, "the signature", bit);
        }
        for (bit, credential_id) in flipped(&right.credential_id) {
            refused(AuthenticationResponse { credential_id, ..right.clone() }, "the credential id", bit);
        }
        for (bit, user_handle) in flipped(right.user_handle.as_deref().unwrap()) {
            let user_handle = Some(user_handle);
            refused(AuthenticationResponse { user_handle, ..right.clone() }, "the user handle", bit);
        }
    }
}

/// The JSON around the signed bytes is unsigned. A flip in it either breaks it, or falls into something that is not read
/// (the name of an optional member, the value of one that is skipped): then the verdict is the very same.
#[test]
fn a_flip_in_the_answer_of_a_sign_in_is_refused_or_changes_nothing() {
    let mut authenticator = authenticator(Algorithm::Es256);
    let passkey = register(&mut authenticator);
    let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
    let right = AuthenticationResponse::parse(&answer).unwrap();
    let verdict = verify_sign_in(&answer, &passkey).unwrap();
    let unread = ["userHandle", "authenticatorAttachment", "clientExtensionResults"]
        .map(str::len)
        .iter()
        .sum::<usize>()
        + "platform".len();
    let mut accepted = 0;
    for (bit, wrong) in flipped(answer.as_bytes()) {
        let Ok(wrong) = String::from_utf8(wrong) else { continue };
        let Ok(said) = verify_sign_in(&wrong, &passkey) else { continue };
        accepted += 1;
        assert_eq!(said, verdict, "bit {bit}");
        let read = AuthenticationResponse::parse(&wrong).unwrap();
        let user_handle = read.user_handle.clone().or_else(|| right.user_handle.clone());
        assert_eq!(AuthenticationResponse { user_handle, ..read }, right, "bit {bit}");
    }
    assert!(accepted <= unread * 8, "{accepted} flips accepted, only {unread} bytes are not read");
}

#[test]
fn a_self_attested_registration_with_any_bit_flipped_is_refused() {
    for algorithm in Algorithm::ALL {
        let mut authenticator = authenticator(algorithm);
        authenticator.attests_itself = true;
        let answer = authenticator.register(&creation_options(), ORIGIN).unwrap();
        let right = verify_new(&answer).unwrap();
        for name in ["clientDataJSON", "attestationObject"] {
            for (bit, bytes) in flipped(&response_bytes(&answer, name)) {
                let verdict = verify_new(&with_response_bytes(&answer, name, &bytes));
                assert!(verdict.is_err(), "{algorithm:?}: bit {bit} of {name}");
            }
        }
        for (bit, id) in flipped(&right.credential_id) {
            let wrong = answer.replace(&encode(&right.credential_id), &encode(id));
            assert_eq!(
                verify_new(&wrong).map_err(Verdict::from),
                Err(Verdict::Fails(Step::CredentialId)),
                "bit {bit}"
            );
        }
    }
}

/// As for a sign-in; the transports and `credProps` are hints that nothing signs.
#[test]
fn a_flip_in_the_answer_of_a_registration_is_refused_or_changes_a_hint() {
    let mut authenticator = authenticator(Algorithm::Es256);
    authenticator.attests_itself = true;
    let answer = authenticator.register(&creation_options(), ORIGIN).unwrap();
    let right = verify_new(&answer).unwrap();
    for (bit, wrong) in flipped(answer.as_bytes()) {
        let Ok(wrong) = String::from_utf8(wrong) else { continue };
        let Ok(said) = verify_new(&wrong) else { continue };
        let transports = right.transports.clone();
        assert_eq!(NewPasskey { transports, discoverable: right.discoverable, ..said }, right, "bit {bit}");
    }
}

/// Without attestation nothing is signed at registration, by the design of WebAuthn: "none" proves nothing about the
/// key, the counter, the model and the flags, and the browser could have written others. What the relying party checks is
/// refused all the same, and what it takes on trust is exactly those fields.
#[test]
fn a_flip_in_a_registration_without_attestation_is_refused_or_reported() {
    for algorithm in Algorithm::ALL {
        let answer = authenticator(algorithm).register(&creation_options(), ORIGIN).unwrap();
        let right = verify_new(&answer).unwrap();
        let object = response_bytes(&answer, "attestationObject");
        // a3 63 "fmt" 64 "none" 67 "attStmt" a0 68 "authData" 58 or 59, length, data
        let data = object.windows(32).position(|window| window == rp_id_hash()).unwrap();
        let flags = data + 32;
        let sign_count = flags + 1..flags + 5;
        let aaguid = flags + 5..flags + 21;
        let key = flags + 23 + right.credential_id.len()..object.len();
        let (mut reported, mut keys) = (0, 0);
        for (bit, bytes) in flipped(&object) {
            let Ok(said) = verify_new(&with_response_bytes(&answer, "attestationObject", &bytes)) else {
                continue;
            };
            let byte = bit / 8;
            reported += 1;
            assert_ne!(said, right, "bit {bit} is read");
            let mut expected = right.clone();
            if sign_count.contains(&byte) {
                expected.sign_count ^= 1 << (8 * (sign_count.end - 1 - byte) + bit % 8);
            } else if aaguid.contains(&byte) {
                expected.aaguid[byte - aaguid.start] ^= 1 << (bit % 8);
            } else if key.contains(&byte) {
                // Another modulus, or another point of the curve: a key that nobody has.
                assert_eq!(said.public_key_cose, bytes[key.clone()]);
                assert_eq!(said.public_key.to_cose(), said.public_key_cose);
                expected.public_key = said.public_key.clone();
                expected.public_key_cose = said.public_key_cose.clone();
                keys += 1;
            } else {
                assert_eq!((byte, bit % 8), (flags, 3), "only BE is neither checked nor fixed yet");
                expected.backup_eligible = true;
            }
            assert_eq!(said, expected, "bit {bit}");
        }
        assert_eq!(reported - keys, (4 + 16) * 8 + 1, "{algorithm:?}");
        assert!(algorithm != Algorithm::Es256 || keys == 0, "one flip of x or y leaves P-256");
    }
}

/// The client data of such a registration is unsigned as well; only the name of an optional member may differ.
#[test]
fn a_flip_in_unsigned_client_data_is_refused_or_renames_cross_origin() {
    let answer = authenticator(Algorithm::Es256).register(&creation_options(), ORIGIN).unwrap();
    let right = verify_new(&answer).unwrap();
    let json = response_bytes(&answer, "clientDataJSON");
    let name = json.windows(11).position(|window| window == b"crossOrigin").unwrap();
    for (bit, bytes) in flipped(&json) {
        match verify_new(&with_response_bytes(&answer, "clientDataJSON", &bytes)) {
            Ok(said) => {
                assert!((name..name + 11).contains(&(bit / 8)), "bit {bit}");
                assert_eq!(said, right);
            }
            Err(error) => assert!(
                matches!(
                    Verdict::from(error),
                    Verdict::Unreadable(Part::ClientData)
                        | Verdict::Fails(Step::Type | Step::Challenge | Step::Origin)
                ),
                "bit {bit}: {error}"
            ),
        }
    }
    assert!(verify_registration(&answer, &REGISTRATION).is_ok());
}

fn rp_id_hash() -> [u8; 32] {
    use aws_lc_rs::digest;
    digest::digest(&digest::SHA256, super::RP_ID.as_bytes()).as_ref().try_into().unwrap()
}

/// Whatever bytes arrive, the answer is a refusal and not a panic.
mod arbitrary {
    use proptest::{collection::vec, prelude::*, test_runner::RngSeed};

    use super::*;

    fn config() -> ProptestConfig {
        ProptestConfig {
            cases: 2000,
            rng_seed: RngSeed::Fixed(2),
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn bytes_in_any_place_are_refused(
            client_data in vec(any::<u8>(), 0..200),
            data in vec(any::<u8>(), 0..300),
            object in vec(any::<u8>(), 0..300),
            text in "\\PC*",
        ) {
            let id = encode([7; 16]);
            let answer = |response: Value| serde_json::json!({"id": id, "rawId": id, "type": "public-key", "response": response}).to_string();
            let sign_in = answer(serde_json::json!({
                "clientDataJSON": encode(&client_data), "authenticatorData": encode(&data), "signature": encode(&object),
            }));
            let registration = answer(serde_json::json!({
                "clientDataJSON": encode(&client_data), "attestationObject": encode(&object),
            }));
            let passkey = verify_new(&authenticator(Algorithm::EdDsa).register(&creation_options(), ORIGIN).unwrap()).unwrap();
            prop_assert!(verify_new(&registration).is_err());
            prop_assert!(verify_sign_in(&sign_in, &passkey).is_err());
            prop_assert!(verify_new(&text).is_err());
            prop_assert!(verify_sign_in(&text, &passkey).is_err());
            let _ = passkey_accounts::evidence::authenticator_data::AuthenticatorData::parse(&data);
            let _ = passkey_accounts::evidence::PublicKey::from_cose(&object);
            let _ = passkey_accounts::evidence::PublicKey::from_bytes(&object);
        }

        #[test]
        fn several_changes_at_once_are_refused(
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<Option<prop::sample::Index>>(),
            part in 0..2,
        ) {
            let mut authenticator = authenticator(Algorithm::EdDsa);
            authenticator.attests_itself = true;
            let answer = authenticator.register(&creation_options(), ORIGIN).unwrap();
            let name = ["clientDataJSON", "attestationObject"][usize::try_from(part).unwrap()];
            let right = response_bytes(&answer, name);
            let mut bytes = right.clone();
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let verdict = verify_new(&with_response_bytes(&answer, name, &bytes));
            prop_assert_eq!(verdict.is_ok(), bytes == right);
        }
    }
}

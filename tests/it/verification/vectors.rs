//! The test vectors of WebAuthn Level 3 get the right verdict.

use data_encoding::HEXLOWER;
use passkey_accounts::{
    evidence::{
        Algorithm, AssertionError, AssertionExpectation, AuthenticationResponse, KnownPasskey, PublicKey,
        PublicKeyError, Step, UserVerification, authenticator_data::AuthenticatorData, cbor,
    },
    protocol::base64url::encode,
};
use passkey_accounts_server::ceremony::registration::{
    Attestation, AttestationPolicy, NewPasskey, RegistrationError, RegistrationExpectation,
    verify_registration,
};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../vectors/webauthn/level3.json");

/// Registration with the default policy, then authentication with the vector's own key.
#[derive(Debug, PartialEq)]
enum Registration {
    Accepted(Attestation),
    Refused(RegistrationError),
}

#[derive(Debug, PartialEq)]
enum Authentication {
    Accepted,
    Refused(AssertionError),
    KeyOfAlgorithm(i64),
}

fn expected(id: &str) -> (Registration, Authentication) {
    use Authentication as A;
    use Registration as R;
    let cross_origin = || {
        (
            R::Refused(RegistrationError::Refused(Step::CrossOrigin)),
            A::Refused(AssertionError::Refused(Step::CrossOrigin)),
        )
    };
    let not_offered = |alg| (R::Refused(RegistrationError::Refused(Step::Algorithm)), A::KeyOfAlgorithm(alg));
    match id {
        "none-es256" | "none-es256-long-credential-id" => (R::Accepted(Attestation::None), A::Accepted),
        "packed-self-es256" => (R::Accepted(Attestation::SelfSigned), A::Accepted),
        "none-es256-crossOrigin" | "none-es256-topOrigin" => cross_origin(),
        "packed-es256" | "packed-rs256" | "packed-eddsa" | "tpm-es256" | "android-key-es256"
        | "apple-es256" | "fido-u2f-es256" => {
            (R::Refused(RegistrationError::AttestationNotAccepted), A::Accepted)
        }
        // The key is looked at before the statement (step 20 before step 22).
        "packed-es384" => not_offered(-35),
        "packed-es512" => not_offered(-36),
        "packed-ed448" => not_offered(-53),
        _ => panic!("no verdict is known for {id}"),
    }
}

pub(super) fn attestation_root() -> String {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    file["attestation_root"]["attestation_ca_cert"].as_str().unwrap().to_owned()
}

pub(super) fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// 32 bytes, or 128.
fn challenge(ceremony: &Value) -> Vec<u8> {
    hex(&ceremony["challenge"])
}

fn registration_answer(vector: &Value) -> String {
    let registration = &vector["registration"];
    let id = encode(hex(&registration["credential_id"]));
    json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": encode(hex(&registration["clientDataJSON"])),
            "attestationObject": encode(hex(&registration["attestationObject"])),
            "transports": [],
        },
    })
    .to_string()
}

fn register(vector: &Value) -> Result<NewPasskey, RegistrationError> {
    register_with(vector, AttestationPolicy::default())
}

pub(super) fn register_with(
    vector: &Value,
    attestation: AttestationPolicy<'_>,
) -> Result<NewPasskey, RegistrationError> {
    let expected = RegistrationExpectation {
        challenge: &challenge(&vector["registration"]),
        origin: vector["origin"].as_str().unwrap(),
        rp_id: vector["rpId"].as_str().unwrap(),
        // Some of the vectors were made without user verification.
        user_verification: UserVerification::Preferred,
        algorithms: &Algorithm::ALL,
        attestation,
    };
    verify_registration(&registration_answer(vector), &expected)
}

fn authenticate(vector: &Value) -> Authentication {
    let object = cbor::parse(&hex(&vector["registration"]["attestationObject"])).unwrap();
    let [_, _, data] = cbor::exact_texts(&object, ["fmt", "attStmt", "authData"]).unwrap();
    let data = AuthenticatorData::parse(data.as_bytes().unwrap()).unwrap();
    let credential = data.attested.unwrap();
    let public_key = match PublicKey::from_cose(credential.public_key_cose) {
        Ok(key) => key,
        Err(PublicKeyError::Algorithm(number)) => return Authentication::KeyOfAlgorithm(number),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(public_key.to_cose(), credential.public_key_cose);
    assert_eq!(PublicKey::from_bytes(&public_key.to_bytes()), Ok(public_key.clone()));

    let authentication = &vector["authentication"];
    let id = encode(credential.credential_id);
    let answer = json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": encode(hex(&authentication["clientDataJSON"])),
            "authenticatorData": encode(hex(&authentication["authenticatorData"])),
            "signature": encode(hex(&authentication["signature"])),
        },
    });
    let expected = AssertionExpectation {
        challenge: &challenge(authentication),
        origin: vector["origin"].as_str().unwrap(),
        rp_id: vector["rpId"].as_str().unwrap(),
        user_verification: UserVerification::Preferred,
        algorithms: &Algorithm::ALL,
    };
    let passkey = KnownPasskey {
        credential_id: credential.credential_id,
        public_key: &public_key,
        sign_count: data.sign_count,
        backup_eligible: data.flags.backup_eligible(),
        user_handle: b"somebody",
    };
    let response = AuthenticationResponse::parse(&answer.to_string()).unwrap();
    match response.verify(&expected, &passkey) {
        Ok(_) => Authentication::Accepted,
        Err(error) => Authentication::Refused(error),
    }
}

#[test]
fn every_vector_gets_the_right_verdict() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 15);
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let registration = match register(&vector) {
            Ok(passkey) => Registration::Accepted(passkey.attestation),
            Err(error) => Registration::Refused(error),
        };
        assert_eq!((registration, authenticate(&vector)), expected(id), "{id}");
    }
}

#[test]
fn what_is_learnt_from_a_vector_is_what_it_says() {
    for vector in vectors() {
        let Ok(passkey) = register(&vector) else { continue };
        let registration = &vector["registration"];
        assert_eq!(passkey.credential_id, hex(&registration["credential_id"]));
        assert_eq!(passkey.aaguid.to_vec(), hex(&registration["aaguid"]));
        assert_eq!(passkey.public_key.to_cose(), passkey.public_key_cose);
        assert_eq!(passkey.sign_count, 0);
    }
    let long = vectors().into_iter().find(|vector| vector["id"] == "none-es256-long-credential-id").unwrap();
    assert_eq!(register(&long).unwrap().credential_id.len(), 1023);
}

#[test]
fn each_vector_is_refused_for_another_ceremony() {
    for vector in vectors() {
        let Ok(_) = register(&vector) else { continue };
        let challenge = challenge(&vector["registration"]);
        let right = RegistrationExpectation {
            challenge: &challenge,
            origin: "https://example.org",
            rp_id: "example.org",
            user_verification: UserVerification::Preferred,
            algorithms: &[Algorithm::Es256],
            attestation: AttestationPolicy::default(),
        };
        for (wrong, step) in [
            (RegistrationExpectation { challenge: &[0; 32], ..right }, Step::Challenge),
            (RegistrationExpectation { origin: "https://www.example.org", ..right }, Step::Origin),
            (RegistrationExpectation { rp_id: "org", ..right }, Step::RpIdHash),
            (RegistrationExpectation { algorithms: &[Algorithm::EdDsa], ..right }, Step::Algorithm),
        ] {
            let verdict = verify_registration(&registration_answer(&vector), &wrong);
            assert_eq!(verdict.unwrap_err(), RegistrationError::Refused(step));
        }
        assert!(verify_registration(&registration_answer(&vector), &right).is_ok());
    }
}

//! Wrong attestation statements, with the right signature where there is one.

use passkey_accounts::evidence::{Part::AttestationObject, Step};
use passkey_accounts_tests::{cbor_bytes, cbor_integer, cbor_text};

use super::{
    Case,
    Verdict::{Fails, HasCertificates, Unreadable},
    attestation, case,
};
use crate::verification::Edit;

fn packed(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let head = 0xa0 | u8::try_from(members.len()).unwrap();
    members.iter().fold(vec![head], |bytes, (name, value)| [bytes, cbor_text(name), value.clone()].concat())
}

/// Changes the members of the packed statement; the signature is the right one.
fn statement(change: impl Fn(Vec<u8>) -> Vec<u8> + 'static) -> Edit {
    attestation(move |attestation| {
        // a2 63 "alg" 26 63 "sig" 58 len sig
        let signature = attestation.statement[12..].to_vec();
        attestation.statement = change(signature);
    })
}

pub(crate) fn statement_cases() -> Vec<Case> {
    let invalid = Fails(Step::AttestationStatement);
    let not_cbor = Unreadable(AttestationObject);
    let es256 = || cbor_integer(-7);
    vec![
        case(
            "statement of another algorithm",
            invalid,
            statement(|sig| packed(&[("alg", cbor_integer(-257)), ("sig", cbor_bytes(&sig))])),
        ),
        case(
            "statement of an unknown algorithm",
            invalid,
            statement(|sig| packed(&[("alg", cbor_integer(-65535)), ("sig", cbor_bytes(&sig))])),
        ),
        case(
            "statement with a text for its algorithm",
            invalid,
            statement(|sig| packed(&[("alg", cbor_text("ES256")), ("sig", cbor_bytes(&sig))])),
        ),
        case(
            "statement without an algorithm",
            invalid,
            statement(|sig| packed(&[("sig", cbor_bytes(&sig))])),
        ),
        case("statement without a signature", invalid, statement(move |_| packed(&[("alg", es256())]))),
        case(
            "statement with a text for its signature",
            invalid,
            statement(move |_| packed(&[("alg", es256()), ("sig", cbor_text("sig"))])),
        ),
        case(
            "statement with an empty signature",
            Fails(Step::Signature),
            statement(move |_| packed(&[("alg", es256()), ("sig", cbor_bytes(&[]))])),
        ),
        case(
            "statement with another signature",
            Fails(Step::Signature),
            statement(move |mut sig| {
                *sig.last_mut().unwrap() ^= 1;
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig))])
            }),
        ),
        case(
            "statement signed over other authenticator data",
            Fails(Step::Signature),
            attestation(|attestation| {
                attestation.authenticator_data[36] ^= 1;
            }),
        ),
        case(
            "statement with certificates",
            HasCertificates,
            statement(move |sig| {
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("x5c", vec![0x81, 0x41, 0x30])])
            }),
        ),
        case(
            "statement with an empty list of certificates",
            invalid,
            statement(move |sig| packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("x5c", vec![0x80])])),
        ),
        case(
            "statement with a certificate that is no list",
            invalid,
            statement(move |sig| {
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("x5c", vec![0x41, 0x30])])
            }),
        ),
        case(
            "statement of ECDAA",
            invalid,
            statement(move |sig| {
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("ecdaaKeyId", vec![0x41, 0x30])])
            }),
        ),
        case(
            "statement with a member too many",
            invalid,
            statement(move |sig| {
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("ver", cbor_text("2.0"))])
            }),
        ),
        case(
            "statement out of order",
            not_cbor,
            statement(move |sig| packed(&[("sig", cbor_bytes(&sig)), ("alg", es256())])),
        ),
        case(
            "statement with a member twice",
            not_cbor,
            statement(move |sig| packed(&[("alg", es256()), ("alg", es256()), ("sig", cbor_bytes(&sig))])),
        ),
        case("statement that is an array", invalid, statement(|_| vec![0x80])),
        case("statement that is empty", invalid, statement(|_| vec![0xa0])),
        case("statement that is null", invalid, statement(|_| vec![0xf6])),
        case(
            "format none with a signature",
            invalid,
            attestation(|attestation| attestation.format = "none".into()),
        ),
        case("format tpm", HasCertificates, attestation(|attestation| attestation.format = "tpm".into())),
        case(
            "format android-key",
            HasCertificates,
            attestation(|attestation| attestation.format = "android-key".into()),
        ),
        case(
            "format android-safetynet",
            HasCertificates,
            attestation(|attestation| attestation.format = "android-safetynet".into()),
        ),
        case(
            "format fido-u2f",
            HasCertificates,
            attestation(|attestation| attestation.format = "fido-u2f".into()),
        ),
        case("format apple", HasCertificates, attestation(|attestation| attestation.format = "apple".into())),
        case(
            "format compound",
            HasCertificates,
            attestation(|attestation| attestation.format = "compound".into()),
        ),
        case(
            "format in capitals",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = "Packed".into()),
        ),
        case(
            "format with a space",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = "packed ".into()),
        ),
        case(
            "format that nobody registered",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = "mine".into()),
        ),
        case(
            "format empty",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = String::new()),
        ),
    ]
}

/// Wrong ones that claim to carry no attestation.
pub(crate) fn none_cases() -> Vec<Case> {
    let invalid = Fails(Step::AttestationStatement);
    vec![
        case(
            "a member in the statement",
            invalid,
            attestation(|attestation| {
                attestation.statement = vec![0xa1, 0x61, b'a', 0xf5];
            }),
        ),
        case(
            "certificates in the statement",
            invalid,
            attestation(|attestation| {
                attestation.statement = packed(&[("x5c", vec![0x80])]);
            }),
        ),
        case(
            "an array for a statement",
            invalid,
            attestation(|attestation| attestation.statement = vec![0x80]),
        ),
        case("null for a statement", invalid, attestation(|attestation| attestation.statement = vec![0xf6])),
        case(
            "an empty map in two bytes",
            Unreadable(AttestationObject),
            attestation(|attestation| {
                attestation.statement = vec![0xb8, 0x00];
            }),
        ),
        case(
            "packed with an empty statement",
            invalid,
            attestation(|attestation| {
                attestation.format = "packed".into();
            }),
        ),
        case(
            "None",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = "None".into()),
        ),
    ]
}

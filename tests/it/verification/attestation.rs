//! Attestation by an authenticator's maker (WebAuthn Level 3 section 8.2): whose word counts, and for what.

use data_encoding::HEXLOWER;
use passkey_accounts::{
    evidence::Step,
    protocol::{UnixMillis, webauthn},
};
use passkey_accounts_server::ceremony::{
    Authenticators,
    registration::{
        Attestation, AttestationPolicy, NewPasskey, NotAllowed, RegistrationError, RegistrationExpectation,
        verify_registration,
    },
};
use passkey_accounts_tests::{
    AttestationDraft, Maker, START, SoftwareAuthenticator, Stage, aaguid_extension, cbor_bytes, cbor_integer,
    cbor_text,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, KeyUsagePurpose, date_time_ymd,
};
use serde_json::Value;

use super::{
    ORIGIN, REGISTRATION, creation_options, unchanged,
    vectors::{attestation_root, register_with, vectors},
};

const MODEL: [u8; 16] = [0xaa; 16];
const OTHER_MODEL: [u8; 16] = [0xbb; 16];

type Verdict = Result<NewPasskey, RegistrationError>;

fn listed(certificate: &[u8]) -> Authenticators {
    let mut listed = Authenticators::default();
    listed.trust(MODEL, certificate.to_vec().into()).unwrap();
    listed
}

fn verify_at(answer: &str, listed: &Authenticators, now: UnixMillis) -> Verdict {
    let attestation = AttestationPolicy::Hardware { listed, now };
    verify_registration(answer, &RegistrationExpectation { attestation, ..REGISTRATION })
}

fn options() -> String {
    let mut options: webauthn::PublicKeyCredentialCreationOptionsJSON =
        serde_json::from_str(&creation_options()).unwrap();
    options.attestation = webauthn::AttestationConveyance::Direct;
    serde_json::to_string(&options).unwrap()
}

/// A security key of the model, whose maker signs a certificate that was changed like this.
fn key_with(maker: &Maker, edit: impl FnOnce(&mut CertificateParams)) -> SoftwareAuthenticator {
    let mut authenticator = SoftwareAuthenticator::new([42; 32]);
    authenticator.aaguid = MODEL;
    authenticator.attestation = Some(maker.attest_with(&MODEL, edit));
    authenticator
}

fn key(maker: &Maker) -> SoftwareAuthenticator {
    key_with(maker, |_| {})
}

fn answer(mut authenticator: SoftwareAuthenticator) -> String {
    authenticator.register_with(&options(), ORIGIN, &unchanged).unwrap()
}

fn refusal(answer: &str, listed: &Authenticators) -> RegistrationError {
    verify_at(answer, listed, START).unwrap_err()
}

#[test]
fn a_passkey_is_accepted_when_a_trusted_maker_vouches_for_its_model() {
    let maker = Maker::default();
    let passkey = verify_at(&answer(key(&maker)), &listed(&maker.root), START).unwrap();
    assert_eq!((passkey.attestation, passkey.aaguid), (Attestation::Vouched, MODEL));
    let without_extension = key_with(&maker, |params| params.custom_extensions.clear());
    assert!(verify_at(&answer(without_extension), &listed(&maker.root), START).is_ok());
}

#[test]
fn a_listed_attestation_certificate_needs_no_root() {
    let key = key(&Maker::default());
    let certificate = key.attestation.as_ref().unwrap().chain[0].clone();
    assert!(verify_at(&answer(key), &listed(&certificate), START).is_ok());
}

#[test]
fn certificates_between_are_taken_from_the_statement() {
    let root = Maker::default();
    let between = root.found();
    let vouched = |chain: &[&[u8]]| {
        let mut key = key(&between);
        let attestation = key.attestation.as_mut().unwrap();
        attestation.chain.extend(chain.iter().map(|certificate| certificate.to_vec()));
        verify_at(&answer(key), &listed(&root.root), START)
    };
    assert!(vouched(&[&between.root]).is_ok());
    assert_eq!(vouched(&[]).unwrap_err(), NotAllowed::Maker.into());
    assert_eq!(vouched(&[&root.root]).unwrap_err(), NotAllowed::Maker.into());
}

#[test]
fn whom_nobody_vouches_for_is_not_allowed() {
    let (maker, stranger) = (Maker::default(), Maker::default());
    let listed = listed(&maker.root);
    let mut silent = key(&maker);
    silent.attestation = None;
    assert_eq!(refusal(&answer(silent), &listed), NotAllowed::Unattested.into());
    let mut itself = key(&maker);
    (itself.attestation, itself.attests_itself) = (None, true);
    assert_eq!(refusal(&answer(itself), &listed), NotAllowed::Unattested.into());
    assert_eq!(refusal(&answer(key(&stranger)), &listed), NotAllowed::Maker.into());
    let mut other = key(&maker);
    (other.aaguid, other.attestation) = (OTHER_MODEL, Some(maker.attest(&OTHER_MODEL)));
    assert_eq!(refusal(&answer(other), &listed), NotAllowed::Model.into());
    let mut synced = key(&maker);
    synced.backup_eligible = true;
    assert_eq!(refusal(&answer(synced), &listed), NotAllowed::BackupEligible.into());
}

#[test]
fn the_word_of_one_maker_does_not_count_for_the_model_of_another() {
    let (maker, other) = (Maker::default(), Maker::default());
    let mut listed = listed(&maker.root);
    listed.trust(OTHER_MODEL, other.root.clone().into()).unwrap();
    let mut poser = key(&other);
    poser.attestation = Some(other.attest(&MODEL));
    assert_eq!(refusal(&answer(poser), &listed), NotAllowed::Maker.into());
}

#[test]
fn certificates_must_be_valid_now() {
    let maker = Maker::default();
    let (answer, listed) = (answer(key(&maker)), listed(&maker.root));
    let day = 24 * 60 * 60 * 1_000;
    let from = UnixMillis(1_767_225_600_000);
    for (now, is_valid) in [
        (from, true),
        (UnixMillis(from.0 - day), false),
        (UnixMillis(from.0 + 729 * day), true),
        (UnixMillis(from.0 + 731 * day), false),
    ] {
        assert_eq!(verify_at(&answer, &listed, now).is_ok(), is_valid, "{now:?}");
    }
}

#[test]
fn an_attestation_certificate_is_as_section_8_2_1_demands() {
    type Edit = fn(&mut CertificateParams);
    fn extension(content: Vec<u8>) -> CustomExtension {
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 45_724, 1, 1, 4], content)
    }
    let maker = Maker::default();
    let cases: [(&str, Edit); 13] = [
        ("another unit", |params| {
            params.distinguished_name.remove(DnType::OrganizationalUnitName);
            params.distinguished_name.push(DnType::OrganizationalUnitName, "Sales");
        }),
        ("no unit", |params| assert!(params.distinguished_name.remove(DnType::OrganizationalUnitName))),
        ("no country", |params| assert!(params.distinguished_name.remove(DnType::CountryName))),
        ("a country of three letters", |params| {
            params.distinguished_name.remove(DnType::CountryName);
            params.distinguished_name.push(DnType::CountryName, "AAA");
        }),
        ("no maker", |params| assert!(params.distinguished_name.remove(DnType::OrganizationName))),
        ("an empty maker", |params| {
            params.distinguished_name.remove(DnType::OrganizationName);
            params.distinguished_name.push(DnType::OrganizationName, "");
        }),
        ("no name", |params| assert!(params.distinguished_name.remove(DnType::CommonName))),
        ("no constraints", |params| params.is_ca = IsCa::NoCa),
        ("an authority", |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        ("another model", |params| params.custom_extensions = vec![aaguid_extension(&OTHER_MODEL)]),
        ("a model without its octet string", |params| {
            params.custom_extensions = vec![extension(MODEL.to_vec())];
        }),
        ("a critical extension", |params| params.custom_extensions[0].set_criticality(true)),
        ("a model and more", |params| {
            params.custom_extensions = vec![extension([&[0x04, 16], &MODEL[..], &[0]].concat())];
        }),
    ];
    for (case, edit) in cases {
        let refused = refusal(&answer(key_with(&maker, edit)), &listed(&maker.root));
        assert_eq!(refused, Step::AttestationStatement.into(), "{case}");
    }
}

#[test]
fn a_certificate_for_another_purpose_does_not_vouch() {
    let maker = Maker::default();
    let expired = key_with(&maker, |params| params.not_after = date_time_ymd(2026, 2, 1));
    assert_eq!(refusal(&answer(expired), &listed(&maker.root)), NotAllowed::Maker.into());
    let server = key_with(&maker, |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    assert_eq!(refusal(&answer(server), &listed(&maker.root)), NotAllowed::Maker.into());
}

#[test]
fn the_statement_is_signed_by_the_certificates_key_over_this_ceremony() {
    let maker = Maker::default();
    let listed = listed(&maker.root);
    let edited = |edit: &dyn Fn(&mut AttestationDraft, &[u8])| {
        let mut key = key(&maker);
        let certificate = key.attestation.as_ref().unwrap().chain[0].clone();
        let answer = key.register_with(&options(), ORIGIN, &|stage| {
            if let Stage::Attestation(draft) = stage {
                edit(draft, &certificate);
            }
        });
        refusal(&answer.unwrap(), &listed)
    };
    let statement = |alg: i64, signature: &[u8], x5c: &[u8]| {
        let (alg, signature) = (cbor_integer(alg), cbor_bytes(signature));
        [&[0xa3][..], &cbor_text("alg"), &alg, &cbor_text("sig"), &signature, &cbor_text("x5c"), x5c].concat()
    };
    let one = |certificate: &[u8]| [&[0x81][..], &cbor_bytes(certificate)].concat();
    let other_key = maker.attest(&MODEL);
    for (case, step, edit) in [
        (
            "another passkey's data",
            Step::Signature,
            &(|draft: &mut AttestationDraft, _: &[u8]| draft.authenticator_data[36] ^= 1)
                as &dyn Fn(&mut AttestationDraft, &[u8]),
        ),
        ("another certificate of the maker", Step::Signature, &|draft, _| {
            let signature = rcgen::SigningKey::sign(&maker.attest(&MODEL).key, b"something else").unwrap();
            draft.statement = statement(-7, &signature, &one(&other_key.chain[0]));
        }),
        ("no signature", Step::Signature, &|draft, certificate| {
            draft.statement = statement(-7, &[], &one(certificate));
        }),
        ("another algorithm than the key's", Step::Signature, &|draft, certificate| {
            draft.statement = statement(-8, &[0; 64], &one(certificate));
        }),
        ("an unknown algorithm", Step::AttestationStatement, &|draft, certificate| {
            draft.statement = statement(-65_535, &[0; 64], &one(certificate));
        }),
        ("no certificate", Step::AttestationStatement, &|draft, _| {
            draft.statement = statement(-7, &[0; 64], &[0x80]);
        }),
        ("a certificate that is none", Step::AttestationStatement, &|draft, _| {
            draft.statement = statement(-7, &[0; 64], &one(b"certificate"));
        }),
        ("a text for a certificate", Step::AttestationStatement, &|draft, _| {
            draft.statement = statement(-7, &[0; 64], &[&[0x81][..], &cbor_text("MII")].concat());
        }),
    ] {
        assert_eq!(edited(edit), step.into(), "{case}");
    }
}

#[test]
fn every_changed_byte_of_the_statement_is_noticed() {
    let maker = Maker::default();
    let (key, listed) = (key(&maker), listed(&maker.root));
    let object = Attested::of(key);
    for at in object.statement.clone() {
        for bit in [0x01, 0x80] {
            let answer = object.with(at, bit);
            assert!(verify_at(&answer, &listed, START).is_err(), "byte {at}");
        }
    }
}

/// A right answer, and where its attestation statement stands in the attestation object.
struct Attested {
    answer: Value,
    object: Vec<u8>,
    statement: std::ops::Range<usize>,
}

impl Attested {
    fn of(authenticator: SoftwareAuthenticator) -> Self {
        let answer: Value = serde_json::from_str(&answer(authenticator)).unwrap();
        let encoded = answer["response"]["attestationObject"].as_str().unwrap();
        let object = passkey_accounts::protocol::base64url::decode(encoded).unwrap();
        let find = |text: &[u8]| object.windows(text.len()).position(|part| part == text).unwrap();
        let statement = find(b"attStmt") + 7..find(b"authData") - 1;
        Self { answer, object, statement }
    }

    fn with(&self, at: usize, bit: u8) -> String {
        let mut object = self.object.clone();
        object[at] ^= bit;
        let mut answer = self.answer.clone();
        answer["response"]["attestationObject"] =
            passkey_accounts::protocol::base64url::encode(&object).into();
        answer.to_string()
    }
}

#[test]
fn the_vectors_of_the_specification_get_the_right_verdict_from_their_root() {
    let root = HEXLOWER.decode(attestation_root().as_bytes()).unwrap();
    let mut verdicts = Vec::new();
    for vector in vectors() {
        let aaguid = HEXLOWER.decode(vector["registration"]["aaguid"].as_str().unwrap().as_bytes()).unwrap();
        let mut listed = Authenticators::default();
        listed.trust(aaguid.try_into().unwrap(), root.clone().into()).unwrap();
        let policy = AttestationPolicy::Hardware { listed: &listed, now: START };
        let verdict = register_with(&vector, policy).map(|passkey| passkey.attestation);
        verdicts.push((vector["id"].as_str().unwrap().to_owned(), verdict));
    }
    verdicts.retain(|(id, _)| id.starts_with("packed-"));
    let verdicts: Vec<_> = verdicts.iter().map(|(id, verdict)| (id.as_str(), *verdict)).collect();
    let not_offered = Err(RegistrationError::Refused(Step::Algorithm));
    assert_eq!(
        verdicts,
        [
            ("packed-self-es256", Err(NotAllowed::Unattested.into())),
            // What is looked at last: their certificates are good.
            ("packed-es256", Err(NotAllowed::BackupEligible.into())),
            ("packed-es384", not_offered),
            ("packed-es512", not_offered),
            ("packed-rs256", Err(NotAllowed::BackupEligible.into())),
            ("packed-eddsa", Ok(Attestation::Vouched)),
            ("packed-ed448", not_offered),
        ]
    );
}

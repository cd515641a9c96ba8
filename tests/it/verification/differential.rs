//! Beside webauthn-rs: whatever it refuses, we refuse. Where we are stricter is printed (`--nocapture`).

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use passkey_accounts::evidence::{Algorithm, Counter};
use passkey_accounts_tests::{SoftwareAuthenticator, Stage};
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use url::Url;
use webauthn_rs_core::{
    WebauthnCore,
    proto::{
        COSEAlgorithm, Credential, PublicKeyCredential, RegisterPublicKeyCredential, UserVerificationPolicy,
    },
};

use super::{
    CREATE_CHALLENGE, GET_CHALLENGE, ORIGIN, RP_ID, USER_HANDLE, authenticator, creation_options, register,
    sign_in_answer, unchanged, verify_new, verify_sign_in,
    wrongly_built::{registrations, sign_ins},
};
use passkey_accounts::protocol::base64url::encode;

/// webauthn-rs with the expectations of this module's ceremonies.
struct Other(WebauthnCore);

impl Other {
    fn new() -> Self {
        let origins = vec![Url::parse(ORIGIN).unwrap()];
        let minute = Duration::from_secs(60);
        Self(WebauthnCore::new_unsafe_experts_only("Shop", RP_ID, origins, minute, Some(false), Some(false)))
    }

    fn register(&self, answer: &str) -> Option<Credential> {
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).ok()?;
        let builder = self.0.new_challenge_register_builder(USER_HANDLE, "you", "you").unwrap();
        let builder = builder
            .user_verification_policy(UserVerificationPolicy::Required)
            .credential_algorithms(vec![COSEAlgorithm::ES256, COSEAlgorithm::EDDSA, COSEAlgorithm::RS256]);
        let (_, state) = self.0.generate_challenge_register(builder).unwrap();
        let state = with_challenge(&state, &CREATE_CHALLENGE);
        self.0.register_credential(&answer, &state, None).ok()
    }

    fn accepts_sign_in(&self, answer: &str, credential: &Credential) -> bool {
        let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer) else { return false };
        let policy = Some(UserVerificationPolicy::Required);
        let builder = self.0.new_challenge_authenticate_builder(vec![credential.clone()], policy).unwrap();
        let (_, state) = self.0.generate_challenge_authenticate(builder).unwrap();
        self.0.authenticate_credential(&answer, &with_challenge(&state, &GET_CHALLENGE)).is_ok()
    }
}

/// The state with a challenge that is the same in every run.
fn with_challenge<S: serde::Serialize + serde::de::DeserializeOwned>(state: &S, challenge: &[u8]) -> S {
    let mut value = serde_json::to_value(state).unwrap();
    assert!(value["challenge"].is_string(), "{value}");
    value["challenge"] = encode(challenge).into();
    serde_json::from_value(value).unwrap()
}

/// How the two verdicts compare.
#[derive(Default)]
struct Tally {
    both_accept: usize,
    both_refuse: usize,
    only_we_refuse: BTreeMap<String, usize>,
}

impl Tally {
    fn count(&mut self, name: &str, ours: bool, theirs: bool, answer: &str) {
        match (ours, theirs) {
            (true, true) => self.both_accept += 1,
            (false, false) => self.both_refuse += 1,
            (false, true) => *self.only_we_refuse.entry(name.to_owned()).or_default() += 1,
            (true, false) => panic!("webauthn-rs refuses what we accept: {name}: {answer}"),
        }
    }

    fn print(&self, what: &str) {
        let stricter: usize = self.only_we_refuse.values().sum();
        println!(
            "{what}: both accept {}, both refuse {}, only we refuse {stricter}: {:?}",
            self.both_accept, self.both_refuse, self.only_we_refuse
        );
    }
}

#[test]
fn of_the_wrongly_built_ceremonies_webauthn_rs_refuses_none_that_we_accept() {
    let other = Other::new();
    let mut tally = Tally::default();
    for group in registrations() {
        for case in &group.cases {
            let answer = group.registration(case);
            let theirs = std::panic::catch_unwind(|| other.register(&answer).is_some()).unwrap_or(false);
            tally.count(&case.name, verify_new(&answer).is_ok(), theirs, &answer);
        }
    }
    tally.print("registrations");

    let mut tally = Tally::default();
    let (mut authenticator, passkey, credential) = registered(&other, Algorithm::Es256);
    for group in sign_ins().into_iter().filter(|group| group.algorithm == Algorithm::Es256) {
        for case in &group.cases {
            let answer = sign_in_answer(&mut authenticator, &passkey, &case.edit);
            let theirs = other.accepts_sign_in(&answer, &credential);
            tally.count(&case.name, verify_sign_in(&answer, &passkey).is_ok(), theirs, &answer);
        }
    }
    tally.print("sign-ins");
}

fn registered(
    other: &Other,
    algorithm: Algorithm,
) -> (SoftwareAuthenticator, passkey_accounts_server::ceremony::registration::NewPasskey, Credential) {
    let mut first = authenticator(algorithm);
    let passkey = register(&mut first);
    // The same registration again, for the other side: the seed is the same, except for RS256.
    let answer = match algorithm {
        Algorithm::Rs256 => {
            let mut again = authenticator(algorithm);
            let answer = again.register(&creation_options(), ORIGIN).unwrap();
            let passkey = verify_new(&answer).unwrap();
            let credential = other.register(&answer).unwrap();
            return (again, passkey, credential);
        }
        Algorithm::Es256 | Algorithm::EdDsa => {
            authenticator(algorithm).register(&creation_options(), ORIGIN).unwrap()
        }
    };
    (first, passkey, other.register(&answer).unwrap())
}

#[test]
fn valid_ceremonies_of_both_agree() {
    let other = Other::new();
    // webauthn-rs 0.6 refuses every Ed25519 key (`COSEKey::validate`), so there is nothing to compare for EdDSA.
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let (mut authenticator, passkey, credential) = registered(&other, algorithm);
        let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
        assert!(verify_sign_in(&answer, &passkey).is_ok());
        assert!(other.accepts_sign_in(&answer, &credential), "{algorithm:?}");
    }
}

/// A change at one stage of a ceremony, drawn from the seed.
#[derive(Debug, Clone)]
struct Change {
    stage: usize,
    at: Index,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Set(u8),
    Flip(u8),
    Insert(u8),
    Remove,
    Cut,
    Repeat(u8),
    Flags(u8),
    Extensions(Vec<u8>),
    Member(&'static str),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let what = prop_oneof![
        any::<u8>().prop_map(What::Set),
        (0..8_u8).prop_map(What::Flip),
        any::<u8>().prop_map(What::Insert),
        Just(What::Remove),
        Just(What::Cut),
        any::<u8>().prop_map(What::Repeat),
        any::<u8>().prop_map(What::Flags),
        prop::sample::select(vec![
            vec![0xa0],
            vec![0xa1, 0x61, b'a', 0xf5],
            vec![0xa1, 0x61, b'a', 0xf5, 0x00],
            vec![0xbf, 0xff],
            vec![0x80],
            b"\xa1\x6bcredProtect\x02".to_vec(),
        ])
        .prop_map(What::Extensions),
        prop::sample::select(vec![
            r#","crossOrigin":true"#,
            r#","topOrigin":"https://evil.example""#,
            r#","future":1"#,
            r#","origin":"https://shop.example""#,
            r#","tokenBinding":{"status":"supported"}"#,
        ])
        .prop_map(What::Member),
    ];
    let change = (0..5_usize, any::<Index>(), what).prop_map(|(stage, at, what)| Change { stage, at, what });
    prop::collection::vec(change, 0..3)
}

impl Change {
    fn apply(&self, stage: Stage<'_>) {
        match (stage, self.stage, &self.what) {
            (Stage::ClientData(json), _, What::Member(member)) => {
                json.pop();
                json.extend_from_slice(member.as_bytes());
                json.push(b'}');
            }
            (Stage::AuthenticatorData(data), _, What::Flags(flags)) => data.flags ^= flags,
            (Stage::AuthenticatorData(data), _, What::Extensions(extensions)) => {
                data.flags |= 0x80;
                data.extensions.clone_from(extensions);
            }
            (Stage::ClientData(bytes), 0, _) => self.change(bytes),
            (Stage::AuthenticatorData(data), 1, _) => self.change(&mut data.public_key_cose),
            (Stage::AuthenticatorData(data), 2, _) => self.change(&mut data.sign_count),
            (Stage::AuthenticatorData(data), 3, _) => self.change(&mut data.credential_id),
            (Stage::AttestationObject(bytes) | Stage::Signature(bytes), 4, _) => self.change(bytes),
            _ => {}
        }
    }

    fn change(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = self.at.index(bytes.len());
        match self.what {
            What::Set(byte) => bytes[at] = byte,
            What::Flip(bit) => bytes[at] ^= 1 << bit,
            What::Insert(byte) => bytes.insert(at, byte),
            What::Remove => drop(bytes.remove(at)),
            What::Cut => bytes.truncate(at),
            What::Repeat(length) => {
                let end = bytes.len().min(at + usize::from(length % 16));
                let repeated = bytes[at..end].to_vec();
                bytes.splice(end..end, repeated);
            }
            What::Flags(_) | What::Extensions(_) | What::Member(_) => {}
        }
    }
}

#[test]
fn of_a_generated_corpus_webauthn_rs_refuses_nothing_that_we_accept() {
    const CORPUS: usize = 3000;
    let other = Other::new();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let runner = RefCell::new(TestRunner::new_with_rng(Config::default(), rng));
    let draw = || changes().new_tree(&mut runner.borrow_mut()).unwrap().current();

    let mut tally = Tally::default();
    for index in 0..CORPUS {
        let changes = draw();
        let mut authenticator = authenticator(Algorithm::Es256);
        authenticator.attests_itself = index % 2 == 0;
        let edit = |stage: Stage<'_>| apply_all(&changes, stage);
        let answer = authenticator.register_with(&creation_options(), ORIGIN, &edit).unwrap();
        let theirs = std::panic::catch_unwind(|| other.register(&answer).is_some()).unwrap_or(false);
        tally.count("generated", verify_new(&answer).is_ok(), theirs, &answer);
    }
    tally.print("generated registrations");
    assert!(tally.both_accept > CORPUS / 20 && tally.both_refuse > CORPUS / 20);

    let mut tally = Tally::default();
    let (mut authenticator, passkey, credential) = registered(&other, Algorithm::Es256);
    for _ in 0..CORPUS {
        let changes = draw();
        let edit = |stage: Stage<'_>| apply_all(&changes, stage);
        let answer = sign_in_answer(&mut authenticator, &passkey, &edit);
        let ours = verify_sign_in(&answer, &passkey);
        // The one difference by design: a counter that did not rise is reported here and refused there.
        if ours.is_ok_and(|verified| verified.counter == Counter::Regressed) {
            continue;
        }
        let theirs = other.accepts_sign_in(&answer, &credential);
        tally.count("generated", ours.is_ok(), theirs, &answer);
    }
    tally.print("generated sign-ins");
    assert!(tally.both_accept > CORPUS / 20 && tally.both_refuse > CORPUS / 20);
}

/// Reborrows the stage for every change.
fn apply_all(changes: &[Change], stage: Stage<'_>) {
    match stage {
        Stage::ClientData(bytes) => changes.iter().for_each(|change| change.apply(Stage::ClientData(bytes))),
        Stage::AuthenticatorData(data) => {
            changes.iter().for_each(|change| change.apply(Stage::AuthenticatorData(data)));
        }
        Stage::AttestationObject(bytes) => {
            changes.iter().for_each(|change| change.apply(Stage::AttestationObject(bytes)));
        }
        Stage::Signature(bytes) => changes.iter().for_each(|change| change.apply(Stage::Signature(bytes))),
        Stage::Attestation(_) | Stage::Answer(_) => {}
    }
}

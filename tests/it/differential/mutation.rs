//! Ceremonies that are changed at random and signed after the change wherever a signature covers it. A number names one.

use std::cell::RefCell;

use fastrand::Rng;
use passkey_accounts::evidence::Algorithm;
use passkey_accounts_tests::{
    AttestationDraft, AuthenticatorDataDraft, SoftwareAuthenticator, Stage, cbor_bytes,
};

use super::{cbor, json};
use crate::verification::signatures::{integer, numbers, raw_integer, sequence};

/// What is changed, of a byte, of a structure, or of a text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    ClientData,
    Flags,
    Fields,
    Key,
    Extensions,
    Statement,
    Object,
    Signature,
    Bytes,
    Answer,
    Base64,
}

const LEVELS: [Level; 11] = [
    Level::ClientData,
    Level::Flags,
    Level::Fields,
    Level::Key,
    Level::Extensions,
    Level::Statement,
    Level::Object,
    Level::Signature,
    Level::Bytes,
    Level::Answer,
    Level::Base64,
];

#[derive(Debug, Clone)]
pub(super) struct Mutation {
    pub(super) is_registration: bool,
    pub(super) attests_itself: bool,
    pub(super) algorithm: Algorithm,
    /// None to two of them, in the order in which they come up.
    pub(super) levels: Vec<Level>,
    rng: RefCell<Rng>,
}

impl Mutation {
    pub(super) fn of(number: u64) -> Self {
        let mut rng = Rng::with_seed(number);
        let is_registration = rng.bool();
        let algorithm = match rng.u8(..100) {
            // An RSA key for every registration takes its time.
            0..2 => Algorithm::Rs256,
            2..12 if !is_registration => Algorithm::Rs256,
            12..25 => Algorithm::EdDsa,
            _ => Algorithm::Es256,
        };
        let mut levels: Vec<_> = (0..[0, 1, 1, 1, 1, 1, 1, 2, 2, 2][rng.usize(..10)])
            .map(|_| LEVELS[rng.usize(..LEVELS.len())])
            .collect();
        levels.sort_unstable();
        Self { is_registration, attests_itself: rng.bool(), algorithm, levels, rng: RefCell::new(rng) }
    }

    pub(super) fn authenticator(&self) -> SoftwareAuthenticator {
        let mut authenticator = crate::verification::authenticator(self.algorithm);
        authenticator.attests_itself = self.attests_itself;
        authenticator
    }

    pub(super) fn apply(&self, stage: Stage<'_>) {
        let mut rng = self.rng.borrow_mut();
        let has = |level| self.levels.contains(&level);
        let hits_bytes = has(Level::Bytes) && rng.u8(..3) == 0;
        match stage {
            Stage::ClientData(bytes) => {
                if has(Level::ClientData) {
                    json::change_client_data(bytes, &mut rng);
                }
                if hits_bytes {
                    change_bytes(bytes, &mut rng);
                }
            }
            Stage::AuthenticatorData(data) => {
                if has(Level::Flags) {
                    data.flags ^= if rng.bool() { 1 << rng.u8(..8) } else { rng.u8(..) };
                }
                if has(Level::Key) && self.is_registration {
                    cbor::change(&mut data.public_key_cose, &mut rng);
                }
                if has(Level::Extensions) {
                    change_extensions(data, &mut rng);
                }
                if has(Level::Fields) {
                    change_fields(data, &mut rng);
                }
                if hits_bytes {
                    let fields = [&mut data.public_key_cose, &mut data.credential_id, &mut data.rp_id_hash];
                    let [.., last] = fields;
                    change_bytes(if rng.bool() { &mut data.public_key_cose } else { last }, &mut rng);
                }
            }
            Stage::Attestation(draft) => {
                // First, while the statement is the right one.
                if has(Level::Signature) && self.attests_itself && self.algorithm == Algorithm::Es256 {
                    // a2 63 "alg" 26 63 "sig" 58 len sig
                    let mut signature = draft.statement.split_off(12);
                    if draft.statement.ends_with(&[0x58, signature.len().to_be_bytes()[7]]) {
                        change_der(&mut signature, &mut rng);
                    }
                    draft.statement.truncate(10);
                    draft.statement.extend_from_slice(&cbor_bytes(&signature));
                }
                if has(Level::Statement) {
                    change_statement(draft, &mut rng);
                }
            }
            Stage::AttestationObject(bytes) => {
                if has(Level::Object) {
                    cbor::change(bytes, &mut rng);
                }
                if hits_bytes {
                    change_bytes(bytes, &mut rng);
                }
            }
            Stage::Signature(bytes) => {
                if has(Level::Signature) && self.algorithm == Algorithm::Es256 {
                    change_der(bytes, &mut rng);
                } else if has(Level::Signature) || hits_bytes {
                    change_bytes(bytes, &mut rng);
                }
            }
            Stage::Answer(text) => {
                if has(Level::Answer) {
                    json::change_answer(text, &mut rng);
                }
                if has(Level::Base64) {
                    json::change_base64(text, &mut rng);
                }
            }
        }
    }
}

fn change_bytes(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.usize(..bytes.len());
    match rng.u8(..7) {
        0 => bytes[at] = rng.u8(..),
        1 | 2 => bytes[at] ^= 1 << rng.u8(..8),
        3 => bytes.insert(at, rng.u8(..)),
        4 => drop(bytes.remove(at)),
        5 => bytes.truncate(at),
        _ => {
            let end = bytes.len().min(at + rng.usize(..16));
            let repeated = bytes[at..end].to_vec();
            bytes.splice(end..end, repeated);
        }
    }
}

fn change_extensions(data: &mut AuthenticatorDataDraft, rng: &mut Rng) {
    let outputs: [&[u8]; 5] = [
        b"\xa0",
        b"\xa1\x61a\xf5",
        b"\xa1\x6bcredProtect\x02",
        b"\xa1\x6bhmac-secret\xf5",
        b"\xa2\x61a\x81\x01\x61b\xa1\x61c\x41\x00",
    ];
    data.extensions = outputs[rng.usize(..outputs.len())].to_vec();
    if rng.u8(..4) > 0 {
        data.flags |= 0x80;
    }
    if rng.bool() {
        cbor::change(&mut data.extensions, rng);
    }
}

fn change_fields(data: &mut AuthenticatorDataDraft, rng: &mut Rng) {
    match rng.u8(..8) {
        0 => change_bytes(&mut data.rp_id_hash, rng),
        1 => change_bytes(&mut data.sign_count, rng),
        2 => data.sign_count = rng.u32(..).to_be_bytes().to_vec(),
        3 => change_bytes(&mut data.aaguid, rng),
        4 => change_bytes(&mut data.credential_id_length, rng),
        5 => change_bytes(&mut data.credential_id, rng),
        6 if !data.credential_id.is_empty() => {
            let length = [0, 1, 15, 16, 64, 1023, 1024, 2000][rng.usize(..8)];
            data.credential_id = vec![rng.u8(..); length];
            data.credential_id_length = u16::try_from(length).unwrap().to_be_bytes().to_vec();
        }
        _ => data.extensions = vec![rng.u8(..); rng.usize(..3)],
    }
}

fn change_statement(draft: &mut AttestationDraft, rng: &mut Rng) {
    let formats = [
        "none",
        "packed",
        "tpm",
        "android-key",
        "android-safetynet",
        "fido-u2f",
        "apple",
        "compound",
        "None",
        "",
        "x",
    ];
    match rng.u8(..3) {
        0 => draft.format = formats[rng.usize(..formats.len())].to_owned(),
        1 => change_bytes(&mut draft.authenticator_data, rng),
        _ => cbor::change(&mut draft.statement, rng),
    }
}

/// Writes an ECDSA signature in another way, or changes its numbers.
fn change_der(signature: &mut Vec<u8>, rng: &mut Rng) {
    let (r, s) = numbers(signature);
    let right = signature.clone();
    let padded = |number: &[u8]| raw_integer(&[&[0, 0][..], number].concat());
    let long = |bytes: &[u8]| [&bytes[..1], &[0x81], &bytes[1..]].concat();
    *signature = match rng.u8(..12) {
        0 => long(&right),
        1 => sequence(&[long(&integer(&r)), integer(&s)]),
        2 => sequence(&[integer(&r), padded(&s)]),
        3 => sequence(&[raw_integer(&r), raw_integer(&s)]),
        4 => [&right[..], &[0]].concat(),
        5 => sequence(&[integer(&r), integer(&s), vec![5, 0]]),
        6 => [&r[..], &s].concat(),
        7 => [&[0x30, 0x80][..], &right[2..], &[0, 0]].concat(),
        8 => sequence(&[integer(&s), integer(&r)]),
        9 => [&[0x31][..], &right[1..]].concat(),
        10 => sequence(&[integer(&r), raw_integer(&[&[0xff][..], &s].concat())]),
        _ => {
            change_bytes(signature, rng);
            return;
        }
    };
}

//! Proofs of requests and sockets: what was read is what was signed, and nothing that was changed is accepted.

use std::sync::LazyLock;

use passkey_accounts::proof::{Proof, RequestHead};
use serde_json::Value;

use crate::{
    edits::one_edited,
    world::{sessions, text},
};

pub(crate) static REQUESTS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tests/vectors/proof/requests.json")).expect("it is JSON")
});

pub(crate) static SOCKETS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tests/vectors/proof/sockets.json")).expect("it is JSON")
});

/// A request with a body and a real proof.
struct Real {
    /// Method, address, Signature-Input, Signature, Content-Digest.
    parts: [Vec<u8>; 5],
    key: Vec<u8>,
    signed: Vec<u8>,
}

static REAL: LazyLock<Real> = LazyLock::new(|| {
    let step = &REQUESTS["cases"][1]["steps"][0];
    assert_eq!(step["expect"], "accepted");
    let word = |name: &str| step[name].as_str().expect("it has it").to_owned();
    let field = |name: &str| {
        let fields = step["fields"].as_array().expect("it has fields");
        let found = fields.iter().find(|field| field[0] == name).expect("it has the field");
        found[1].as_str().expect("it is text").as_bytes().to_vec()
    };
    let target = format!("https://{}{}", word("host"), word("target"));
    let parts = [
        word("method").into_bytes(),
        target.into_bytes(),
        field("signature-input"),
        field("signature"),
        field("content-digest"),
    ];
    let proof = read(&parts).expect("it is real");
    let keys = sessions(&REQUESTS);
    let (_, key) =
        keys.into_iter().find(|(id, _)| *id == proof.session_id().to_string()).expect("it is known");
    proof.verify_signature(&key).expect("it is signed");
    let signed = proof.signed().to_vec();
    Real { parts, key, signed }
});

fn read(parts: &[Vec<u8>; 5]) -> Option<Proof> {
    let [method, target_uri, input, signature, digest] = parts;
    let present = |field: &'_ Vec<u8>| (!field.is_empty()).then_some(());
    let head = RequestHead {
        method: text(method)?,
        target_uri: text(target_uri)?,
        signature_input: present(input).map(|()| input.as_slice()),
        signature: present(signature).map(|()| signature.as_slice()),
        content_digest: present(digest).map(|()| digest.as_slice()),
    };
    Proof::of_request(&head).ok()
}

/// The parts of a request, one a line; or, after `!`, a real one that was changed.
pub(crate) fn request(bytes: &[u8]) {
    let Real { parts: real, key, signed } = &*REAL;
    let is_changed = bytes.first() == Some(&b'!');
    let parts = match bytes.split_first() {
        Some((b'!', edits)) => one_edited(real.each_ref().map(Vec::as_slice), edits),
        _ => {
            let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
            std::array::from_fn(|_| lines.next().unwrap_or_default())
        }
    };
    let Some(proof) = read(&parts) else { return };
    let [method, target_uri, ..] = &parts;
    let begin = [b"\"@method\": ", &method[..], b"\n\"@target-uri\": ", target_uri, b"\n"].concat();
    assert!(proof.signed().starts_with(&begin), "what is read is what was signed");
    let is_covered = !parts[4].is_empty();
    assert_eq!(proof.check_body(b"").is_ok(), !is_covered || parts[4] == EMPTY_DIGEST);
    // The corpus has other requests that are really signed.
    if is_changed && proof.verify_signature(key).is_ok() {
        // Fields may hold signatures of others besides, and spaces. What ours covers is the same.
        assert_eq!(proof.signed(), signed);
        assert_eq!([method, target_uri, &parts[4]], [&real[0], &real[1], &real[4]]);
    }
}

/// That of a body of no bytes.
const EMPTY_DIGEST: &[u8] = b"sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

/// A token for a socket; or, after `!`, a real one that was changed.
pub(crate) fn token(bytes: &[u8]) {
    static REAL: LazyLock<([String; 3], Vec<u8>)> = LazyLock::new(|| {
        let step = &SOCKETS["cases"][0]["steps"][0];
        assert_eq!(step["expect"], "accepted");
        let parts =
            ["token", "audience", "nonce"].map(|name| step[name].as_str().expect("it has it").to_owned());
        let proof = Proof::of_socket(&parts[0], &parts[1], &parts[2]).expect("it is real");
        let keys = sessions(&SOCKETS);
        let (_, key) =
            keys.into_iter().find(|(id, _)| *id == proof.session_id().to_string()).expect("it is known");
        (parts, key)
    });
    let (real, key) = &*REAL;
    let [real_token, audience, nonce] = real.each_ref().map(String::as_str);
    let parts = match bytes.split_first() {
        Some((b'!', edits)) => one_edited(real.each_ref().map(String::as_bytes), edits),
        _ => [bytes.to_vec(), audience.into(), nonce.into()],
    };
    let [Some(token), Some(for_audience), Some(for_nonce)] = parts.each_ref().map(|part| text(part)) else {
        return;
    };
    let Ok(proof) = Proof::of_socket(token, for_audience, for_nonce) else { return };
    assert!(token.as_bytes().starts_with(proof.signed()));
    assert!(proof.check_body(b"").is_ok() && proof.check_body(b"x").is_err());
    if bytes.first() == Some(&b'!') && proof.verify_signature(key).is_ok() {
        assert_eq!((token, for_audience, for_nonce), (real_token, audience, nonce));
    }
}

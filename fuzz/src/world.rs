//! What is true in every target: one app, one page, and the published or committed things that are changed on the way.

use std::sync::LazyLock;

use passkey_accounts::{
    evidence::PublicKey,
    protocol::{AppID, UnixMillis, base64url},
};
use serde_json::Value;

/// The origin and the RP ID of the vectors of WebAuthn Level 3 section 16.
pub(crate) const ORIGIN: &str = "https://example.org";
pub(crate) const RP_ID: &str = "example.org";

/// 2026-11-22T18:00:00Z
pub(crate) const NOW: UnixMillis = UnixMillis(1_795_370_400_000);

pub(crate) const APP: AppID = AppID::from_bytes([2; 16]);

/// The sign-in of the vector `none-es256`.
pub(crate) struct SignIn {
    pub(crate) challenge: Vec<u8>,
    pub(crate) client_data_json: Vec<u8>,
    pub(crate) authenticator_data: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) credential_id: Vec<u8>,
    pub(crate) key: PublicKey,
}

pub(crate) static SIGN_IN: LazyLock<SignIn> = LazyLock::new(|| {
    let text = include_str!("../../tests/vectors/webauthn/level3.json");
    let vectors: Value = serde_json::from_str(text).expect("the vectors are JSON");
    let vector = &vectors["vectors"][0];
    let hex = |part: &str, name: &str| {
        let text = vector[part][name].as_str().expect("the vector has it");
        let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("it is hexadecimal");
        (0..text.len()).step_by(2).map(digit).collect::<Vec<u8>>()
    };
    // The COSE key ends the attestation object of this vector.
    let object = hex("registration", "attestationObject");
    let (id, challenge) = (hex("registration", "credential_id"), hex("authentication", "challenge"));
    let begin = object.windows(id.len()).position(|part| part == id).expect("it holds the id") + id.len();
    SignIn {
        challenge,
        client_data_json: hex("authentication", "clientDataJSON"),
        authenticator_data: hex("authentication", "authenticatorData"),
        signature: hex("authentication", "signature"),
        credential_id: id,
        key: PublicKey::from_cose(&object[begin..]).expect("it is a key"),
    }
});

/// A session of tests/vectors/proof: its id, and the uncompressed point of its key.
pub(crate) fn sessions(vectors: &Value) -> Vec<(String, Vec<u8>)> {
    let sessions = vectors["sessions"].as_array().expect("there are sessions").iter();
    let read = |session: &Value| {
        let number = |name: &str| {
            base64url::decode(session["sessionKey"][name].as_str().expect("it has both")).expect("base64url")
        };
        let id = session["sessionID"].as_str().expect("it has an id").to_owned();
        (id, [vec![4], number("x"), number("y")].concat())
    };
    sessions.map(read).collect()
}

/// An input as text. No WebSocket frame and no JSON body that is not UTF-8 comes as far as our parsers.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

//! What is true in every target: one app, one page, and the published or committed things that are changed on the way.

use std::sync::LazyLock;

use passkey_accounts::{
    evidence::PublicKey,
    protocol::{AppID, UnixMillis, base64url},
};
use passkey_accounts_server::ceremony::Authenticators;
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
    let vector = Vector::named("none-es256");
    // The COSE key ends the attestation object of this vector.
    let object = vector.bytes("registration", "attestationObject");
    let id = vector.bytes("registration", "credential_id");
    let begin = object.windows(id.len()).position(|part| part == id).expect("it holds the id") + id.len();
    SignIn {
        challenge: vector.bytes("authentication", "challenge"),
        client_data_json: vector.bytes("authentication", "clientDataJSON"),
        authenticator_data: vector.bytes("authentication", "authenticatorData"),
        signature: vector.bytes("authentication", "signature"),
        credential_id: id,
        key: PublicKey::from_cose(&object[begin..]).expect("it is a key"),
    }
});

/// The registration of the vector `packed-eddsa`, and its authenticator listed with the root of the vectors.
pub(crate) struct Attested {
    pub(crate) challenge: Vec<u8>,
    pub(crate) client_data_json: Vec<u8>,
    pub(crate) object: Vec<u8>,
    pub(crate) credential_id: Vec<u8>,
    pub(crate) listed: Authenticators,
}

pub(crate) static ATTESTED: LazyLock<Attested> = LazyLock::new(|| {
    let vector = Vector::named("packed-eddsa");
    let bytes = |name| vector.bytes("registration", name);
    let mut listed = Authenticators::default();
    let aaguid = bytes("aaguid").try_into().expect("an AAGUID has 16 bytes");
    let root = unhex(&VECTORS["attestation_root"]["attestation_ca_cert"]);
    listed.trust(aaguid, root.into()).expect("it is a certificate");
    Attested {
        challenge: bytes("challenge"),
        client_data_json: bytes("clientDataJSON"),
        object: bytes("attestationObject"),
        credential_id: bytes("credential_id"),
        listed,
    }
});

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../tests/vectors/webauthn/level3.json");
    serde_json::from_str(text).expect("the vectors are JSON")
});

struct Vector(&'static Value);

impl Vector {
    fn named(id: &str) -> Self {
        let vectors = VECTORS["vectors"].as_array().expect("there are vectors");
        Self(vectors.iter().find(|vector| vector["id"] == id).expect("it is one of them"))
    }

    fn bytes(&self, part: &str, name: &str) -> Vec<u8> {
        unhex(&self.0[part][name])
    }
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("the vector has it");
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("it is hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

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

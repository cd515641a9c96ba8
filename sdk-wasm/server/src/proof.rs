//! Proofs, read and judged; JavaScript verifies the signature with WebCrypto.

use passkey_accounts::{
    key_pair::KeyPair,
    proof::{self, KeyProof, ProofError, RequestHead},
    protocol::Code,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{json, stream::Failure};

/// The origins that a back end is reached at.
#[wasm_bindgen]
pub struct Origins(proof::Origins);

#[wasm_bindgen]
impl Origins {
    /// As browsers write them, `https://app.example`.
    ///
    /// # Errors
    /// A sentence: these cannot be.
    #[wasm_bindgen(constructor)]
    #[expect(clippy::needless_pass_by_value, reason = "wasm-bindgen hands over vectors only")]
    pub fn new(origins: Vec<String>) -> Result<Self, String> {
        proof::Origins::new(origins.iter().map(String::as_str)).map(Self).map_err(|error| error.to_string())
    }

    /// The absolute address of a request to this host.
    ///
    /// # Errors
    /// A refusal as JSON.
    #[wasm_bindgen(js_name = targetURI)]
    pub fn target_uri(&self, host: &str, path_and_query: &str) -> Result<String, String> {
        self.0.target_uri(host, path_and_query).map_err(refusal)
    }
}

/// A proof that was read; whether the session's key made it is not known yet.
#[wasm_bindgen]
pub struct Proof(pub(crate) proof::Proof);

#[wasm_bindgen]
impl Proof {
    /// That of a request. The fields are their lines, joined by `, `.
    ///
    /// # Errors
    /// A refusal as JSON.
    #[wasm_bindgen(js_name = ofRequest)]
    #[expect(clippy::needless_pass_by_value, reason = "wasm-bindgen hands over optional strings only")]
    pub fn of_request(
        method: &str,
        target_uri: &str,
        signature_input: Option<String>,
        signature: Option<String>,
        content_digest: Option<String>,
    ) -> Result<Self, String> {
        let head = RequestHead {
            method,
            target_uri,
            signature_input: signature_input.as_deref().map(str::as_bytes),
            signature: signature.as_deref().map(str::as_bytes),
            content_digest: content_digest.as_deref().map(str::as_bytes),
        };
        proof::Proof::of_request(&head).map(Self).map_err(refusal)
    }

    /// That for a socket.
    ///
    /// # Errors
    /// A refusal as JSON.
    #[wasm_bindgen(js_name = ofSocket)]
    pub fn of_socket(token: &str, audience: &str, nonce: &str) -> Result<Self, String> {
        proof::Proof::of_socket(token, audience, nonce).map(Self).map_err(refusal)
    }

    /// The session that it claims to be of.
    #[wasm_bindgen(js_name = sessionID)]
    pub fn session_id(&self) -> String {
        self.0.session_id().to_string()
    }

    /// The bytes that the session key must have signed.
    pub fn signed(&self) -> Vec<u8> {
        self.0.signed().to_vec()
    }

    /// r and s, 32 bytes each.
    pub fn signature(&self) -> Vec<u8> {
        self.0.signature().to_vec()
    }

    /// That this is the body that was signed.
    ///
    /// # Errors
    /// A refusal as JSON.
    #[wasm_bindgen(js_name = checkBody)]
    pub fn check_body(&self, body: &[u8]) -> Result<(), String> {
        self.0.check_body(body).map_err(refusal)
    }
}

/// The refusal of a proof that the session's key has not made, as JSON.
#[wasm_bindgen(js_name = badSignature)]
pub fn bad_signature() -> String {
    refusal(ProofError::BAD_SIGNATURE)
}

/// The refusal of a request whose body is larger than is read, as JSON.
#[wasm_bindgen(js_name = tooLarge)]
pub fn too_large() -> String {
    refusal(ProofError::TooLarge)
}

/// Whether a key signs and must never be sent.
#[wasm_bindgen(js_name = isKeyPair)]
pub fn is_key_pair(key: &str) -> bool {
    KeyPair::is_one(key)
}

/// Signs a request with a key pair: the fields to send along, as JSON of pairs of name and value.
///
/// # Errors
/// A sentence for what is no key pair, or no nonce of 16 bytes.
#[wasm_bindgen(js_name = signRequest)]
#[expect(clippy::needless_pass_by_value, reason = "what crosses the boundary and may be missing is owned")]
pub fn sign_request(
    key_pair: &str,
    method: &str,
    url: &str,
    body: Option<Vec<u8>>,
    created: f64,
    nonce: &[u8],
) -> Result<String, String> {
    let pair = KeyPair::parse(key_pair).map_err(|error| error.to_string())?;
    let nonce = nonce.try_into().map_err(|_| "a nonce has 16 bytes".to_owned())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from floats saturates"
    )]
    let created = created as u64;
    Ok(json(&KeyProof::sign(&pair, method, url, body.as_deref(), created, nonce)))
}

/// The HTTP status of an answer that refuses with this code; 500 for what has nothing to do with proofs.
#[wasm_bindgen(js_name = statusOf)]
pub fn status_of(code: &str) -> u16 {
    let refusal = match Code::from_wire(code) {
        Some(Code::ProofMissing) => ProofError::Missing,
        Some(Code::ProofInvalid) => ProofError::BAD_SIGNATURE,
        Some(Code::ProofExpired) => ProofError::Expired,
        Some(Code::ProofReplayed) => ProofError::Replayed,
        Some(Code::SessionGone) => ProofError::SessionGone,
        Some(Code::Stale) => ProofError::Stale,
        Some(Code::OverCapacity) => ProofError::Overloaded,
        Some(Code::TooLarge) => ProofError::TooLarge,
        Some(_) | None => return 500,
    };
    refusal.status()
}

pub(crate) fn refusal(error: ProofError) -> String {
    let code = error.code();
    Failure { code: code.as_str(), message: &error.to_string(), retryable: code.is_retryable() }.json()
}

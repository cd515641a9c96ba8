//! Requests of a key pair: each is signed, and none carries a secret.

use std::time::SystemTime;

use reqwest::{
    Body, Request,
    header::{HeaderName, HeaderValue},
};

use super::ApiError;
use crate::{key_pair::KeyPair, proof::KeyProof, protocol::Code};

/// Signs with a key pair.
#[derive(Debug)]
pub(super) struct Signer(KeyPair);

impl Signer {
    pub(super) fn read(text: &str) -> Result<Self, ApiError> {
        KeyPair::parse(text).map(Self).map_err(|error| ApiError::refused(Code::BadKey, &error.to_string()))
    }

    /// Adds the proof to a request that is ready to be sent. Every try has its own: a proof passes once.
    pub(super) fn sign(&self, request: &mut Request) -> Result<(), ApiError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|_| ApiError::refused(Code::NotSupported, "this machine has no source of randomness"))?;
        #[expect(clippy::disallowed_methods, reason = "this is the rim")]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let body = request.body().and_then(Body::as_bytes);
        let (method, url) = (request.method().as_str(), request.url().as_str());
        let fields = KeyProof::sign(&self.0, method, url, body, now.as_secs(), &nonce);
        for (name, value) in fields {
            let value = HeaderValue::try_from(value).expect("a signature is visible ASCII");
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        Ok(())
    }
}

//! Proofs: which session sent this request, or opened this socket (docs/protocol.md section 5)?
//!
//! Pure: no socket, no clock, and no signature check either, because a back end in Rust checks signatures with aws-lc-rs
//! and one in JavaScript with WebCrypto. Whoever drives it goes these steps, in this order:
//!
//! 1. [`Proof::of_request`] or [`Proof::of_socket`] reads what came in and says what was signed, and by which session.
//! 2. [`Proof::check_time`] refuses what is too old to be remembered, or from the future.
//! 3. The session is looked up among live sessions that are fresh. It brings the key.
//! 4. The platform verifies [`Proof::signature`] over [`Proof::signed`]: ECDSA P-256 with SHA-256.
//! 5. [`NonceWindow::remember`] lets every proof through once.
//! 6. [`Proof::check_body`], once the body is there.
//! 7. The session is looked up once more: it may have ended meanwhile.
//!
//! ```
//! use passkey_accounts::{
//!     proof::{NonceWindow, Origins, Proof, ProofError, RequestHead},
//!     protocol::{SessionID, UnixMillis},
//! };
//!
//! # fn example(
//! #     now: UnixMillis, method: &str, host: &str, path_and_query: &str, field: fn(&str) -> Option<&'static [u8]>,
//! #     body: &[u8], verify: fn(SessionID, &[u8], &[u8; 64]) -> bool,
//! # ) -> Result<(), ProofError> {
//! let origins = Origins::new(["https://app.example"]).expect("that is an origin");
//! let window = NonceWindow::new();
//!
//! let target_uri = origins.target_uri(host, path_and_query)?;
//! let proof = Proof::of_request(&RequestHead {
//!     method,
//!     target_uri: &target_uri,
//!     signature_input: field("signature-input"),
//!     signature: field("signature"),
//!     content_digest: field("content-digest"),
//! })?;
//! proof.check_time(now)?;
//! if !verify(proof.session_id(), proof.signed(), proof.signature()) {
//!     return Err(ProofError::BAD_SIGNATURE);
//! }
//! window.remember(&proof, now)?;
//! proof.check_body(body)?;
//! # Ok(())
//! # }
//! ```

mod base;
mod error;
mod fields;
mod key;
mod origins;
#[cfg(feature = "native")]
mod request;
#[cfg(test)]
mod rfc;
#[cfg(test)]
mod tests;
mod token;
mod window;

use sha2::{Digest, Sha256};

pub use base::signature_base;
pub use error::ProofError;
pub use key::KeyProof;
pub use origins::{NotServed, Origins};
pub use window::NonceWindow;

use crate::protocol::{SessionID, UnixMillis};

/// What a request brought, before anything of it is believed.
///
/// Where a field came on several lines, its value is the lines joined by `, ` (RFC 9110 section 5.3).
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The absolute address, as [`Origins::target_uri`] makes it.
    pub target_uri: &'a str,
    /// The field `Signature-Input`.
    pub signature_input: Option<&'a [u8]>,
    /// The field `Signature`.
    pub signature: Option<&'a [u8]>,
    /// The field `Content-Digest`.
    pub content_digest: Option<&'a [u8]>,
}

/// A proof that was read and fits what it came with; whether the session's key made it is not known yet.
#[derive(Debug, Clone)]
pub struct Proof {
    session_id: SessionID,
    signed: Signed,
}

/// What was signed, and when, whoever did it.
#[derive(Debug, Clone)]
struct Signed {
    created: u64,
    nonce: NonceName,
    bytes: Vec<u8>,
    signature: [u8; SIGNATURE_BYTES],
    body: Body,
}

/// What the proof says of the request's body.
#[derive(Debug, Clone, Copy)]
enum Body {
    Absent,
    Sha256([u8; 32]),
}

impl Proof {
    /// Reads the proof of an HTTP request: an RFC 9421 signature labelled `pa`. Signatures with other labels, which a
    /// proxy may have added, are left alone.
    ///
    /// # Errors
    /// [`ProofError::Missing`] when there is none, [`ProofError::Invalid`] when it is not one of section 5.
    pub fn of_request(head: &RequestHead<'_>) -> Result<Self, ProofError> {
        let claim = fields::read(head, FORM)?;
        let session_id: SessionID =
            claim.key_id.as_str().parse().map_err(|_| ProofError::Invalid(fields::WRONG_PARAMETERS))?;
        Ok(Self { session_id, signed: Signed::of_request(claim, *session_id.as_bytes()) })
    }

    /// Reads the proof for a socket, or for anything else that is no HTTP request: a compact JWS made for this
    /// `audience` and the `nonce` that the back end gave.
    ///
    /// # Errors
    /// [`ProofError::Missing`] when `token` is empty, [`ProofError::Invalid`] when it is not one of section 5, or is
    /// for another audience or nonce.
    pub fn of_socket(token: &str, audience: &str, nonce: &str) -> Result<Self, ProofError> {
        let claim = token::read(token, audience, nonce)?;
        let signed = Signed {
            created: claim.iat,
            nonce: NonceName::new(b"socket", claim.session_id.as_bytes(), &claim.jti),
            bytes: claim.signed.as_bytes().to_vec(),
            signature: claim.signature,
            body: Body::Absent,
        };
        Ok(Self { session_id: claim.session_id, signed })
    }

    /// The session that it claims to be of.
    pub const fn session_id(&self) -> SessionID {
        self.session_id
    }

    /// The bytes that the session key must have signed.
    pub fn signed(&self) -> &[u8] {
        &self.signed.bytes
    }

    /// r and s, 32 bytes each.
    pub const fn signature(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.signed.signature
    }

    /// Checks that it was made within 60 seconds of `now`, before or after. `now` is the server's clock as the live
    /// sessions know it: pages date their proofs by the same clock.
    ///
    /// # Errors
    /// [`ProofError::Expired`]
    pub const fn check_time(&self, now: UnixMillis) -> Result<(), ProofError> {
        self.signed.check_time(now)
    }

    /// Checks that this is the body that was signed. A request without a body has one of no bytes.
    ///
    /// # Errors
    /// [`ProofError::Invalid`]
    pub fn check_body(&self, body: &[u8]) -> Result<(), ProofError> {
        self.signed.check_body(body)
    }
}

impl Signed {
    fn of_request(claim: fields::Claim<'_>, owner: Owner) -> Self {
        Self {
            created: claim.created,
            nonce: NonceName::new(b"request", &owner, claim.nonce.as_str().as_bytes()),
            bytes: claim.base.into_bytes(),
            signature: claim.signature,
            body: claim.digest.map_or(Body::Absent, Body::Sha256),
        }
    }

    const fn check_time(&self, now: UnixMillis) -> Result<(), ProofError> {
        let created = UnixMillis(self.created.saturating_mul(1_000));
        if now.since(created) > MAX_AGE_MS || created.since(now) > MAX_AGE_MS {
            return Err(ProofError::Expired);
        }
        Ok(())
    }

    fn check_body(&self, body: &[u8]) -> Result<(), ProofError> {
        match self.body {
            Body::Absent if body.is_empty() => Ok(()),
            Body::Absent => {
                Err(ProofError::Invalid("the request has a body that the signature does not cover"))
            }
            Body::Sha256(digest) if Sha256::digest(body).as_slice() == digest => Ok(()),
            Body::Sha256(_) => Err(ProofError::Invalid("Content-Digest is not that of the body")),
        }
    }
}

/// Who signs, in 16 bytes: a session's id, or a key pair's.
type Owner = [u8; 16];

/// What a nonce is remembered by: half of the hash of its kind, its owner and itself.
///
/// A session can at most refuse its own requests by it. To refuse another's, it would have to hit a given 128-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct NonceName([u8; 16]);

impl NonceName {
    fn new(kind: &[u8], owner: &Owner, nonce: &[u8]) -> Self {
        let hash = Sha256::new()
            .chain_update(kind)
            .chain_update(b"\n")
            .chain_update(owner)
            .chain_update(nonce)
            .finalize();
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(hash.iter()) {
            *to = *from;
        }
        Self(name)
    }
}

/// The fields that a proof travels in, in lower case: what a page of another origin must be allowed to send
/// (`Access-Control-Allow-Headers`).
pub const FIELDS: [&str; 3] = ["content-digest", "signature", "signature-input"];

/// How far a proof's time may be from the clock, before or after.
pub const MAX_AGE_MS: u64 = 60_000;

/// How large each field of [`FIELDS`] may be.
pub const MAX_FIELD_BYTES: usize = 4_096;

/// How long a socket's proof may be, in characters: room for an audience and a nonce of 256 characters each, all escaped.
pub const MAX_TOKEN_BYTES: usize = 8_192;

const SIGNATURE_BYTES: usize = 64;

/// How a session signs.
const FORM: fields::Form = fields::Form { tag: "passkey-accounts", algorithm: "ecdsa-p256-sha256" };

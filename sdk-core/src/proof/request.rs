//! Proofs of requests as Rust programs have them, and their signatures by aws-lc-rs.

use std::borrow::Cow;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use http::{HeaderMap, HeaderName, header::HOST, request::Parts};

use super::{KeyProof, Origins, Proof, ProofError, RequestHead};

impl Proof {
    /// Reads the proof of a request to one of these origins. Which one it is, the request's host says: `Host`, or the
    /// address itself in HTTP/2 and in absolute form.
    ///
    /// # Errors
    /// As [`Proof::of_request`]; [`ProofError::Invalid`] for a host that is not served.
    pub fn of_parts(parts: &Parts, origins: &Origins) -> Result<Self, ProofError> {
        with_head(parts, origins, Self::of_request)
    }

    /// Checks that this key has signed exactly this: an uncompressed point on P-256, 65 bytes.
    ///
    /// # Errors
    /// [`ProofError::BAD_SIGNATURE`]
    pub fn verify_signature(&self, key_point: &[u8]) -> Result<(), ProofError> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key_point)
            .verify(self.signed(), self.signature())
            .map_err(|_| ProofError::BAD_SIGNATURE)
    }
}

impl KeyProof {
    /// Reads the proof of a request to one of these origins, as [`Proof::of_parts`] does.
    ///
    /// # Errors
    /// As [`KeyProof::of_request`]; [`ProofError::Invalid`] for a host that is not served.
    pub fn of_parts(parts: &Parts, origins: &Origins) -> Result<Self, ProofError> {
        with_head(parts, origins, Self::of_request)
    }
}

fn with_head<T>(
    parts: &Parts,
    origins: &Origins,
    read: impl FnOnce(&RequestHead<'_>) -> Result<T, ProofError>,
) -> Result<T, ProofError> {
    let [content_digest, signature, signature_input] = FIELDS.map(|name| field(&parts.headers, &name));
    if signature.is_none() && signature_input.is_none() {
        return Err(ProofError::Missing);
    }
    let target_uri = target_uri(parts, origins)?;
    read(&RequestHead {
        method: parts.method.as_str(),
        target_uri: &target_uri,
        signature_input: signature_input.as_deref(),
        signature: signature.as_deref(),
        content_digest: content_digest.as_deref(),
    })
}

fn target_uri(parts: &Parts, origins: &Origins) -> Result<String, ProofError> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(host.to_str().map_err(|_| WRONG_HOST)?),
        (Some(_), Some(_)) => return Err(WRONG_HOST),
    };
    let uri = address(parts);
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let path_and_query = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let served = |host| origins.target_uri(host, path_and_query);
    match (authority, header) {
        (Some(host), None) | (None, Some(host)) => served(host),
        // Both must say the same, or which one counts would be a matter of taste.
        (Some(authority), Some(header)) => {
            let target_uri = served(authority)?;
            if served(header)? == target_uri { Ok(target_uri) } else { Err(WRONG_HOST) }
        }
        (None, None) => Err(WRONG_HOST),
    }
}

/// The address as the browser asked for it: axum shortens it where routers are nested, and keeps the whole one aside.
fn address(parts: &Parts) -> &http::Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(uri)) = parts.extensions.get() {
        return uri;
    }
    &parts.uri
}

/// The value of a field: its lines, joined (RFC 9110 section 5.3).
fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let first = lines.next()?;
    match lines.next() {
        None => Some(Cow::Borrowed(first)),
        Some(second) => {
            let all: Vec<&[u8]> = [first, second].into_iter().chain(lines).collect();
            Some(Cow::Owned(all.join(&b", "[..])))
        }
    }
}

/// As [`crate::proof::FIELDS`].
const FIELDS: [HeaderName; 3] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
];

const WRONG_HOST: ProofError = ProofError::Invalid("its host is missing, or there twice and not the same");

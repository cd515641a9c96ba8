//! The answer to a request whose proof does not hold.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::{proof::ProofError, protocol::http::Problem};

/// Problem details (RFC 9457) with the code's status.
pub(super) fn response<R: From<Bytes>>(error: ProofError) -> Response<R> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let retry_after_ms = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_MS);
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        code: error.code().as_str().to_owned(),
        detail: error.to_string(),
        retry_after_ms,
        gap: None,
    };
    let body = serde_json::to_vec(&problem).expect("a problem holds nothing that JSON cannot");
    let mut response = Response::new(R::from(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    if let Some(millis) = retry_after_ms {
        headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000)));
    }
    response
}

/// A scheme of our own, by the name of the signature's tag: browsers show no dialog for it.
const CHALLENGE: &str = "passkey-accounts";

const RETRY_AFTER_MS: u64 = 1_000;

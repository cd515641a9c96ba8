//! Errors of the HTTP side: RFC 9457 problem details with the codes of the one table.

use axum::{
    Json,
    extract::ws::rejection::WebSocketUpgradeRejection,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use passkey_accounts::protocol::{Code, http, stream::GapData};

use crate::store::StoreError;

/// A problem: a status, a code, and a sentence that says what to do.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
    challenge: Option<&'static str>,
    retry_after_ms: Option<u64>,
    gap: Option<Box<GapData>>,
}

impl Problem {
    /// A problem with the code's own sentence.
    pub fn new(status: StatusCode, code: Code) -> Self {
        let detail = code.message().to_owned();
        Self { status, code, detail, challenge: None, retry_after_ms: None, gap: None }
    }

    /// Says more than the code's own sentence.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after_ms(self, millis: u64) -> Self {
        Self { retry_after_ms: Some(millis), ..self }
    }

    /// Says which API key would be taken (RFC 6750 section 3).
    #[must_use]
    pub(super) fn challenge(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    /// Nothing has the id in the address. An id of another app looks the same.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound)
            .detail(format!("there is no such {what} in this app; check the id in the address"))
    }

    /// A position that cannot be continued.
    pub(super) fn gone(gap: GapData) -> Self {
        let detail =
            "the events after that position cannot be continued; \"gap\" says why, and where the log goes on";
        Self { gap: Some(Box::new(gap)), ..Self::new(StatusCode::GONE, Code::Gone).detail(detail) }
    }

    /// Plain HTTP where a WebSocket lives.
    pub fn upgrade_required(rejection: &WebSocketUpgradeRejection) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, Code::BadMessage)
            .detail(format!("this address is a WebSocket; connect with one ({rejection})"))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let StoreError::Tampered = error {
            // What it is about was logged when it was found.
            return Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Tampered);
        }
        tracing::error!(%error, "a request failed");
        match error {
            StoreError::Database(_) | StoreError::Corrupt(_) | StoreError::Tampered => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal)
            }
            StoreError::BatchLost | StoreError::Closed => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Internal).retry_after_ms(1_000)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = http::Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            code: self.code.as_str().to_owned(),
            detail: self.detail,
            retry_after_ms: self.retry_after_ms,
            gap: self.gap.map(|gap| *gap),
        };
        let mut response = (self.status, Json(body)).into_response();
        // For whoever counts what is refused.
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(millis) = self.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000)));
        }
        response
    }
}

//! Errors of the HTTP side: RFC 9457 problem details with the codes of the one table.

use axum::{
    Json,
    extract::ws::rejection::WebSocketUpgradeRejection,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use passkey_accounts::protocol::Code;
use serde::Serialize;

/// A problem: a status, a code, and a sentence that says what to do.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
}

impl Problem {
    /// A problem with the code's own sentence.
    pub fn new(status: StatusCode, code: Code) -> Self {
        Self { status, code, detail: code.message().to_owned() }
    }

    /// Says more than the code's own sentence.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// Plain HTTP where a WebSocket lives.
    pub fn upgrade_required(rejection: &WebSocketUpgradeRejection) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, Code::BadMessage)
            .detail(format!("this address is a WebSocket; connect with one ({rejection})"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            #[serde(rename = "type")]
            kind: &'static str,
            title: &'static str,
            status: u16,
            code: &'static str,
            detail: String,
        }
        let body = Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code.as_str(),
            detail: self.detail,
        };
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

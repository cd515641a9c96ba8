//! The app's pages, and the policy they run under: scripts of this origin only, no text becomes code.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;
use serde_json::{Value, json};

use crate::app::Parts;

#[derive(RustEmbed)]
#[folder = "site"]
struct Site;

/// `/config.json`: what the page has to know. All of it is public.
pub(crate) async fn config(State(app): State<Arc<Parts>>) -> Json<Value> {
    let settings = &app.settings;
    Json(json!({
        "appID": settings.expected.app_id, "gatewayURL": settings.gateway_url, "outboxURL": settings.outbox_url,
    }))
}

pub(crate) async fn index() -> Response {
    file("notes/index.html", HTML)
}

pub(crate) async fn script() -> Response {
    file("notes/notes.js", SCRIPT)
}

pub(crate) async fn style() -> Response {
    file("notes/notes.css", STYLE)
}

/// Adds the headers of every response; also to what is shared, where they replace those of the other origin: a worker
/// has the policy of its own script.
pub(crate) async fn secure(State(app): State<Arc<Parts>>, mut response: Response) -> Response {
    let gateway = &app.settings.gateway_url;
    let gateway = gateway.strip_suffix("/v1/gateway").unwrap_or(gateway);
    add_policy(&mut response, gateway);
    response
}

/// The strict policy, with one more place to connect to.
pub(crate) fn add_policy(response: &mut Response, connects_to: &str) {
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {connects_to}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types passkey-accounts"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

pub(crate) fn file(path: &str, kind: &'static str) -> Response {
    let Some(file) = Site::get(path) else { return axum::http::StatusCode::NOT_FOUND.into_response() };
    let body = match file.data {
        Cow::Borrowed(bytes) => axum::body::Body::from(bytes),
        Cow::Owned(bytes) => axum::body::Body::from(bytes),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(crate) const STYLE: &str = "text/css; charset=utf-8";

const FIXED: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "publickey-credentials-create=(self), publickey-credentials-get=(self), camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

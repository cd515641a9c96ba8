//! The site: static pages, the browser module, and what the pages are told about this server.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use passkey_accounts::{proof::Origins, protocol::AppID};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Serialize;

use crate::context::Context;

#[derive(RustEmbed)]
#[folder = "site"]
struct Pages;

/// The built npm package; `cargo xtask build` makes it.
#[derive(RustEmbed)]
#[folder = "../sdk-wasm/npm/dist"]
#[allow_missing = true]
struct Sdk;

/// How the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// For a developer, on this machine.
    Dev,
    /// For people.
    Serve,
}

/// What the pages are told, and the policy they run under.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// How the server runs.
    pub mode: Mode,
    /// The server's version.
    pub version: &'static str,
    /// The app that the site's own login page signs in to.
    #[serde(rename = "appID")]
    pub app_id: Option<AppID>,
    /// Its name.
    pub app_name: Option<String>,
    /// Where the site is.
    pub origin: String,
    /// The browser socket.
    #[serde(rename = "gatewayURL")]
    pub gateway_url: String,
    /// The back-end socket.
    #[serde(rename = "eventsURL")]
    pub events_url: String,
    /// The dev app's API key; never set outside dev.
    pub api_key: Option<String>,
    /// Whether mail is shown on a page instead of sent.
    pub outbox: bool,
    /// Where back ends reach the server: what key pairs sign.
    #[serde(skip)]
    pub origins: Origins,
    #[serde(skip)]
    pub(super) content_security_policy: HeaderValue,
    #[serde(skip)]
    pub(super) is_https: bool,
}

/// The names by which a machine calls itself are as good as each other.
fn names_of(origin: &str) -> Vec<String> {
    let others = origin
        .strip_prefix("http://localhost:")
        .into_iter()
        .flat_map(|port| ["127.0.0.1", "[::1]"].map(|address| format!("http://{address}:{port}")));
    std::iter::once(origin.to_owned()).chain(others).collect()
}

impl Site {
    /// A site at `origin` (`https://host[:port]`, or `http://localhost:port` in dev).
    pub fn new(mode: Mode, origin: &str) -> Self {
        let socket_origin = origin.replacen("http", "ws", 1);
        // No inline script, no eval, no DOM sink that takes text: what an attacker writes into a page stays text. The one
        // policy that is allowed lets the browser module start its own worker, and nothing else.
        let policy = format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
             connect-src 'self' {socket_origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types passkey-accounts"
        );
        Self {
            mode,
            version: env!("CARGO_PKG_VERSION"),
            app_id: None,
            app_name: None,
            origin: origin.to_owned(),
            gateway_url: format!("{socket_origin}/v1/gateway"),
            events_url: format!("{socket_origin}/"),
            api_key: None,
            outbox: mode == Mode::Dev,
            origins: Origins::new(names_of(origin)).expect("an origin is one"),
            content_security_policy: HeaderValue::try_from(policy).expect("an origin is visible ASCII"),
            is_https: origin.starts_with("https:"),
        }
    }

    /// Lets the site's own login page sign in to this app.
    #[must_use]
    pub fn with_app(self, app_id: AppID, name: &str) -> Self {
        Self { app_id: Some(app_id), app_name: Some(name.to_owned()), ..self }
    }

    /// Lets back ends reach the server at these origins too.
    #[must_use]
    pub fn also_at(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// Fills the dev app's API key into the Quickstart.
    #[must_use]
    pub fn with_api_key(self, api_key: &str) -> Self {
        Self { api_key: Some(api_key.to_owned()), ..self }
    }
}

/// `/site.json`.
#[derive(Serialize)]
pub(super) struct Description {
    #[serde(flatten)]
    site: Site,
    /// Whether accounts of the site's app can be recovered by a code.
    recovery: bool,
}

/// `/site.json`.
pub(super) async fn describe(State(context): State<Arc<Context>>) -> Json<Description> {
    let app = context.site.app_id.and_then(|app_id| context.apps.find(app_id));
    let recovery = app.is_some_and(|app| app.recovery_hold_ms.is_some());
    Json(Description { site: context.site.clone(), recovery })
}

/// A page, an asset, or a file of the browser module.
pub(super) async fn file(State(context): State<Arc<Context>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let is_hidden = path.starts_with("outbox") && context.site.mode != Mode::Dev;
    let found = match path.strip_prefix("sdk/") {
        Some(path) => Sdk::get(path),
        None if path.is_empty() => Pages::get("index.html"),
        None if is_hidden => None,
        None => Pages::get(path).or_else(|| Pages::get(&format!("{path}.html"))),
    };
    let name = if path.contains('.') { path } else { "page.html" };
    match found {
        Some(file) => respond(StatusCode::OK, name, file, &headers),
        None => Pages::get("404.html").map_or_else(
            || StatusCode::NOT_FOUND.into_response(),
            |file| respond(StatusCode::NOT_FOUND, "404.html", file, &HeaderMap::new()),
        ),
    }
}

fn respond(status: StatusCode, name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", HEXLOWER.encode(&file.metadata.sha256_hash()));
    let mut response = if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes())
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = match file.data {
            Cow::Borrowed(bytes) => axum::body::Body::from(bytes),
            Cow::Owned(bytes) => axum::body::Body::from(bytes),
        };
        (status, body).into_response()
    };
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let mime = if mime.type_() == "text" { format!("{mime}; charset=utf-8") } else { mime.to_string() };
    let fields = response.headers_mut();
    fields
        .insert(CONTENT_TYPE, HeaderValue::try_from(mime).unwrap_or(HeaderValue::from_static("text/plain")));
    fields.insert(ETAG, HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

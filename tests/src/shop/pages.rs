//! The shop's page. It has a hole: what the address says behind `#` is shown as if it were HTML.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use passkey_accounts::{defended, protocol::AppID};
use serde_json::{Value, json};

use super::Build;

/// What the page has to know.
struct Config {
    said: Value,
    /// Where else it connects to.
    gateway: String,
    is_over_tls: bool,
}

/// The page, whose socket is at `gateway_url` where the build has a server of its own.
pub(super) fn routes(
    build: Build,
    app_id: Option<AppID>,
    gateway_url: Option<&str>,
    is_over_tls: bool,
) -> Router {
    let gateway = gateway_url.and_then(|url| url.strip_suffix("/v1/gateway")).unwrap_or_default();
    let config = Arc::new(Config {
        said: json!({
            "hasPasskeys": build.has_passkeys(), "hasCookies": build.has_cookies(),
            "appID": app_id, "gatewayURL": gateway_url,
        }),
        gateway: gateway.to_owned(),
        is_over_tls,
    });
    Router::new()
        .route("/", get(async || file("text/html; charset=utf-8", include_str!("pages/shop.html"))))
        .route("/shop.js", get(async || file(SCRIPT, include_str!("pages/shop.js"))))
        .route("/classic.js", get(async || file(SCRIPT, include_str!("pages/classic.js"))))
        .route("/ours.js", get(async || file(SCRIPT, include_str!("pages/ours.js"))))
        .route("/config.json", get(async |State(config): State<Arc<Config>>| Json(config.said.clone())))
        .route("/sdk/{file}", get(sdk))
        .layer(middleware::map_response_with_state(Arc::clone(&config), secure))
        .with_state(config)
}

/// The built npm package.
async fn sdk(Path(name): Path<String>) -> Response {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sdk-wasm/npm/dist");
    match tokio::fs::read(folder.join(&name)).await {
        Ok(bytes) => {
            let kind = if name.ends_with(".wasm") { "application/wasm" } else { SCRIPT };
            ([(header::CONTENT_TYPE, kind)], bytes).into_response()
        }
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// The policy that this project's own site has, in every build alike.
async fn secure(State(config): State<Arc<Config>>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut policy = Vec::new();
    if defended!(ContentSecurityPolicy) {
        policy.push(format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; connect-src 'self' {}; \
             base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types passkey-accounts",
            config.gateway
        ));
    }
    if defended!(FrameAncestors) {
        policy.push("frame-ancestors 'none'".to_owned());
    }
    if let Ok(policy) = policy.join("; ").parse()
        && (defended!(ContentSecurityPolicy) || defended!(FrameAncestors))
    {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if config.is_over_tls && defended!(StrictTransport) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TWO_YEARS);
    }
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(HeaderName::from_static("x-content-type-options"), NOSNIFF);
    response
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const TWO_YEARS: header::HeaderValue = header::HeaderValue::from_static("max-age=63072000");
const NO_STORE: header::HeaderValue = header::HeaderValue::from_static("no-store");
const NOSNIFF: header::HeaderValue = header::HeaderValue::from_static("nosniff");

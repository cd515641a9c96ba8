//! The attacker's own origin: a page that tries what a page of another origin can try, and says what came of it.

use axum::{Router, middleware, response::Response, routing::get};

use crate::pages::{HTML, SCRIPT, file};

/// The attacker's pages. `shared` serves `/sdk/` and `/assets/`: an attacker has a copy of everything that is public.
pub fn evil(shared: Router) -> Router {
    Router::new()
        .route("/", get(async || file("evil/index.html", HTML)))
        .route("/evil.js", get(async || file("evil/evil.js", SCRIPT)))
        .fallback_service(shared)
        .layer(middleware::map_response(open))
}

/// Nothing of the attacker's own policy is in the attacker's way.
async fn open(mut response: Response) -> Response {
    response.headers_mut().remove(axum::http::header::CONTENT_SECURITY_POLICY);
    response
}

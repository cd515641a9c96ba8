//! Several origins on one port, told apart by the `Host` header: for developing, where nobody has names and certificates.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, header::HOST},
    response::Response,
};
use tower::ServiceExt;

/// Routes by host. Each `host` is as browsers write it, with the port: `app.localhost:8080`. Whatever else is asked for
/// goes to `rest`.
pub fn by_host(hosts: impl IntoIterator<Item = (String, Router)>, rest: Router) -> Router {
    let hosts: Arc<[(String, Router)]> = hosts.into_iter().collect();
    Router::new().fallback(async move |request: Request<Body>| -> Response {
        let found = host(request.headers()).and_then(|asked| {
            hosts.iter().find(|(host, _)| host.eq_ignore_ascii_case(asked)).map(|(_, router)| router)
        });
        // A router cannot fail.
        found.unwrap_or(&rest).clone().oneshot(request).await.unwrap_or_default()
    })
}

/// The host that a request names once.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(HOST).iter();
    let only = lines.next().filter(|_| lines.next().is_none())?;
    only.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::{Body, to_bytes},
        extract::Request,
        http::header::HOST,
        routing::get,
    };
    use tower::ServiceExt;

    use super::by_host;

    #[tokio::test]
    async fn each_host_has_its_routes_and_every_other_host_the_rest() {
        let says = |what: &'static str| Router::new().route("/", get(async move || what));
        let router = by_host([("app.localhost:80".to_owned(), says("app"))], says("rest"));
        for (hosts, answer) in [
            (&["app.localhost:80"][..], "app"),
            (&["APP.localhost:80"], "app"),
            (&["app.localhost"], "rest"),
            (&["localhost:80"], "rest"),
            (&["app.localhost:80", "app.localhost:80"], "rest"),
            (&[], "rest"),
        ] {
            let request = hosts.iter().fold(Request::get("/"), |request, host| request.header(HOST, *host));
            let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let body = to_bytes(response.into_body(), 100).await.unwrap();
            assert_eq!(body, answer, "{hosts:?}");
        }
    }
}

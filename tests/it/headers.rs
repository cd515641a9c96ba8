//! What every answer says to browsers, and that nothing is served but what is meant to be.

use std::time::Duration;

use passkey_accounts_server::routes::Mode;
use passkey_accounts_tests::TestServer;
use reqwest::{Client, Method, Response, redirect};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

async fn ask(server: &TestServer, method: Method, path: &str) -> Response {
    let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    client.request(method, format!("{}{path}", server.origin())).send().await.unwrap()
}

#[tokio::test]
async fn every_answer_tells_browsers_what_they_may_make_of_it() {
    let server = TestServer::start_in(Mode::Serve).await;
    for (method, path, status) in [
        (Method::GET, "/", 200),
        (Method::GET, "/login", 200),
        (Method::GET, "/assets/site.css", 200),
        (Method::GET, "/assets/site.js", 200),
        (Method::GET, "/site.json", 200),
        (Method::GET, "/openapi.json", 200),
        (Method::GET, "/healthz", 204),
        (Method::GET, "/v1/sessions", 401),
        (Method::GET, "/nothing-here", 404),
        (Method::POST, "/v1/moon", 404),
        (Method::POST, "/login", 405),
        (Method::GET, "/v1/gateway?app=x", 426),
    ] {
        let answer = ask(&server, method.clone(), path).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        let header =
            |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("set-cookie", ""),
            ("access-control-allow-origin", ""),
            ("server", ""),
        ] {
            assert_eq!(header(name), value, "{method} {path}: {name}");
        }
        // Only what is the same for everybody may be kept, and is asked for again.
        let is_static =
            ["/", "/login", "/assets/site.css", "/assets/site.js", "/nothing-here"].contains(&path);
        let is_page = is_static && method == Method::GET;
        assert_eq!(header("cache-control"), if is_page { "no-cache" } else { "no-store" }, "{method} {path}");
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval';",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{method} {path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
        let kind = header("content-type");
        assert!(!kind.starts_with("text/") || kind.ends_with("; charset=utf-8"), "{method} {path}: {kind}");
    }
}

#[tokio::test]
async fn nothing_is_served_but_the_pages_and_what_they_need() {
    let server = TestServer::start_in(Mode::Serve).await;
    for path in [
        "/assets",
        "/assets/",
        "/.git/config",
        "/Cargo.toml",
        "/..%2fCargo.toml",
        "/assets/..%2f..%2fCargo.toml",
        "/login.html.bak",
        "/outbox",
        "/outbox.html",
        "/dev/outbox",
        "/dev/quickstart",
    ] {
        assert_eq!(ask(&server, Method::GET, path).await.status(), 404, "{path}");
    }
    for path in ["/", "/login", "/healthz", "/site.json"] {
        assert_eq!(ask(&server, Method::TRACE, path).await.status(), 405, "{path}");
    }
}

#[tokio::test]
async fn what_follows_a_request_that_ends_in_two_ways_is_not_heard() {
    let server = TestServer::start_in(Mode::Serve).await;
    let answers = async |framing: &str| {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let first = format!("POST /v1/moon HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n0\r\n\r\n");
        let next = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(format!("{first}{next}").as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // A reset ends it too.
        let _ = timeout(Duration::from_secs(60), stream.read_to_end(&mut said)).await.expect("it is closed");
        let said = String::from_utf8(said).unwrap();
        said.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(answers("transfer-encoding: chunked").await, ["404", "204"]);
    assert_eq!(answers("content-length: 5").await, ["404", "204"]);
    assert_eq!(answers("content-length: 5\r\ntransfer-encoding: chunked").await, ["404"]);
    assert_eq!(answers("transfer-encoding: chunked\r\ncontent-length: 500").await, ["404"]);
    assert_eq!(answers("content-length: 5\r\ncontent-length: 500").await, ["400"]);
    assert_eq!(answers("transfer-encoding: chunked, identity").await, ["400"]);
}

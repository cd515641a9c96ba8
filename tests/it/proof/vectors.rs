//! The requests and tokens in tests/vectors/proof/, checked step by step as protocol.md section 5 says.

use std::{collections::HashMap, fs};

use axum::http;
use passkey_accounts::{
    proof::{NonceWindow, Origins, Proof, ProofError},
    protocol::{SessionID, UnixMillis, gateway::SessionKey},
};
use passkey_accounts_tests::{build::workspace, vectors::keep_proof};
use serde::Deserialize;

#[derive(Deserialize)]
struct File<T> {
    #[serde(default)]
    origins: Vec<String>,
    sessions: Vec<Session>,
    cases: Vec<Case<T>>,
}

#[derive(Deserialize)]
struct Session {
    #[serde(rename = "sessionID")]
    session_id: SessionID,
    #[serde(rename = "sessionKey")]
    session_key: SessionKey,
}

#[derive(Deserialize)]
struct Case<T> {
    name: String,
    steps: Vec<Step<T>>,
}

#[derive(Deserialize)]
struct Step<T> {
    now: u64,
    expect: String,
    #[serde(flatten)]
    what: T,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    host: String,
    target: String,
    fields: Vec<(String, String)>,
    body: String,
}

#[derive(Deserialize)]
struct Token {
    audience: String,
    nonce: String,
    token: String,
}

type Keys = HashMap<SessionID, Vec<u8>>;

fn admit(proof: &Proof, now: UnixMillis, keys: &Keys, window: &NonceWindow) -> Result<(), ProofError> {
    proof.check_time(now)?;
    let key = keys.get(&proof.session_id()).ok_or(ProofError::SessionGone)?;
    proof.verify_signature(key)?;
    window.remember(proof, now)
}

fn replay<T: for<'de> Deserialize<'de>>(
    file: &str,
    check: impl Fn(&T, &Origins, UnixMillis, &Keys, &NonceWindow) -> Result<(), ProofError>,
) -> usize {
    let text = fs::read_to_string(workspace().join("tests/vectors/proof").join(file)).unwrap();
    let file: File<T> = serde_json::from_str(&text).unwrap();
    let origins = if file.origins.is_empty() { vec!["https://app.example".into()] } else { file.origins };
    let origins = Origins::new(origins).unwrap();
    let point = |key: &SessionKey| [&[4][..], &key.x.0, &key.y.0].concat();
    let keys: Keys =
        file.sessions.iter().map(|session| (session.session_id, point(&session.session_key))).collect();
    let mut differences = String::new();
    for case in &file.cases {
        let window = NonceWindow::new();
        for (index, step) in case.steps.iter().enumerate() {
            let result = check(&step.what, &origins, UnixMillis(step.now), &keys, &window);
            let outcome = result.as_ref().err().map_or("accepted", |error| error.code().as_str());
            if outcome != step.expect {
                differences +=
                    &format!("\n{}, step {index}: {result:?} instead of {}", case.name, step.expect);
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
    file.cases.len()
}

#[test]
fn requests_and_tokens_have_the_outcome_that_the_vectors_say() {
    let requests = replay("requests.json", |request: &Request, origins, now, keys, window| {
        let mut parts = http::Request::builder().method(&*request.method).uri(&*request.target);
        parts = parts.header("host", &request.host);
        for (name, value) in &request.fields {
            parts = parts.header(name, value);
        }
        let (parts, ()) = parts.body(()).unwrap().into_parts();
        let proof = Proof::of_parts(&parts, origins)?;
        admit(&proof, now, keys, window)?;
        proof.check_body(request.body.as_bytes())
    });
    let tokens = replay("sockets.json", |token: &Token, _, now, keys, window| {
        let proof = Proof::of_socket(&token.token, &token.audience, &token.nonce)?;
        admit(&proof, now, keys, window)
    });
    keep_proof("Rust", requests + tokens);
}

//! What a proof costs per request, headers in and verdict out, against the bare signature check it contains.
//!
//! `cargo bench -p passkey-accounts-tests --bench proof`. Real live sessions of a real server; one thread, its CPU time,
//! interleaved rounds, medians: the ratios hold on a busy machine; the figures per second are the machine's.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey};
use axum::http::{Request, request::Parts};
use cpu_time::ThreadTime;
use data_encoding::BASE64;
use passkey_accounts::{Accounts, LiveSessions, Proofs, protocol::gateway::Session};
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer, proof::ProofDraft};
use tokio::runtime::Runtime;

const ROUNDS: usize = 41;
const PAGES: u8 = 16;
const REQUESTS: usize = 128;
const ORIGIN: &str = "https://app.example";

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let (_server, pages, live) = runtime.block_on(sign_in());
    let proofs = live.proofs().origin(ORIGIN).build().expect("an origin");
    println!("requests per second of thread CPU time, medians of {ROUNDS} interleaved rounds");
    println!("{:18} {:>10} {:>10} {:>10} {:>8} {:>8}", "", "ours", "bare", "key parsed", "ratio", "(parsed)");
    measure("GET", None, &runtime, &pages, &live, &proofs);
    measure("POST of 1 KiB", Some(&[b'x'; 1_024]), &runtime, &pages, &live, &proofs);
    println!("bare: aws-lc-rs on the same key bytes, message and signature. ratio: ours / bare; goal 0.85.");
}

/// One request as the back end gets it, and what its signature check needs.
struct Received {
    head: Parts,
    body: Vec<u8>,
    key: [u8; 65],
    message: Vec<u8>,
    signature: Vec<u8>,
}

async fn sign_in() -> (TestServer, Vec<(Page, Session)>, LiveSessions) {
    let server = TestServer::start_in_real_time().await;
    let live =
        Accounts::connect(server.events_url(), server.api_key.clone()).expect("an address").live_sessions();
    live.in_sync().await.expect("the state arrives");
    let mut pages = Vec::new();
    for seed in 0..PAGES {
        let mut page = Page::connect(&server).await;
        let mut authenticator = SoftwareAuthenticator::new([seed; 32]);
        let session = page.sign_up(&server, &format!("{seed}@shop.example"), &mut authenticator).await;
        live.wait_for(session.session_id, Duration::from_secs(20)).await.expect("the session appears");
        pages.push((page, session));
    }
    (server, pages, live)
}

fn receive(page: &Page, session: &Session, live: &LiveSessions, body: Option<&[u8]>) -> Received {
    let draft = ProofDraft::get(session.session_id, ORIGIN, "/notes?since=42", live.server_time());
    let draft = match body {
        Some(body) => draft.post(body),
        None => draft,
    };
    let request = draft.sign(&page.key);
    let mut builder = Request::builder().method(request.method.as_str()).uri(request.target.as_str());
    for (name, value) in &request.fields {
        builder = builder.header(name, value);
    }
    // As a browser sends them beside ours.
    for (name, value) in [("accept", "*/*"), ("accept-language", "en"), ("user-agent", "Mozilla/5.0")] {
        builder = builder.header(name, value);
    }
    let head = builder.body(()).expect("a request").into_parts().0;
    let key = live.get(session.session_id).and_then(|live| live.key_point().copied()).expect("a key");
    let of =
        |name: &str| request.fields.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value);
    let signature = of("Signature").trim_start_matches("pa=:").trim_end_matches(':');
    let signature = BASE64.decode(signature.as_bytes()).expect("base64");
    let digest = of("Content-Digest");
    let digest = if digest.is_empty() { String::new() } else { format!("\"content-digest\": {digest}\n") };
    let params = of("Signature-Input").trim_start_matches("pa=");
    let message = format!(
        "\"@method\": {}\n\"@target-uri\": {ORIGIN}{}\n{digest}\"@signature-params\": {params}",
        request.method, request.target
    );
    Received { head, body: request.body, key, message: message.into_bytes(), signature }
}

fn measure(
    name: &str,
    body: Option<&[u8]>,
    runtime: &Runtime,
    pages: &[(Page, Session)],
    live: &LiveSessions,
    proofs: &Proofs,
) {
    let mut seconds: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        // A proof passes once: every round has requests of its own.
        let requests: Vec<Received> = pages
            .iter()
            .cycle()
            .take(REQUESTS)
            .map(|(page, session)| receive(page, session, live, body))
            .collect();
        let parsed: Vec<ParsedPublicKey> = requests
            .iter()
            .map(|request| ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, request.key).expect("a valid key"))
            .collect();
        let timed = [
            time(|| {
                runtime.block_on(async {
                    for request in &requests {
                        let account = proofs.verify(&request.head, &request.body).await;
                        let _ = std::hint::black_box(account.expect("a valid proof"));
                    }
                });
            }),
            time(|| {
                for request in &requests {
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &request.key)
                        .verify(&request.message, &request.signature)
                        .expect("a valid signature");
                }
            }),
            time(|| {
                for (request, key) in requests.iter().zip(&parsed) {
                    key.verify_sig(&request.message, &request.signature).expect("a valid signature");
                }
            }),
        ];
        // The first round warms caches up.
        if round > 0 {
            for (all, one) in seconds.iter_mut().zip(timed) {
                all.push(one);
            }
        }
    }
    let [ours, bare, bare_parsed] = seconds.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
    });
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let per_second = |seconds: f64| REQUESTS as f64 / seconds;
    println!(
        "{name:18} {:>10.0} {:>10.0} {:>10.0} {:>8.3} {:>8.3}",
        per_second(ours),
        per_second(bare),
        per_second(bare_parsed),
        bare / ours,
        bare_parsed / ours,
    );
}

fn time(work: impl FnOnce()) -> f64 {
    let start = ThreadTime::now();
    work();
    start.elapsed().as_secs_f64()
}

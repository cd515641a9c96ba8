//! Sign-ins end to end over real sockets against one server process with durable SQLite.
//!
//! `cargo bench -p passkey-accounts-tests --bench signins`. The server runs in a process of its own and reports its own
//! CPU time; one back end reads along. A sign-in is two requests and two replies, a verified assertion, and a session
//! row with its chained event on the disk. The yardstick, a bare aws-lc-rs verification, is timed in the same run.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
    },
};
use cpu_time::{ProcessTime, ThreadTime};
use futures_util::future::join_all;
use passkey_accounts::{Events, protocol::AppID};
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer};
use serde_json::{Value, json};

const CONNECTIONS: usize = 128;
const ROUNDS: usize = 9;
const ROLE: &str = "PASSKEY_ACCOUNTS_BENCH_SERVER";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if std::env::var_os(ROLE).is_some() {
        runtime.block_on(serve());
    } else {
        runtime.block_on(measure());
    }
}

/// The server's process: says where it is, then answers each line with what it has used and done so far.
async fn serve() {
    let server = TestServer::start_in_real_time().await;
    let site = json!({
        "gateway": server.gateway_url(), "events": server.events_url(), "origin": server.origin(),
        "appID": server.app_id, "apiKey": server.api_key,
    });
    println!("{site}");
    tokio::task::block_in_place(|| {
        for line in std::io::stdin().lines() {
            let line = line.expect("lines of text");
            let stats = server.context().store.write_stats();
            let answer = match line.strip_prefix("code ") {
                Some(email) => json!(server.mailed_code(email)),
                None => {
                    json!({ "cpu": ProcessTime::now().as_duration().as_secs_f64(), "commits": stats.commits })
                }
            };
            println!("{answer}");
        }
    });
}

struct Server {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> (Self, Value) {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .env(ROLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdin = process.stdin.take().expect("piped");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut server = Self { process, stdin, stdout };
        let site = server.read();
        (server, site)
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.stdin, "{line}").expect("the server listens");
        self.read()
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the server answers");
        serde_json::from_str(&line).expect("JSON")
    }

    /// CPU seconds and commits so far.
    fn used(&mut self) -> (f64, u64) {
        let used = self.ask("used");
        let cpu = used.get("cpu").and_then(Value::as_f64).expect("a number");
        (cpu, used.get("commits").and_then(Value::as_u64).expect("a number"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
async fn measure() {
    let (mut server, site) = Server::start();
    let text = |member: &str| site.get(member).and_then(Value::as_str).expect("a text").to_owned();
    let (gateway, origin) = (text("gateway"), text("origin"));
    let app_id: AppID = text("appID").parse().expect("an app id");
    let mut events = Events::builder(text("events"), text("apiKey")).open();
    let reading = tokio::spawn(async move {
        while let Some(Ok(delivery)) = events.next().await {
            delivery.ack();
        }
    });

    let mut people = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let email = format!("person-{number}@example.org");
        let seed = u8::try_from(number).expect("few people");
        let mut authenticator = SoftwareAuthenticator::new([seed; 32]);
        let mut page = Page::connect_from(&gateway, app_id, &origin).await.expect("the page connects");
        let code = || server.ask(&format!("code {email}")).as_str().map(str::to_owned);
        page.sign_up_with(&email, &mut authenticator, code).await;
        page.sign_out().await;
        people.push((email, authenticator, page));
    }

    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let bare = bare_verification_seconds();
        let (cpu, commits) = server.used();
        let start = Instant::now();
        join_all(people.iter_mut().map(|(email, authenticator, page)| page.sign_in(email, authenticator)))
            .await;
        let elapsed = start.elapsed().as_secs_f64();
        let (cpu_after, commits_after) = server.used();
        rounds.push((elapsed, (cpu_after - cpu) / CONNECTIONS as f64, commits_after - commits, bare));
        join_all(people.iter_mut().map(|(_, _, page)| page.sign_out())).await;
    }
    reading.abort();

    let median = |pick: fn(&(f64, f64, u64, f64)) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values.get(ROUNDS / 2).copied().unwrap_or_default()
    };
    let (elapsed, cpu, commits, bare) = (
        median(|round| round.0),
        median(|round| round.1),
        median(|round| round.2 as f64),
        median(|round| round.3),
    );
    println!(
        "{CONNECTIONS} connections, {ROUNDS} rounds of one sign-in each, plain WebSocket, SQLite WAL synchronous=FULL; medians"
    );
    println!(
        "sign-ins per second, wall            {:>10.0}   (clients and their authenticators on the same cores)",
        CONNECTIONS as f64 / elapsed
    );
    println!("server CPU per sign-in               {:>10.1} us", cpu * 1e6);
    println!("commits (one fsync each) per {CONNECTIONS:>3}      {commits:>10.0}");
    println!("sign-ins per commit                  {:>10.1}", CONNECTIONS as f64 / commits);
    println!("bare P-256 verification              {:>10.1} us", bare * 1e6);
    println!("share: bare verification / sign-in   {:>10.2}   (goal 0.50 with TLS)", bare / cpu);
}

/// CPU seconds of one bare verification, from its public key bytes.
fn bare_verification_seconds() -> f64 {
    const PASSES: u32 = 400;
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let message = [7; 69];
    let signature = key.sign(&SystemRandom::new(), &message).expect("a signature");
    let start = ThreadTime::now();
    for _ in 0..PASSES {
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref());
        public.verify(&message, signature.as_ref()).expect("a valid signature");
    }
    start.elapsed().as_secs_f64() / f64::from(PASSES)
}

//! The event stream under load, against a bare tokio-tungstenite broadcast of as many bytes in the same run.
//!
//! `cargo bench -p passkey-accounts-tests --bench stream_load`. Ours and the yardstick are processes of their own that
//! report their own CPU time and memory; readers are in this one. Wall-clock figures (p99) say something on an idle
//! machine only. The server takes 100 back ends of an app, so 1,000 readers are those of ten apps.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use cpu_time::ProcessTime;
use futures_util::{SinkExt, StreamExt, future::join_all};
use passkey_accounts::{
    log::Epoch,
    protocol::{
        AccountID, AppID, PasskeyID, SessionID, UnixMillis,
        base64url::Base64Url,
        event::{EventKind, LoggedOut, Registered},
        gateway::{EndReason, Policy, SessionKey},
    },
};
use passkey_accounts_server::{
    apps::App,
    ceremony::Authenticators,
    clock::{Clock, Uptime, make_random},
    crypto::{RootKeySource, RootKeys},
    keys::{ApiKey, KeyEnvironment},
    log::Retention,
    mail::{Mailer, Outbox},
    rates::Rates,
    routes::{Mode, Site},
    server::{Prepared, Running, Settings},
    sessions::{Session, SessionLimits},
    store::{NewAccount, NewPasskeyRow, StoreError},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{broadcast, mpsc},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config, client_async,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

const ROLE: &str = "PASSKEY_ACCOUNTS_BENCH_ROLE";
const APPS: usize = 10;
const READERS_PER_APP: usize = 100;
const SESSIONS: usize = 100_000;
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match env::var(ROLE).as_deref() {
        Ok("ours") => runtime.block_on(ours()),
        Ok(_) => runtime.block_on(bare()),
        Err(_) => runtime.block_on(measure()),
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("before the year 500000")
}

/// CPU seconds so far, resident kilobytes, and when the last thing was done.
fn used() -> Value {
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = memory.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|text| text.trim().split(' ').next()?.parse::<u64>().ok());
    json!({ "cpu": ProcessTime::now().as_duration().as_secs_f64(), "kb": kilobytes, "at": micros() })
}

/// Our server. `append A N L`: N events of about L bytes more in each of A apps, one commit.
async fn ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        data_directory: folder.path().to_owned(),
        clock: Clock::System,
        root_keys: RootKeySource::Keys(RootKeys::one(&[7; 32])),
        mailer: Mailer::Outbox(Outbox::default()),
        authenticators: Authenticators::default(),
        session_limits: SessionLimits::default(),
        rates: Rates::off(),
        retention: Retention::default(),
        drain_ms: 0,
        tls: None,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let prepared = Prepared::open(settings).await.expect("a database");
    let (mut app_ids, mut keys) = (Vec::new(), Vec::new());
    // Nobody reads the other half; the sessions are in the last one.
    for _ in 0..2 * APPS {
        let app_id = AppID::from_bytes(make_random());
        let origins = vec!["http://localhost".parse().expect("an origin")];
        let app =
            App::new(app_id, "Bench".into(), "localhost".into(), origins, Policy::Strict).expect("an app");
        prepared.store().create_app(app, Epoch::from_random(1)).await.expect("stored");
        let key = ApiKey::new(KeyEnvironment::Dev, &make_random());
        prepared.store().create_key(app_id, &key, "bench".into(), None).await.expect("stored");
        app_ids.push(app_id);
        keys.push(key.reveal().to_owned());
    }
    let site = Site::new(Mode::Dev, "http://localhost");
    let running = Arc::new(prepared.start(listener, site).await.expect("it starts"));
    answer(json!({ "port": port, "keys": keys }), async |words| match *words {
        ["append", apps, events, bytes] => {
            append(&running, app_ids.get(..number(apps)).expect("few apps"), number(events), number(bytes))
                .await;
        }
        ["append-unread", apps, events] => {
            append(&running, app_ids.get(APPS..APPS + number(apps)).expect("apps"), number(events), 0).await;
        }
        ["sessions"] => open_sessions(&running, *app_ids.last().expect("apps")).await,
        _ => {}
    })
    .await;
}

async fn append(running: &Running, app_ids: &[AppID], events: usize, bytes: usize) {
    let app_ids = app_ids.to_vec();
    let written = running.context.store.write(move |write| {
        Box::pin(async move {
            for _ in 0..events {
                for app_id in &app_ids {
                    let account_id = AccountID::from_bytes([1; 16]);
                    let event = if bytes == 0 {
                        let session_id = SessionID::from_bytes([2; 16]);
                        let reason = EndReason::User;
                        EventKind::LoggedOut(LoggedOut {
                            account_id,
                            session_id,
                            reason,
                            account_sessions: 0,
                        })
                    } else {
                        padded(bytes)
                    };
                    write.append(*app_id, &event)?;
                }
            }
            Ok::<_, StoreError>(())
        })
    });
    written.await.expect("stored");
}

/// A large event: sign-ins carry evidence of the page's choosing.
fn padded(bytes: usize) -> EventKind {
    let part = Base64Url(vec![1; 32]);
    EventKind::LoggedIn(Box::new(passkey_accounts::protocol::event::LoggedIn {
        account_id: AccountID::from_bytes([1; 16]),
        session_id: SessionID::from_bytes([2; 16]),
        passkey_id: PasskeyID::from_bytes([3; 16]),
        origin: "x".repeat(bytes),
        session_key: SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part.clone(), y: part },
        expires_at: UnixMillis(0),
        user_verified: true,
        backed_up: false,
        account_sessions: 1,
        evidence: None,
    }))
}

async fn open_sessions(running: &Running, app_id: AppID) {
    let (account_id, passkey_id) = (AccountID::from_bytes([4; 16]), PasskeyID::from_bytes([5; 16]));
    let written = running.context.store.write(move |write| {
        Box::pin(async move {
            let account = NewAccount {
                app_id,
                account_id,
                email: "ada@example.org".parse().expect("it is an address"),
                passkey: NewPasskeyRow { passkey_id, credential_index: [8; 32], record: Vec::new().into() },
            };
            write.insert_account(&account).await?;
            write.append(app_id, &EventKind::Registered(Registered { account_id }))?;
            for number in 0..SESSIONS as u64 {
                let part = Base64Url(vec![1; 32]);
                let mut random = [0; 16];
                random[..8].copy_from_slice(&number.to_be_bytes());
                write.open_session(Arc::new(Session {
                    session_id: SessionID::from_bytes(random),
                    app_id,
                    account_id,
                    passkey_id,
                    origin: "https://shop.example".into(),
                    session_key: SessionKey {
                        kty: "EC".into(),
                        crv: "P-256".into(),
                        x: part.clone(),
                        y: part,
                    },
                    started_at: UnixMillis(1),
                    expires_at: UnixMillis(u64::from(u32::MAX) * 1_000),
                    ends: Uptime(u64::MAX),
                    idle_ms: 1,
                    grace_ms: 1,
                    user_agent: String::new(),
                }))?;
            }
            Ok::<_, StoreError>(())
        })
    });
    written.await.expect("stored");
}

/// The yardstick. `send N L`: N frames of L bytes to every reader.
async fn bare() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (frames, _) = broadcast::channel::<Utf8Bytes>(1 << 16);
    let sending = frames.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            let mut frames = frames.subscribe();
            tokio::spawn(async move {
                let config = WebSocketConfig::default().read_buffer_size(4 * 1_024);
                let mut socket = accept_async_with_config(stream, Some(config)).await.expect("a WebSocket");
                while let Ok(frame) = frames.recv().await {
                    if socket.send(Message::Text(frame)).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    answer(json!({ "port": port }), async |words| {
        if let ["send", count, bytes] = *words {
            let frame = Utf8Bytes::from("x".repeat(number(bytes)));
            for _ in 0..number(count) {
                let _ = sending.send(frame.clone());
            }
        }
    })
    .await;
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

/// Answers each line, after doing what it says, with what was used so far.
async fn answer(site: Value, mut act: impl AsyncFnMut(&[&str])) {
    println!("{site}");
    let (lines, mut received) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if lines.send(line.expect("text")).is_err() {
                return;
            }
        }
    });
    while let Some(line) = received.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        act(&words).await;
        println!("{}", used());
    }
}

/// A server's process.
struct Server {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    site: Value,
}

#[derive(Debug, Clone, Copy)]
struct Used {
    cpu: f64,
    kilobytes: f64,
    at: u64,
}

impl Server {
    fn start(role: &str) -> Self {
        let mut process = Command::new(env::current_exe().expect("this program"))
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdin = process.stdin.take().expect("piped");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut server = Self { process, stdin, stdout, site: Value::Null };
        server.site = server.read();
        server
    }

    fn ask(&mut self, line: &str) -> Used {
        writeln!(self.stdin, "{line}").expect("the server listens");
        let answer = self.read();
        let number = |member: &str| answer.get(member).and_then(Value::as_f64).expect("a number");
        let at = answer.get("at").and_then(Value::as_u64).expect("a number");
        Used { cpu: number("cpu"), kilobytes: number("kb"), at }
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the server answers");
        serde_json::from_str(&line).expect("JSON")
    }

    /// The first message of a reader of that app.
    fn first(&self, app: usize, members: &Value) -> Option<String> {
        let key = self.site.get("keys")?.get(app)?;
        let mut first = json!({ "apiKey": key, "protocol": 1, "window": 0, "types": ["*"] });
        first.as_object_mut()?.extend(members.as_object()?.clone());
        Some(first.to_string())
    }

    async fn connect(&self, app: usize, members: &Value, receive_bytes: Option<u32>) -> Reader {
        let port = self.site.get("port").and_then(Value::as_u64).expect("a port");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).expect("a port")));
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes).expect("a socket");
        }
        let stream = socket.connect(address).await.expect("a connection");
        let url = format!("ws://localhost:{port}/v1/events");
        let (mut socket, _) = client_async(url, stream).await.expect("a WebSocket");
        if let Some(first) = self.first(app, members) {
            socket.send(Message::text(first)).await.expect("sent");
            // `ready`, and where it begins.
            for _ in 0..2 {
                socket.next().await.expect("a frame").expect("a frame");
            }
        }
        Reader(socket)
    }

    /// A thousand readers of whatever happens from now on.
    async fn connect_all(&self) -> Vec<Reader> {
        let mut readers = Vec::new();
        for app in 0..APPS {
            for _ in 0..READERS_PER_APP {
                readers.push(self.connect(app, &json!({ "start": "now" }), None).await);
            }
        }
        readers
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Reader(WebSocketStream<TcpStream>);

impl Reader {
    /// Takes so many frames; the bytes of the last one and when it came.
    async fn take(&mut self, frames: usize) -> (usize, u64) {
        let (mut left, mut bytes) = (frames, 0);
        while left > 0 {
            if let Message::Text(text) = self.0.next().await.expect("a frame").expect("a frame")
                && !text.starts_with(r#"{"type":"bookmark""#)
            {
                (left, bytes) = (left - 1, text.len());
            }
        }
        (bytes, micros())
    }
}

/// What one round cost: CPU seconds of the server, and how long each reader waited, in microseconds.
struct Round {
    cpu: f64,
    waits: Vec<u64>,
}

/// Has a server do something that gives every reader so many frames.
async fn round(server: &mut Server, line: &str, readers: &mut [Reader], frames: usize) -> Round {
    let before = server.ask("used");
    let reading = join_all(readers.iter_mut().map(|reader| reader.take(frames)));
    let (asked, taken) = tokio::join!(async { tokio::task::block_in_place(|| server.ask(line)) }, reading);
    let after = server.ask("used");
    Round {
        cpu: after.cpu - before.cpu,
        waits: taken.iter().map(|(_, at)| at.saturating_sub(asked.at)).collect(),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn percentile(mut values: Vec<u64>, share: usize) -> u64 {
    values.sort_unstable();
    values.get((values.len() * share / 100).min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn row(what: &str, goal: &str, measured: &str) {
    println!("{what:58} {goal:>12} {measured:>12}");
}

async fn measure() {
    let (mut ours, mut bare) = (Server::start("ours"), Server::start("bare"));
    println!(
        "{} readers, medians of {ROUNDS} interleaved rounds, CPU time of the server's process\n",
        APPS * READERS_PER_APP
    );
    row("", "goal", "measured");

    // One reader.
    let start = json!({ "start": "now" });
    let mut our_reader = vec![ours.connect(0, &start, None).await];
    let mut bare_reader = vec![bare.connect(0, &start, None).await];
    ours.ask("append 1 1 0");
    let (bytes, _) = our_reader.first_mut().expect("a reader").take(1).await;
    let (mut one_ours, mut one_bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // The same commits in an app that nobody reads: the rest is the stream.
        let (mut read, mut unread) = (0.0, 0.0);
        for _ in 0..10 {
            let before = ours.ask("used");
            unread += ours.ask("append-unread 1 500").cpu - before.cpu;
            read += round(&mut ours, "append 1 500 0", &mut our_reader, 500).await.cpu;
        }
        one_ours.push((read, unread));
        let mut sent = 0.0;
        for _ in 0..10 {
            sent += round(&mut bare, &format!("send 500 {bytes}"), &mut bare_reader, 500).await.cpu;
        }
        one_bare.push(sent);
    }
    let bare_one = median(one_bare) / 5_000.0;
    let whole = median(one_ours.iter().map(|(read, _)| *read).collect()) / 5_000.0;
    let append = median(one_ours.iter().map(|(_, append)| *append).collect()) / 5_000.0;
    let stream = whole - append;
    row("one reader: us of CPU per event, commit included", "", &format!("{:.2}", whole * 1e6));
    row("   without what the commit costs", "", &format!("{:.2}", stream * 1e6));
    row("   bare broadcast", "", &format!("{:.2}", bare_one * 1e6));
    row("   bare CPU / ours, without the commit", "1.0", &format!("{:.2}", bare_one / stream));
    drop((our_reader, bare_reader));

    // A thousand readers.
    let (ours_before, bare_before) = (ours.ask("used"), bare.ask("used"));
    let (mut our_readers, mut bare_readers) = (ours.connect_all().await, bare.connect_all().await);
    let readers = our_readers.len();
    let memory = |after: Used, before: Used| (after.kilobytes - before.kilobytes) / readers as f64;
    row("memory per idle reader, KiB", "8", &format!("{:.1}", memory(ours.ask("used"), ours_before)));
    row("   bare, read buffer 4 KiB", "", &format!("{:.1}", memory(bare.ask("used"), bare_before)));
    let (mut single, mut burst, mut bare_single, mut bare_burst) = (vec![], vec![], vec![], vec![]);
    let (mut commits, mut commit_bursts) = (vec![], vec![]);
    let (mut waits, mut bare_waits) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut cpu, mut bare_cpu, mut commit) = (0.0, 0.0, 0.0);
        for _ in 0..20 {
            let before = ours.ask("used");
            commit += ours.ask(&format!("append-unread {APPS} 1")).cpu - before.cpu;
            let done = round(&mut ours, &format!("append {APPS} 1 0"), &mut our_readers, 1).await;
            cpu += done.cpu;
            waits.extend(done.waits);
            let done = round(&mut bare, &format!("send 1 {bytes}"), &mut bare_readers, 1).await;
            bare_cpu += done.cpu;
            bare_waits.extend(done.waits);
        }
        commits.push(commit / 20.0);
        let before = ours.ask("used");
        commit_bursts.push((ours.ask(&format!("append-unread {APPS} 16")).cpu - before.cpu) / 16.0);
        single.push(cpu / 20.0);
        bare_single.push(bare_cpu / 20.0);
        burst.push(round(&mut ours, &format!("append {APPS} 16 0"), &mut our_readers, 16).await.cpu / 16.0);
        bare_burst
            .push(round(&mut bare, &format!("send 16 {bytes}"), &mut bare_readers, 16).await.cpu / 16.0);
    }
    let (commit, commit_burst) = (median(commits), median(commit_bursts));
    let (single, burst) = (median(single) - commit, median(burst) - commit_burst);
    let (bare_single, bare_burst) = (median(bare_single), median(bare_burst));
    let each = |cpu: f64| format!("{:.2}", cpu * 1e6 / readers as f64);
    row("   the commit by itself, spread over the readers", "", &each(commit));
    row("fan-out, one at a time: us of CPU per reader and event", "", &each(single));
    row("   bare broadcast", "", &each(bare_single));
    row("   bare CPU / ours", "1.0", &format!("{:.2}", bare_single / single));
    row("fan-out, bursts of 16: us of CPU per reader and event", "", &each(burst));
    row("   bare broadcast", "", &each(bare_burst));
    row("   one at a time / bursts of 16", "6", &format!("{:.1}", single / burst));
    row("commit to delivery at 1,000 readers, p50 / p99, ms", "", &millis(&waits));
    row("   bare, send to delivery", "", &millis(&bare_waits));

    // One of them stalls.
    let quiet = latencies(&mut ours, &mut our_readers).await;
    let mut stalled = our_readers.pop().expect("readers");
    drop(stalled.0.close(None).await);
    drop(stalled);
    let stalled = ours.connect(APPS - 1, &json!({ "start": "now" }), Some(4_096)).await;
    // Enough to fill what the kernel holds for it.
    ours.ask(&format!("append {APPS} 600 8000"));
    join_all(our_readers.iter_mut().map(|reader| reader.take(600))).await;
    let disturbed = latencies(&mut ours, &mut our_readers).await;
    let p99 = |waits: &[u64]| percentile(waits.to_vec(), 99);
    row(
        "p99 of the others beside a stalled reader / without",
        "1.2",
        &format!("{:.2}", p99(&disturbed) as f64 / p99(&quiet) as f64),
    );
    row("   p50 / p99 without, ms", "", &millis(&quiet));
    row("   p50 / p99 with, ms", "", &millis(&disturbed));
    drop((stalled, our_readers, bare_readers));

    // A snapshot.
    ours.ask("sessions");
    let (mut snapshots, mut bare_snapshots, mut snapshot_bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let before = ours.ask("used");
        let mut socket = snapshot_reader(&ours).await;
        let (mut frames, mut total) = (0, 0);
        loop {
            let message = socket.0.next().await.expect("a frame").expect("a frame");
            let text = message.to_text().expect("text");
            (frames, total) = (frames + 1, total + text.len());
            if text.contains(r#""last":true"#) {
                break;
            }
        }
        snapshots.push(ours.ask("used").cpu - before.cpu);
        snapshot_bytes = total;
        let mut reader = vec![bare.connect(0, &start, None).await];
        let line = format!("send {frames} {}", total / frames);
        bare_snapshots.push(round(&mut bare, &line, &mut reader, frames).await.cpu);
    }
    let (snapshot, bare_snapshot) = (median(snapshots), median(bare_snapshots));
    row("snapshot of 100,000 sessions: ms of CPU", "", &format!("{:.0}", snapshot * 1e3));
    row("   megabytes", "", &format!("{:.1}", snapshot_bytes as f64 / 1e6));
    row("   bare broadcast of as many bytes, ms", "", &format!("{:.0}", bare_snapshot * 1e3));
}

async fn snapshot_reader(server: &Server) -> Reader {
    let mut reader = server.connect(2 * APPS - 1, &json!({ "start": "now" }), None).await;
    let first = server.first(2 * APPS - 1, &json!({ "start": "state" })).expect("a key");
    let port = server.site.get("port").and_then(Value::as_u64).expect("a port");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).expect("a port")));
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (socket, _) =
        client_async(format!("ws://localhost:{port}/v1/events"), stream).await.expect("a WebSocket");
    reader.0 = socket;
    reader.0.send(Message::text(first)).await.expect("sent");
    reader
}

/// How long each reader waits for each of a hundred events, one at a time, in microseconds.
async fn latencies(server: &mut Server, readers: &mut [Reader]) -> Vec<u64> {
    let mut waits = Vec::new();
    for _ in 0..100 {
        waits.extend(round(server, &format!("append {APPS} 1 0"), readers, 1).await.waits);
    }
    waits
}

fn millis(waits: &[u64]) -> String {
    let at = |share| percentile(waits.to_vec(), share) as f64 / 1e3;
    format!("{:.1} / {:.1}", at(50), at(99))
}

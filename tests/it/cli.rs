//! The command line as people and programs use it: the real binary, its output, its errors.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use aws_lc_rs::hmac;
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use data_encoding::BASE64;
use passkey_accounts_server::{crypto::write_secret, routes::Mode};
use passkey_accounts_tests::{TestServer, build::server_binary};
use serde_json::{Value, json};
use tempfile::TempDir;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(server_binary());
    command.args(arguments).env_remove("PASSKEY_ACCOUNTS_URL").env_remove("PASSKEY_ACCOUNTS_API_KEY");
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// What a command printed that must work.
fn said(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(arguments: &[&str]) -> Value {
    let text = said(arguments);
    assert_eq!(text.lines().count(), 1, "one line of JSON: {text}");
    serde_json::from_str(&text).unwrap()
}

/// What a command complained about that must fail.
fn complaint(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?} worked");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: "), "{text}");
    text
}

/// A dev server in a process of its own.
struct Dev {
    process: Child,
    folder: TempDir,
    url: String,
    key: String,
    app: String,
}

impl Dev {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let mut process = command(&["dev", "--json", "--port", "0", "--data-dir", text(&data)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let [url, key, app] = ["url", "apiKey", "appID"].map(|name| said[name].as_str().unwrap().to_owned());
        Self { process, folder, url, key, app }
    }

    /// Arguments with this server's address and key.
    fn on<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--url", &self.url, "--key", &self.key]].concat()
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn stop(&mut self) {
        interrupt(&self.process);
        self.process.wait().unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What Ctrl-C does.
fn interrupt(process: &Child) {
    let done = Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert!(done.success());
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn listen_prints_what_trigger_makes_happen_and_says_where_to_go_on() {
    let dev = Dev::start();
    let mut listening = command(&dev.on(&[
        "listen",
        "--json",
        "--start",
        "earliest",
        "--types",
        "registered,loggedIn,loggedOut",
    ]))
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(listening.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let triggered = json_of(&dev.on(&["trigger", "loggedIn", "--json"]));
    let account = triggered["accountID"].as_str().unwrap();
    let (registered, login) = (next(), next());
    assert_eq!((&registered["type"], &login["type"]), (&json!("registered"), &json!("loggedIn")));
    assert_eq!(login["data"]["sessionID"], triggered["sessionID"]);
    assert_eq!(login["data"]["accountID"], account);
    let line = said(&dev.on(&["trigger", "loggedOut", "--account", account]));
    assert!(line.starts_with("loggedOut  acct_"), "{line}");
    let logout = next();
    assert_eq!(
        logout["data"],
        json!({ "accountID": account, "sessionID": triggered["sessionID"], "reason": "user", "accountSessions": 0 })
    );
    // None is open now: one opens first, so that every end has its beginning.
    said(&dev.on(&["trigger", "loggedOut", "--account", account]));
    assert_eq!([next()["type"].clone(), next()["type"].clone()], [json!("loggedIn"), json!("loggedOut")]);
    interrupt(&listening);
    assert!(listening.wait().unwrap().success());
    let mut last_words = String::new();
    listening.stderr.take().unwrap().read_to_string(&mut last_words).unwrap();
    assert!(last_words.contains("to go on from here: passkey-accounts listen --after "), "{last_words}");
}

#[derive(Clone, Default)]
struct Target {
    tries: Arc<Mutex<u32>>,
    taken: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

async fn take(State(target): State<Target>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut tries = target.tries.lock().unwrap();
    *tries += 1;
    // Down for a while, in the middle.
    if matches!(*tries, 2 | 3) {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    target.taken.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap()));
    StatusCode::NO_CONTENT
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_events_arrive_signed_in_order_and_none_is_skipped_while_the_target_is_down() {
    let dev = Dev::start();
    let target = Target::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(take)).with_state(target.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for _ in 0..3 {
        said(&dev.on(&["trigger", "loggedOut"]));
    }
    let listen = ["listen", "--start", "earliest", "--forward-to", &hook, "--secret", secret];
    let mut listening =
        command(&dev.on(&listen)).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines: Vec<_> = {
        let stdout = listening.stdout.take().unwrap();
        let read = move || BufReader::new(stdout).lines().take(6).map(Result::unwrap).collect();
        tokio::task::spawn_blocking(read).await.unwrap()
    };
    interrupt(&listening);
    listening.wait().unwrap();
    let taken = target.taken.lock().unwrap();
    let sequence: Vec<Value> = taken.iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect();
    let names: Vec<_> = sequence.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(names, ["loggedIn", "loggedOut", "loggedIn", "loggedOut", "loggedIn", "loggedOut"]);
    assert_eq!((lines.len(), *target.tries.lock().unwrap()), (6, 8));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64.decode(&secret.as_bytes()[6..]).unwrap());
    let mut ids = Vec::new();
    for (headers, body) in taken.iter() {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
        let signature = header("webhook-signature");
        let tag = BASE64.decode(signature.strip_prefix("v1,").unwrap().as_bytes()).unwrap();
        hmac::verify(&key, signed.as_bytes(), &tag).unwrap();
        ids.push(header("webhook-id"));
    }
    ids.dedup();
    assert_eq!(ids.len(), 6, "each event has an id of its own");
}

#[test]
fn keys_of_a_running_server_are_made_rotated_listed_and_revoked() {
    let dev = Dev::start();
    let made = json_of(&dev.on(&[
        "key",
        "create",
        "--name",
        "reader",
        "--scopes",
        "events:read",
        "--days",
        "7",
        "--json",
    ]));
    assert_eq!(made["key"]["scopes"], json!(["events:read"]));
    let (secret, id) = (made["apiKey"].as_str().unwrap(), made["key"]["keyID"].as_str().unwrap());
    let refused = complaint(&["key", "list", "--url", &dev.url, "--key", secret]);
    assert!(refused.contains("lacks the scope keys:write"), "{refused}");
    let rotated = said(&dev.on(&["key", "rotate", id, "--overlap-hours", "1"]));
    assert!(rotated.starts_with("pa_dev_") && rotated.lines().count() == 1, "{rotated}");
    assert_eq!(said(&dev.on(&["key", "revoke", id])), format!("revoked {id}\n"));
    let listed = json_of(&dev.on(&["key", "list", "--json"]));
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let table = said(&dev.on(&["key", "list"]));
    assert!(table.contains(id) && table.contains("reader") && !table.contains(secret), "{table}");
    let revoked = complaint(&["app", "show", "--url", &dev.url, "--key", secret]);
    assert!(revoked.contains("keyRevoked: "), "{revoked}");
    let shown = json_of(&dev.on(&["app", "show", "--json"]));
    assert_eq!(shown["origins"], json!([dev.url]));
    let busy = complaint(&["key", "list", "--data-dir", text(&dev.data())]);
    assert!(busy.contains("another server is running on the data folder"), "{busy}");
}

#[test]
fn apps_and_keys_of_a_stopped_server_are_kept_in_its_folder() {
    let folder = TempDir::new().unwrap();
    let root_key = folder.path().join("root.key");
    write_secret(&root_key, &"5a".repeat(32)).unwrap();
    let data_dir = folder.path().join("data");
    let data = ["--data-dir", text(&data_dir), "--root-key-file", text(&root_key)];
    let on = |arguments: &[&'static str]| -> Vec<String> {
        arguments.iter().chain(&data).map(|argument| (*argument).to_owned()).collect()
    };
    let json =
        |arguments: &[&'static str]| json_of(&on(arguments).iter().map(String::as_str).collect::<Vec<_>>());
    let app = json(&[
        "app",
        "create",
        "--name",
        "Shop",
        "--rp-id",
        "shop.example",
        "--origin",
        "https://shop.example",
        "--json",
    ]);
    assert_eq!(json(&["app", "list", "--json"]), json!([app]));
    assert_eq!(json(&["app", "show", "--json"]), app);
    let key = json(&["key", "create", "--json"]);
    let id: &'static str = key["key"]["keyID"].as_str().unwrap().to_owned().leak();
    json(&["key", "rotate", id, "--json"]);
    json(&["key", "revoke", id, "--json"]);
    let keys = json(&["key", "list", "--json"]);
    assert!(keys[0]["revokedAt"].is_string() && keys[1]["revokedAt"].is_null(), "{keys}");
    // Each of the three changes is in the log, for auditors.
    let out = folder.path().join("log.jsonl");
    let out: &'static str = text(&out).to_owned().leak();
    assert_eq!(json(&["log", "export", "--out", out, "--json"])["entries"], 3);
    let kept = json(&["app", "retention", "--days", "30", "--json"]);
    assert_eq!((&kept["days"], &kept["events"], &kept["appID"]), (&json!(30), &json!(null), &app["appID"]));
    let too_few = complaint(&["app", "retention", "--events", "5", data[0], data[1]]);
    assert!(too_few.contains("1000..=1000000000"), "{too_few}");
    let epochs = json(&["log", "restored", "--json"]);
    assert_eq!(epochs["epochs"][0]["appID"], app["appID"]);
    let nothing = complaint(&[&["key", "revoke", "nonsense"][..], &data].concat());
    assert!(nothing.contains("there is no key nonsense"), "{nothing}");
}

#[test]
fn an_exported_log_verifies_and_a_changed_one_is_named_by_its_first_bad_entry() {
    let mut dev = Dev::start();
    for _ in 0..3 {
        said(&dev.on(&["trigger", "loggedOut"]));
    }
    let (over_http, offline) =
        (dev.folder.path().join("http.jsonl"), dev.folder.path().join("offline.jsonl"));
    let exported = json_of(&dev.on(&["log", "export", "--out", text(&over_http), "--json"]));
    assert_eq!(exported["entries"], 12);
    let again = complaint(&dev.on(&["log", "export", "--out", text(&over_http)]));
    assert!(again.contains("cannot be made"), "{again}");
    let reader = json_of(&dev.on(&["key", "create", "--scopes", "events:read", "--json"]));
    dev.stop();
    let data = dev.data();
    let export = ["log", "export", "--data-dir", text(&data), "--out", text(&offline)];
    let which = complaint(&export);
    assert!(which.contains("several apps"), "the notes app lies there too: {which}");
    said(&[&export[..], &["--app", &dev.app]].concat());
    let (first, second) =
        (std::fs::read_to_string(&over_http).unwrap(), std::fs::read_to_string(&offline).unwrap());
    // Over HTTP the newest signed head comes with it.
    let (head, entries): (Vec<&str>, Vec<&str>) =
        first.split_inclusive('\n').partition(|line| line.starts_with(r#"{"head""#));
    assert_eq!(head.len(), 1, "{first}");
    assert!(
        second.starts_with(&entries.concat()) && second.contains("apiKeyCreated"),
        "the same log, one entry later"
    );
    assert!(reader["apiKey"].is_string());
    let verified = json_of(&["log", "verify", text(&offline), "--json"]);
    assert_eq!((&verified["entries"], &verified["after"]), (&json!(13), &json!(0)));
    assert!(said(&["log", "verify", text(&offline)]).contains("13 entries after 0, unbroken"));
    std::fs::write(&offline, second.replacen(r#""reason":"user""#, r#""reason":"idle""#, 1)).unwrap();
    let bad = complaint(&["log", "verify", text(&offline)]);
    assert!(bad.contains("line 5, entry 4: "), "{bad}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_triggered_on_a_server_that_is_for_people() {
    let server = TestServer::start_in(Mode::Serve).await;
    let (url, key) = (server.origin(), server.api_key.clone());
    let refused = tokio::task::spawn_blocking(move || {
        complaint(&["trigger", "loggedIn", "--url", &url, "--key", &key])
    });
    assert!(refused.await.unwrap().contains("only a dev server does this"));
    let tail = server.context().store.logs().tail(server.app_id).unwrap();
    assert_eq!(tail.state().seq(), 0);
}

#[test]
fn errors_say_what_to_do() {
    for (arguments, part) in [
        (&["app", "show", "--url", "http://auth.example", "--key", "pa_live_x"][..], "in the clear"),
        (&["app", "show", "--url", "https://auth.example"], "set PASSKEY_ACCOUNTS_API_KEY"),
        (&["app", "show", "--url", "http://127.0.0.1:1", "--key", "secret"], "it looks like pa_live_"),
        (&["key", "list"], "name its folder with --data-dir, or a running server with --url"),
        (&["log", "verify", "/nowhere"], "/nowhere cannot be read"),
        (
            &[
                "listen",
                "--url",
                "http://127.0.0.1:1",
                "--key",
                "pa_live_x",
                "--after",
                "x",
                "--forward-to",
                "ftp://x",
            ],
            "is not an http:// or https:// URL",
        ),
    ] {
        let text = complaint(arguments);
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}

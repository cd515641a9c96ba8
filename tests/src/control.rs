//! What tests in other languages can have done: people sign in and out, requests are signed, the server restarts, is killed,
//! its keys are revoked, it lies, its log is rewritten. Commands are JSON objects, posted to an address;
//! `cargo run -p passkey-accounts-tests --bin control` starts one and prints where.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    pin::pin,
    process::Stdio,
};

use axum::{Json, Router, extract::State, routing::post};
use data_encoding::BASE64;
use passkey_accounts::{
    Api,
    protocol::{AppID, gateway::Session},
};
use passkey_accounts_server::clock::Clock;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout},
    sync::{mpsc, oneshot},
};

use crate::{
    Page, SoftwareAuthenticator,
    proof::{ProofDraft, socket_token},
    rewrite::rewrite,
};

/// A server in a process of its own, people, and an address to which commands are posted.
#[derive(Debug)]
pub struct Control {
    folder: TempDir,
    binary: PathBuf,
    server: Served,
    people: HashMap<String, SoftwareAuthenticator>,
    pages: Vec<Visit>,
    url: String,
    commands: mpsc::Receiver<Order>,
}

type Order = (Command, oneshot::Sender<Value>);

/// Somebody's open page.
#[derive(Debug)]
struct Visit {
    page: Page,
    session: Session,
    email: String,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Command {
    /// Signs in on a new page, and up before if need be: `{page, accountID, sessionID, key}`, the key in PKCS #8.
    SignIn { email: String },
    /// Signs out.
    SignOut { page: usize },
    /// Confirms an action, JSON as text, with a passkey.
    Confirm { page: usize, action: String },
    /// What `session.fetch` would send: `{fields: [[name, value]]}`. The body is text; without one there is none.
    Prove { page: usize, method: String, origin: String, target: String, body: Option<String> },
    /// What `session.prove` would give: `{token}`.
    ProveSocket { page: usize, audience: String, nonce: String },
    /// Stops the server in an orderly way, and starts it on the same port with the same data.
    Restart,
    /// Kills the server as nothing can be caught (SIGKILL).
    Kill,
    /// Starts a killed server on the same port with the same data.
    Start,
    /// Makes another API key: `{key}`.
    MakeKey,
    /// Revokes it.
    RevokeKey { key: String },
    /// Appends so many `loggedOut` to the log: `{}`.
    Append { events: usize },
    /// The server says that whoever has this page has signed in once more, for a key of its own: `{sessionID}`. No passkey
    /// has signed that.
    Forge { page: usize },
    /// Changes what the newest entry of a killed server's log says, which must be a `loggedOut`, and makes the chain whole
    /// again.
    Rewrite,
}

impl Control {
    /// Starts a server on a folder of its own; `binary` is `served` of this crate.
    ///
    /// # Panics
    /// When something of it cannot be had.
    pub async fn start(binary: PathBuf) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let server = Served::start(&binary, folder.path().join("data"), None).await;
        let (orders, commands) = mpsc::channel(1);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let router = Router::new().route("/", post(hand_on)).with_state(orders);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            folder,
            binary,
            server,
            people: HashMap::new(),
            pages: Vec::new(),
            url: format!("http://{address}/"),
            commands,
        }
    }

    /// What a test in another language gets in its environment.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("PASSKEY_ACCOUNTS_URL", self.server.origin()),
            ("PASSKEY_ACCOUNTS_API_KEY", self.server.api_key.clone()),
            ("PASSKEY_ACCOUNTS_CONTROL", self.url.clone()),
        ]
    }

    /// Obeys until the future is through.
    pub async fn obey_until<T>(mut self, ended: impl Future<Output = T>) -> T {
        let mut ended = pin!(ended);
        loop {
            tokio::select! {
                biased;
                output = &mut ended => return output,
                Some((command, answer)) = self.commands.recv() => {
                    let said = self.obey(command).await;
                    // An error means that whoever asked has gone.
                    drop(answer.send(said));
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Value {
        match command {
            Command::SignIn { email } => return self.sign_in(email).await,
            Command::SignOut { page } => {
                self.pages[page].page.sign_out().await;
            }
            Command::Confirm { page, action } => {
                let Visit { page, email, .. } = &mut self.pages[page];
                let authenticator = self.people.get_mut(email).expect("whoever has a page has a passkey");
                page.confirm(&action, authenticator).await;
            }
            Command::Prove { page, method, origin, target, body } => {
                let Visit { page, session, .. } = &self.pages[page];
                let now = Clock::System.now();
                let draft = ProofDraft::get(session.session_id, &origin, &target, now);
                let draft = ProofDraft { method, body: body.map(String::into_bytes), ..draft };
                return json!({ "fields": draft.sign(&page.key).fields });
            }
            Command::ProveSocket { page, audience, nonce } => {
                let Visit { page, session, .. } = &self.pages[page];
                let now = Clock::System.now();
                let token = socket_token(&page.key, session.session_id, &audience, &nonce, now);
                return json!({ "token": token });
            }
            Command::Restart => {
                self.server.stop().await;
                self.start_again().await;
            }
            Command::Kill => self.server.kill().await,
            Command::Start => self.start_again().await,
            Command::MakeKey => return self.server.ask(json!({ "do": "makeKey" })).await,
            Command::RevokeKey { key } => {
                let id = key.split('_').nth(2).expect("a key has four parts");
                let api = Api::new(&self.server.origin(), &self.server.api_key).expect("the key is one");
                api.revoke_key(id).await.expect("the key can be revoked");
            }
            Command::Append { events } => {
                self.server.ask(json!({ "do": "append", "events": events })).await;
            }
            Command::Forge { page } => {
                let session_id = self.pages[page].session.session_id;
                return self.server.ask(json!({ "do": "forge", "sessionID": session_id })).await;
            }
            Command::Rewrite => {
                let data = self.folder.path().join("data");
                rewrite(&data, self.server.app_id, |seq, last, data| {
                    if seq == last { data.replace(r#""user""#, r#""revoked""#) } else { data }
                })
                .await;
            }
        }
        json!({})
    }

    async fn start_again(&mut self) {
        let known = (self.server.port, self.server.app_id, self.server.api_key.clone());
        let data = self.folder.path().join("data");
        self.server = Served::start(&self.binary, data, Some(known)).await;
    }

    async fn sign_in(&mut self, email: String) -> Value {
        let (gateway, origin) = (self.server.gateway_url(), self.server.origin());
        let page = Page::connect_from(&gateway, self.server.app_id, &origin).await;
        let mut page = page.expect("the server runs");
        let session = match self.people.get_mut(&email) {
            Some(authenticator) => page.sign_in(&email, authenticator).await,
            None => {
                let seed = [u8::try_from(self.people.len() + 1).expect("a few people"); 32];
                let mut authenticator = SoftwareAuthenticator::new(seed);
                let mailed_code = || self.server.mailed_code(&email);
                let session = page.sign_up_with(&email, &mut authenticator, mailed_code).await;
                self.people.insert(email.clone(), authenticator);
                session
            }
        };
        let key = BASE64.encode(&page.key.to_pkcs8());
        let (account_id, session_id) = (session.account_id, session.session_id);
        self.pages.push(Visit { page, session, email });
        let number = self.pages.len() - 1;
        json!({ "page": number, "accountID": account_id, "sessionID": session_id, "key": key })
    }
}

async fn hand_on(State(orders): State<mpsc::Sender<Order>>, Json(command): Json<Command>) -> Json<Value> {
    let (answer, answered) = oneshot::channel();
    orders.send((command, answer)).await.expect("somebody obeys");
    Json(answered.await.expect("every command is answered"))
}

/// The server's process (`src/bin/served.rs`), which is asked by its input and answers by its output.
#[derive(Debug)]
struct Served {
    process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    port: u16,
    app_id: AppID,
    api_key: String,
}

impl Served {
    /// Starts it on this data; `known` is what an earlier process had there.
    async fn start(binary: &Path, data: PathBuf, known: Option<(u16, AppID, String)>) -> Self {
        let mut command = tokio::process::Command::new(binary);
        command.arg(data);
        if let Some((port, app_id, api_key)) = known {
            command.args([port.to_string(), app_id.to_string(), api_key]);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", binary.display()));
        let input = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("its output is piped")).lines();
        let said = read(&mut output).await;
        let text = |member: &str| said[member].as_str().expect("it says where it is").to_owned();
        Self {
            process,
            input,
            output,
            port: said["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port"),
            app_id: text("appID").parse().expect("an app id"),
            api_key: text("apiKey"),
        }
    }

    /// Has something done.
    async fn ask(&mut self, command: Value) -> Value {
        let input = self.input.as_mut().expect("it runs");
        input.write_all(format!("{command}\n").as_bytes()).await.expect("it reads");
        read(&mut self.output).await
    }

    /// Ends it in an orderly way: its input ends.
    async fn stop(&mut self) {
        drop(self.input.take());
        self.process.wait().await.expect("it can be waited for");
    }

    async fn kill(&mut self) {
        self.process.kill().await.expect("it can be killed");
    }

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    fn gateway_url(&self) -> String {
        format!("ws://localhost:{}/v1/gateway", self.port)
    }

    fn mailed_code(&self, email: &str) -> Option<String> {
        let mut answer = ureq::get(format!("{}/dev/outbox", self.origin())).call().ok()?;
        let outbox: Value = serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()?;
        let mail = outbox["mails"].as_array()?.iter().find(|mail| mail["to"] == email)?;
        Some(mail["code"].as_str()?.to_owned())
    }
}

async fn read(output: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = output.next_line().await.expect("it writes text").expect("it runs");
    serde_json::from_str(&line).expect("it writes JSON")
}

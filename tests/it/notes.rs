//! The notes app as `dev` serves it: three origins on one port, requests that prove who sent them, a deletion that its
//! owner confirmed, a socket that ends with its session.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use data_encoding::BASE64;
use futures_util::{SinkExt, StreamExt};
use passkey_accounts::protocol::{
    AppID,
    base64url::encode,
    gateway::{ClientMessage, ConfirmBegin, RawJson, ServerMessage, Session, SignedIn, Verify},
};
use passkey_accounts_server::clock::make_random;
use passkey_accounts_tests::{Page, PageKey, SoftwareAuthenticator, build::server_binary};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::header},
};

/// `passkey-accounts dev` in a process of its own, and somebody who uses its notes app without a browser.
pub(crate) struct Dev {
    process: Child,
    _folder: TempDir,
    port: u16,
    client: Client,
}

impl Dev {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut process = Command::new(server_binary())
            .args(["dev", "--json", "--port", "0", "--data-dir"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let port = said["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(said["notesURL"], format!("http://app.localhost:{port}"));
        Self { process, _folder: folder, port, client: Client::new() }
    }

    /// `http://localhost:PORT`
    pub(crate) fn site(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// `http://NAME.localhost:PORT`
    pub(crate) fn origin(&self, name: &str) -> String {
        format!("http://{name}.localhost:{}", self.port)
    }

    /// A request to a host of this machine.
    fn request(&self, method: Method, host: &str, path: &str) -> RequestBuilder {
        let host = format!("{host}.localhost:{}", self.port);
        self.client
            .request(method, format!("http://localhost:{}{path}", self.port))
            .header(header::HOST, host)
    }

    async fn json(&self, host: &str, path: &str) -> Value {
        self.request(Method::GET, host, path).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn mailed_code(&self, email: &str) -> String {
        let outbox = self.json("auth", "/dev/outbox").await;
        let mail = outbox["mails"].as_array().unwrap().iter().find(|mail| mail["to"] == email);
        mail.expect("a code was mailed")["code"].as_str().unwrap().to_owned()
    }

    async fn sign_up(&self, email: &str, mut authenticator: SoftwareAuthenticator) -> Person<'_> {
        let config = self.json("app", "/config.json").await;
        assert_eq!(config["gatewayURL"], format!("ws://auth.localhost:{}/v1/gateway", self.port));
        let app_id: AppID = config["appID"].as_str().unwrap().parse().unwrap();
        let gateway = format!("ws://localhost:{}/v1/gateway", self.port);
        let mut page = Page::connect_from(&gateway, app_id, &self.origin("app")).await.unwrap();
        let sent = page.ask(ClientMessage::SignUpBegin(page.begin(email))).await;
        assert!(matches!(sent, ServerMessage::CodeSent(_)), "{sent:?}");
        let code = self.mailed_code(email).await;
        let asked = page.ask(ClientMessage::SignUpVerify(Verify { code })).await;
        let ServerMessage::CeremonyCreate(ceremony) = asked else {
            panic!("a passkey is to be made: {asked:?}")
        };
        let made = authenticator.register(&ceremony.public_key.0, &self.origin("app")).unwrap();
        let signed_in = page.finish(&ceremony, made).await;
        let ServerMessage::SignedIn(SignedIn { session, .. }) = signed_in else { panic!("{signed_in:?}") };
        Person { dev: self, page, authenticator, session }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Somebody who is signed in to the notes app.
struct Person<'a> {
    dev: &'a Dev,
    page: Page,
    authenticator: SoftwareAuthenticator,
    session: Session,
}

impl Person<'_> {
    /// What `session.fetch` sends.
    fn fetch(&self, method: &Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        let uri = format!("{}{path}", self.dev.origin("app"));
        let mut request = self.dev.request(method.clone(), "app", path);
        let mut components = r#""@method" "@target-uri""#.to_owned();
        let mut base = format!("\"@method\": {method}\n\"@target-uri\": {uri}\n");
        if let Some(body) = body {
            let body = body.to_string();
            let hash = digest::digest(&digest::SHA256, body.as_bytes());
            let content_digest = format!("sha-256=:{}:", BASE64.encode(hash.as_ref()));
            components.push_str(r#" "content-digest""#);
            base.push_str(&format!("\"content-digest\": {content_digest}\n"));
            request = request
                .header("content-digest", content_digest)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let (created, nonce) = (seconds(), encode(make_random::<16>()));
        let parameters = format!(
            r#"({components});created={created};keyid="{}";nonce="{nonce}";tag="passkey-accounts""#,
            self.session.session_id
        );
        base.push_str(&format!("\"@signature-params\": {parameters}"));
        let signature = BASE64.encode(&self.page.key.sign(base.as_bytes()));
        request
            .header("signature-input", format!("pa={parameters}"))
            .header("signature", format!("pa=:{signature}:"))
    }

    async fn notes(&self) -> Value {
        let answer = self.fetch(&Method::GET, "/api/notes", None).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    async fn add(&self, text: &str) -> String {
        let answer =
            self.fetch(&Method::POST, "/api/notes", Some(&json!({ "text": text }))).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let note: Value = answer.json().await.unwrap();
        note["id"].as_str().unwrap().to_owned()
    }

    /// Confirms with the passkey; the name of the confirmation.
    async fn confirm(&mut self, action: &Value) -> String {
        let action = RawJson(action.to_string());
        let asked = self.page.ask(ClientMessage::ConfirmBegin(ConfirmBegin { action })).await;
        let ServerMessage::CeremonyGet(ceremony) = asked else { panic!("a gesture is asked for: {asked:?}") };
        let origin = self.dev.origin("app");
        let answer = self.authenticator.sign_in(&ceremony.public_key.0, &origin).unwrap();
        let confirmed = self.page.finish(&ceremony, answer).await;
        let ServerMessage::Confirmed(_) = confirmed else { panic!("it is confirmed: {confirmed:?}") };
        ceremony.ceremony_id.to_string()
    }

    async fn delete(&self, id: &str, confirmation: &str) -> StatusCode {
        let path = format!("/api/notes/{id}?confirmation={confirmation}");
        self.fetch(&Method::DELETE, &path, None).send().await.unwrap().status()
    }

    /// Opens the socket and proves who opens it.
    async fn live(&self, key: &PageKey) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        let mut socket = open_live(self.dev, &self.dev.origin("app")).await.unwrap();
        let nonce = next(&mut socket).await.unwrap()["nonce"].as_str().unwrap().to_owned();
        let header = json!({ "alg": "ES256", "kid": self.session.session_id, "typ": "session-proof+jwt" });
        let claims = json!({
            "aud": format!("ws://app.localhost:{}/api/live", self.dev.port),
            "nonce": nonce,
            "iat": seconds(),
            "jti": encode(make_random::<16>()),
        });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let proof = format!("{signed}.{}", encode(key.sign(signed.as_bytes())));
        socket.send(Message::text(json!({ "proof": proof }).to_string())).await.unwrap();
        socket
    }
}

async fn open_live(
    dev: &Dev,
    origin: &str,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::Error> {
    let mut request = format!("ws://localhost:{}/api/live", dev.port).into_client_request().unwrap();
    let host = format!("app.localhost:{}", dev.port);
    request.headers_mut().insert(header::HOST, host.parse().unwrap());
    request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
    Ok(connect_async(request).await?.0)
}

/// The next message, or why the socket was closed.
async fn next(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<Value, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(Some(frame)))) => return Err(frame.reason.to_string()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => return Err(format!("{other:?}")),
        }
    }
}

/// The server runs in another process, by the machine's clock.
#[expect(clippy::disallowed_methods, reason = "the rim: what a browser's clock says")]
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn deletion(id: &str, text: &str) -> Value {
    json!({ "type": "deleteNote", "noteID": id, "text": text })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_deleted_when_its_owner_has_confirmed_exactly_that() {
    let dev = Dev::start();
    let mut ada = dev.sign_up("ada@shop.example", SoftwareAuthenticator::new([1; 32])).await;
    let mut grace = dev.sign_up("grace@shop.example", SoftwareAuthenticator::new([2; 32])).await;
    assert_eq!(ada.notes().await, json!([]));
    let (milk, bread) = (ada.add("milk").await, ada.add("bread").await);
    assert_eq!(ada.notes().await, json!([{ "id": milk, "text": "milk" }, { "id": bread, "text": "bread" }]));
    assert_eq!(grace.notes().await, json!([]), "they are Ada's");

    assert_eq!(ada.delete(&milk, "").await, StatusCode::FORBIDDEN, "nothing was confirmed");
    let other = ada.confirm(&deletion(&bread, "bread")).await;
    assert_eq!(ada.delete(&milk, &other).await, StatusCode::FORBIDDEN, "another note was confirmed");
    assert_eq!(ada.delete(&bread, &other).await, StatusCode::FORBIDDEN, "it is used up");
    let other = ada.confirm(&deletion(&milk, "another text")).await;
    assert_eq!(ada.delete(&milk, &other).await, StatusCode::FORBIDDEN, "another text was shown");
    let other = grace.confirm(&deletion(&milk, "milk")).await;
    assert_eq!(ada.delete(&milk, &other).await, StatusCode::FORBIDDEN, "somebody else confirmed it");
    let own = ada.confirm(&deletion(&milk, "milk")).await;
    assert_eq!(grace.delete(&milk, &own).await, StatusCode::NOT_FOUND, "it is not hers");
    assert_eq!(ada.delete(&milk, &own).await, StatusCode::NO_CONTENT);
    assert_eq!(ada.notes().await, json!([{ "id": bread, "text": "bread" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_its_own_proof_is_refused() {
    let dev = Dev::start();
    let ada = dev.sign_up("ada@shop.example", SoftwareAuthenticator::new([1; 32])).await;
    let code = async |request: RequestBuilder| {
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap()["code"].clone())
    };
    let bare = dev.request(Method::GET, "app", "/api/notes");
    assert_eq!(code(bare).await, (StatusCode::UNAUTHORIZED, json!("proofMissing")));
    let stolen = ada.fetch(&Method::GET, "/api/notes", None);
    let again = stolen.try_clone().unwrap();
    assert_eq!(stolen.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(code(again).await.1, "proofReplayed");
    let elsewhere = ada.fetch(&Method::GET, "/api/notes", None).query(&[("a", "b")]);
    assert_eq!(code(elsewhere).await.1, "proofInvalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_tells_of_changes_and_closes_with_its_session() {
    let dev = Dev::start();
    let mut ada = dev.sign_up("ada@shop.example", SoftwareAuthenticator::new([1; 32])).await;
    let refused = open_live(&dev, &dev.origin("evil")).await.unwrap_err();
    assert!(matches!(refused, tungstenite::Error::Http(answer) if answer.status() == 403));
    let mut forged = ada.live(&PageKey::make()).await;
    assert_eq!(next(&mut forged).await, Err("proofInvalid".to_owned()));

    let mut socket = ada.live(&ada.page.key).await;
    assert_eq!(next(&mut socket).await, Ok(json!({ "notes": [] })));
    let id = ada.add("milk").await;
    assert_eq!(next(&mut socket).await, Ok(json!({ "notes": [{ "id": id, "text": "milk" }] })));
    ada.page.sign_out().await;
    assert_eq!(next(&mut socket).await, Err("sessionGone".to_owned()));
    let late = ada.fetch(&Method::GET, "/api/notes", None).send().await.unwrap();
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_origin_has_its_own_pages_and_localhost_is_the_server() {
    let dev = Dev::start();
    let title = async |host: &str, path: &str| {
        let answer = dev.request(Method::GET, host, path).send().await.unwrap();
        let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY).cloned();
        let page = answer.text().await.unwrap();
        let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
        (title.map(str::to_owned), policy.map(|policy| policy.to_str().unwrap().to_owned()))
    };
    let (name, policy) = title("app", "/").await;
    assert_eq!(name.as_deref(), Some("Notes"));
    let gateway = format!("connect-src 'self' ws://auth.localhost:{};", dev.port);
    assert!(policy.unwrap().contains(&gateway));
    // A worker runs under the policy of its own script.
    assert!(title("app", "/sdk/worker.js").await.1.unwrap().contains(&gateway));
    assert_eq!(title("app", "/login").await.0, None, "the server's pages are not the app's");
    let (name, policy) = title("evil", "/").await;
    assert_eq!((name.as_deref(), policy), (Some("Attacks on Notes"), None));
    assert_eq!(title("auth", "/login").await.0.as_deref(), Some("Login · Passkey Accounts"));
    let config = dev.json("other", "/site.json").await;
    assert_eq!(config["origin"], format!("http://localhost:{}", dev.port));
}

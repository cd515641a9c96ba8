//! What a page sends to its own back end: a request that its session key has signed, every part of which a test can change
//! before and after. Written from docs/protocol.md section 5, not from the code that checks it.

use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use futures_util::future::join_all;
use passkey_accounts::protocol::{SessionID, UnixMillis};
use passkey_accounts_server::clock::make_random;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::PageKey;

/// A request before it is signed.
#[derive(Debug, Clone)]
pub struct ProofDraft {
    /// The method.
    pub method: String,
    /// The origin that it is made to.
    pub origin: String,
    /// Path and query.
    pub target: String,
    /// The body; `None` for a request that has none.
    pub body: Option<Vec<u8>>,
    /// `keyid`
    pub session_id: SessionID,
    /// `created`, in seconds.
    pub created: u64,
    /// `nonce`
    pub nonce: String,
}

impl ProofDraft {
    /// `GET` of a path, as a page makes it now.
    pub fn get(session_id: SessionID, origin: &str, target: &str, now: UnixMillis) -> Self {
        Self {
            method: "GET".into(),
            origin: origin.into(),
            target: target.into(),
            body: None,
            session_id,
            created: now.0 / 1_000,
            nonce: BASE64URL_NOPAD.encode(&make_random::<16>()),
        }
    }

    /// `POST` of a body.
    #[must_use]
    pub fn post(self, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".into(), body: Some(body.into()), ..self }
    }

    /// Signs it.
    pub fn sign(&self, key: &PageKey) -> WireRequest {
        let Self { method, origin, target, body, session_id, created, nonce } = self;
        let digest_field =
            body.as_ref().map(|body| format!("sha-256=:{}:", BASE64.encode(digest(&SHA256, body).as_ref())));
        let covered = if body.is_some() { r#" "content-digest""# } else { "" };
        let params = format!(
            r#"("@method" "@target-uri"{covered});created={created};keyid="{session_id}";nonce="{nonce}";tag="passkey-accounts""#
        );
        let digest_line =
            digest_field.as_ref().map(|field| format!("\"content-digest\": {field}\n")).unwrap_or_default();
        let base = format!(
            "\"@method\": {method}\n\"@target-uri\": {origin}{target}\n{digest_line}\"@signature-params\": {params}"
        );
        let signature = BASE64.encode(&key.sign(base.as_bytes()));
        let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host);
        let mut fields = vec![("Host".to_owned(), host.to_owned())];
        fields.extend(digest_field.map(|field| ("Content-Digest".to_owned(), field)));
        fields.push(("Signature-Input".to_owned(), format!("pa={params}")));
        fields.push(("Signature".to_owned(), format!("pa=:{signature}:")));
        let body = body.clone().unwrap_or_default();
        WireRequest { method: method.clone(), target: target.clone(), fields, body }
    }
}

/// A request as it goes over the wire.
#[derive(Debug, Clone)]
pub struct WireRequest {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The fields, line by line; `Content-Length` is added.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl WireRequest {
    /// Changes a field's value.
    #[must_use]
    pub fn with(mut self, name: &str, change: impl Fn(&str) -> String) -> Self {
        for (_, value) in self.fields.iter_mut().filter(|(other, _)| other == name) {
            *value = change(value);
        }
        self
    }

    /// Adds a line.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Leaves a field out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| other != name);
        self
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it over a socket of its own.
    pub async fn send(&self, address: SocketAddr) -> WireAnswer {
        self.send_over(TcpStream::connect(address).await.expect("the back end listens")).await
    }

    /// Sends so many copies at once, each over a socket of its own.
    pub async fn send_copies(&self, address: SocketAddr, copies: usize) -> Vec<WireAnswer> {
        let mut sockets = Vec::with_capacity(copies);
        // One after the other: so many connections at once may be more than the system lets wait.
        for _ in 0..copies {
            sockets.push(TcpStream::connect(address).await.expect("the back end listens"));
        }
        join_all(sockets.into_iter().map(|socket| self.send_over(socket))).await
    }

    async fn send_over(&self, mut socket: TcpStream) -> WireAnswer {
        socket.write_all(&self.bytes()).await.expect("the back end reads");
        WireAnswer::read(&mut socket).await
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Status line and fields, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl WireAnswer {
    /// Reads one answer.
    pub async fn read(socket: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            let read = socket.read_buf(&mut bytes).await.expect("the back end answers");
            assert!(read > 0, "the back end closed after {:?}", String::from_utf8_lossy(&bytes));
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
        let mut body = bytes.split_off(head_end + 4);
        while body.len() < length {
            let read = socket.read_buf(&mut body).await.expect("the back end answers");
            assert!(read > 0, "the back end closed in the middle of a body");
        }
        Self { status, head, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// The problem's code, or `accepted`.
    pub fn outcome(&self) -> String {
        if self.status == 200 {
            return "accepted".into();
        }
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or(&self.head).to_owned()
    }
}

/// A token for a socket, signed.
pub fn socket_token(
    key: &PageKey,
    session_id: SessionID,
    audience: &str,
    nonce: &str,
    now: UnixMillis,
) -> String {
    let header = format!(r#"{{"alg":"ES256","kid":"{session_id}","typ":"session-proof+jwt"}}"#);
    let claims = serde_json::json!({
        "aud": audience,
        "nonce": nonce,
        "iat": now.0 / 1_000,
        "jti": BASE64URL_NOPAD.encode(&make_random::<16>()),
    });
    let [header, claims] = [header, claims.to_string()].map(|text| BASE64URL_NOPAD.encode(text.as_bytes()));
    let signed = format!("{header}.{claims}");
    let signature = BASE64URL_NOPAD.encode(&key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

//! Frames of the browser socket, read and written without serde.

use wasm_bindgen::JsValue;

use super::json::{Members, object, parse, write};
use crate::{
    ceremony::Options,
    protocol::{
        RequestID,
        base64url::encode,
        gateway::{
            AppName, Begin, Binding, Ceremony, CeremonyKind, ClientMessage, CodeSent, Drain, EndReason,
            Failure, Hello, Policy, RawJson, ServerMessage, Session, SessionKey, SignedIn, SignedOut,
        },
    },
};

/// What a frame turned out to be.
pub(super) enum Frame {
    Message(Option<RequestID>, ServerMessage),
    /// A type of a newer server.
    Unknown,
    /// A known type whose data is not as it must be, or no message at all.
    Unreadable(Option<RequestID>),
}

impl Frame {
    pub(super) fn read(text: &str) -> Self {
        let Some(envelope) = Members::parse(text) else { return Self::Unreadable(None) };
        let id = envelope.whole("id");
        let Some(name) = envelope.text("type") else { return Self::Unreadable(id) };
        let data = envelope.object("data");
        let message = match name.as_str() {
            "heartbeat" => Some(ServerMessage::Heartbeat),
            "hello" => data.and_then(|data| hello(&data)).map(ServerMessage::Hello),
            "signUp.codeSent" => data.and_then(|data| {
                Some(ServerMessage::CodeSent(CodeSent { expires_at: data.time("expiresAt")? }))
            }),
            "ceremony.create" => data.and_then(|data| ceremony(&data)).map(ServerMessage::CeremonyCreate),
            "ceremony.get" => data.and_then(|data| ceremony(&data)).map(ServerMessage::CeremonyGet),
            "signedIn" => data.and_then(|data| {
                Some(ServerMessage::SignedIn(SignedIn { session: session(&data.object("session")?)? }))
            }),
            "signedOut" => {
                let word = data.and_then(|data| data.text("reason")).unwrap_or_default();
                // A newer server's reason: the session is over all the same.
                let reason = EndReason::ALL.into_iter().find(|reason| reason.as_str() == word);
                Some(ServerMessage::SignedOut(SignedOut { reason: reason.unwrap_or(EndReason::Other) }))
            }
            "drain" => data.and_then(|data| {
                Some(ServerMessage::Drain(Drain { reconnect_after_ms: data.whole("reconnectAfterMs")? }))
            }),
            "error" => data.and_then(|data| failure(&data)).map(ServerMessage::Error),
            _ => return Self::Unknown,
        };
        message.map_or(Self::Unreadable(id), |message| Self::Message(id, message))
    }
}

/// Writes a request as one text frame.
pub(super) fn write_request(id: RequestID, message: &ClientMessage) -> String {
    let (name, data) = match message {
        ClientMessage::SignUpBegin(begin) => ("signUp.begin", begin_data(begin)),
        ClientMessage::SignInBegin(begin) => ("signIn.begin", begin_data(begin)),
        ClientMessage::SignUpVerify(verify) => {
            ("signUp.verify", object(&[("code", verify.code.as_str().into())]))
        }
        ClientMessage::CeremonyFinish(finish) => (
            "ceremony.finish",
            object(&[
                ("ceremonyID", finish.ceremony_id.to_string().into()),
                ("credential", parse(&finish.credential)),
            ]),
        ),
        ClientMessage::SessionResume(resume) => (
            "session.resume",
            object(&[
                ("sessionID", resume.session_id.to_string().into()),
                ("signature", encode(&resume.signature.0).into()),
            ]),
        ),
        ClientMessage::SignOut => ("signOut", JsValue::UNDEFINED),
        // Nothing makes them yet.
        ClientMessage::ConfirmBegin(_)
        | ClientMessage::PasskeysList
        | ClientMessage::PasskeysAddBegin
        | ClientMessage::PasskeysRename(_)
        | ClientMessage::PasskeysRemoveBegin(_)
        | ClientMessage::SessionsList
        | ClientMessage::SessionsEnd(_) => return String::new(),
    };
    #[expect(clippy::cast_precision_loss, reason = "a page does not make 2^53 requests")]
    let id = JsValue::from_f64(id as f64);
    write(&object(&[("type", name.into()), ("id", id), ("data", data)]))
}

/// Reads what is checked of WebAuthn options ([`crate::ceremony::Config::read_options`]).
pub fn read_options(text: &RawJson) -> Option<Options> {
    let options = Members::parse(&text.0)?;
    // Creation options say `rp.id`, request options `rpId`.
    let rp_id = options.text("rpId").or_else(|| options.object("rp")?.text("id"))?;
    Some(Options {
        challenge: options.bytes("challenge")?.0,
        rp_id,
        allow_credentials: options.length("allowCredentials").unwrap_or(0),
    })
}

fn begin_data(begin: &Begin) -> JsValue {
    let SessionKey { kty, crv, x, y } = &begin.session_key;
    let key = object(&[
        ("kty", kty.as_str().into()),
        ("crv", crv.as_str().into()),
        ("x", encode(&x.0).into()),
        ("y", encode(&y.0).into()),
    ]);
    object(&[("email", begin.email.as_str().into()), ("sessionKey", key)])
}

fn hello(data: &Members) -> Option<Hello> {
    Some(Hello {
        connection_id: data.id("connectionID")?,
        nonce: data.bytes("nonce")?,
        heartbeat_ms: data.whole("heartbeatMs")?,
        rp_id: data.text("rpID")?,
        app: AppName { name: data.object("app")?.text("name")? },
        policy: match data.text("policy")?.as_str() {
            "recoverable" => Policy::Recoverable,
            _ => Policy::Strict,
        },
        time: data.time("time")?,
    })
}

fn ceremony(data: &Members) -> Option<Ceremony> {
    let binding = data.object("binding")?;
    let kind = match binding.text("kind")?.as_str() {
        "signUp" => CeremonyKind::SignUp,
        "signIn" => CeremonyKind::SignIn,
        _ => return None,
    };
    Some(Ceremony {
        ceremony_id: data.id("ceremonyID")?,
        public_key: data.raw("publicKey")?,
        binding: Binding { random: binding.bytes("random")?, kind, added: None },
    })
}

fn session(data: &Members) -> Option<Session> {
    Some(Session {
        session_id: data.id("sessionID")?,
        account_id: data.id("accountID")?,
        passkey_id: data.id("passkeyID")?,
        started_at: data.time("startedAt")?,
        expires_at: data.time("expiresAt")?,
        idle_ms: data.whole("idleMs")?,
        grace_ms: data.whole("graceMs")?,
    })
}

fn failure(data: &Members) -> Option<Failure> {
    Some(Failure {
        code: data.text("code")?,
        message: data.text("message")?,
        retry_after_ms: data.whole("retryAfterMs"),
    })
}

//! Messages of the browser socket (docs/protocol.md section 1), read from parsed JSON and written without a serializer.

use alloc::string::String;

use passkey_accounts::{
    ceremony::{Greeting, Incoming, Offer, Options, Report},
    protocol::{
        RequestID, UnixMillis,
        base64url::encode,
        gateway::{
            AddedPasskey, Begin, Binding, CeremonyKind, ClientMessage, EndReason, Failure, Session,
            SessionKey,
        },
    },
};
use wasm_bindgen::JsValue;

use crate::json::{Members, quote};

/// What a frame turned out to be.
pub(crate) enum Frame {
    Message(Option<RequestID>, Incoming),
    /// The session's account is being recovered, or (`None`) no longer: said by itself.
    Recovery(Option<UnixMillis>),
    /// `signedIn` of a session whose account is being recovered.
    SignedIn(Option<RequestID>, Incoming, UnixMillis),
    /// A type of a newer server.
    Unknown,
    /// A known type whose data is not as it must be, or no message at all.
    Unreadable(Option<RequestID>),
}

impl Frame {
    /// `value` is what `JSON.parse` returned.
    pub(crate) fn read(value: JsValue) -> Self {
        let Some(envelope) = Members::of(value) else { return Self::Unreadable(None) };
        let id = envelope.whole("id");
        let Some(name) = envelope.text("type") else { return Self::Unreadable(id) };
        let data = envelope.object("data");
        let message = match name.as_str() {
            "heartbeat" => Some(Incoming::Heartbeat),
            // A newer server's reason: the session is over all the same.
            "signedOut" => Some(Incoming::SignedOut(data.as_ref().map_or(EndReason::Other, end_reason))),
            "hello" => data.as_ref().and_then(greeting),
            "signUp.codeSent" | "recovery.codeSent" => {
                data.as_ref().and_then(|data| data.time("expiresAt")).map(Incoming::CodeSent)
            }
            "ceremony.create" => data.as_ref().and_then(|data| offer(data, true)),
            "ceremony.get" => data.as_ref().and_then(|data| offer(data, false)),
            "recovery.held" if id.is_none() => {
                let until = data.as_ref().and_then(|data| data.time("until"));
                return until.map_or(Self::Unreadable(None), |until| Self::Recovery(Some(until)));
            }
            "recovery.cancelled" if id.is_none() => return Self::Recovery(None),
            "signedIn" => {
                let until = data.as_ref().and_then(|data| data.object("recovery")?.time("until"));
                let message = data.as_ref().and_then(signed_in);
                match (message, until) {
                    (Some(message), Some(until)) => return Self::SignedIn(id, message, until),
                    (message, _) => message,
                }
            }
            "session.expiring" => data.as_ref().and_then(|data| data.time("at")).map(Incoming::Expiring),
            "drain" => data.as_ref().and_then(|data| data.whole("reconnectAfterMs")).map(Incoming::Drain),
            "error" => data.as_ref().and_then(failure),
            other => match Report::ALL.into_iter().find(|report| report.as_str() == other) {
                Some(report) => data.map(|data| Incoming::Report(report, data.raw())),
                None => return Self::Unknown,
            },
        };
        message.map_or(Self::Unreadable(id), |message| Self::Message(id, message))
    }
}

/// A request's type and the JSON text of its data; without data, an empty one.
pub(crate) fn write(message: &ClientMessage) -> (&'static str, String) {
    match message {
        ClientMessage::SignUpBegin(begin) => ("signUp.begin", begin_data(begin)),
        ClientMessage::SignInBegin(begin) => ("signIn.begin", begin_data(begin)),
        ClientMessage::SignUpVerify(verify) => {
            ("signUp.verify", ["{\"code\":", &quote(&verify.code), "}"].concat())
        }
        ClientMessage::CeremonyFinish(finish) => {
            let id = finish.ceremony_id.text();
            let credential = &finish.credential.0;
            ("ceremony.finish", ["{\"ceremonyID\":\"", &id, "\",\"credential\":", credential, "}"].concat())
        }
        ClientMessage::SessionResume(resume) => {
            let (id, signature) = (resume.session_id.text(), encode(&resume.signature.0));
            ("session.resume", ["{\"sessionID\":\"", &id, "\",\"signature\":\"", &signature, "\"}"].concat())
        }
        ClientMessage::ConfirmBegin(confirm) => {
            ("confirm.begin", ["{\"action\":", &confirm.action.0, "}"].concat())
        }
        ClientMessage::PasskeysRemoveBegin(remove) => {
            ("passkeys.remove.begin", ["{\"passkeyID\":\"", &remove.passkey_id.text(), "\"}"].concat())
        }
        ClientMessage::PasskeysAddBegin => ("passkeys.add.begin", String::new()),
        ClientMessage::SignOut => ("signOut", String::new()),
        ClientMessage::RecoveryBegin(begin) => ("recovery.begin", begin_data(begin)),
        ClientMessage::RecoveryVerify(verify) => {
            let (code, recovery_code) = (quote(&verify.code), quote(&verify.recovery_code));
            ("recovery.verify", ["{\"code\":", &code, ",\"recoveryCode\":", &recovery_code, "}"].concat())
        }
        ClientMessage::RecoveryCodeBegin => ("recovery.code.begin", String::new()),
        // The machine sends these as plain requests.
        ClientMessage::PasskeysList
        | ClientMessage::PasskeysRename(_)
        | ClientMessage::SessionsList
        | ClientMessage::SessionsEnd(_)
        | ClientMessage::RecoveryCancel => ("", String::new()),
    }
}

fn begin_data(begin: &Begin) -> String {
    let SessionKey { kty, crv, x, y } = &begin.session_key;
    let (email, x, y) = (quote(&begin.email), encode(&x.0), encode(&y.0));
    [
        "{\"email\":",
        &email,
        ",\"sessionKey\":{\"kty\":\"",
        kty,
        "\",\"crv\":\"",
        crv,
        "\",\"x\":\"",
        &x,
        "\",\"y\":\"",
        &y,
        "\"}}",
    ]
    .concat()
}

fn greeting(data: &Members) -> Option<Incoming> {
    Some(Incoming::Hello(Greeting {
        nonce: data.bytes("nonce")?.0,
        heartbeat_ms: data.whole("heartbeatMs")?,
        rp_id: data.text("rpID")?,
        time: data.time("time")?,
    }))
}

fn offer(data: &Members, is_creation: bool) -> Option<Incoming> {
    let (public_key, binding) = (data.object("publicKey")?, data.object("binding")?);
    let kind = binding.text("kind")?;
    let kind = KINDS.into_iter().find(|known| known.as_str() == kind)?;
    let added = match binding.object("added") {
        Some(added) => {
            Some(AddedPasskey { passkey_id: added.id("passkeyID")?, public_key: added.bytes("publicKey")? })
        }
        None => None,
    };
    Some(Incoming::Ceremony(Offer {
        is_creation,
        ceremony_id: data.id("ceremonyID")?,
        options: options(&public_key),
        public_key: public_key.raw(),
        binding: Binding { random: binding.bytes("random")?, kind, added },
    }))
}

const KINDS: [CeremonyKind; 7] = [
    CeremonyKind::SignUp,
    CeremonyKind::SignIn,
    CeremonyKind::Confirm,
    CeremonyKind::AddPasskey,
    CeremonyKind::RemovePasskey,
    CeremonyKind::MakeRecoveryCode,
    CeremonyKind::Recover,
];

/// What is checked of WebAuthn options.
fn options(public_key: &Members) -> Option<Options> {
    // Creation options say `rp.id`, request options `rpId`.
    let rp_id = public_key.text("rpId").or_else(|| public_key.object("rp")?.text("id"))?;
    Some(Options {
        challenge: public_key.bytes("challenge")?.0,
        rp_id,
        allow_credentials: public_key.length("allowCredentials").unwrap_or(0),
    })
}

fn signed_in(data: &Members) -> Option<Incoming> {
    let session = data.object("session")?;
    Some(Incoming::SignedIn(Session {
        session_id: session.id("sessionID")?,
        account_id: session.id("accountID")?,
        passkey_id: session.id("passkeyID")?,
        started_at: session.time("startedAt")?,
        expires_at: session.time("expiresAt")?,
        idle_ms: session.whole("idleMs")?,
        grace_ms: session.whole("graceMs")?,
    }))
}

fn end_reason(data: &Members) -> EndReason {
    let word = data.text("reason").unwrap_or_default();
    EndReason::ALL.into_iter().find(|reason| reason.as_str() == word).unwrap_or(EndReason::Other)
}

fn failure(data: &Members) -> Option<Incoming> {
    Some(Incoming::Error(Failure {
        code: data.text("code")?,
        message: data.text("message")?,
        retry_after_ms: data.whole("retryAfterMs"),
    }))
}

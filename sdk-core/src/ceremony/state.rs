//! What a page sees of its connection, what its driver has to do, and what the server says to both.

use alloc::vec::Vec;

use super::{Answer, BoundOptions, CallID, Options, PlainRequest};
use crate::protocol::{
    CeremonyID, RequestID, UnixMillis,
    gateway::{Binding, ClientMessage, EndReason, Failure, RawJson, Session},
};

/// Where the page stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The first connection is being made.
    Connecting,
    /// Connected; nobody is signed in.
    SignedOut {
        /// Why the last session ended; `None` when there was none.
        reason: Option<EndReason>,
    },
    /// Connected, with an open session.
    SignedIn {
        /// The session.
        session: Session,
        /// The call that brought its key.
        key: CallID,
        /// When the server will end it, if that is near.
        expiring_at: Option<UnixMillis>,
        /// Its account is being recovered, and gets another passkey then at the earliest.
        recovery_until: Option<UnixMillis>,
    },
    /// The connection was lost. The session is resumed if it comes back within the grace time.
    Resuming {
        /// The session.
        session: Session,
        /// The call that brought its key.
        key: CallID,
    },
    /// The connection was lost or given up and is being made anew; nobody is signed in.
    Reconnecting {
        /// Why the last session ended; `None` when there was none.
        reason: Option<EndReason>,
    },
    /// Over for good: closed by the page, or by a server that said that coming back would not help.
    Closed {
        /// What the server said; `None` when the page closed it.
        failure: Option<Failure>,
    },
}

/// What the driver has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a socket. There is none open but for abandoned ones.
    Connect,
    /// Close the socket, if there is one, and hand in nothing more of it.
    Close,
    /// Hand in nothing more of the socket, but leave it open: a close frame that still got through would end the session
    /// which another connection is about to resume.
    Abandon,
    /// Close the sockets that were abandoned.
    CloseAbandoned,
    /// Send this request.
    Send(RequestID, ClientMessage),
    /// Send this request of an open session, with this data.
    SendPlain(RequestID, PlainRequest, RawJson),
    /// Sign `input` with the key that this call brought; hand the signature in with the request's number.
    Sign {
        /// The number of the request that it is for.
        request: RequestID,
        /// The call that brought the key.
        key: CallID,
        /// The bytes to sign (docs/protocol.md, "Resume signing input").
        input: Vec<u8>,
    },
    /// Show the passkey prompt; hand in its result with this call's id.
    CallAuthenticator(CallID, BoundOptions),
    /// Take the passkey prompt away. Its result is not wanted.
    AbortAuthenticator,
    /// The call ended well.
    Resolve(CallID, Answer),
    /// The call ended otherwise.
    Reject(CallID, Failure),
    /// A server has greeted, and this was its clock.
    Greeted(UnixMillis),
    /// The page stands elsewhere now.
    StateChanged(State),
}

/// What the server says, as far as the page acts on it. Data that only travels through stays text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// `hello`.
    Hello(Greeting),
    /// `heartbeat`.
    Heartbeat,
    /// `drain`: leave within that many milliseconds.
    Drain(u64),
    /// `signUp.codeSent` or `recovery.codeSent`, with the time until which the code works.
    CodeSent(UnixMillis),
    /// `ceremony.create` and `ceremony.get`.
    Ceremony(Offer),
    /// `signedIn`.
    SignedIn(Session),
    /// `signedOut`.
    SignedOut(EndReason),
    /// `session.expiring`, with the time when it ends.
    Expiring(UnixMillis),
    /// The data of an answer in an open session.
    Report(Report, RawJson),
    /// `error`.
    Error(Failure),
}

/// What a connection begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Random bytes of this connection, which `session.resume` signs.
    pub nonce: Vec<u8>,
    /// The server says something at least this often, in milliseconds.
    pub heartbeat_ms: u64,
    /// The WebAuthn RP ID of the app.
    pub rp_id: alloc::string::String,
    /// The server's clock.
    pub time: UnixMillis,
}

/// A passkey prompt as the server wants it. Nothing of it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Make a passkey, not use one.
    pub is_creation: bool,
    /// The ceremony that the authenticator's answer belongs to.
    pub ceremony_id: CeremonyID,
    /// The options' JSON text.
    pub public_key: RawJson,
    /// What is checked of the options, read from that very text. `None` when a member is missing or of the wrong kind.
    pub options: Option<Options>,
    /// The other half of the challenge's making.
    pub binding: Binding,
}

/// What an answer in an open session reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// `confirmed`.
    Confirmed,
    /// `passkeys`.
    Passkeys,
    /// `passkeyAdded`.
    PasskeyAdded,
    /// `passkeyRenamed`.
    PasskeyRenamed,
    /// `passkeyRemoved`.
    PasskeyRemoved,
    /// `sessions`.
    Sessions,
    /// `sessionsEnded`.
    SessionsEnded,
    /// `recovery.code`.
    RecoveryCode,
    /// `recovery.held`, as an answer.
    RecoveryHeld,
    /// `recovery.cancelled`, as an answer.
    RecoveryCancelled,
}

impl Report {
    /// Every report.
    pub const ALL: [Self; 10] = [
        Self::Confirmed,
        Self::Passkeys,
        Self::PasskeyAdded,
        Self::PasskeyRenamed,
        Self::PasskeyRemoved,
        Self::Sessions,
        Self::SessionsEnded,
        Self::RecoveryCode,
        Self::RecoveryHeld,
        Self::RecoveryCancelled,
    ];

    /// The message's type on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Passkeys => "passkeys",
            Self::PasskeyAdded => "passkeyAdded",
            Self::PasskeyRenamed => "passkeyRenamed",
            Self::PasskeyRemoved => "passkeyRemoved",
            Self::Sessions => "sessions",
            Self::SessionsEnded => "sessionsEnded",
            Self::RecoveryCode => "recovery.code",
            Self::RecoveryHeld => "recovery.held",
            Self::RecoveryCancelled => "recovery.cancelled",
        }
    }
}

/// What the authenticator made, as far as the page looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// `RegistrationResponseJSON` or `AuthenticationResponseJSON` of WebAuthn Level 3.
    pub json: RawJson,
    /// `response.authenticatorData` of a new passkey.
    pub authenticator_data: Option<Vec<u8>>,
}

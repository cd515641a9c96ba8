//! What a page asks for: one call with a passkey at a time, plain requests beside it, each ending in one answer or one refusal.

use alloc::{string::String, vec::Vec};

use super::{Report, session::OwnKey};
use crate::protocol::{
    CeremonyID, Code, PasskeyID, RequestID, UnixMillis,
    gateway::{CeremonyKind, Failure, RawJson},
};

/// Names a call of the page, so that its answer finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallID(pub u32);

/// How a call ends well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Of `sign_up`: a code is on its way; `verify` takes it.
    CodeSent {
        /// When the code stops working.
        expires_at: UnixMillis,
    },
    /// Of `verify` and `sign_in`: the session is open, and the state says so already.
    SignedIn,
    /// Of `sign_out`: there is no session any more.
    SignedOut,
    /// Of every call of an open session: the data of the server's answer.
    Data(RawJson),
}

/// A request of an open session that needs no passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainRequest {
    /// `passkeys.list`.
    PasskeysList,
    /// `passkeys.rename`.
    PasskeysRename,
    /// `sessions.list`.
    SessionsList,
    /// `sessions.end`.
    SessionsEnd,
}

impl PlainRequest {
    /// Every request.
    pub const ALL: [Self; 4] =
        [Self::PasskeysList, Self::PasskeysRename, Self::SessionsList, Self::SessionsEnd];

    /// The message's type on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PasskeysList => "passkeys.list",
            Self::PasskeysRename => "passkeys.rename",
            Self::SessionsList => "sessions.list",
            Self::SessionsEnd => "sessions.end",
        }
    }

    /// What the server answers.
    pub(super) const fn report(self) -> Report {
        match self {
            Self::PasskeysList => Report::Passkeys,
            Self::PasskeysRename => Report::PasskeyRenamed,
            Self::SessionsList => Report::Sessions,
            Self::SessionsEnd => Report::SessionsEnded,
        }
    }

    /// It changes nothing, so it does not matter whether the server has carried it out.
    const fn is_a_question(self) -> bool {
        match self {
            Self::PasskeysList | Self::SessionsList => true,
            Self::PasskeysRename | Self::SessionsEnd => false,
        }
    }
}

/// A plain request that is under way. Several are at a time.
#[derive(Debug)]
pub(super) struct PlainCall {
    pub(super) call: CallID,
    pub(super) asks: PlainRequest,
    pub(super) stage: PlainStage,
}

#[derive(Debug)]
pub(super) enum PlainStage {
    /// Waits for the session's connection.
    Unsent(RawJson),
    /// The request whose answer is awaited, and until when.
    Sent { request: RequestID, answer_by_ms: u64 },
}

impl PlainCall {
    pub(super) const fn answer_by_ms(&self) -> Option<u64> {
        match self.stage {
            PlainStage::Unsent(_) => None,
            PlainStage::Sent { answer_by_ms, .. } => Some(answer_by_ms),
        }
    }

    pub(super) fn is_answered_by(&self, id: Option<RequestID>) -> bool {
        matches!(self.stage, PlainStage::Sent { request, .. } if id == Some(request))
    }

    pub(super) const fn can_be_dropped(&self) -> bool {
        matches!(self.stage, PlainStage::Unsent(_)) || self.asks.is_a_question()
    }
}

/// The call with a passkey that is under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) call: CallID,
    pub(super) step: Step,
    /// The request whose answer is awaited, and until when.
    awaited: Option<(RequestID, u64)>,
}

/// What a call waits for.
#[derive(Debug)]
pub(super) enum Step {
    /// A connection.
    Unsent(Ask),
    /// `signUp.codeSent`.
    CodeSent(OwnKey),
    /// `ceremony.create` or `ceremony.get`.
    Options(Purpose),
    /// The authenticator.
    Prompt { ceremony_id: CeremonyID, purpose: Purpose },
    /// What `ceremony.finish` came to.
    Verdict(Purpose),
    /// `signedOut`.
    SignedOut,
}

/// What a call begins with.
#[derive(Debug)]
pub(super) enum Ask {
    SignUp { email: String, key: OwnKey },
    SignIn { email: String, key: OwnKey },
    Confirm { action: String },
    AddPasskey,
    RemovePasskey(PasskeyID),
}

/// What a passkey is made or used for, with all that the page itself knows of the challenge's making.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    SignUp(OwnKey),
    SignIn(OwnKey),
    /// `action` in its RFC 8785 form.
    Confirm {
        action: String,
    },
    /// Make a further passkey.
    AddPasskey,
    /// Vouch for the passkey that was just made, with this authenticator data.
    Vouch {
        made: Vec<u8>,
    },
    RemovePasskey(PasskeyID),
}

impl Purpose {
    pub(super) const fn kind(&self) -> CeremonyKind {
        match self {
            Self::SignUp(_) => CeremonyKind::SignUp,
            Self::SignIn(_) => CeremonyKind::SignIn,
            Self::Confirm { .. } => CeremonyKind::Confirm,
            Self::AddPasskey | Self::Vouch { .. } => CeremonyKind::AddPasskey,
            Self::RemovePasskey(_) => CeremonyKind::RemovePasskey,
        }
    }

    /// A passkey is made (`navigator.credentials.create`), not used (`get`).
    pub(super) const fn is_creation(&self) -> bool {
        match self {
            Self::SignUp(_) | Self::AddPasskey => true,
            Self::SignIn(_) | Self::Confirm { .. } | Self::Vouch { .. } | Self::RemovePasskey(_) => false,
        }
    }

    /// The key of the session that this opens; `None` for what an open session does.
    pub(super) const fn new_key(&self) -> Option<&OwnKey> {
        match self {
            Self::SignUp(key) | Self::SignIn(key) => Some(key),
            Self::Confirm { .. } | Self::AddPasskey | Self::Vouch { .. } | Self::RemovePasskey(_) => None,
        }
    }

    /// What the server says when it was done; `None` where that is `signedIn` or another ceremony.
    pub(super) const fn report(&self) -> Option<Report> {
        match self {
            Self::SignUp(_) | Self::SignIn(_) | Self::AddPasskey => None,
            Self::Confirm { .. } => Some(Report::Confirmed),
            Self::Vouch { .. } => Some(Report::PasskeyAdded),
            Self::RemovePasskey(_) => Some(Report::PasskeyRemoved),
        }
    }
}

impl Pending {
    pub(super) const fn unsent(call: CallID, ask: Ask) -> Self {
        Self { call, step: Step::Unsent(ask), awaited: None }
    }

    pub(super) const fn sent(call: CallID, step: Step, request: RequestID, answer_by_ms: u64) -> Self {
        Self { call, step, awaited: Some((request, answer_by_ms)) }
    }

    pub(super) const fn at_prompt(call: CallID, ceremony_id: CeremonyID, purpose: Purpose) -> Self {
        Self { call, step: Step::Prompt { ceremony_id, purpose }, awaited: None }
    }

    pub(super) fn is_answered_by(&self, id: Option<RequestID>) -> bool {
        self.awaited.is_some_and(|(request, _)| id == Some(request))
    }

    pub(super) fn answer_by_ms(&self) -> Option<u64> {
        self.awaited.map(|(_, by_ms)| by_ms)
    }

    /// The server may have opened a session or carried something out already: its answer must be heard.
    pub(super) const fn can_be_dropped(&self) -> bool {
        match self.step {
            Step::Unsent(_) | Step::CodeSent(_) | Step::Options(_) | Step::Prompt { .. } => true,
            Step::Verdict(_) | Step::SignedOut => false,
        }
    }

    /// The key that a session will have if this call succeeds.
    pub(super) const fn new_key(&self) -> Option<&OwnKey> {
        match &self.step {
            Step::Unsent(Ask::SignUp { key, .. } | Ask::SignIn { key, .. }) | Step::CodeSent(key) => {
                Some(key)
            }
            Step::Options(purpose) | Step::Prompt { purpose, .. } | Step::Verdict(purpose) => {
                purpose.new_key()
            }
            Step::Unsent(Ask::Confirm { .. } | Ask::AddPasskey | Ask::RemovePasskey(_)) | Step::SignedOut => {
                None
            }
        }
    }
}

impl Step {
    /// Whether a mailed code may be typed again after this refusal.
    pub(super) fn can_be_tried_again(&self, refusal: &Failure) -> bool {
        matches!(self, Self::Options(Purpose::SignUp(_)))
            && (refusal.code == Code::WrongCode.as_str() || refusal.is_retryable())
    }
}

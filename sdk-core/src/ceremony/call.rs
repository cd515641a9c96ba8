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
    /// Of `sign_up` and `recover`: a code is on its way; `verify` or `verify_recovery` takes it.
    CodeSent {
        /// When the code stops working.
        expires_at: UnixMillis,
    },
    /// Of `verify` and `sign_in`: the session is open, and the state says so already.
    SignedIn,
    /// Of `sign_out`: there is no session any more.
    SignedOut,
    /// Of every call of an open session, and of `verify_recovery`: the data of the server's answer.
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
    /// `recovery.cancel`.
    RecoveryCancel,
}

impl PlainRequest {
    /// Every request.
    pub const ALL: [Self; 5] = [
        Self::PasskeysList,
        Self::PasskeysRename,
        Self::SessionsList,
        Self::SessionsEnd,
        Self::RecoveryCancel,
    ];

    /// The message's type on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PasskeysList => "passkeys.list",
            Self::PasskeysRename => "passkeys.rename",
            Self::SessionsList => "sessions.list",
            Self::SessionsEnd => "sessions.end",
            Self::RecoveryCancel => "recovery.cancel",
        }
    }

    /// What the server answers.
    pub(super) const fn report(self) -> Report {
        match self {
            Self::PasskeysList => Report::Passkeys,
            Self::PasskeysRename => Report::PasskeyRenamed,
            Self::SessionsList => Report::Sessions,
            Self::SessionsEnd => Report::SessionsEnded,
            Self::RecoveryCancel => Report::RecoveryCancelled,
        }
    }

    /// It changes nothing, so it does not matter whether the server has carried it out.
    const fn is_a_question(self) -> bool {
        match self {
            Self::PasskeysList | Self::SessionsList => true,
            Self::PasskeysRename | Self::SessionsEnd | Self::RecoveryCancel => false,
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
    /// `signUp.codeSent` or `recovery.codeSent`; what the code is for.
    CodeSent(Purpose),
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
    Recover { email: String, key: OwnKey },
    MakeRecoveryCode,
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
    /// Get the recovery code that another one may have got already.
    MakeRecoveryCode,
    /// Make the passkey that a recovery gives. It opens no session.
    Recover(OwnKey),
}

impl Purpose {
    pub(super) const fn kind(&self) -> CeremonyKind {
        match self {
            Self::SignUp(_) => CeremonyKind::SignUp,
            Self::SignIn(_) => CeremonyKind::SignIn,
            Self::Confirm { .. } => CeremonyKind::Confirm,
            Self::AddPasskey | Self::Vouch { .. } => CeremonyKind::AddPasskey,
            Self::RemovePasskey(_) => CeremonyKind::RemovePasskey,
            Self::MakeRecoveryCode => CeremonyKind::MakeRecoveryCode,
            Self::Recover(_) => CeremonyKind::Recover,
        }
    }

    /// A passkey is made (`navigator.credentials.create`), not used (`get`).
    pub(super) const fn is_creation(&self) -> bool {
        match self {
            Self::SignUp(_) | Self::AddPasskey | Self::Recover(_) => true,
            Self::SignIn(_)
            | Self::Confirm { .. }
            | Self::Vouch { .. }
            | Self::RemovePasskey(_)
            | Self::MakeRecoveryCode => false,
        }
    }

    /// The key that the challenge binds; `None` for what an open session does, which has its own.
    pub(super) const fn new_key(&self) -> Option<&OwnKey> {
        match self {
            Self::SignUp(key) | Self::SignIn(key) | Self::Recover(key) => Some(key),
            Self::Confirm { .. }
            | Self::AddPasskey
            | Self::Vouch { .. }
            | Self::RemovePasskey(_)
            | Self::MakeRecoveryCode => None,
        }
    }

    /// What the server says when it was done; `None` where that is `signedIn` or another ceremony.
    pub(super) const fn report(&self) -> Option<Report> {
        match self {
            Self::SignUp(_) | Self::SignIn(_) | Self::AddPasskey => None,
            Self::Confirm { .. } => Some(Report::Confirmed),
            Self::Vouch { .. } | Self::Recover(_) => Some(Report::PasskeyAdded),
            Self::MakeRecoveryCode => Some(Report::RecoveryCode),
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
            Step::Unsent(Ask::SignUp { key, .. } | Ask::SignIn { key, .. } | Ask::Recover { key, .. }) => {
                Some(key)
            }
            Step::CodeSent(purpose)
            | Step::Options(purpose)
            | Step::Prompt { purpose, .. }
            | Step::Verdict(purpose) => purpose.new_key(),
            Step::Unsent(
                Ask::Confirm { .. } | Ask::AddPasskey | Ask::RemovePasskey(_) | Ask::MakeRecoveryCode,
            )
            | Step::SignedOut => None,
        }
    }
}

impl Step {
    /// Whether a mailed code may be typed again after this refusal.
    pub(super) fn can_be_tried_again(&self, refusal: &Failure) -> bool {
        let is_typing_error =
            [Code::WrongCode, Code::WrongRecoveryCode].iter().any(|code| refusal.code == code.as_str());
        matches!(self, Self::Options(Purpose::SignUp(_) | Purpose::Recover(_)))
            && (is_typing_error || refusal.is_retryable())
    }
}

//! What a page asks for: one call at a time, each ending in one answer or one refusal.

use crate::protocol::{
    CeremonyID, Code, RequestID, UnixMillis,
    gateway::{Begin, CeremonyKind, EndReason, Failure, Session, SessionKey},
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
    /// Of `verify` and `sign_in`: the session is open.
    SignedIn(Session),
    /// Of `sign_out`: there is no session any more.
    SignedOut {
        /// Why the last session ended; `None` when there was none.
        reason: Option<EndReason>,
    },
}

/// The call that is under way.
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
    Unsent { kind: CeremonyKind, begin: Begin },
    /// `signUp.codeSent`.
    CodeSent { session_key: SessionKey },
    /// `ceremony.create` or `ceremony.get`.
    Options { kind: CeremonyKind, session_key: SessionKey },
    /// The authenticator.
    Prompt { ceremony_id: CeremonyID },
    /// `signedIn`.
    Verdict,
    /// `signedOut`.
    SignedOut,
}

impl Pending {
    pub(super) const fn unsent(call: CallID, kind: CeremonyKind, begin: Begin) -> Self {
        Self { call, step: Step::Unsent { kind, begin }, awaited: None }
    }

    pub(super) const fn sent(call: CallID, step: Step, request: RequestID, answer_by_ms: u64) -> Self {
        Self { call, step, awaited: Some((request, answer_by_ms)) }
    }

    pub(super) const fn at_prompt(call: CallID, ceremony_id: CeremonyID) -> Self {
        Self { call, step: Step::Prompt { ceremony_id }, awaited: None }
    }

    pub(super) fn request(&self) -> Option<RequestID> {
        self.awaited.map(|(request, _)| request)
    }

    pub(super) fn answer_by_ms(&self) -> Option<u64> {
        self.awaited.map(|(_, by_ms)| by_ms)
    }

    /// The server may have opened or ended a session already: its answer must be heard.
    pub(super) const fn can_be_dropped(&self) -> bool {
        match self.step {
            Step::Unsent { .. } | Step::CodeSent { .. } | Step::Options { .. } | Step::Prompt { .. } => true,
            Step::Verdict | Step::SignedOut => false,
        }
    }
}

impl Step {
    /// Whether a mailed code may be typed again after this refusal.
    pub(super) fn can_be_tried_again(&self, refusal: &Failure) -> bool {
        let code = Code::from_wire(&refusal.code);
        matches!(self, Self::Options { kind: CeremonyKind::SignUp, .. })
            && code.is_some_and(|code| code == Code::WrongCode || code.is_retryable())
    }
}

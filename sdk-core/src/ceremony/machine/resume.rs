//! How a session outlives its connection: kept for the grace time, taken over by the next connection with a signature of
//! its key, or given up.

use super::{Link, Machine, PATIENCE_MS};
use crate::{
    ceremony::{
        Greeting, Output, Refusal,
        binding::resume_signing_input,
        call::{Pending, Step},
        session::{Hold, OwnSession, Resuming},
    },
    protocol::{
        RequestID,
        base64url::Base64Url,
        gateway::{ClientMessage, EndReason, Failure, Resume, Session},
    },
};

impl Machine {
    /// The key has signed: `signature` is 64 bytes, r and s; `None` when it could not. `request` is that of
    /// [`Output::Sign`].
    pub fn handle_signature(&mut self, now_ms: u64, request: RequestID, signature: Option<Base64Url>) {
        // Anything else is the signature over the nonce of an earlier connection.
        let Some(own) = self.session.as_mut().filter(|own| own.resuming() == Resuming::Signing(request))
        else {
            return;
        };
        let session_id = own.session.session_id;
        let Some(signature) = signature else {
            self.end_session(EndReason::ConnectionLost);
            self.send_waiting(now_ms);
            self.show();
            return;
        };
        if let Hold::Detached { resuming, .. } = &mut own.hold {
            *resuming = Resuming::Sent { request, answer_by_ms: now_ms.saturating_add(PATIENCE_MS) };
        }
        let is_given_up = own.shown().is_none();
        let message = ClientMessage::SessionResume(Resume { session_id, signature });
        self.outputs.push(Output::Send(request, message));
        if is_given_up {
            self.sign_out_unheard();
            self.send_waiting(now_ms);
        }
        self.show();
    }

    /// Has the key sign this connection's nonce, if there is a session to resume.
    pub(super) fn begin_resume(&mut self, greeting: &Greeting) {
        if self.session.is_none() {
            return;
        }
        let request = self.new_request();
        let Some(OwnSession { session, key, hold: Hold::Detached { resuming, .. }, .. }) = &mut self.session
        else {
            return;
        };
        *resuming = Resuming::Signing(request);
        let input = resume_signing_input(session.session_id, &self.config.origin, &greeting.nonce);
        self.outputs.push(Output::Sign { request, key: key.brought_by, input });
    }

    /// Whether `id` is that of the `session.resume` whose answer is awaited.
    pub(super) fn is_resume(&self, id: Option<RequestID>) -> bool {
        self.session.as_ref().is_some_and(
            |own| matches!(own.resuming(), Resuming::Sent { request, .. } if id == Some(request)),
        )
    }

    /// The server lets this connection carry the session.
    pub(super) fn handle_resumed(&mut self, now_ms: u64, session: Session) {
        let Some(own) = &mut self.session else { return };
        if own.session.session_id == session.session_id && own.session.account_id == session.account_id {
            own.session = session;
            own.hold = Hold::Attached { expiring_at: None };
            own.recovery_until = None;
            self.send_waiting(now_ms);
        } else {
            // Another session than the one that was asked for: leaving in an orderly way ends it, whosever it is.
            self.end_session(EndReason::ConnectionLost);
            self.link.leave_within(now_ms, 0);
        }
    }

    /// The server does not let this connection carry the session.
    pub(super) fn handle_resume_refused(&mut self, now_ms: u64, failure: Failure) {
        if !failure.is_retryable() {
            self.end_session(EndReason::ConnectionLost);
            self.send_waiting(now_ms);
            return;
        }
        // Another connection, after the usual wait, for as long as the grace time lasts.
        if let Some(OwnSession { hold: Hold::Detached { resuming, .. }, .. }) = &mut self.session {
            *resuming = Resuming::No;
        }
        self.said = Some(failure);
        self.link.leave_within(now_ms, 0);
    }

    /// The connection is lost. The session stays for its grace time, unless the person was just signing out.
    pub(super) fn detach(&mut self, now_ms: u64) {
        let is_signing_out = matches!(self.pending, Some(Pending { step: Step::SignedOut, .. }));
        let Some(own) = &mut self.session else { return };
        match &mut own.hold {
            Hold::Attached { .. } => {
                let grace_ms = own.session.grace_ms;
                own.hold = Hold::Detached {
                    until_ms: now_ms.saturating_add(grace_ms),
                    is_given_up: false,
                    resuming: Resuming::No,
                };
                if grace_ms == 0 {
                    self.end_session(EndReason::ConnectionLost);
                }
            }
            Hold::Detached { resuming, .. } => *resuming = Resuming::No,
        }
        if is_signing_out {
            self.give_up();
        }
    }

    /// The grace time is over: the server has ended the session, or is about to.
    pub(super) fn end_grace(&mut self, now_ms: u64, random: u64) {
        let may_be_carried = self.session.as_ref().is_some_and(OwnSession::may_be_carried);
        self.end_session(EndReason::ConnectionLost);
        if may_be_carried {
            // The resume may have come through all the same. Leaving in an orderly way ends the session then.
            self.leave_connection();
            self.handle_lost(now_ms, random, None);
        } else {
            self.send_waiting(now_ms);
        }
    }

    /// Ends the session on this side at once, although the server cannot be told now.
    pub(super) fn give_up(&mut self) {
        let Some(own) = &mut self.session else { return };
        let Hold::Detached { is_given_up, resuming, .. } = &mut own.hold else { return };
        *is_given_up = true;
        let is_sent = matches!(resuming, Resuming::Sent { .. });
        self.ended = Some(EndReason::User);
        self.drop_calls_of_session();
        if is_sent {
            self.sign_out_unheard();
        }
    }

    /// The session is over, for whatever reason; so is all that it was doing.
    pub(super) fn end_session(&mut self, reason: EndReason) {
        let Some(own) = self.session.take() else { return };
        if own.shown().is_some() {
            self.ended = Some(reason);
            self.drop_calls_of_session();
        }
    }

    /// Leaves the socket. A close frame says that the page is gone, which ends the session at once: where it is to be
    /// resumed, and a socket that seems dead may only be slow, the frame waits until the session has been taken over.
    pub(super) fn leave_connection(&mut self) {
        let is_signing_out = matches!(self.pending, Some(Pending { step: Step::SignedOut, .. }));
        let stays = self.session.as_ref().is_some_and(|own| {
            own.shown().is_some() && own.may_be_carried() && own.session.grace_ms > 0 && !is_signing_out
        });
        self.has_abandoned |= stays;
        self.outputs.push(if stays { Output::Abandon } else { Output::Close });
    }

    /// Sends `signOut` right behind `session.resume` and does not wait: the server answers in order, so whatever the
    /// page asks next finds the session gone.
    fn sign_out_unheard(&mut self) {
        self.farewell = Some(self.send(ClientMessage::SignOut));
        self.session = None;
    }

    fn drop_calls_of_session(&mut self) {
        self.drop_plain(Refusal::SESSION_GONE);
        let is_of_session = self.pending.as_ref().is_some_and(|pending| match &pending.step {
            Step::SignedOut => false,
            Step::Unsent(_)
            | Step::CodeSent(_)
            | Step::Options(_)
            | Step::Prompt { .. }
            | Step::Verdict(_) => pending.new_key().is_none(),
        });
        if is_of_session {
            self.drop_pending(Refusal::SESSION_GONE);
        }
    }

    /// Whether a session is open, or is to be resumed.
    pub(super) fn is_signed_in(&self) -> bool {
        !matches!(self.link, Link::Closed) && self.session.as_ref().is_some_and(|own| own.shown().is_some())
    }
}

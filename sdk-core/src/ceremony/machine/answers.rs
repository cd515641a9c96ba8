//! What the server says, and what the authenticator does with it.

use super::{Link, Machine, SignUp};
use crate::{
    ceremony::{
        Answer, BoundOptions, CallID, Credential, Greeting, Incoming, Offer, Output, Refusal, Report,
        call::{Pending, Purpose, Step},
        options::Expected,
        session::{Hold, OwnSession},
    },
    protocol::{
        RequestID, UnixMillis,
        gateway::{ClientMessage, EndReason, Failure, Finish},
    },
};

impl Machine {
    /// The server said something; `id` is that of the request it answers.
    pub fn handle_message(&mut self, now_ms: u64, id: Option<RequestID>, message: Incoming) {
        match &mut self.link {
            Link::Ready { heard_ms, .. } => *heard_ms = now_ms,
            Link::Connecting { .. } => {
                match message {
                    Incoming::Hello(greeting) => self.handle_hello(now_ms, greeting),
                    Incoming::Error(failure) => self.said = Some(failure),
                    // Nothing has a meaning before the greeting.
                    Incoming::Heartbeat
                    | Incoming::Drain(_)
                    | Incoming::CodeSent(_)
                    | Incoming::Ceremony(_)
                    | Incoming::SignedIn(_)
                    | Incoming::SignedOut(_)
                    | Incoming::Expiring(_)
                    | Incoming::Report(..) => {}
                }
                self.show();
                return;
            }
            // A message of a socket that is closed already.
            Link::Waiting { .. } | Link::Asleep | Link::Closed => return,
        }
        match message {
            Incoming::Hello(_) | Incoming::Heartbeat => {}
            Incoming::Drain(within_ms) => self.link.leave_within(now_ms, within_ms),
            Incoming::SignedOut(reason) => self.handle_signed_out(now_ms, reason),
            Incoming::Expiring(at) => self.handle_expiring(at),
            Incoming::Error(failure) if id.is_none() => self.said = Some(failure),
            Incoming::SignedIn(session) if self.is_resume(id) => self.handle_resumed(now_ms, session),
            Incoming::Error(failure) if self.is_resume(id) => self.handle_resume_refused(now_ms, failure),
            Incoming::Error(failure) if self.farewell == id => {
                // Not when there was no session to sign out of.
                if failure.is_retryable() {
                    self.link.leave_within(now_ms, 0);
                }
            }
            message if self.is_plain(id) => self.answer_plain(id, message),
            Incoming::Error(_)
            | Incoming::CodeSent(_)
            | Incoming::Ceremony(_)
            | Incoming::SignedIn(_)
            | Incoming::Report(..) => self.handle_answer(id, message),
        }
        self.show();
    }

    /// The server said, with `signedIn` or by itself, that the session's account is being recovered, or (`None`) that it is
    /// no longer.
    pub fn handle_recovery(&mut self, until: Option<UnixMillis>) {
        if let Some(own @ OwnSession { hold: Hold::Attached { .. }, .. }) = &mut self.session {
            own.recovery_until = until;
        }
        self.show();
    }

    /// The server's answer to request `id` could not be read.
    pub fn handle_unreadable(&mut self, now_ms: u64, id: Option<RequestID>) {
        if let Some(pending) = self.take_answered(id) {
            self.reject(pending.call, Refusal::BAD_MESSAGE);
        } else if self.is_plain(id) {
            self.answer_plain(id, Incoming::Error(Refusal::BAD_MESSAGE.into()));
        } else if self.is_resume(id) {
            // Perhaps it worked; the next connection will tell.
            self.link.leave_within(now_ms, 0);
        }
        self.show();
    }

    /// The passkey prompt of `call` ended: with a credential, or with what went wrong.
    pub fn handle_authenticator(&mut self, now_ms: u64, call: CallID, result: Result<Credential, Failure>) {
        let is_awaited =
            |pending: &mut Pending| pending.call == call && matches!(pending.step, Step::Prompt { .. });
        // Else it is the prompt of a call that was dropped.
        let Some(Pending { step: Step::Prompt { ceremony_id, purpose }, .. }) =
            self.pending.take_if(is_awaited)
        else {
            return;
        };
        match result {
            Ok(Credential { json, authenticator_data }) => {
                // Right or wrong, this answer uses the challenge up.
                self.sign_up = None;
                let finish = ClientMessage::CeremonyFinish(Finish { ceremony_id, credential: json });
                let step = match purpose {
                    Purpose::AddPasskey => {
                        // Without it, no key can be recognised as the one that was made.
                        Step::Options(Purpose::Vouch { made: authenticator_data.unwrap_or_default() })
                    }
                    Purpose::SignUp(_)
                    | Purpose::SignIn(_)
                    | Purpose::Confirm { .. }
                    | Purpose::Vouch { .. }
                    | Purpose::RemovePasskey(_)
                    | Purpose::MakeRecoveryCode
                    | Purpose::Recover(_) => Step::Verdict(purpose),
                };
                let request = self.send(finish);
                self.wait_for_answer(now_ms, call, request, step);
            }
            Err(failure) => self.outputs.push(Output::Reject(call, failure)),
        }
        self.show();
    }

    fn handle_hello(&mut self, now_ms: u64, greeting: Greeting) {
        self.said = None;
        self.outputs.push(Output::Greeted(greeting.time));
        self.begin_resume(&greeting);
        self.link = Link::ready(now_ms, greeting);
        self.send_waiting(now_ms);
    }

    /// The session ended, whoever wanted it. It answers a `signOut` under way even when another cause was faster.
    fn handle_signed_out(&mut self, now_ms: u64, reason: EndReason) {
        self.end_session(reason);
        if let Some(Pending { call, step: Step::SignedOut, .. }) = self.pending {
            self.pending = None;
            self.show();
            self.resolve(call, Answer::SignedOut);
        }
        self.send_waiting(now_ms);
    }

    fn handle_expiring(&mut self, at: UnixMillis) {
        if let Some(OwnSession { hold: Hold::Attached { expiring_at }, .. }) = &mut self.session {
            *expiring_at = Some(at);
        }
    }

    fn handle_answer(&mut self, id: Option<RequestID>, message: Incoming) {
        let Some(Pending { call, step, .. }) = self.take_answered(id) else { return };
        match (step, message) {
            (Step::CodeSent(purpose), Incoming::CodeSent(expires_at)) => {
                self.sign_up = Some(SignUp { call, purpose, proven: None });
                self.resolve(call, Answer::CodeSent { expires_at });
            }
            (Step::Options(purpose), Incoming::Ceremony(offer))
                if offer.is_creation == purpose.is_creation() =>
            {
                self.check_and_prompt(call, purpose, offer);
            }
            (Step::Verdict(Purpose::SignUp(key) | Purpose::SignIn(key)), Incoming::SignedIn(session)) => {
                let hold = Hold::Attached { expiring_at: None };
                self.session = Some(OwnSession { session, key, hold, recovery_until: None });
                self.show();
                self.resolve(call, Answer::SignedIn);
            }
            // Both codes were right, and the hold is not over.
            (Step::Options(Purpose::Recover(_)), Incoming::Report(Report::RecoveryHeld, data)) => {
                self.sign_up = None;
                self.resolve(call, Answer::Data(data));
            }
            (Step::Verdict(purpose), Incoming::Report(report, data)) if purpose.report() == Some(report) => {
                self.resolve(call, Answer::Data(data));
            }
            (step, Incoming::Error(failure)) => {
                if !step.can_be_tried_again(&failure) {
                    self.sign_up = None;
                }
                self.outputs.push(Output::Reject(call, failure));
            }
            // The right number on the wrong answer: nothing that this server says of the call can be trusted.
            _ => self.reject(call, Refusal::UNEXPECTED),
        }
    }

    /// Shows the passkey prompt, if the challenge is this page's own.
    fn check_and_prompt(&mut self, call: CallID, purpose: Purpose, offer: Offer) {
        let Link::Ready { greeting, .. } = &self.link else { return };
        let session_key = purpose.new_key().or_else(|| self.session.as_ref().map(|own| &own.key));
        let checked = session_key.and_then(|key| {
            let expected = Expected {
                purpose: &purpose,
                app_id: self.config.app_id,
                origin: &self.config.origin,
                session_key: &key.public,
                rp_id: &greeting.rp_id,
            };
            BoundOptions::check(offer, &expected)
        });
        match checked {
            Some(bound) => {
                if let Some(sign_up) = &mut self.sign_up {
                    sign_up.proven = Some(bound.clone());
                }
                self.show_prompt(call, bound, purpose);
            }
            None => {
                self.sign_up = None;
                self.reject(call, Refusal::CHALLENGE_MISMATCH);
            }
        }
    }

    fn is_plain(&self, id: Option<RequestID>) -> bool {
        self.plain.iter().any(|plain| plain.is_answered_by(id))
    }

    fn answer_plain(&mut self, id: Option<RequestID>, message: Incoming) {
        let Some(index) = self.plain.iter().position(|plain| plain.is_answered_by(id)) else { return };
        let plain = self.plain.swap_remove(index);
        match message {
            Incoming::Report(report, data) if report == plain.asks.report() => {
                if report == Report::RecoveryCancelled {
                    self.handle_recovery(None);
                }
                self.resolve(plain.call, Answer::Data(data));
            }
            Incoming::Error(failure) => self.outputs.push(Output::Reject(plain.call, failure)),
            _ => self.reject(plain.call, Refusal::UNEXPECTED),
        }
    }

    fn take_answered(&mut self, id: Option<RequestID>) -> Option<Pending> {
        self.pending.take_if(|pending| pending.is_answered_by(id))
    }

    fn resolve(&mut self, call: CallID, answer: Answer) {
        self.outputs.push(Output::Resolve(call, answer));
    }
}

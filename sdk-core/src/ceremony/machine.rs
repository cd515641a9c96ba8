//! The page's side of the browser socket: connecting -> ready -> code sent -> challenge -> authenticator -> finishing
//! -> signed in -> gone (docs/protocol.md section 1).
//!
//! The machine has no socket, clock or prompt. Its driver hands in what happened (`handle_*`), what the page asks for
//! (`sign_up`, `sign_in`, ...), carries out everything that [`Machine::poll`] returns, and calls
//! [`Machine::handle_timeout`] at [`Machine::deadline_ms`]. Times are milliseconds of any clock that never goes back.

use std::collections::VecDeque;

use super::{
    Answer, Backoff, BoundOptions, CallID, Options, Output, State,
    call::{Pending, Step},
    link::{LONGEST_PROMISE_MS, Link, PATIENCE_MS},
    options::Expected,
};
use crate::protocol::{
    AppID, Code, RequestID,
    code::close_code_is_retryable,
    gateway::{
        Begin, Ceremony, CeremonyKind, ClientMessage, EndReason, Failure, Finish, Hello, RawJson,
        ServerMessage, SessionKey, SignedOut, Verify,
    },
};

/// What a machine is made for.
#[derive(Debug, Clone)]
pub struct Config {
    /// The app that the page belongs to.
    pub app_id: AppID,
    /// The page's own origin, as in `window.origin`. Never what a server says.
    pub origin: String,
    /// Reads WebAuthn options: the driver's JSON parser. `None` when a member is missing or of the wrong kind.
    pub read_options: fn(&RawJson) -> Option<Options>,
}

/// The state machine of one page.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    link: Link,
    state: State,
    backoff: Backoff,
    /// What a server said of the whole connection: it explains the close that follows.
    said: Option<Failure>,
    /// A code was sent on this connection and can be verified.
    sign_up: Option<SignUp>,
    pending: Option<Pending>,
    last_call: u32,
    last_request: RequestID,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct SignUp {
    call: CallID,
    session_key: SessionKey,
    /// The code was right and this is what to ask the authenticator: a prompt that was closed can be shown again.
    proven: Option<BoundOptions>,
}

impl Machine {
    /// A machine whose first output is [`Output::Connect`].
    pub fn new(config: Config, now_ms: u64) -> Self {
        Self {
            config,
            link: Link::connecting(now_ms),
            state: State::Connecting,
            backoff: Backoff::default(),
            said: None,
            sign_up: None,
            pending: None,
            last_call: 0,
            last_request: 0,
            outputs: VecDeque::from([Output::Connect]),
        }
    }

    /// Where the page stands.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The next thing to do; `None` until something else happens.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called at the latest; `None` for never.
    pub fn deadline_ms(&self) -> Option<u64> {
        let link_ms = self.link.deadline_ms()?;
        Some(
            self.pending.as_ref().and_then(Pending::answer_by_ms).map_or(link_ms, |by_ms| by_ms.min(link_ms)),
        )
    }

    /// Asks for a code to be mailed to `email`. Replaces a call that is under way.
    pub fn sign_up(&mut self, now_ms: u64, email: String, session_key: SessionKey) -> CallID {
        self.begin(now_ms, CeremonyKind::SignUp, Begin { email, session_key })
    }

    /// Proves that the mail was read, then makes the passkey. `sign_up` is the call that asked for the code.
    ///
    /// After a wrong code or a closed prompt it can be called again; a code that was right is not sent twice.
    pub fn verify(&mut self, now_ms: u64, sign_up: CallID, code: String) -> CallID {
        let call = self.new_call();
        if !self.make_room(call) {
            return call;
        }
        let session_key = match &self.sign_up {
            Some(SignUp { call: known, proven: Some(options), .. }) if *known == sign_up => {
                let options = options.clone();
                self.show_prompt(call, options);
                return call;
            }
            Some(SignUp { call: known, session_key, proven: None }) if *known == sign_up => {
                session_key.clone()
            }
            // The connection that it was sent on is gone, or another sign-up took its place.
            Some(_) | None => {
                self.reject(call, Code::CodeExpired);
                return call;
            }
        };
        let request = self.send(ClientMessage::SignUpVerify(Verify { code }));
        self.wait_for_answer(
            now_ms,
            call,
            request,
            Step::Options { kind: CeremonyKind::SignUp, session_key },
        );
        call
    }

    /// Signs in with a passkey of `email`. Replaces a call that is under way.
    pub fn sign_in(&mut self, now_ms: u64, email: String, session_key: SessionKey) -> CallID {
        self.begin(now_ms, CeremonyKind::SignIn, Begin { email, session_key })
    }

    /// Ends the session. Replaces a call that is under way; without a session there is nothing to do.
    pub fn sign_out(&mut self, now_ms: u64) -> CallID {
        let call = self.new_call();
        if !self.make_room(call) {
            return call;
        }
        if matches!(self.state, State::SignedIn(_)) {
            let request = self.send(ClientMessage::SignOut);
            self.wait_for_answer(now_ms, call, request, Step::SignedOut);
        } else {
            self.outputs.push_back(Output::Resolve(call, Answer::SignedOut { reason: None }));
        }
        call
    }

    /// The page wants the call no more. Nothing happens when it has ended, or is past the point of no return.
    pub fn cancel(&mut self, call: CallID) {
        if self.pending.as_ref().is_some_and(|pending| pending.call == call && pending.can_be_dropped()) {
            self.drop_pending(Code::Cancelled);
        }
    }

    /// The page is put away. A browser may keep it, socket and all, to show it again: whoever left must not stay signed
    /// in behind their back. When the page is shown again, its clock goes on and it connects anew.
    pub fn leave(&mut self, now_ms: u64) {
        if matches!(self.link, Link::Waiting { .. } | Link::Closed) {
            return;
        }
        self.outputs.push_back(Output::Close);
        self.disconnect(EndReason::PageGone);
        self.link = Link::Waiting { until_ms: now_ms.saturating_add(Backoff::FIRST_MS) };
        self.set_state(State::Reconnecting { reason: self.end_reason() });
    }

    /// Ends everything; there is no way back.
    pub fn close(&mut self) {
        if matches!(self.link, Link::Closed) {
            return;
        }
        self.drop_pending(Code::Cancelled);
        self.sign_up = None;
        self.link = Link::Closed;
        self.outputs.push_back(Output::Close);
        self.set_state(State::Closed { failure: None });
    }

    /// The socket is gone or could not be opened. `close_code` is that of its close frame, if it had one.
    /// `random` is 64 random bits.
    pub fn handle_lost(&mut self, now_ms: u64, random: u64, close_code: Option<u16>) {
        match self.link {
            Link::Connecting { .. } => {}
            Link::Ready { since_ms, .. } => {
                if now_ms.saturating_sub(since_ms) >= Backoff::LONGEST_MS {
                    self.backoff.reset();
                }
            }
            Link::Waiting { .. } | Link::Closed => return,
        }
        self.disconnect(EndReason::ConnectionLost);
        let said = self.said.take();
        if close_code.is_some_and(|code| !close_code_is_retryable(code)) {
            self.link = Link::Closed;
            let failure = said.unwrap_or_else(|| Code::Forbidden.into());
            self.set_state(State::Closed { failure: Some(failure) });
            return;
        }
        let at_least_ms =
            said.and_then(|failure| failure.retry_after_ms).unwrap_or(0).min(LONGEST_PROMISE_MS);
        let wait_ms = self.backoff.next_wait_ms(random).saturating_add(at_least_ms);
        self.link = Link::Waiting { until_ms: now_ms.saturating_add(wait_ms) };
        self.set_state(State::Reconnecting { reason: self.end_reason() });
    }

    /// Time has passed. `random` is 64 random bits.
    pub fn handle_timeout(&mut self, now_ms: u64, random: u64) {
        match self.deadline_ms() {
            Some(deadline_ms) if deadline_ms <= now_ms => {}
            Some(_) | None => return,
        }
        match self.link {
            Link::Waiting { .. } => self.connect(now_ms),
            // No greeting, no sign of life, no answer, or asked to leave: this connection is of no use any more.
            Link::Connecting { .. } | Link::Ready { .. } => {
                self.outputs.push_back(Output::Close);
                self.handle_lost(now_ms, random, None);
            }
            Link::Closed => {}
        }
    }

    /// The server said something; `id` is that of the request it answers.
    pub fn handle_message(&mut self, now_ms: u64, id: Option<RequestID>, message: ServerMessage) {
        match &mut self.link {
            Link::Ready { heard_ms, .. } => *heard_ms = now_ms,
            Link::Connecting { .. } => {
                match message {
                    ServerMessage::Hello(hello) => self.handle_hello(now_ms, hello),
                    ServerMessage::Error(failure) => self.said = Some(failure),
                    // Nothing has a meaning before the greeting.
                    _ => {}
                }
                return;
            }
            // A message of a socket that is closed already.
            Link::Waiting { .. } | Link::Closed => return,
        }
        match message {
            ServerMessage::Hello(_) | ServerMessage::Heartbeat => {}
            ServerMessage::Drain(drain) => self.link.leave_within(now_ms, drain.reconnect_after_ms),
            ServerMessage::SignedOut(SignedOut { reason }) => self.handle_signed_out(reason),
            ServerMessage::Error(failure) if id.is_none() => self.said = Some(failure),
            // No call asks for these yet.
            ServerMessage::SessionExpiring(_)
            | ServerMessage::Confirmed(_)
            | ServerMessage::Passkeys(_)
            | ServerMessage::PasskeyAdded(_)
            | ServerMessage::PasskeyRenamed(_)
            | ServerMessage::PasskeyRemoved(_)
            | ServerMessage::Sessions(_)
            | ServerMessage::SessionsEnded(_) => {}
            ServerMessage::Error(_)
            | ServerMessage::CodeSent(_)
            | ServerMessage::CeremonyCreate(_)
            | ServerMessage::CeremonyGet(_)
            | ServerMessage::SignedIn(_) => self.handle_answer(id, message),
        }
    }

    /// The server's answer to request `id` could not be read.
    pub fn handle_unreadable(&mut self, id: Option<RequestID>) {
        if let Some(pending) = self.take_answered(id) {
            self.reject(pending.call, Code::BadMessage);
        }
    }

    /// The passkey prompt of `call` ended: with a credential in its JSON form, or with what went wrong.
    pub fn handle_authenticator(&mut self, now_ms: u64, call: CallID, result: Result<RawJson, Failure>) {
        let ceremony_id = match &self.pending {
            Some(Pending { call: current, step: Step::Prompt { ceremony_id }, .. }) if *current == call => {
                *ceremony_id
            }
            // The prompt of a call that was dropped.
            Some(_) | None => return,
        };
        self.pending = None;
        match result {
            Ok(credential) => {
                // Right or wrong, this answer uses the challenge up.
                self.sign_up = None;
                let request = self.send(ClientMessage::CeremonyFinish(Finish { ceremony_id, credential }));
                self.wait_for_answer(now_ms, call, request, Step::Verdict);
            }
            Err(failure) => self.outputs.push_back(Output::Reject(call, failure)),
        }
    }

    fn begin(&mut self, now_ms: u64, kind: CeremonyKind, begin: Begin) -> CallID {
        let call = self.new_call();
        if matches!(self.state, State::SignedIn(_)) {
            let message = "a session is open on this page; sign out first".to_owned();
            self.outputs.push_back(Output::Reject(call, Failure { message, ..Code::Unexpected.into() }));
            return call;
        }
        if !self.make_room(call) {
            return call;
        }
        self.sign_up = None;
        match self.link {
            Link::Ready { .. } => self.send_begin(now_ms, call, kind, begin),
            Link::Connecting { .. } => self.pending = Some(Pending::unsent(call, kind, begin)),
            Link::Waiting { .. } => {
                // Someone is waiting at the screen: try at once.
                self.pending = Some(Pending::unsent(call, kind, begin));
                self.connect(now_ms);
            }
            Link::Closed => self.reject(call, Code::Unexpected),
        }
        call
    }

    fn send_begin(&mut self, now_ms: u64, call: CallID, kind: CeremonyKind, begin: Begin) {
        let session_key = begin.session_key.clone();
        let (message, step) = match kind {
            CeremonyKind::SignUp => (ClientMessage::SignUpBegin(begin), Step::CodeSent { session_key }),
            CeremonyKind::SignIn
            | CeremonyKind::Confirm
            | CeremonyKind::AddPasskey
            | CeremonyKind::RemovePasskey => {
                (ClientMessage::SignInBegin(begin), Step::Options { kind, session_key })
            }
        };
        let request = self.send(message);
        self.wait_for_answer(now_ms, call, request, step);
    }

    fn handle_hello(&mut self, now_ms: u64, hello: Hello) {
        self.said = None;
        self.link = Link::ready(now_ms, hello);
        self.set_state(State::SignedOut { reason: self.end_reason() });
        if let Some(Pending { call, step: Step::Unsent { kind, begin }, .. }) = self.pending.take() {
            self.send_begin(now_ms, call, kind, begin);
        }
    }

    /// The session ended, whoever wanted it. It answers a `signOut` under way even when another cause was faster.
    fn handle_signed_out(&mut self, reason: EndReason) {
        if matches!(self.state, State::SignedIn(_)) {
            self.set_state(State::SignedOut { reason: Some(reason) });
        }
        if let Some(Pending { call, step: Step::SignedOut, .. }) = self.pending {
            self.pending = None;
            self.outputs.push_back(Output::Resolve(call, Answer::SignedOut { reason: Some(reason) }));
        }
    }

    fn handle_answer(&mut self, id: Option<RequestID>, message: ServerMessage) {
        let Some(Pending { call, step, .. }) = self.take_answered(id) else { return };
        match (step, message) {
            (Step::CodeSent { session_key }, ServerMessage::CodeSent(sent)) => {
                self.sign_up = Some(SignUp { call, session_key, proven: None });
                self.resolve(call, Answer::CodeSent { expires_at: sent.expires_at });
            }
            (
                Step::Options { kind: kind @ CeremonyKind::SignUp, session_key },
                ServerMessage::CeremonyCreate(ceremony),
            )
            | (
                Step::Options { kind: kind @ CeremonyKind::SignIn, session_key },
                ServerMessage::CeremonyGet(ceremony),
            ) => self.check_and_prompt(call, kind, &session_key, ceremony),
            (Step::Verdict, ServerMessage::SignedIn(signed_in)) => {
                self.set_state(State::SignedIn(signed_in.session.clone()));
                self.resolve(call, Answer::SignedIn(signed_in.session));
            }
            (step, ServerMessage::Error(failure)) => {
                if !step.can_be_tried_again(&failure) {
                    self.sign_up = None;
                }
                self.outputs.push_back(Output::Reject(call, failure));
            }
            // The right number on the wrong answer: nothing that this server says of the call can be trusted.
            _ => self.reject(call, Code::Unexpected),
        }
    }

    /// Shows the passkey prompt, if the challenge is this page's own.
    fn check_and_prompt(
        &mut self,
        call: CallID,
        kind: CeremonyKind,
        session_key: &SessionKey,
        ceremony: Ceremony,
    ) {
        let Link::Ready { hello, .. } = &self.link else { return };
        let options = (self.config.read_options)(&ceremony.public_key);
        let expected = Expected {
            kind,
            app_id: self.config.app_id,
            origin: &self.config.origin,
            session_key,
            rp_id: &hello.rp_id,
        };
        match BoundOptions::check(ceremony, options.as_ref(), &expected) {
            Ok(bound) => {
                if let Some(sign_up) = &mut self.sign_up {
                    sign_up.proven = Some(bound.clone());
                }
                self.show_prompt(call, bound);
            }
            Err(failure) => {
                self.sign_up = None;
                self.outputs.push_back(Output::Reject(call, failure));
            }
        }
    }

    fn show_prompt(&mut self, call: CallID, options: BoundOptions) {
        self.pending = Some(Pending::at_prompt(call, options.ceremony_id()));
        self.outputs.push_back(Output::CallAuthenticator(call, options));
    }

    /// Everything that belonged to the connection is over.
    fn disconnect(&mut self, reason: EndReason) {
        self.sign_up = None;
        self.drop_pending(Code::ConnectionLost);
        if matches!(self.state, State::SignedIn(_)) {
            self.set_state(State::SignedOut { reason: Some(reason) });
        }
    }

    fn connect(&mut self, now_ms: u64) {
        self.link = Link::connecting(now_ms);
        self.outputs.push_back(Output::Connect);
    }

    fn send(&mut self, message: ClientMessage) -> RequestID {
        self.last_request = self.last_request.saturating_add(1);
        self.outputs.push_back(Output::Send(self.last_request, message));
        self.last_request
    }

    fn wait_for_answer(&mut self, now_ms: u64, call: CallID, request: RequestID, step: Step) {
        self.pending = Some(Pending::sent(call, step, request, now_ms.saturating_add(PATIENCE_MS)));
    }

    fn take_answered(&mut self, id: Option<RequestID>) -> Option<Pending> {
        self.pending.take_if(|pending| pending.request().is_some_and(|request| id == Some(request)))
    }

    fn new_call(&mut self) -> CallID {
        self.last_call = self.last_call.wrapping_add(1);
        CallID(self.last_call)
    }

    /// Drops the call under way in favour of `call`, or refuses `call` when the other is past the point of no return.
    fn make_room(&mut self, call: CallID) -> bool {
        if self.pending.as_ref().is_some_and(|pending| !pending.can_be_dropped()) {
            self.reject(call, Code::Unexpected);
            return false;
        }
        self.drop_pending(Code::Cancelled);
        true
    }

    fn drop_pending(&mut self, code: Code) {
        let Some(Pending { call, step, .. }) = self.pending.take() else { return };
        if matches!(step, Step::Prompt { .. }) {
            self.outputs.push_back(Output::AbortAuthenticator);
        }
        self.reject(call, code);
    }

    fn resolve(&mut self, call: CallID, answer: Answer) {
        self.outputs.push_back(Output::Resolve(call, answer));
    }

    fn reject(&mut self, call: CallID, code: Code) {
        self.outputs.push_back(Output::Reject(call, code.into()));
    }

    fn set_state(&mut self, state: State) {
        if self.state != state {
            self.state = state.clone();
            self.outputs.push_back(Output::StateChanged(state));
        }
    }

    /// Why the last session ended, as far as the present state remembers.
    const fn end_reason(&self) -> Option<EndReason> {
        match self.state {
            State::SignedOut { reason } | State::Reconnecting { reason } => reason,
            State::Connecting | State::SignedIn(_) | State::Closed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;

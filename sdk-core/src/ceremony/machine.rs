//! The page's side of the browser socket: connecting -> ready -> code sent -> challenge -> authenticator -> finishing
//! -> signed in -> (lost -> resumed)* -> gone (docs/protocol.md section 1).
//!
//! The machine has no socket, clock, key or prompt. Its driver hands in what happened (`handle_*`), what the page asks for
//! (`sign_up`, `sign_in`, ...), carries out everything that [`Machine::poll`] returns, and calls
//! [`Machine::handle_timeout`] at [`Machine::deadline_ms`]. Times are milliseconds of any clock that never goes back.
//!
//! What the page asks for is here, what the server says in `answers`, how a session outlives its connection in `resume`.

mod answers;
mod resume;

use alloc::{string::String, vec, vec::Vec};

use super::{
    Answer, Backoff, BoundOptions, CallID, Output, PlainRequest, Refusal, State,
    call::{Ask, Pending, PlainCall, PlainStage, Purpose, Step},
    link::{LONGEST_PROMISE_MS, Link, PATIENCE_MS},
    session::{OwnKey, OwnSession, Resuming},
};
use crate::protocol::{
    AppID, PasskeyID, RequestID,
    code::close_code_is_retryable,
    gateway::{
        Begin, ClientMessage, ConfirmBegin, EndReason, Failure, RawJson, RemovePasskey, SessionKey, Verify,
        VerifyRecovery,
    },
};

/// How many plain requests may be under way at a time.
pub const MAX_PLAIN_REQUESTS: usize = 16;

/// What a machine is made for.
#[derive(Debug, Clone)]
pub struct Config {
    /// The app that the page belongs to.
    pub app_id: AppID,
    /// The page's own origin, as in `window.origin`. Never what a server says.
    pub origin: String,
}

/// The state machine of one page, or of all pages that share a session.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    link: Link,
    /// Anything else than `Connecting` was shown.
    has_tried: bool,
    session: Option<OwnSession>,
    /// Why the last session ended; `None` when there was none.
    ended: Option<EndReason>,
    /// There are sockets to be closed when the session is safe, or over.
    has_abandoned: bool,
    backoff: Backoff,
    /// The `signOut` that nobody waits for. If it fails, the connection is left, which ends the session as well.
    farewell: Option<RequestID>,
    /// What a server said of the whole connection: it explains the close that follows.
    said: Option<Failure>,
    /// What a server said that closed the connection for good.
    refused: Option<Failure>,
    /// A code was sent on this connection and can be verified, for a sign-up or a recovery.
    sign_up: Option<SignUp>,
    pending: Option<Pending>,
    plain: Vec<PlainCall>,
    last_call: u32,
    last_request: RequestID,
    outputs: Vec<Output>,
    shown: State,
}

#[derive(Debug)]
struct SignUp {
    call: CallID,
    purpose: Purpose,
    /// The code was right and this is what to ask the authenticator: a prompt that was closed can be shown again.
    proven: Option<BoundOptions>,
}

impl Machine {
    /// A machine whose first output is [`Output::Connect`].
    pub fn new(config: Config, now_ms: u64) -> Self {
        Self {
            config,
            link: Link::connecting(now_ms),
            has_tried: false,
            session: None,
            ended: None,
            has_abandoned: false,
            farewell: None,
            backoff: Backoff::default(),
            said: None,
            refused: None,
            sign_up: None,
            pending: None,
            plain: Vec::new(),
            last_call: 0,
            last_request: 0,
            outputs: vec![Output::Connect],
            shown: State::Connecting,
        }
    }

    /// Where the page stands.
    pub const fn state(&self) -> &State {
        &self.shown
    }

    /// The next thing to do; `None` until something else happens.
    pub fn poll(&mut self) -> Option<Output> {
        (!self.outputs.is_empty()).then(|| self.outputs.remove(0))
    }

    /// When [`Self::handle_timeout`] wants to be called at the latest; `None` for never.
    pub fn deadline_ms(&self) -> Option<u64> {
        let grace_ms = self.session.as_ref().and_then(OwnSession::until_ms);
        earliest([self.connection_deadline_ms(), grace_ms])
    }

    /// Whether the key that `call` brought may still be needed: a session has it, or may get it. Else it is let go.
    pub fn holds_key(&self, call: CallID) -> bool {
        let pending = self.pending.as_ref().and_then(Pending::new_key);
        let sign_up = self.sign_up.as_ref().and_then(|sign_up| sign_up.purpose.new_key());
        let session = self.session.as_ref().map(|own| &own.key);
        [pending, sign_up, session].into_iter().flatten().any(|key| key.brought_by == call)
    }

    /// Asks for a code to be mailed to `email`. Replaces a call that is under way.
    pub fn sign_up(&mut self, now_ms: u64, email: String, session_key: SessionKey) -> CallID {
        self.begin(now_ms, session_key, |key| Ask::SignUp { email, key })
    }

    /// Proves that the mail was read, then makes the passkey. `sign_up` is the call that asked for the code.
    ///
    /// After a wrong code or a closed prompt it can be called again; a code that was right is not sent twice.
    pub fn verify(&mut self, now_ms: u64, sign_up: CallID, code: String) -> CallID {
        self.verify_by(now_ms, sign_up, ClientMessage::SignUpVerify(Verify { code }))
    }

    /// Asks for a code to be mailed to `email`, whose person has lost every passkey. Replaces a call that is under way.
    pub fn recover(&mut self, now_ms: u64, email: String, session_key: SessionKey) -> CallID {
        self.begin(now_ms, session_key, |key| Ask::Recover { email, key })
    }

    /// Hands in both codes: begins the recovery, asks how long it takes, or makes the passkey that it gives. `recover` is
    /// the call that asked for the mailed code. As with [`Self::verify`] it can be called again.
    pub fn verify_recovery(
        &mut self,
        now_ms: u64,
        recover: CallID,
        code: String,
        recovery_code: String,
    ) -> CallID {
        let verify = VerifyRecovery { code, recovery_code };
        self.verify_by(now_ms, recover, ClientMessage::RecoveryVerify(verify))
    }

    fn verify_by(&mut self, now_ms: u64, asked: CallID, message: ClientMessage) -> CallID {
        let call = self.new_call();
        if !self.make_room(call) {
            return call;
        }
        let (purpose, proven) = match &self.sign_up {
            Some(known) if known.call == asked => (known.purpose.clone(), known.proven.clone()),
            // The connection that it was sent on is gone, or another code took its place.
            Some(_) | None => {
                self.reject(call, Refusal::CODE_EXPIRED);
                return call;
            }
        };
        if let Some(options) = proven {
            self.show_prompt(call, options, purpose);
        } else {
            let request = self.send(message);
            self.wait_for_answer(now_ms, call, request, Step::Options(purpose));
        }
        self.show();
        call
    }

    /// Signs in with a passkey of `email`. Replaces a call that is under way.
    pub fn sign_in(&mut self, now_ms: u64, email: String, session_key: SessionKey) -> CallID {
        self.begin(now_ms, session_key, |key| Ask::SignIn { email, key })
    }

    /// Ends the session. Replaces a call that is under way; without a session there is nothing to do.
    ///
    /// While the connection is lost the session is given up at once; should the connection come back in time, the server
    /// is told as well.
    pub fn sign_out(&mut self, now_ms: u64) -> CallID {
        let call = self.new_call();
        // Whoever signs out does not wait for what the session was doing.
        if let Some(Pending { step: Step::Verdict(purpose), .. }) = &self.pending
            && purpose.new_key().is_none()
        {
            self.drop_pending(Refusal::CANCELLED);
        }
        if !self.make_room(call) {
            return call;
        }
        if self.session.as_ref().is_some_and(OwnSession::is_attached) {
            let request = self.send(ClientMessage::SignOut);
            self.wait_for_answer(now_ms, call, request, Step::SignedOut);
        } else {
            self.give_up();
            self.show();
            self.outputs.push(Output::Resolve(call, Answer::SignedOut));
        }
        self.show();
        call
    }

    /// Has the person confirm `action`, in its RFC 8785 form, with a passkey. Replaces a call that is under way.
    pub fn confirm(&mut self, now_ms: u64, action: String) -> CallID {
        self.ask_of_session(now_ms, Ask::Confirm { action })
    }

    /// Makes a further passkey, then has another one vouch for it. Replaces a call that is under way.
    pub fn add_passkey(&mut self, now_ms: u64) -> CallID {
        self.ask_of_session(now_ms, Ask::AddPasskey)
    }

    /// Removes a passkey, with a gesture. Replaces a call that is under way.
    pub fn remove_passkey(&mut self, now_ms: u64, passkey_id: PasskeyID) -> CallID {
        self.ask_of_session(now_ms, Ask::RemovePasskey(passkey_id))
    }

    /// Makes the account's recovery code, with a gesture. Replaces a call that is under way.
    pub fn make_recovery_code(&mut self, now_ms: u64) -> CallID {
        self.ask_of_session(now_ms, Ask::MakeRecoveryCode)
    }

    /// Asks the server for something that needs no gesture, beside whatever is under way. `data` is a JSON object.
    pub fn request(&mut self, now_ms: u64, asks: PlainRequest, data: RawJson) -> CallID {
        let call = self.new_call();
        if !self.is_signed_in() {
            self.reject(call, Refusal::SESSION_GONE);
        } else if self.plain.len() >= MAX_PLAIN_REQUESTS {
            self.reject(call, Refusal::RATE_LIMITED);
        } else {
            self.plain.push(PlainCall { call, asks, stage: PlainStage::Unsent(data) });
            self.send_waiting(now_ms);
            self.hurry(now_ms);
            self.show();
        }
        call
    }

    /// The page wants the call no more. Nothing happens when it has ended, or is past the point of no return.
    pub fn cancel(&mut self, call: CallID) {
        if self.pending.as_ref().is_some_and(|pending| pending.call == call && pending.can_be_dropped()) {
            self.drop_pending(Refusal::CANCELLED);
        }
        let plain = self.plain.iter().position(|plain| plain.call == call && plain.can_be_dropped());
        if let Some(plain) = plain {
            self.plain.swap_remove(plain);
            self.reject(call, Refusal::CANCELLED);
        }
    }

    /// The last page is gone, or put away. A browser may keep it, socket and all, to show it again: whoever left must not
    /// stay signed in behind their back. There is no further connection until [`Self::wake`] or a call.
    pub fn leave(&mut self) {
        match self.link {
            Link::Connecting { .. } | Link::Ready { .. } => self.outputs.push(Output::Close),
            Link::Waiting { .. } => {}
            Link::Asleep | Link::Closed => return,
        }
        self.end_connection_of_calls();
        self.end_session(EndReason::PageGone);
        self.link = Link::Asleep;
        self.show();
    }

    /// A page is there: connects if there is no connection, without waiting.
    pub fn wake(&mut self, now_ms: u64) {
        self.hurry(now_ms);
        self.show();
    }

    /// Ends everything; there is no way back.
    pub fn close(&mut self) {
        if matches!(self.link, Link::Closed) {
            return;
        }
        self.drop_pending(Refusal::CANCELLED);
        self.drop_plain(Refusal::CANCELLED);
        self.sign_up = None;
        self.session = None;
        self.link = Link::Closed;
        self.outputs.push(Output::Close);
        self.show();
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
            Link::Waiting { .. } | Link::Asleep | Link::Closed => return,
        }
        self.detach(now_ms);
        self.end_connection_of_calls();
        let said = self.said.take();
        if close_code.is_some_and(|code| !close_code_is_retryable(code)) {
            self.session = None;
            self.link = Link::Closed;
            self.refused = Some(said.unwrap_or_else(|| Refusal::FORBIDDEN.into()));
        } else {
            let at_least_ms =
                said.and_then(|failure| failure.retry_after_ms).unwrap_or(0).min(LONGEST_PROMISE_MS);
            let wait_ms = self.backoff.next_wait_ms(random).saturating_add(at_least_ms);
            self.link = Link::Waiting { until_ms: now_ms.saturating_add(wait_ms) };
        }
        self.show();
    }

    /// Time has passed. `random` is 64 random bits.
    pub fn handle_timeout(&mut self, now_ms: u64, random: u64) {
        let is_due = |deadline_ms: Option<u64>| deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms);
        if is_due(self.session.as_ref().and_then(OwnSession::until_ms)) {
            self.end_grace(now_ms, random);
        }
        if is_due(self.connection_deadline_ms()) {
            match self.link {
                Link::Waiting { .. } => self.connect(now_ms),
                // No greeting, no sign of life, no answer, or asked to leave: this connection is of no use any more.
                Link::Connecting { .. } | Link::Ready { .. } => {
                    self.leave_connection();
                    self.handle_lost(now_ms, random, None);
                }
                Link::Asleep | Link::Closed => {}
            }
        }
        self.show();
    }

    fn begin(&mut self, now_ms: u64, public: SessionKey, ask: impl FnOnce(OwnKey) -> Ask) -> CallID {
        let call = self.new_call();
        if self.is_signed_in() {
            self.reject(call, Refusal::UNEXPECTED.saying("a session is open on this page; sign out first"));
        } else if self.make_room(call) {
            self.sign_up = None;
            self.place(now_ms, call, ask(OwnKey { brought_by: call, public }));
        }
        call
    }

    fn ask_of_session(&mut self, now_ms: u64, ask: Ask) -> CallID {
        let call = self.new_call();
        if !self.is_signed_in() {
            self.reject(call, Refusal::SESSION_GONE);
        } else if self.make_room(call) {
            self.place(now_ms, call, ask);
        }
        call
    }

    fn place(&mut self, now_ms: u64, call: CallID, ask: Ask) {
        if matches!(self.link, Link::Closed) {
            self.reject(call, Refusal::UNEXPECTED);
            return;
        }
        self.pending = Some(Pending::unsent(call, ask));
        self.send_waiting(now_ms);
        self.hurry(now_ms);
        self.show();
    }

    /// Sends what waited for a connection, if there is one now and it is not busy with resuming.
    fn send_waiting(&mut self, now_ms: u64) {
        let is_resuming = self.session.as_ref().is_some_and(|own| own.resuming() != Resuming::No);
        if !matches!(self.link, Link::Ready { .. }) || is_resuming {
            return;
        }
        match self.pending.take() {
            Some(Pending { call, step: Step::Unsent(ask), .. }) => self.send_ask(now_ms, call, ask),
            other => self.pending = other,
        }
        for mut plain in core::mem::take(&mut self.plain) {
            plain.stage = match plain.stage {
                PlainStage::Unsent(data) => {
                    let request = self.new_request();
                    self.outputs.push(Output::SendPlain(request, plain.asks, data));
                    PlainStage::Sent { request, answer_by_ms: now_ms.saturating_add(PATIENCE_MS) }
                }
                sent @ PlainStage::Sent { .. } => sent,
            };
            self.plain.push(plain);
        }
    }

    fn send_ask(&mut self, now_ms: u64, call: CallID, ask: Ask) {
        let (message, step) = match ask {
            Ask::SignUp { email, key } => (
                ClientMessage::SignUpBegin(Begin { email, session_key: key.public.clone() }),
                Step::CodeSent(Purpose::SignUp(key)),
            ),
            Ask::SignIn { email, key } => (
                ClientMessage::SignInBegin(Begin { email, session_key: key.public.clone() }),
                Step::Options(Purpose::SignIn(key)),
            ),
            Ask::Recover { email, key } => (
                ClientMessage::RecoveryBegin(Begin { email, session_key: key.public.clone() }),
                Step::CodeSent(Purpose::Recover(key)),
            ),
            Ask::MakeRecoveryCode => {
                (ClientMessage::RecoveryCodeBegin, Step::Options(Purpose::MakeRecoveryCode))
            }
            Ask::Confirm { action } => (
                ClientMessage::ConfirmBegin(ConfirmBegin { action: RawJson(action.clone()) }),
                Step::Options(Purpose::Confirm { action }),
            ),
            Ask::AddPasskey => (ClientMessage::PasskeysAddBegin, Step::Options(Purpose::AddPasskey)),
            Ask::RemovePasskey(passkey_id) => (
                ClientMessage::PasskeysRemoveBegin(RemovePasskey { passkey_id }),
                Step::Options(Purpose::RemovePasskey(passkey_id)),
            ),
        };
        let request = self.send(message);
        self.wait_for_answer(now_ms, call, request, step);
    }

    fn show_prompt(&mut self, call: CallID, options: BoundOptions, purpose: Purpose) {
        self.pending = Some(Pending::at_prompt(call, options.ceremony_id(), purpose));
        self.outputs.push(Output::CallAuthenticator(call, options));
    }

    /// Someone is waiting at the screen: tries at once.
    fn hurry(&mut self, now_ms: u64) {
        if matches!(self.link, Link::Waiting { .. } | Link::Asleep) {
            self.connect(now_ms);
        }
    }

    fn connect(&mut self, now_ms: u64) {
        self.link = Link::connecting(now_ms);
        self.outputs.push(Output::Connect);
    }

    fn send(&mut self, message: ClientMessage) -> RequestID {
        let request = self.new_request();
        self.outputs.push(Output::Send(request, message));
        request
    }

    fn new_request(&mut self) -> RequestID {
        if let Some(own) = &mut self.session {
            own.stay_awake();
        }
        self.last_request = self.last_request.saturating_add(1);
        self.last_request
    }

    const fn new_call(&mut self) -> CallID {
        self.last_call = self.last_call.wrapping_add(1);
        CallID(self.last_call)
    }

    fn wait_for_answer(&mut self, now_ms: u64, call: CallID, request: RequestID, step: Step) {
        self.pending = Some(Pending::sent(call, step, request, now_ms.saturating_add(PATIENCE_MS)));
    }

    /// When the present connection, or the wait for one, is over if nothing is heard.
    fn connection_deadline_ms(&self) -> Option<u64> {
        let resume_ms = match self.session.as_ref().map(OwnSession::resuming) {
            Some(Resuming::Sent { answer_by_ms, .. }) => Some(answer_by_ms),
            Some(Resuming::No | Resuming::Signing(_)) | None => None,
        };
        let plain_ms = self.plain.iter().filter_map(PlainCall::answer_by_ms).min();
        let pending_ms = self.pending.as_ref().and_then(Pending::answer_by_ms);
        earliest([self.link.deadline_ms(), resume_ms, plain_ms, pending_ms])
    }

    /// Drops the call under way in favour of `call`, or refuses `call` when the other is past the point of no return.
    fn make_room(&mut self, call: CallID) -> bool {
        if self.pending.as_ref().is_some_and(|pending| !pending.can_be_dropped()) {
            self.reject(call, Refusal::UNEXPECTED);
            return false;
        }
        self.drop_pending(Refusal::CANCELLED);
        true
    }

    /// Every call is lost with its connection. What waited for one had its chance, too.
    fn end_connection_of_calls(&mut self) {
        self.sign_up = None;
        self.farewell = None;
        self.drop_pending(Refusal::CONNECTION_LOST);
        self.drop_plain(Refusal::CONNECTION_LOST);
    }

    fn drop_pending(&mut self, refusal: Refusal) {
        let Some(Pending { call, step, .. }) = self.pending.take() else { return };
        match step {
            Step::Prompt { .. } => self.outputs.push(Output::AbortAuthenticator),
            // Without a connection there is nothing left to wait for: see `detach`.
            Step::SignedOut if refusal == Refusal::CONNECTION_LOST => {
                self.outputs.push(Output::Resolve(call, Answer::SignedOut));
                return;
            }
            Step::Unsent(_) | Step::CodeSent(_) | Step::Options(_) | Step::Verdict(_) | Step::SignedOut => {}
        }
        self.reject(call, refusal);
    }

    fn drop_plain(&mut self, refusal: Refusal) {
        for plain in core::mem::take(&mut self.plain) {
            self.reject(plain.call, refusal);
        }
    }

    fn reject(&mut self, call: CallID, refusal: Refusal) {
        self.outputs.push(Output::Reject(call, refusal.into()));
    }

    /// Says where the page stands, if that is news. Every way in ends here.
    fn show(&mut self) {
        let session = self.session.as_ref().and_then(|own| Some((own, own.shown()?)));
        if self.has_abandoned && session.is_none_or(|(own, _)| own.is_attached()) {
            self.has_abandoned = false;
            self.outputs.push(Output::CloseAbandoned);
        }
        let state = match (&self.link, session) {
            (Link::Closed, _) => State::Closed { failure: self.refused.clone() },
            (_, Some((own, session))) => own.state(session.clone()),
            (Link::Connecting { .. }, None) if !self.has_tried => State::Connecting,
            (Link::Ready { .. }, None) => State::SignedOut { reason: self.ended },
            (Link::Connecting { .. } | Link::Waiting { .. } | Link::Asleep, None) => {
                State::Reconnecting { reason: self.ended }
            }
        };
        self.has_tried |= !matches!(self.link, Link::Connecting { .. });
        if self.shown != state {
            self.shown = state.clone();
            self.outputs.push(Output::StateChanged(state));
        }
    }
}

fn earliest<const N: usize>(deadlines_ms: [Option<u64>; N]) -> Option<u64> {
    deadlines_ms.into_iter().flatten().min()
}

#[cfg(test)]
mod tests;

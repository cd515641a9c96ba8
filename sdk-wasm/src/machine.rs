//! The machine as `npm/src/core.ts` drives it: one method for each thing that happens, and `poll` for what is to be done.

use alloc::string::String;

use passkey_accounts::{
    ceremony::{self, Answer, CallID, Config, Credential, Output, PlainRequest, Refusal, State},
    protocol::{
        UnixMillis,
        base64url::{Base64Url, decode},
        gateway::{EndReason, Failure, RawJson, Session, SessionKey},
    },
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{
    codec::{Frame, write},
    json::{float, whole},
};

#[wasm_bindgen]
extern "C" {
    /// What carries out one output. It must not call the machine before `poll` has returned.
    pub type Driver;

    #[wasm_bindgen(method)]
    fn connect(this: &Driver);
    #[wasm_bindgen(method)]
    fn close(this: &Driver);
    #[wasm_bindgen(method)]
    fn abandon(this: &Driver);
    #[wasm_bindgen(method, js_name = closeAbandoned)]
    fn close_abandoned(this: &Driver);
    #[wasm_bindgen(method)]
    fn send(this: &Driver, id: f64, name: &str, data: &str);
    #[wasm_bindgen(method)]
    fn sign(this: &Driver, request: f64, key: u32, input: &[u8]);
    #[wasm_bindgen(method)]
    fn prompt(this: &Driver, call: u32, create: bool, options: &str);
    #[wasm_bindgen(method, js_name = abortPrompt)]
    fn abort_prompt(this: &Driver);
    #[wasm_bindgen(method)]
    fn resolve(this: &Driver, call: u32, value: JsValue);
    #[wasm_bindgen(method)]
    fn reject(this: &Driver, call: u32);
    #[wasm_bindgen(method)]
    fn greeted(this: &Driver, time: f64);
    /// What the `reject` or `state` that follows says.
    #[wasm_bindgen(method)]
    fn failure(this: &Driver, code: &str, message: &str, retryable: bool, retry_after_ms: Option<f64>);
    /// What the `state` that follows says.
    #[wasm_bindgen(method)]
    fn session(
        this: &Driver,
        session_id: &str,
        account_id: &str,
        passkey_id: &str,
        started_at: f64,
        expires_at: f64,
        idle_ms: f64,
        grace_ms: f64,
        key: u32,
    );
    #[wasm_bindgen(method)]
    fn state(
        this: &Driver,
        status: &str,
        reason: Option<&str>,
        expiring_at: Option<f64>,
        recovery_until: Option<f64>,
    );
}

/// The state machine of one page, or of all pages that share a session. Times are milliseconds of one clock that never
/// goes back, `random` is 53 random bits. Methods that begin a call return its number. Texts come in as JavaScript's own
/// strings: copying them in the glue would cost a browser more.
#[wasm_bindgen]
pub struct Machine(ceremony::Machine);

#[wasm_bindgen]
impl Machine {
    /// `undefined` when `app` cannot be an app's id. `origin` is the page's own.
    pub fn make(app: &JsValue, origin: &JsValue, now_ms: f64) -> Option<Self> {
        let app_id = text(app).parse().ok()?;
        Some(Self(ceremony::Machine::new(Config { app_id, origin: text(origin) }, ms(now_ms))))
    }

    /// Hands the next thing to do to `driver`; `false` when there is none.
    pub fn poll(&mut self, driver: &Driver) -> bool {
        self.0.poll().map(|output| carry_out(output, driver)).is_some()
    }

    /// When the event `timeout` is due; infinite for never.
    pub fn deadline(&self) -> f64 {
        self.0.deadline_ms().map_or(f64::INFINITY, float)
    }

    /// Whether the key that `call` brought may still be needed.
    #[wasm_bindgen(js_name = holdsKey)]
    pub fn holds_key(&self, call: u32) -> bool {
        self.0.holds_key(CallID(call))
    }

    /// Begins a call and returns its number; `undefined` when there is no such call, passkey or request. All calls come
    /// in here: every further export would cost a browser more than what it does.
    ///
    /// | name | `of` | `first` | `x`, `y` |
    /// | --- | --- | --- | --- |
    /// | `signUp`, `signIn`, `recover` | | email | coordinates of the session key, base64url |
    /// | `verify` | the sign-up's number | code | |
    /// | `verifyRecovery` | the number of `recover` | code | `x`: recovery code |
    /// | `signOut`, `addPasskey`, `makeRecoveryCode` | | | |
    /// | `confirm` | | action | |
    /// | `removePasskey` | | passkey | |
    /// | the type of a plain request | | data, JSON text | |
    pub fn call(
        &mut self,
        now_ms: f64,
        name: &JsValue,
        of: u32,
        first: &JsValue,
        x: &JsValue,
        y: &JsValue,
    ) -> Option<u32> {
        let (machine, now_ms, first) = (&mut self.0, ms(now_ms), text(first));
        let call = match text(name).as_str() {
            "signUp" => machine.sign_up(now_ms, first, key(x, y)),
            "signIn" => machine.sign_in(now_ms, first, key(x, y)),
            "recover" => machine.recover(now_ms, first, key(x, y)),
            "verifyRecovery" => machine.verify_recovery(now_ms, CallID(of), first, text(x)),
            "makeRecoveryCode" => machine.make_recovery_code(now_ms),
            "verify" => machine.verify(now_ms, CallID(of), first),
            "signOut" => machine.sign_out(now_ms),
            "confirm" => machine.confirm(now_ms, first),
            "addPasskey" => machine.add_passkey(now_ms),
            "removePasskey" => machine.remove_passkey(now_ms, first.parse().ok()?),
            other => {
                let asks = PlainRequest::ALL.into_iter().find(|asks| asks.as_str() == other)?;
                machine.request(now_ms, asks, RawJson(first))
            }
        };
        Some(call.0)
    }

    /// Something happened that needs no text: `cancel` (with the call's number), `leave`, `close`, `timeout`, or
    /// the socket was `lost` (with its close code, or 0).
    pub fn event(&mut self, now_ms: f64, name: &JsValue, number: u32, random: f64) {
        let (machine, now_ms, random) = (&mut self.0, ms(now_ms), ms(random));
        match text(name).as_str() {
            "cancel" => machine.cancel(CallID(number)),
            "leave" => machine.leave(),
            "close" => machine.close(),
            "timeout" => machine.handle_timeout(now_ms, random),
            _ => {
                let close_code = u16::try_from(number).ok().filter(|code| *code > 0);
                machine.handle_lost(now_ms, random, close_code);
            }
        }
    }

    /// `value` is what `JSON.parse` made of a frame; `undefined` when it could not.
    pub fn frame(&mut self, now_ms: f64, value: JsValue) {
        match Frame::read(value) {
            Frame::Message(id, message) => self.0.handle_message(ms(now_ms), id, message),
            Frame::Recovery(until) => self.0.handle_recovery(until),
            Frame::SignedIn(id, message, until) => {
                self.0.handle_message(ms(now_ms), id, message);
                self.0.handle_recovery(Some(until));
            }
            Frame::Unknown => {}
            Frame::Unreadable(id) => self.0.handle_unreadable(ms(now_ms), id),
        }
    }

    /// The prompt of `call` ended. With an empty `code` it made this credential: its JSON text, and its
    /// `response.authenticatorData`. Else it failed: `passkeyExists`, `notSupported`, or anything else, which is read as
    /// `cancelled`.
    pub fn prompted(
        &mut self,
        now_ms: f64,
        call: u32,
        code: &JsValue,
        json: &JsValue,
        authenticator_data: &JsValue,
    ) {
        let result = match text(code).as_str() {
            "" => Ok(Credential {
                json: RawJson(text(json)),
                authenticator_data: decode(text(authenticator_data)).ok(),
            }),
            "passkeyExists" => Err(Refusal::PASSKEY_EXISTS),
            "notSupported" => Err(Refusal::NOT_SUPPORTED),
            _ => Err(Refusal::CANCELLED),
        };
        self.0.handle_authenticator(ms(now_ms), CallID(call), result.map_err(Failure::from));
    }

    /// The key signed: 64 bytes, r and s, as base64url; `undefined` when it could not.
    pub fn signed(&mut self, now_ms: f64, request: f64, signature: &JsValue) {
        let signature = signature.as_string().and_then(|text| decode(text).ok()).map(Base64Url);
        self.0.handle_signature(ms(now_ms), ms(request), signature);
    }
}

fn carry_out(output: Output, driver: &Driver) {
    match output {
        Output::Connect => driver.connect(),
        Output::Close => driver.close(),
        Output::Abandon => driver.abandon(),
        Output::CloseAbandoned => driver.close_abandoned(),
        Output::Send(id, message) => {
            let (name, data) = write(&message);
            driver.send(float(id), name, &data);
        }
        Output::SendPlain(id, asks, data) => driver.send(float(id), asks.as_str(), &data.0),
        Output::Sign { request, key, input } => driver.sign(float(request), key.0, &input),
        Output::CallAuthenticator(call, options) => {
            driver.prompt(call.0, options.is_creation(), &options.public_key().0);
        }
        Output::AbortAuthenticator => driver.abort_prompt(),
        Output::Resolve(call, answer) => driver.resolve(
            call.0,
            match answer {
                Answer::CodeSent { expires_at } => JsValue::from_f64(float(expires_at.0)),
                Answer::Data(data) => data.0.into(),
                Answer::SignedIn | Answer::SignedOut => JsValue::UNDEFINED,
            },
        ),
        Output::Reject(call, failure) => {
            say_failure(&failure, driver);
            driver.reject(call.0);
        }
        Output::Greeted(time) => driver.greeted(float(time.0)),
        Output::StateChanged(state) => show(&state, driver),
    }
}

fn show(state: &State, driver: &Driver) {
    let mut recovery = None;
    let (status, reason, expiring_at) = match state {
        State::Connecting => ("connecting", None, None),
        State::SignedOut { reason } => ("signedOut", *reason, None),
        State::SignedIn { session, key, expiring_at, recovery_until } => {
            say_session(session, *key, driver);
            recovery = *recovery_until;
            ("signedIn", None, *expiring_at)
        }
        State::Resuming { session, key } => {
            say_session(session, *key, driver);
            ("reconnecting", None, None)
        }
        State::Reconnecting { reason } => ("reconnecting", *reason, None),
        State::Closed { failure } => {
            if let Some(failure) = failure {
                say_failure(failure, driver);
            }
            ("closed", None, None)
        }
    };
    let float = |at: UnixMillis| float(at.0);
    driver.state(status, reason.map(EndReason::as_str), expiring_at.map(float), recovery.map(float));
}

fn say_session(session: &Session, key: CallID, driver: &Driver) {
    driver.session(
        &session.session_id.text(),
        &session.account_id.text(),
        &session.passkey_id.text(),
        float(session.started_at.0),
        float(session.expires_at.0),
        float(session.idle_ms),
        float(session.grace_ms),
        key.0,
    );
}

fn say_failure(failure: &Failure, driver: &Driver) {
    driver.failure(
        &failure.code,
        &failure.message,
        failure.is_retryable(),
        failure.retry_after_ms.map(float),
    );
}

/// A coordinate that cannot be one becomes empty, and the server refuses the key.
fn key(x: &JsValue, y: &JsValue) -> SessionKey {
    let part = |value| Base64Url(decode(text(value)).unwrap_or_default());
    SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part(x), y: part(y) }
}

/// What is no string becomes an empty one.
fn text(value: &JsValue) -> String {
    value.as_string().unwrap_or_default()
}

/// Whole milliseconds: rounded up by the caller, so that a timer that fires a fraction early finds its deadline reached.
fn ms(number: f64) -> u64 {
    whole(number).unwrap_or(0)
}

//! The machine as `npm/src/core.ts` drives it: one method for each thing that happens, and `poll` for what is to be done.

use alloc::string::String;

use passkey_accounts::{
    ceremony::{self, Answer, CallID, Config, Credential, Output, PlainRequest, Refusal, State},
    protocol::{
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
    fn state(this: &Driver, status: &str, reason: Option<&str>, expiring_at: Option<f64>);
}

/// The state machine of one page, or of all pages that share a session. Times are milliseconds of one clock that never
/// goes back, `random` is 53 random bits. Methods that begin a call return its number.
#[wasm_bindgen]
pub struct Machine(ceremony::Machine);

#[wasm_bindgen]
impl Machine {
    /// `undefined` when `app` cannot be an app's id. `origin` is the page's own.
    pub fn make(app: &str, origin: String, now_ms: f64) -> Option<Self> {
        let app_id = app.parse().ok()?;
        Some(Self(ceremony::Machine::new(Config { app_id, origin }, ms(now_ms))))
    }

    /// Hands the next thing to do to `driver`; `false` when there is none.
    pub fn poll(&mut self, driver: &Driver) -> bool {
        self.0.poll().map(|output| carry_out(output, driver)).is_some()
    }

    /// When `timeout` is to be called; `undefined` for never.
    pub fn deadline(&self) -> Option<f64> {
        self.0.deadline_ms().map(float)
    }

    /// Whether the key that `call` brought may still be needed.
    #[wasm_bindgen(js_name = holdsKey)]
    pub fn holds_key(&self, call: u32) -> bool {
        self.0.holds_key(CallID(call))
    }

    /// `x` and `y` are the coordinates of the session key, base64url.
    #[wasm_bindgen(js_name = signUp)]
    pub fn sign_up(&mut self, now_ms: f64, email: String, x: &str, y: &str) -> u32 {
        self.0.sign_up(ms(now_ms), email, key(x, y)).0
    }

    pub fn verify(&mut self, now_ms: f64, sign_up: u32, code: String) -> u32 {
        self.0.verify(ms(now_ms), CallID(sign_up), code).0
    }

    #[wasm_bindgen(js_name = signIn)]
    pub fn sign_in(&mut self, now_ms: f64, email: String, x: &str, y: &str) -> u32 {
        self.0.sign_in(ms(now_ms), email, key(x, y)).0
    }

    #[wasm_bindgen(js_name = signOut)]
    pub fn sign_out(&mut self, now_ms: f64) -> u32 {
        self.0.sign_out(ms(now_ms)).0
    }

    pub fn confirm(&mut self, now_ms: f64, action: String) -> u32 {
        self.0.confirm(ms(now_ms), action).0
    }

    #[wasm_bindgen(js_name = addPasskey)]
    pub fn add_passkey(&mut self, now_ms: f64) -> u32 {
        self.0.add_passkey(ms(now_ms)).0
    }

    /// `undefined` when `passkey_id` cannot be a passkey's id.
    #[wasm_bindgen(js_name = removePasskey)]
    pub fn remove_passkey(&mut self, now_ms: f64, passkey_id: &str) -> Option<u32> {
        Some(self.0.remove_passkey(ms(now_ms), passkey_id.parse().ok()?).0)
    }

    /// `undefined` when there is no such request.
    pub fn request(&mut self, now_ms: f64, name: &str, data: String) -> Option<u32> {
        let asks = PlainRequest::ALL.into_iter().find(|asks| asks.as_str() == name)?;
        Some(self.0.request(ms(now_ms), asks, RawJson(data)).0)
    }

    pub fn cancel(&mut self, call: u32) {
        self.0.cancel(CallID(call));
    }

    pub fn leave(&mut self) {
        self.0.leave();
    }

    pub fn wake(&mut self, now_ms: f64) {
        self.0.wake(ms(now_ms));
    }

    pub fn close(&mut self) {
        self.0.close();
    }

    /// `value` is what `JSON.parse` made of a frame; `undefined` when it could not.
    pub fn frame(&mut self, now_ms: f64, value: JsValue) {
        match Frame::read(value) {
            Frame::Message(id, message) => self.0.handle_message(ms(now_ms), id, message),
            Frame::Unknown => {}
            Frame::Unreadable(id) => self.0.handle_unreadable(ms(now_ms), id),
        }
    }

    pub fn lost(&mut self, now_ms: f64, random: f64, close_code: Option<u16>) {
        self.0.handle_lost(ms(now_ms), ms(random), close_code);
    }

    pub fn timeout(&mut self, now_ms: f64, random: f64) {
        self.0.handle_timeout(ms(now_ms), ms(random));
    }

    /// The prompt of `call` made this credential: its JSON text, and its `response.authenticatorData`.
    pub fn prompted(
        &mut self,
        now_ms: f64,
        call: u32,
        credential: String,
        authenticator_data: Option<String>,
    ) {
        let authenticator_data = authenticator_data.and_then(|text| decode(text).ok());
        let credential = Credential { json: RawJson(credential), authenticator_data };
        self.0.handle_authenticator(ms(now_ms), CallID(call), Ok(credential));
    }

    /// The prompt of `call` failed: `passkeyExists`, `notSupported`, or anything else, which is read as `cancelled`.
    #[wasm_bindgen(js_name = promptFailed)]
    pub fn prompt_failed(&mut self, now_ms: f64, call: u32, code: &str) {
        let refusal = match code {
            "passkeyExists" => Refusal::PASSKEY_EXISTS,
            "notSupported" => Refusal::NOT_SUPPORTED,
            _ => Refusal::CANCELLED,
        };
        self.0.handle_authenticator(ms(now_ms), CallID(call), Err(refusal.into()));
    }

    /// The key signed: 64 bytes, r and s; `undefined` when it could not.
    pub fn signed(&mut self, now_ms: f64, request: f64, signature: Option<alloc::vec::Vec<u8>>) {
        self.0.handle_signature(ms(now_ms), ms(request), signature.map(Base64Url));
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
    let (status, reason, expiring_at) = match state {
        State::Connecting => ("connecting", None, None),
        State::SignedOut { reason } => ("signedOut", *reason, None),
        State::SignedIn { session, key, expiring_at } => {
            say_session(session, *key, driver);
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
    driver.state(status, reason.map(EndReason::as_str), expiring_at.map(|at| float(at.0)));
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
fn key(x: &str, y: &str) -> SessionKey {
    let part = |text: &str| Base64Url(decode(text).unwrap_or_default());
    SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part(x), y: part(y) }
}

/// Whole milliseconds: rounded up by the caller, so that a timer that fires a fraction early finds its deadline reached.
fn ms(number: f64) -> u64 {
    whole(number).unwrap_or(0)
}

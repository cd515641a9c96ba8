//! The client as `npm/src/client.ts` drives it.

use std::{cell::RefCell, pin::Pin, rc::Rc};

use js_sys::{Array, Function, Object, Promise, Reflect};
use passkey_accounts::{
    ceremony::{Answer, BoundOptions, CallID, Config, Machine, Output, State},
    protocol::{
        Code,
        gateway::{EndReason, Failure, Session},
    },
    transport::web::{Driver, read_options},
};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{AbortController, AbortSignal};

use crate::{
    authenticator,
    error::{ErrorMaker, number},
    session_key::KeyPair,
};

/// One connection of one page.
#[wasm_bindgen]
#[derive(Clone)]
pub struct Core {
    driver: Driver,
    page: Rc<Page>,
}

/// The JavaScript side of the machine.
struct Page {
    /// `(status, session?, reason?)`.
    on_state: Function,
    errors: ErrorMaker,
    /// Set right after the driver has started.
    driver: RefCell<Option<Driver>>,
    calls: RefCell<Vec<Call>>,
    /// The sign-up whose code can be verified, and its key.
    sign_up: RefCell<Option<(CallID, JsValue)>>,
    /// The key pair of the open session. It goes when the session does.
    session_key: RefCell<Option<JsValue>>,
    /// Takes the prompt away.
    prompt: RefCell<Option<AbortController>>,
    /// What the browser threw last: the cause of the rejection that follows.
    thrown: RefCell<JsValue>,
}

struct Call {
    id: CallID,
    resolve: Function,
    reject: Function,
    /// The key pair that the session of this call will have.
    key: Option<JsValue>,
}

#[wasm_bindgen]
impl Core {
    /// Starts to connect. `url` is the socket's address with its `app` parameter, `origin` the page's own.
    ///
    /// # Errors
    /// `unknownApp` when `app` cannot be an app's id.
    #[wasm_bindgen(constructor)]
    pub fn new(
        app: &str,
        url: String,
        origin: String,
        on_state: Function,
        make_error: Function,
    ) -> Result<Self, JsValue> {
        let errors = ErrorMaker(make_error);
        let app_id = app.parse().map_err(|_| errors.of(Code::UnknownApp, &JsValue::UNDEFINED))?;
        let page = Rc::new(Page {
            on_state,
            errors,
            driver: RefCell::default(),
            calls: RefCell::default(),
            sign_up: RefCell::default(),
            session_key: RefCell::default(),
            prompt: RefCell::default(),
            thrown: RefCell::new(JsValue::UNDEFINED),
        });
        let host = Rc::downgrade(&page);
        let driver = Driver::start(Config { app_id, origin, read_options }, url, move |output| {
            if let Some(page) = host.upgrade() {
                page.carry_out(output);
            }
        });
        page.driver.replace(Some(driver.clone()));
        Ok(Self { driver, page })
    }

    /// Asks for a code. Resolves to `[sign-up, when the code expires]`; rejects, as every call, with a `PasskeyError`.
    #[wasm_bindgen(js_name = signUp)]
    pub fn sign_up(&self, email: String, signal: Option<AbortSignal>) -> Promise {
        self.promise(move |core| async move {
            let KeyPair { pair, public } = core.page.make_key().await?;
            core.call(signal, Some(pair), |machine, now_ms| machine.sign_up(now_ms, email, public)).await
        })
    }

    /// Types the code in and makes the passkey. Resolves to the session.
    pub fn verify(&self, sign_up: u32, code: String, signal: Option<AbortSignal>) -> Promise {
        let sign_up = CallID(sign_up);
        self.promise(move |core| async move {
            let key = core.page.key_of(sign_up);
            core.call(signal, key, |machine, now_ms| machine.verify(now_ms, sign_up, code)).await
        })
    }

    /// Signs in. Resolves to the session.
    #[wasm_bindgen(js_name = signIn)]
    pub fn sign_in(&self, email: String, signal: Option<AbortSignal>) -> Promise {
        self.promise(move |core| async move {
            let KeyPair { pair, public } = core.page.make_key().await?;
            core.call(signal, Some(pair), |machine, now_ms| machine.sign_in(now_ms, email, public)).await
        })
    }

    /// Signs out.
    #[wasm_bindgen(js_name = signOut)]
    pub fn sign_out(&self) -> Promise {
        self.promise(|core| async move { core.call(None, None, Machine::sign_out).await })
    }

    /// The page is put away, and perhaps shown again later.
    pub fn leave(&self) {
        self.driver.tell(Machine::leave);
    }

    /// Closes the connection for good.
    pub fn close(&self) {
        self.driver.tell(|machine, _| machine.close());
    }
}

impl Core {
    /// Boxed, so that the module holds the way from futures to promises once and not once for each method.
    fn promise<F: Future<Output = Result<JsValue, JsValue>> + 'static>(
        &self,
        task: impl FnOnce(Self) -> F,
    ) -> Promise {
        let boxed: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>> = Box::pin(task(self.clone()));
        future_to_promise(boxed)
    }

    async fn call(
        &self,
        signal: Option<AbortSignal>,
        key: Option<JsValue>,
        ask: impl FnOnce(&mut Machine, u64) -> CallID,
    ) -> Result<JsValue, JsValue> {
        let aborted = signal.as_ref().filter(|signal| signal.aborted());
        if let Some(reason) = aborted.map(AbortSignal::reason) {
            return Err(self.page.errors.of(Code::Cancelled, &reason));
        }
        let mut settle = None;
        let promise = Promise::new(&mut |resolve, reject| settle = Some((resolve, reject)));
        let mut named = None;
        self.driver.call(ask, |id| {
            named = Some(id);
            let calls = settle.map(|(resolve, reject)| Call { id, resolve, reject, key });
            self.page.calls.borrow_mut().extend(calls);
        });
        let _listener = signal.zip(named).map(|(signal, id)| {
            let (driver, page, of) = (self.driver.clone(), Rc::clone(&self.page), signal.clone());
            OnAbort::listen(signal, move || {
                page.with_cause(of.reason(), || driver.tell(|machine, _| machine.cancel(id)));
            })
        });
        JsFuture::from(promise).await
    }
}

/// Listens to a signal until dropped.
struct OnAbort {
    signal: AbortSignal,
    listener: Closure<dyn Fn()>,
}

impl OnAbort {
    fn listen(signal: AbortSignal, listener: impl Fn() + 'static) -> Self {
        let listener = Closure::<dyn Fn()>::new(listener);
        // Adding a function never throws.
        let _ = signal.add_event_listener_with_callback("abort", listener.as_ref().unchecked_ref());
        Self { signal, listener }
    }
}

impl Drop for OnAbort {
    fn drop(&mut self) {
        let _ =
            self.signal.remove_event_listener_with_callback("abort", self.listener.as_ref().unchecked_ref());
    }
}

impl Page {
    fn key_of(&self, sign_up: CallID) -> Option<JsValue> {
        self.sign_up.borrow().as_ref().filter(|(id, _)| *id == sign_up).map(|(_, key)| key.clone())
    }

    async fn make_key(&self) -> Result<KeyPair, JsValue> {
        KeyPair::generate().await.map_err(|thrown| self.errors.of(Code::NotSupported, &thrown))
    }

    /// Runs `step`; a rejection in it has this cause.
    fn with_cause(&self, cause: JsValue, step: impl FnOnce()) {
        self.thrown.replace(cause);
        step();
        self.thrown.replace(JsValue::UNDEFINED);
    }

    fn carry_out(self: &Rc<Self>, output: Output) {
        match output {
            Output::CallAuthenticator(call, options) => self.show_prompt(call, options),
            Output::AbortAuthenticator => {
                if let Some(prompt) = self.prompt.take() {
                    prompt.abort();
                }
            }
            Output::Resolve(id, answer) => self.resolve(id, &answer),
            Output::Reject(id, failure) => {
                if let Some(call) = self.take_call(id) {
                    let cause = self.thrown.borrow().clone();
                    let error = self.errors.make(&failure, &cause);
                    settle(&call.reject, &error);
                }
            }
            Output::StateChanged(state) => self.show_state(&state),
            // The driver's own.
            Output::Connect | Output::Close | Output::Send(..) => {}
        }
    }

    fn show_prompt(self: &Rc<Self>, call: CallID, options: BoundOptions) {
        let Ok(controller) = AbortController::new() else { return };
        let signal = controller.signal();
        self.prompt.replace(Some(controller));
        let page = Rc::downgrade(self);
        spawn_local(async move {
            let result = authenticator::prompt(&options, &signal).await;
            let Some(page) = page.upgrade() else { return };
            let Some(driver) = page.driver.borrow().clone() else { return };
            match result {
                Ok(credential) => {
                    driver.tell(|machine, now_ms| machine.handle_authenticator(now_ms, call, Ok(credential)));
                }
                Err(thrown) => {
                    let failure = Failure::from(authenticator::code_of(&thrown, options.kind()));
                    page.with_cause(thrown, || {
                        driver
                            .tell(|machine, now_ms| machine.handle_authenticator(now_ms, call, Err(failure)));
                    });
                }
            }
        });
    }

    fn resolve(&self, id: CallID, answer: &Answer) {
        let Some(call) = self.take_call(id) else { return };
        let value = match answer {
            Answer::CodeSent { expires_at } => {
                self.sign_up.replace(call.key.map(|key| (id, key)));
                Array::of2(&id.0.into(), &number(expires_at.0)).into()
            }
            Answer::SignedIn(session) => {
                self.sign_up.take();
                self.session_key.replace(call.key);
                session_object(session)
            }
            Answer::SignedOut { .. } => JsValue::UNDEFINED,
        };
        settle(&call.resolve, &value);
    }

    fn take_call(&self, id: CallID) -> Option<Call> {
        let mut calls = self.calls.borrow_mut();
        let index = calls.iter().position(|call| call.id == id)?;
        Some(calls.swap_remove(index))
    }

    fn show_state(&self, state: &State) {
        let reason =
            |reason: Option<EndReason>| reason.map_or(JsValue::UNDEFINED, |reason| reason.as_str().into());
        let none = || JsValue::UNDEFINED;
        let (status, session, reason) = match state {
            State::Connecting => ("connecting", none(), none()),
            State::SignedOut { reason: ended } => ("signedOut", none(), reason(*ended)),
            State::SignedIn(session) => ("signedIn", session_object(session), none()),
            State::Reconnecting { reason: ended } => ("reconnecting", none(), reason(*ended)),
            State::Closed { failure } => {
                let error = failure.as_ref().map_or_else(none, |failure| self.errors.make(failure, &none()));
                ("closed", none(), error)
            }
        };
        if session.is_undefined() {
            self.session_key.take();
        }
        // TypeScript's side of this reports what subscribers throw; nothing comes back.
        let _ = self.on_state.call3(&JsValue::UNDEFINED, &status.into(), &session, &reason);
    }
}

fn session_object(session: &Session) -> JsValue {
    let time = |millis: u64| js_sys::Date::new(&number(millis)).into();
    let object = Object::new();
    for (name, value) in [
        ("sessionID", session.session_id.to_string().into()),
        ("accountID", session.account_id.to_string().into()),
        ("passkeyID", session.passkey_id.to_string().into()),
        ("startedAt", time(session.started_at.0)),
        ("expiresAt", time(session.expires_at.0)),
        ("idleMs", number(session.idle_ms)),
        ("graceMs", number(session.grace_ms)),
    ] {
        // A plain object takes every member.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    Object::freeze(&object).into()
}

fn settle(with: &Function, value: &JsValue) {
    // The functions of a promise do not throw.
    let _ = with.call1(&JsValue::UNDEFINED, value);
}

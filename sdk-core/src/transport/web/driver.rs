//! The loop around the machine: a socket, a timer, and a host that shows prompts and answers calls.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::codec::{Frame, write_request};
use crate::{
    ceremony::{CallID, Config, Machine, Output},
    protocol::gateway::SUBPROTOCOL,
};

#[wasm_bindgen]
extern "C" {
    /// Milliseconds of a clock that never goes back.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);
}

/// A page's connection. Clones are handles to the same one; when the last is dropped, the socket closes.
#[derive(Clone)]
pub struct Driver {
    shared: Rc<Shared>,
}

struct Shared {
    inner: RefCell<Inner>,
    /// Gets every output that is not about the socket. Called with nothing borrowed: it may call back.
    host: Box<dyn Fn(Output)>,
    wake: Closure<dyn Fn()>,
}

struct Inner {
    machine: Machine,
    url: String,
    socket: Option<Socket>,
    /// The running timer and what it was set to.
    timer: Option<(JsValue, u64)>,
}

impl Driver {
    /// Opens a connection to `url` (with its `app` parameter) and keeps it. `host` gets [`Output::CallAuthenticator`],
    /// [`Output::AbortAuthenticator`], [`Output::Resolve`], [`Output::Reject`] and [`Output::StateChanged`].
    pub fn start(config: Config, url: String, host: impl Fn(Output) + 'static) -> Self {
        let machine = Machine::new(config, now_ms());
        let shared = Rc::new_cyclic(|weak: &Weak<Shared>| Shared {
            inner: RefCell::new(Inner { machine, url, socket: None, timer: None }),
            host: Box::new(host),
            wake: {
                let weak = weak.clone();
                Closure::new(move || {
                    if let Some(shared) = weak.upgrade() {
                        shared.inner.borrow_mut().timer = None;
                        shared.tell(|machine| machine.handle_timeout(now_ms(), random()));
                    }
                })
            },
        });
        shared.pump();
        Self { shared }
    }

    /// Makes a call. `on_named` learns its id before any output about it is delivered.
    pub fn call(&self, ask: impl FnOnce(&mut Machine, u64) -> CallID, on_named: impl FnOnce(CallID)) {
        let call = ask(&mut self.shared.inner.borrow_mut().machine, now_ms());
        on_named(call);
        self.shared.pump();
    }

    /// Hands something in that is not a call.
    pub fn tell(&self, event: impl FnOnce(&mut Machine, u64)) {
        self.shared.tell(|machine| event(machine, now_ms()));
    }
}

impl Shared {
    fn tell(self: &Rc<Self>, event: impl FnOnce(&mut Machine)) {
        event(&mut self.inner.borrow_mut().machine);
        self.pump();
    }

    fn pump(self: &Rc<Self>) {
        loop {
            let Some(output) = self.inner.borrow_mut().machine.poll() else { break };
            match output {
                Output::Connect => self.connect(),
                Output::Close => drop(self.inner.borrow_mut().socket.take()),
                Output::Send(id, message) => {
                    if let Some(socket) = &self.inner.borrow().socket {
                        // A socket that is closing refuses; its close event is on the way.
                        let _ = socket.socket.send_with_str(&write_request(id, &message));
                    }
                }
                Output::CallAuthenticator(..)
                | Output::AbortAuthenticator
                | Output::Resolve(..)
                | Output::Reject(..)
                | Output::StateChanged(_) => (self.host)(output),
            }
        }
        self.inner.borrow_mut().set_timer(self.wake.as_ref().unchecked_ref());
    }

    fn connect(self: &Rc<Self>) {
        let socket = Socket::open(&self.inner.borrow().url, &Rc::downgrade(self));
        match socket {
            Ok(socket) => self.inner.borrow_mut().socket = Some(socket),
            // The browser does not even try: an insecure address on a secure page.
            Err(_) => self.inner.borrow_mut().machine.handle_lost(now_ms(), random(), None),
        }
    }

    fn handle_frame(self: &Rc<Self>, data: &JsValue) {
        // Binary frames do not exist in this protocol.
        let frame = data.as_string().map_or(Frame::Unreadable(None), |text| Frame::read(&text));
        self.tell(|machine| match frame {
            Frame::Message(id, message) => machine.handle_message(now_ms(), id, message),
            Frame::Unknown => {}
            Frame::Unreadable(id) => machine.handle_unreadable(id),
        });
    }

    fn handle_close(self: &Rc<Self>, close_code: u16) {
        self.inner.borrow_mut().socket = None;
        self.tell(|machine| machine.handle_lost(now_ms(), random(), Some(close_code)));
    }
}

impl Inner {
    fn set_timer(&mut self, wake: &Function) {
        let deadline_ms = self.machine.deadline_ms();
        if self.timer.as_ref().map(|(_, at_ms)| *at_ms) == deadline_ms {
            return;
        }
        if let Some((timer, _)) = self.timer.take() {
            clear_timeout(&timer);
        }
        if let Some(at_ms) = deadline_ms {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let wait_ms = at_ms.saturating_sub(now_ms()) as f64;
            self.timer = Some((set_timeout(wake, wait_ms), at_ms));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((timer, _)) = self.timer.take() {
            clear_timeout(&timer);
        }
    }
}

/// An open or opening socket. Dropping it closes it, and nothing of it is heard any more.
struct Socket {
    socket: WebSocket,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_close: Closure<dyn Fn(CloseEvent)>,
}

impl Socket {
    fn open(url: &str, shared: &Weak<Shared>) -> Result<Self, JsValue> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        let weak = shared.clone();
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(shared) = weak.upgrade() {
                shared.handle_frame(&event.data());
            }
        });
        let weak = shared.clone();
        let on_close = Closure::<dyn Fn(CloseEvent)>::new(move |event: CloseEvent| {
            if let Some(shared) = weak.upgrade() {
                shared.handle_close(event.code());
            }
        });
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self { socket, _on_message: on_message, _on_close: on_close })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // 1000: the page left in an orderly way. It fails only for codes that are not allowed.
        let _ = self.socket.close_with_code(1000);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds since the page began"
)]
fn now_ms() -> u64 {
    // Rounded up: a timer that fires a fraction early must still find its deadline reached.
    performance_now().ceil() as u64
}

/// 53 random bits, for jitter only.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53")]
fn random() -> u64 {
    (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64
}

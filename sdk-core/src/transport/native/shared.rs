//! The machine between its two users: the driver, which runs by itself, and the application, which fetches and settles.
//!
//! The lock is held for one step of the machine and never while code of the application runs.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::stream::{Greeting, InHand, Machine, Output, StreamError, Subscription, Token};

#[derive(Debug)]
pub(crate) struct Shared {
    clock: Clock,
    inner: Mutex<Inner>,
    /// Something for the driver: outputs, an earlier deadline, room to read, or the wish to stop.
    wanted: Notify,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    ending: Ending,
    /// The application waits for an item.
    waiting: Option<Waker>,
    /// What the driver waits for.
    plan: Plan,
    is_stopped: bool,
    /// What is left is not for the application.
    is_given_up: bool,
}

#[derive(Debug)]
enum Ending {
    NotYet,
    /// To be handed out after the items that are left.
    Last(StreamError),
    Over,
}

/// What the driver waits for, beside the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// When to tick.
    pub(super) deadline: Option<Duration>,
    /// Whether to read the socket.
    pub(super) is_reading: bool,
}

impl Shared {
    /// A machine that has begun. `seed` is for the jitter of its delays.
    pub(crate) fn new(subscription: Subscription, seed: u64) -> Self {
        let clock = Clock::start();
        let mut machine = Machine::new(subscription, seed, clock.now());
        machine.handle_tick(clock.now());
        let inner = Inner {
            machine,
            ending: Ending::NotYet,
            waiting: None,
            plan: Plan { deadline: None, is_reading: true },
            is_stopped: false,
            is_given_up: false,
        };
        Self { clock, inner: Mutex::new(inner), wanted: Notify::new() }
    }

    /// A stream that has failed before it began.
    pub(crate) fn failed(error: StreamError) -> Self {
        let shared = Self::new(Subscription::default(), 0);
        shared.end(error);
        shared
    }

    /// The next item for the application, the final error, or the end.
    pub(crate) fn poll_item(&self, context: &mut Context<'_>) -> Poll<Option<Result<InHand, StreamError>>> {
        let mut inner = self.lock();
        if inner.is_given_up {
            return Poll::Ready(None);
        }
        if let Some(in_hand) = inner.machine.poll_item(self.clock.now()) {
            self.nudge(&inner);
            return Poll::Ready(Some(Ok(in_hand)));
        }
        if inner.machine.queued_items() == 0 {
            match std::mem::replace(&mut inner.ending, Ending::Over) {
                Ending::NotYet => inner.ending = Ending::NotYet,
                Ending::Last(error) => return Poll::Ready(Some(Err(error))),
                Ending::Over => return Poll::Ready(None),
            }
        }
        inner.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    /// What is made of the items that are there now, at most so many.
    pub(crate) fn take_items<T>(&self, most: usize, make: impl Fn(InHand) -> T) -> Vec<T> {
        let mut inner = self.lock();
        if inner.is_given_up {
            return Vec::new();
        }
        let mut items = Vec::with_capacity(most.min(inner.machine.queued_items()));
        let now = self.clock.now();
        while items.len() < most
            && let Some(in_hand) = inner.machine.poll_item(now)
        {
            items.push(make(in_hand));
        }
        self.nudge(&inner);
        items
    }

    /// What the server said of itself last, and how long ago.
    pub(crate) fn greeting(&self) -> Option<(Greeting, Duration)> {
        let greeting = self.lock().machine.greeting()?;
        Some((greeting, self.clock.now().saturating_sub(greeting.heard_at)))
    }

    /// What became of an item.
    pub(crate) fn settle(&self, token: Token, is_handled: bool) {
        self.step(|machine, now| machine.handle_settled(now, token, is_handled));
    }

    /// Items are handled, in one step.
    pub(crate) fn settle_all(&self, tokens: &[Token]) {
        self.step(|machine, now| machine.handle_handled(now, tokens));
    }

    /// Nothing more is handed out, and the connection ends.
    #[cfg(feature = "verify")]
    pub(crate) fn give_up(&self) {
        self.lock().is_given_up = true;
        self.stop();
    }

    /// Nobody wants the stream any more.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.wanted.notify_one();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// One step of the machine, and whoever waits for what came of it.
    pub(super) fn step(&self, step: impl FnOnce(&mut Machine, Duration)) {
        let mut inner = self.lock();
        step(&mut inner.machine, self.clock.now());
        self.nudge(&inner);
        let waker = if inner.machine.has_item() { inner.waiting.take() } else { None };
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A message has arrived: whether the next may be taken before the driver does anything else.
    pub(super) fn handle_message(&self, text: &str) -> bool {
        let mut inner = self.lock();
        inner.machine.handle_message(self.clock.now(), text);
        let goes_on = !inner.is_stopped && !inner.machine.has_outputs() && !inner.machine.is_full();
        let waker = if inner.machine.has_item() { inner.waiting.take() } else { None };
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        goes_on
    }

    pub(super) fn poll_output(&self) -> Option<Output> {
        self.lock().machine.poll_output()
    }

    /// What the driver is to wait for from here on. It is told when that changes.
    pub(super) fn plan(&self) -> Plan {
        let mut inner = self.lock();
        inner.plan = Plan::of(&inner.machine);
        inner.plan
    }

    pub(super) async fn is_wanted(&self) {
        self.wanted.notified().await;
    }

    /// The last thing for the application.
    pub(super) fn end(&self, error: StreamError) {
        self.finish(Ending::Last(error));
    }

    /// Nothing more will come, for whatever reason.
    pub(super) fn abandon(&self) {
        self.finish(Ending::Over);
    }

    pub(super) fn instant(&self, time: Duration) -> Instant {
        self.clock.instant(time)
    }

    fn finish(&self, ending: Ending) {
        let mut inner = self.lock();
        if let Ending::NotYet = inner.ending {
            inner.ending = ending;
        }
        let waker = inner.waiting.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Lets the driver look again, if it waits for something else than it should.
    fn nudge(&self, inner: &Inner) {
        let plan = Plan::of(&inner.machine);
        let is_earlier = match (plan.deadline, inner.plan.deadline) {
            (Some(now), Some(then)) => now < then,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if inner.machine.has_outputs() || is_earlier || (plan.is_reading && !inner.plan.is_reading) {
            self.wanted.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn of(machine: &Machine) -> Self {
        Self { deadline: machine.poll_timeout(), is_reading: !machine.is_full() }
    }
}

/// Time since the stream was opened.
#[derive(Debug)]
struct Clock(Instant);

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the driver is the rim; the machine takes the time as an argument"
    )]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn instant(&self, time: Duration) -> Instant {
        self.0.checked_add(time).unwrap_or(self.0)
    }
}

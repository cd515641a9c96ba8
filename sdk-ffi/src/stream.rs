//! The event stream, pulled in two phases, so that a cancelled wait cannot lose what it waited for.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use passkey_accounts::{Delivery, Events, Receipt};
use tokio::sync::Notify;

use crate::{
    error::StreamError,
    runtime::{self, Process},
    types::Item,
};

/// What to ask the stream for.
#[derive(Debug, Clone, uniffi::Record)]
pub struct StreamOptions {
    /// `wss://HOST/v1/events`.
    pub url: String,
    /// `pa_<env>_<id>_<secret>_<crc32>`.
    pub api_key: String,
    /// Event types to get; absent: `loggedIn` and `loggedOut`; `["*"]`: all.
    #[uniffi(default = None)]
    pub types: Option<Vec<String>>,
    /// Resume strictly after this position instead of starting with the open sessions.
    #[uniffi(default = None)]
    pub after: Option<String>,
    /// Send the API key unencrypted if the address says `ws://`.
    #[uniffi(default = false)]
    pub allow_plaintext: bool,
}

/// A live stream. Wait with [`ready`](Self::ready), fetch with [`take`](Self::take), say what is handled with
/// [`acknowledge`](Self::acknowledge), until `take` says that it is over.
#[derive(Debug, uniffi::Object)]
pub struct EventStream {
    process: Process,
    shared: Arc<Shared>,
    waking: Mutex<Option<JoinHandle<()>>>,
}

#[uniffi::export]
impl EventStream {
    /// Starts a stream in the background. An address or key that cannot work is reported by `take`.
    ///
    /// # Errors
    /// When the system gives no threads.
    #[uniffi::constructor]
    pub fn open(options: StreamOptions) -> Result<Arc<Self>, StreamError> {
        let StreamOptions { url, api_key, types, after, allow_plaintext } = options;
        let mut builder = Events::builder(url, api_key).in_hand(IN_HAND_ITEMS);
        if let Some(types) = types {
            builder = builder.types(types);
        }
        if let Some(after) = after {
            builder = builder.after(after);
        }
        if allow_plaintext {
            builder = builder.allow_plaintext();
        }
        let handle = runtime::handle().map_err(|error| StreamError::no_thread(&error))?;
        let shared = Arc::new(Shared::default());
        let pumped = Arc::clone(&shared);
        // Waking foreign code may wait for a foreign lock (Python's GIL). On a thread of its own that stalls nothing else.
        let waking = thread::Builder::new()
            .name("passkey-accounts-wake".to_owned())
            .spawn(move || handle.block_on(async move { pumped.pump(builder.open()).await }))
            .map_err(|error| StreamError::no_thread(&error))?;
        Ok(Arc::new(Self { process: Process::current(), shared, waking: Mutex::new(Some(waking)) }))
    }

    /// Waits until `take` has something to say. Carries nothing, so that cancelling it loses nothing.
    pub async fn ready(&self) {
        if self.process.is_current() {
            self.shared.ready().await;
        }
    }

    /// Up to `max` items that are there now, possibly none; nothing at all when the stream was stopped.
    ///
    /// # Errors
    /// The stream has ended, and all its items were taken.
    pub fn take(&self, max: u32) -> Result<Option<Vec<Item>>, StreamError> {
        if self.process.is_current() { self.shared.take(max) } else { Err(StreamError::forked()) }
    }

    /// The first `count` of the items that were taken and not acknowledged yet are handled. Until then they count as in
    /// hand, and after a crash they come again. A count beyond what was taken means everything.
    pub fn acknowledge(&self, count: u32) {
        if self.process.is_current() {
            self.shared.acknowledge(count);
        }
    }

    /// Ends the stream. From now on `ready` returns at once, `take` returns nothing, and no thread of the stream calls
    /// into the foreign program: one that did so while an interpreter shuts down would take the whole process down.
    pub fn stop(&self) {
        if !self.process.is_current() {
            return;
        }
        self.shared.stop();
        let waking = self.waking.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waking) = waking.filter(|waking| waking.thread().id() != thread::current().id()) {
            // A panic of that thread has been reported; there is nothing to add here.
            drop(waking.join());
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Between the pump and the foreign side.
#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    /// Something for the foreign side. Only the pump notifies it.
    arrived: Notify,
    /// Something for the pump: room in the inbox, or the wish to stop.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Inbox {
    items: VecDeque<(Item, Receipt)>,
    /// Of what the foreign side has taken and not acknowledged.
    receipts: VecDeque<Receipt>,
    state: State,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum State {
    #[default]
    Running,
    Stopped,
    Ended(StreamError),
}

impl Shared {
    async fn pump(&self, mut events: Events) {
        loop {
            tokio::select! {
                biased;
                () = self.is_stopped() => break,
                item = self.next(&mut events) => {
                    if !self.deliver(item) {
                        break;
                    }
                }
            }
        }
        self.arrived.notify_waiters();
    }

    /// The next item, once there is room for it.
    async fn next(&self, events: &mut Events) -> Option<Result<Delivery, passkey_accounts::StreamError>> {
        notified_until(&self.wanted, || self.lock().items.len() < INBOX_ITEMS).await;
        events.next().await
    }

    async fn is_stopped(&self) {
        notified_until(&self.wanted, || self.lock().state == State::Stopped).await;
    }

    /// Whether it goes on after this.
    fn deliver(&self, delivery: Option<Result<Delivery, passkey_accounts::StreamError>>) -> bool {
        let mut inbox = self.lock();
        match delivery {
            Some(Ok(delivery)) => {
                let (item, receipt) = delivery.into_parts();
                inbox.items.push_back((Item::from(item), receipt));
                let is_first = inbox.items.len() == 1;
                drop(inbox);
                if is_first {
                    self.arrived.notify_waiters();
                }
                true
            }
            Some(Err(error)) => {
                inbox.state = State::Ended(error.into());
                false
            }
            None => false,
        }
    }

    async fn ready(&self) {
        notified_until(&self.arrived, || {
            let inbox = self.lock();
            !inbox.items.is_empty() || inbox.state != State::Running
        })
        .await;
    }

    fn take(&self, max: u32) -> Result<Option<Vec<Item>>, StreamError> {
        let mut inbox = self.lock();
        if inbox.state == State::Stopped {
            return Ok(None);
        }
        let count = usize::try_from(max).unwrap_or(usize::MAX).min(inbox.items.len());
        let taken: Vec<_> = inbox.items.drain(..count).collect();
        match (&inbox.state, taken.is_empty()) {
            (State::Ended(error), true) => return Err(error.clone()),
            (State::Ended(_) | State::Running | State::Stopped, _) => {}
        }
        let mut items = Vec::with_capacity(taken.len());
        for (item, receipt) in taken {
            items.push(item);
            inbox.receipts.push_back(receipt);
        }
        drop(inbox);
        self.wanted.notify_waiters();
        Ok(Some(items))
    }

    fn acknowledge(&self, count: u32) {
        let mut inbox = self.lock();
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(inbox.receipts.len());
        let handled: Vec<_> = inbox.receipts.drain(..count).collect();
        drop(inbox);
        handled.into_iter().for_each(Receipt::ack);
    }

    fn stop(&self) {
        let mut inbox = self.lock();
        inbox.state = State::Stopped;
        // Their receipts fail with them: nothing of it was handled.
        let unhandled = (std::mem::take(&mut inbox.items), std::mem::take(&mut inbox.receipts));
        drop(inbox);
        drop(unhandled);
        self.wanted.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the condition holds. Whoever makes it hold notifies all waiters afterwards.
async fn notified_until(notify: &Notify, condition: impl Fn() -> bool) {
    loop {
        // Before the look: from its making on, the future counts as waiting, so no notification falls in between.
        let notified = notify.notified();
        if condition() {
            return;
        }
        notified.await;
    }
}

/// Items that the foreign side may have taken and not acknowledged: it takes them in batches, because each call across
/// the boundary costs more than an item.
const IN_HAND_ITEMS: u32 = 256;

/// Items that wait for the foreign side, beside those that wait in the core.
const INBOX_ITEMS: usize = 256;

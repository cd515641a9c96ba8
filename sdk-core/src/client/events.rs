//! What a Rust back end holds: the event stream.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use tokio::sync::{mpsc, watch};

use super::{KeyProvider, Keys};
use crate::{
    stream::{Item, Status, StreamError, Subscription},
    transport::{Address, Connector, drive},
};

/// A live, gapless stream of an app's auth events. Dropping it ends the connection.
///
/// It starts with the sessions that are open now, then follows the log. Lost connections are made again and resumed
/// where they were; an `Err` is final and comes last.
///
/// ```no_run
/// use passkey_accounts::{Events, Item, protocol::event::EventKind};
///
/// # async fn example() -> Result<(), passkey_accounts::StreamError> {
/// let mut events = Events::builder("wss://auth.example/v1/events", "pa_live_...").open();
/// while let Some(item) = events.next().await {
///     if let Item::Event(event) = item?
///         && let Some(EventKind::LoggedIn(login)) = event.kind
///     {
///         println!("signed in: {}", login.account_id);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    items: mpsc::Receiver<Result<Item, StreamError>>,
    status: watch::Receiver<Status>,
}

impl Events {
    /// A stream from this address (`wss://HOST/v1/events`) with this API key.
    pub fn builder(url: impl Into<String>, api_key: impl KeyProvider) -> EventsBuilder {
        EventsBuilder::new(url.into(), Keys::new(api_key))
    }

    /// The next item; `None` after the stream has ended with an error.
    ///
    /// # Errors
    /// Only what trying again cannot mend, such as a wrong key. It is the last thing.
    ///
    /// # Cancel safety
    /// Safe: an item is either returned or still there.
    pub async fn next(&mut self) -> Option<Result<Item, StreamError>> {
        self.items.recv().await
    }

    /// How the connection is doing, now and whenever it changes.
    ///
    /// ```no_run
    /// # async fn example(events: passkey_accounts::Events) {
    /// use passkey_accounts::Status;
    ///
    /// let mut status = events.status();
    /// while status.changed().await.is_ok() {
    ///     if let Status::Waiting { retry_in, why } = &*status.borrow_and_update() {
    ///         eprintln!("{why}; next try in {retry_in:?}");
    ///     }
    /// }
    /// # }
    /// ```
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

impl Stream for Events {
    type Item = Result<Item, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_recv(context)
    }
}

/// What to ask the stream for, before it is opened.
///
/// ```no_run
/// # async fn example(stored: Option<String>) {
/// let mut builder = passkey_accounts::Events::builder("wss://auth.example/v1/events", "pa_live_...").types(["*"]);
/// if let Some(position) = stored {
///     builder = builder.after(position);
/// }
/// let events = builder.open();
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `open`"]
pub struct EventsBuilder {
    url: String,
    keys: Keys,
    plaintext_is_allowed: bool,
    subscription: Subscription,
}

impl EventsBuilder {
    pub(crate) fn new(url: String, keys: Keys) -> Self {
        Self { url, keys, plaintext_is_allowed: false, subscription: Subscription::default() }
    }

    /// Event types to get, at most 64; `["*"]` for all, also those of later versions. Default: `loggedIn`, `loggedOut`.
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.subscription.types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// Resume strictly after this [position](Item::position) instead of starting with the open sessions.
    pub fn after(mut self, position: impl Into<String>) -> Self {
        self.subscription.after = Some(position.into());
        self
    }

    /// Send the API key unencrypted if the address says `ws://`. Not needed for this machine itself; elsewhere, whoever
    /// carries the bytes can read the key and the events.
    pub fn allow_plaintext(mut self) -> Self {
        self.plaintext_is_allowed = true;
        self
    }

    /// Starts the stream in the background. An address or key that cannot work is its first and last item.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub fn open(self) -> Events {
        let (items_sender, items) = mpsc::channel(QUEUE_ITEMS);
        match Address::parse(&self.url, self.plaintext_is_allowed) {
            Ok(address) => {
                let (status_sender, status) = watch::channel(Status::Connecting);
                let connector = Connector::new(address);
                let Self { mut subscription, keys, .. } = self;
                tokio::spawn(async move {
                    subscription.api_key = keys.ask().await.unwrap_or_default();
                    drive(connector, subscription, make_seed(), items_sender, status_sender).await;
                });
                Events { items, status }
            }
            Err(error) => {
                items_sender.try_send(Err(error)).expect("an empty channel takes one item");
                Events { items, status: watch::channel(Status::Closed).1 }
            }
        }
    }
}

/// For the jitter of delays only. Without entropy the delays of several processes may coincide, no more.
fn make_seed() -> u64 {
    getrandom::u64().unwrap_or(0)
}

/// Items that wait for the application. While there are so many, the socket is not read.
const QUEUE_ITEMS: usize = 256;

//! The event stream, opened: items to handle, one after the other or lane by lane.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use tokio::sync::watch;

use super::{Delivery, EventsBuilder, KeyProvider, Keys, Position, Receipt};
#[cfg(feature = "verify")]
use super::{guarded::Guarded, witnessed::Witnessed};
use crate::{
    stream::{Greeting, InHand, Item, Status, StreamError},
    transport::Shared,
};

/// A live, gapless stream of an app's auth events. Dropping it ends the connection.
///
/// Lost connections are made again and resumed where they were; an `Err` is final and comes last. The connection is
/// kept by a task of its own: a slow handler does not stop heartbeats.
///
/// The next item of a lane comes when the last one is settled: acknowledged, failed or dropped. A view has one lane.
///
/// ```no_run
/// use passkey_accounts::{Events, Item, protocol::event::EventKind};
///
/// # async fn example() -> Result<(), passkey_accounts::StreamError> {
/// let mut events = Events::builder("wss://auth.example/v1/events", "pa_live_...").open();
/// while let Some(delivery) = events.next().await {
///     let delivery = delivery?;
///     if let Item::Event(event) = &delivery.item
///         && let Some(EventKind::LoggedIn(login)) = &event.kind
///     {
///         println!("signed in: {}", login.account_id);
///     }
///     delivery.ack();
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    opened: Arc<Opened>,
    status: watch::Receiver<Status>,
}

/// What a stream and the receipts of its items have in common.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) shared: Arc<Shared>,
    pub(super) consumer: String,
    #[cfg(feature = "verify")]
    pub(super) witnessed: Option<Witnessed>,
    #[cfg(feature = "verify")]
    pub(super) guarded: Option<Guarded>,
}

impl Events {
    /// A stream from this address (`wss://HOST/v1/events`) with this API key.
    pub fn builder(url: impl Into<String>, api_key: impl KeyProvider) -> EventsBuilder {
        EventsBuilder::new(url.into(), Keys::new(api_key))
    }

    pub(super) fn new(opened: Opened, status: watch::Receiver<Status>) -> Self {
        Self { opened: Arc::new(opened), status }
    }

    /// The pins that this stream is held against, if any.
    #[cfg(feature = "verify")]
    pub(super) fn guarded(&self) -> Option<&Guarded> {
        self.opened.guarded.as_ref()
    }

    /// What the server said of itself last, and how long ago.
    pub(super) fn greeting(&self) -> Option<(Greeting, Duration)> {
        self.opened.shared.greeting()
    }

    fn hand_over(&self, in_hand: InHand) -> Result<Delivery, StreamError> {
        #[cfg(feature = "verify")]
        let in_hand = {
            let item = self.check(in_hand.item).inspect_err(|_| self.opened.shared.give_up())?;
            InHand { item, ..in_hand }
        };
        Ok(self.unchecked(in_hand))
    }

    fn unchecked(&self, InHand { token, lane, lease, item }: InHand) -> Delivery {
        Delivery::new(item, Receipt::new(Arc::clone(&self.opened), token, lane, lease))
    }

    #[cfg(feature = "verify")]
    fn check(&self, item: Item) -> Result<Item, StreamError> {
        if let Some(witnessed) = &self.opened.witnessed {
            let app_id = self.opened.shared.greeting().and_then(|(greeting, _)| greeting.app_id);
            witnessed.check(&item, app_id)?;
        }
        match &self.opened.guarded {
            Some(guarded) => guarded.check(item),
            None => Ok(item),
        }
    }

    /// The next item; `None` after the stream has ended with an error.
    ///
    /// # Errors
    /// Only what trying again cannot mend, such as a wrong key. It is the last thing.
    ///
    /// # Cancel safety
    /// Safe: an item is either returned or still there.
    pub async fn next(&mut self) -> Option<Result<Delivery, StreamError>> {
        StreamExt::next(self).await
    }

    /// Items that are there now, at most so many: a batch after [`next`](Self::next) has returned its first. None with
    /// evidence or a witness, which look at one item after the other. How the stream ends is for `next` to say.
    pub fn take_ready(&mut self, most: usize) -> Vec<Delivery> {
        #[cfg(feature = "verify")]
        if self.opened.witnessed.is_some() || self.opened.guarded.is_some() {
            return Vec::new();
        }
        self.opened.shared.take_items(most, |in_hand| self.unchecked(in_hand))
    }

    /// Handles items until the stream ends: up to `concurrency` lanes at a time (at least 1), the items of a lane one
    /// after the other. An item is acknowledged after `Ok`; after an `Err`, which is logged, it comes again.
    ///
    /// The handlers run within this call, taking turns where they await.
    ///
    /// # Errors
    /// How the stream ended, once the handlers under way are through.
    ///
    /// # Cancel safety
    /// Handlers under way are dropped with this; their items are not acknowledged and come again.
    ///
    /// ```no_run
    /// # async fn example(accounts: passkey_accounts::Accounts) -> Result<(), passkey_accounts::StreamError> {
    /// let mut events = accounts.events().consumer("billing").lanes(4).open();
    /// events.run(4, |item, position| async move {
    ///     println!("{item:?} at {position:?}");
    ///     Ok::<(), std::io::Error>(())
    /// }).await
    /// # }
    /// ```
    pub async fn run<H, F, E>(&mut self, concurrency: usize, handler: H) -> Result<(), StreamError>
    where
        H: Fn(Item, Option<Position>) -> F,
        F: Future<Output = Result<(), E>>,
        E: fmt::Display,
    {
        let mut handling = FuturesUnordered::new();
        let ended = loop {
            tokio::select! {
                Some(()) = handling.next(), if !handling.is_empty() => {}
                next = self.next(), if handling.len() < concurrency.max(1) => match next {
                    Some(Ok(delivery)) => {
                        let position = delivery.position();
                        let (item, receipt) = delivery.into_parts();
                        handling.push(settle(receipt, handler(item, position)));
                    }
                    Some(Err(error)) => break Err(error),
                    None => break Ok(()),
                },
            }
        };
        while handling.next().await.is_some() {}
        ended
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

async fn settle<E: fmt::Display>(receipt: Receipt, handled: impl Future<Output = Result<(), E>>) {
    match handled.await {
        Ok(()) => receipt.ack(),
        Err(error) => {
            tracing::warn!(%error, "an event was not handled, it will come again");
            receipt.fail();
        }
    }
}

impl Stream for Events {
    type Item = Result<Delivery, StreamError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.opened
            .shared
            .poll_item(context)
            .map(|next| next.map(|next| next.and_then(|in_hand| self.hand_over(in_hand))))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.opened.shared.stop();
    }
}

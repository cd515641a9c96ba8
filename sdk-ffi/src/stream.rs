//! The event stream, pulled in two phases.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use passkey_accounts::{
    Events, EventsBuilder, Receipt, Start as CoreStart, Status as CoreStatus, StreamError,
    evidence::{Expected, FilePins},
    log::{FileCheckpoints, head::HeadKey},
    stream::Subscription,
};
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::Engine,
    error::Error,
    inbox::Inbox,
    packed::{self, Batch},
    provider::{Asked, Positions},
    text,
    types::{Delivery, Status},
};

/// What to ask the stream for. A *view* begins with the sessions that are open and then follows the log; with a `consumer`
/// name it is a *worker*, whose position the server keeps.
#[derive(Clone, Default, uniffi::Record)]
pub struct EventsOptions {
    /// Event types to get, at most 64; absent: `loggedIn` and `loggedOut`; `["*"]`: all.
    #[uniffi(default = None)]
    pub types: Option<Vec<String>>,
    /// Views: resume strictly after this position instead of starting with the open sessions.
    #[uniffi(default = None)]
    pub after: Option<String>,
    /// Where to begin without a position; absent: with the open sessions.
    #[uniffi(default = None)]
    pub start: Option<Start>,
    /// `false`: never get the open sessions; a gap goes on at the oldest event that is kept.
    #[uniffi(default = None)]
    pub snapshot: Option<bool>,
    /// `false`, with `snapshot` `false`: a gap ends the stream (`gone`) instead of going on behind it.
    #[uniffi(default = None)]
    pub skip: Option<bool>,
    /// Be a worker of this name: 1 to 64 of `[A-Za-z0-9._-]`.
    #[uniffi(default = None)]
    pub consumer: Option<String>,
    /// How many lanes the consumer is made with, 1 to 64; later wishes are not heard. Absent: 1.
    #[uniffi(default = None)]
    pub lanes: Option<u32>,
    /// Items that may be on their way or unhandled here, 1 to 4,096. Absent: 256. 0: nothing is acknowledged.
    #[uniffi(default = None)]
    pub window: Option<u32>,
    /// Items of a lane that may be fetched before the first of them is settled. Absent: 256 for a view, because each call
    /// across the boundary costs more than an item; 1 for a worker, whose lane may be wanted by others, and wherever
    /// `evidence` or `witness` reads along.
    #[uniffi(default = None)]
    pub prefetch: Option<u32>,
    /// Workers: how long an item may wait in a process that does not get to it while others wait for its lane; up to
    /// 15 minutes. Absent: 60 s.
    #[uniffi(default = None)]
    pub ack_timeout: Option<Duration>,
    /// Workers: ask this for the position of each lane that begins.
    #[uniffi(default = None)]
    pub positions: Option<Arc<dyn Positions>>,
    /// Views: believe nothing that a passkey should have signed and did not.
    #[uniffi(default = None)]
    pub evidence: Option<EvidenceOptions>,
    /// Views: check every item against the log that was read before.
    #[uniffi(default = None)]
    pub witness: Option<WitnessOptions>,
}

/// Where to begin without a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Start {
    /// With the open sessions.
    State,
    /// With what happens from now on.
    Now,
    /// With the oldest event that is kept.
    Earliest,
}

impl From<Start> for CoreStart {
    fn from(start: Start) -> Self {
        match start {
            Start::State => Self::State,
            Start::Now => Self::Now,
            Start::Earliest => Self::Earliest,
        }
    }
}

/// What a back end knows of its own app, from its configuration and never from the server, and where it keeps what it
/// knows of passkeys.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct EvidenceOptions {
    /// The app: `app_...`.
    pub app_id: String,
    /// Its WebAuthn RP ID: `shop.example`.
    pub rp_id: String,
    /// The origins that its pages have, character for character: `https://shop.example`.
    pub origins: Vec<String>,
    /// The file of the pins; one for each stream. It is made when it is not there.
    pub pins_path: String,
}

/// A witness of the log: what to check it with, and where it keeps how far it has read.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct WitnessOptions {
    /// The server's Ed25519 keys: the members `x` of `/.well-known/jwks.json`, written down where the server cannot change
    /// them. Empty: signatures are not looked at.
    pub keys: Vec<String>,
    /// The file of the checkpoint; one for each stream. It is made when it is not there.
    pub checkpoint_path: String,
}

impl EventsOptions {
    /// Puts everything into the builder.
    pub(crate) fn build(self, builder: EventsBuilder) -> Result<EventsBuilder, Error> {
        let mut builder = builder.subscription(self.subscription());
        let Self { positions, evidence, witness, .. } = self;
        if let Some(positions) = positions {
            builder = builder.positions(Asked(positions));
        }
        if let Some(evidence) = evidence {
            builder = evidence.build(builder)?;
        }
        if let Some(WitnessOptions { keys, checkpoint_path }) = witness {
            builder = builder.witness(head_keys(&keys)?, FileCheckpoints::new(checkpoint_path));
        }
        Ok(builder)
    }

    /// How long to gather items after the foreign side was woken: not at all where the next ones come only when those are
    /// settled.
    pub(crate) fn rest(&self) -> Duration {
        let in_hand = usize::try_from(self.subscription().in_hand).unwrap_or(usize::MAX);
        if in_hand > GATHERED_ITEMS { REST } else { Duration::ZERO }
    }

    /// What of it the server is asked for.
    pub(crate) fn subscription(&self) -> Subscription {
        let Self {
            types,
            after,
            start,
            snapshot,
            skip,
            consumer,
            lanes,
            window,
            prefetch,
            ack_timeout,
            positions: _,
            evidence,
            witness,
        } = self;
        let fetches_singly = consumer.is_some() || evidence.is_some() || witness.is_some();
        Subscription {
            types: types.clone(),
            after: after.clone(),
            start: start.map(CoreStart::from),
            snapshot: *snapshot,
            skip: *skip,
            consumer: consumer.clone(),
            lanes: *lanes,
            window: *window,
            ack_timeout_ms: ack_timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            in_hand: prefetch.unwrap_or(if fetches_singly { 1 } else { PREFETCH_ITEMS }),
        }
    }
}

/// Keys by their `x`.
pub(crate) fn head_keys(keys: &[String]) -> Result<Vec<HeadKey>, Error> {
    let read =
        |x: &String| HeadKey::from_jwk_x(x).map_err(|error| Error::unexpected(&format!("{x:?}: {error}")));
    keys.iter().map(read).collect()
}

impl EvidenceOptions {
    pub(crate) fn build(self, builder: EventsBuilder) -> Result<EventsBuilder, Error> {
        Ok(builder.evidence(self.expected()?, FilePins::new(self.pins_path)))
    }

    pub(crate) fn expected(&self) -> Result<Expected, Error> {
        let Self { app_id, rp_id, origins, pins_path: _ } = self;
        let app_id = app_id.parse().map_err(|_| Error::unexpected(&format!("{app_id:?} is no app's id")))?;
        Ok(Expected { app_id, rp_id: rp_id.clone(), origins: origins.clone() })
    }
}

/// A live stream. Wait with [`ready`](Self::ready), fetch with [`take`](Self::take), say what became of it with
/// [`acknowledge`](Self::acknowledge) or [`settle`](Self::settle), until `take` says that it is over.
#[derive(Debug, uniffi::Object)]
pub struct EventStream {
    engine: Arc<Engine>,
    inbox: Arc<Inbox<Fetched>>,
    unsettled: Arc<Mutex<Unsettled>>,
    last: AtomicU64,
    status: watch::Receiver<CoreStatus>,
}

/// An item that the core has handed over, and the word that is owed about it.
pub(crate) type Fetched = (passkey_accounts::Item, Receipt);

/// What was taken and not settled, by its receipt's number, which rises.
type Unsettled = VecDeque<(u64, Receipt)>;

impl EventStream {
    /// `rest` is how long to gather items after the foreign side was woken.
    pub(crate) fn open(engine: &Arc<Engine>, builder: EventsBuilder, rest: Duration) -> Arc<Self> {
        let inbox = Inbox::new(engine.waker());
        let events = engine.enter(|| builder.open());
        let status = events.status();
        let unsettled = Arc::default();
        let pump = pump(events, Arc::clone(&inbox), engine.closing(), rest);
        let (left, owed) = (Arc::clone(&inbox), Arc::clone(&unsettled));
        engine.spawn_orderly(async move {
            pump.await;
            // What was not handled: now that the connection is gone, it cannot take this for a failure.
            left.clear();
            lock(&owed).clear();
        });
        Arc::new(Self { engine: Arc::clone(engine), inbox, unsettled, last: AtomicU64::new(0), status })
    }

    /// What is there, and the number of its first receipt; the others follow one by one. Whoever calls it has locked what is
    /// unsettled, so that it stays in order.
    fn fetch(&self, max: u32) -> Result<Option<(u64, Vec<Fetched>)>, Error> {
        self.engine.check().or_else(|error| if self.is_closed() { Ok(()) } else { Err(error) })?;
        let Some(taken) = self.inbox.take(max)? else { return Ok(None) };
        let count = u64::try_from(taken.len()).expect("no batch is longer");
        Ok(Some((self.last.fetch_add(count, Ordering::Relaxed) + 1, taken)))
    }

    /// In the process that opened it, a closed client means a stopped stream, which is no error.
    fn is_closed(&self) -> bool {
        self.engine.closing().is_cancelled()
    }

    fn unsettled(&self) -> MutexGuard<'_, Unsettled> {
        lock(&self.unsettled)
    }
}

fn lock(unsettled: &Mutex<Unsettled>) -> MutexGuard<'_, Unsettled> {
    unsettled.lock().unwrap_or_else(PoisonError::into_inner)
}

#[uniffi::export]
impl EventStream {
    /// Waits until `take` has something to say. Carries nothing, so that cancelling it loses nothing.
    pub async fn ready(&self) {
        if self.engine.is_usable() {
            self.inbox.ready().await;
        }
    }

    /// Makes a `ready` that waits return, or the next one: for languages whose cancellation does not reach here.
    pub fn wake(&self) {
        self.inbox.wake();
    }

    /// Up to `max` items that are there now, possibly none; nothing at all when the stream was stopped.
    ///
    /// # Errors
    /// The stream has ended, and all its items were taken.
    pub fn take(&self, max: u32) -> Result<Option<Vec<Delivery>>, Error> {
        let mut unsettled = self.unsettled();
        let Some((first, fetched)) = self.fetch(max)? else { return Ok(None) };
        let mut deliveries = Vec::with_capacity(fetched.len());
        for (receipt, (item, owed)) in (first..).zip(fetched) {
            deliveries.push(Delivery { receipt, lane: owed.lane(), lease: owed.lease(), item: item.into() });
            unsettled.push_back((receipt, owed));
        }
        Ok(Some(deliveries))
    }

    /// Like `take`, as one text, for languages that read a text faster than records: see `text.rs` for its form. Empty when
    /// there is nothing now, and U+0004 when the stream was stopped.
    ///
    /// # Errors
    /// As `take`.
    pub fn take_text(&self, max: u32) -> Result<String, Error> {
        let mut unsettled = self.unsettled();
        let Some((first, fetched)) = self.fetch(max)? else { return Ok(text::STOPPED.to_owned()) };
        let text = text::encode(numbered(first, &fetched));
        unsettled.extend((first..).zip(fetched.into_iter().map(|(_, owed)| owed)));
        Ok(text)
    }

    /// Like `take`, as bytes in memory, for languages that read those faster than records: see `packed.rs` for their form.
    ///
    /// # Errors
    /// As `take`.
    pub fn take_packed(&self, max: u32) -> Result<Option<Arc<Batch>>, Error> {
        let mut unsettled = self.unsettled();
        let Some((first, fetched)) = self.fetch(max)? else { return Ok(None) };
        let batch = packed::encode(numbered(first, &fetched));
        unsettled.extend((first..).zip(fetched.into_iter().map(|(_, owed)| owed)));
        Ok(Some(batch))
    }

    /// Everything that was taken up to this receipt, and not settled yet, is handled. What was taken and not acknowledged
    /// comes again after a crash.
    pub fn acknowledge(&self, through: u64) {
        if !self.engine.is_usable() {
            return;
        }
        let handled: Vec<_> = {
            let mut unsettled = self.unsettled();
            let count = unsettled.partition_point(|(number, _)| *number <= through);
            unsettled.drain(..count).map(|(_, owed)| owed).collect()
        };
        Receipt::ack_all(handled);
    }

    /// What became of one item. If it was not handled it comes again, and with it everything of its lane that was taken
    /// after it: drop those.
    pub fn settle(&self, receipt: u64, is_handled: bool) {
        if !self.engine.is_usable() {
            return;
        }
        let owed = {
            let mut unsettled = self.unsettled();
            let index = unsettled.binary_search_by_key(&receipt, |(number, _)| *number);
            index.ok().and_then(|index| unsettled.remove(index))
        };
        let Some((_, owed)) = owed else { return };
        if is_handled {
            owed.ack();
            return;
        }
        let lane = owed.lane();
        // The first failure is the one that counts: it takes those after it along.
        owed.fail();
        self.unsettled().retain(|(number, owed)| owed.lane() != lane || *number < receipt);
        self.inbox.retain(|(_, owed)| owed.lane() != lane);
    }

    /// How the connection is doing.
    pub fn status(&self) -> Status {
        self.status.borrow().clone().into()
    }

    /// Waits until the status is another than `seen`, and returns it. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The client was closed.
    pub async fn status_changed(&self, seen: Status) -> Result<Status, Error> {
        status_changed(&self.engine, self.status.clone(), seen).await
    }

    /// Ends the stream: what was acknowledged is told the server. From now on `ready` returns at once and `take` returns
    /// nothing.
    pub fn stop(&self) {
        if !self.engine.is_usable() {
            return;
        }
        self.inbox.stop();
        // Afterwards nothing of this stream calls into the foreign program any more.
        self.engine.waker().settle();
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if self.engine.is_usable() {
            self.inbox.stop();
        }
    }
}

/// Fills the inbox until the stream is over, and lets it say goodbye.
async fn pump(mut events: Events, inbox: Arc<Inbox<Fetched>>, closing: CancellationToken, rest: Duration) {
    let mut resting = None;
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled() => break inbox.stop(),
            () = inbox.stopped() => break,
            first = next(&mut events, &inbox, &mut resting) => match first {
                Some(Ok(first)) => {
                    // With it those that are there along with it, so that the foreign side is woken once for all.
                    let more = events.take_ready(INBOX_ITEMS - 1);
                    let is_small = more.len() + 1 < GATHERED_ITEMS;
                    let items = std::iter::once(first).chain(more).map(passkey_accounts::Delivery::into_parts);
                    if inbox.push(items) && is_small && !rest.is_zero() {
                        resting = Some(Box::pin(sleep(rest)));
                    }
                }
                Some(Err(error)) => break inbox.end(Some(error.into())),
                None => break inbox.end(None),
            }
        }
    }
    let mut status = events.status();
    drop(events);
    // The driver ends with its last word to the server; then nobody can change the status any more.
    while status.changed().await.is_ok() {}
}

/// What the core hands over next.
type Next = Option<Result<passkey_accounts::Delivery, StreamError>>;

/// The next item, once it is time for it and there is room. Cancel safe.
async fn next(events: &mut Events, inbox: &Inbox<Fetched>, resting: &mut Option<Pin<Box<Sleep>>>) -> Next {
    if let Some(rest) = resting {
        rest.await;
        *resting = None;
    }
    inbox.room(INBOX_ITEMS).await;
    events.next().await
}

/// Each with its receipt, lane and lease.
fn numbered(
    first: u64,
    fetched: &[Fetched],
) -> impl Iterator<Item = (u64, u32, u64, &passkey_accounts::Item)> {
    (first..).zip(fetched).map(|(receipt, (item, owed))| (receipt, owed.lane(), owed.lease(), item))
}

pub(crate) async fn status_changed(
    engine: &Engine,
    mut status: watch::Receiver<CoreStatus>,
    seen: Status,
) -> Result<Status, Error> {
    let changed = async move {
        let changed = status.wait_for(|now| Status::from(now.clone()) != seen).await;
        // An error means that it will never change again.
        changed.map_or(Status::Closed, |now| now.clone().into())
    };
    engine.run(changed).await
}

/// Items of a view that the foreign side may have and not have settled.
const PREFETCH_ITEMS: u32 = 256;

/// After it was woken for fewer items than `GATHERED_ITEMS`, the foreign side is not woken again for this long: items that
/// follow each other closely are handed over together, and a single one at once. To be woken costs more than dozens of items.
const REST: Duration = Duration::from_millis(1);
const GATHERED_ITEMS: usize = 64;

/// Items that wait for the foreign side, beside those that wait in the core.
const INBOX_ITEMS: usize = 256;

//! What to ask the event stream for, and with what to answer it.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Events, KeyProvider, Keys, LiveSessions, PositionStore, events::Opened, positions::Positions};
#[cfg(feature = "verify")]
use super::{guarded::EvidencePlan, witnessed::WitnessPlan};
#[cfg(feature = "verify")]
use crate::{
    evidence::{Expected, PinStore},
    log::{CheckpointStore, head::HeadKey},
};
use crate::{
    protocol::stream::Start,
    stream::{Status, StreamError, Subscription},
    transport::{Address, Application, Connector, Shared, drive},
};

/// What to ask the stream for, before it is opened.
///
/// A *view* begins with the sessions that are open and then follows the log. With a [`consumer`](Self::consumer) name
/// it is a *worker*: the server keeps its position, and several processes of one name share the work.
///
/// ```no_run
/// # async fn example(stored: Option<String>) -> Result<(), passkey_accounts::StreamError> {
/// let accounts = passkey_accounts::Accounts::connect("https://auth.example", "pa_live_...")?;
/// let mut builder = accounts.events().types(["*"]);
/// if let Some(position) = stored {
///     builder = builder.after(position);
/// }
/// let view = builder.open();
/// let worker = accounts.events().consumer("billing").lanes(4).window(64).open();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `open`"]
pub struct EventsBuilder {
    url: String,
    keys: Keys,
    positions: Positions,
    plaintext_is_allowed: bool,
    subscription: Subscription,
    #[cfg(feature = "verify")]
    witness: Option<WitnessPlan>,
    #[cfg(feature = "verify")]
    evidence: Option<EvidencePlan>,
}

impl EventsBuilder {
    pub(crate) fn new(url: String, keys: Keys) -> Self {
        let (positions, subscription) = (Positions::none(), Subscription::default());
        Self {
            url,
            keys,
            positions,
            plaintext_is_allowed: false,
            subscription,
            #[cfg(feature = "verify")]
            witness: None,
            #[cfg(feature = "verify")]
            evidence: None,
        }
    }

    /// Event types to get, at most 64; `["*"]` for all, also those of later versions. Default: `loggedIn`, `loggedOut`.
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.subscription.types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// Resume strictly after this [position](crate::Item::position) instead of starting with the open sessions. For
    /// views; a worker's position is the server's, or that of its [`positions`](Self::positions).
    pub fn after(mut self, position: impl Into<String>) -> Self {
        self.subscription.after = Some(position.into());
        self
    }

    /// Where to begin without a position. Default: with the open sessions.
    pub fn start(mut self, start: Start) -> Self {
        self.subscription.start = Some(start);
        self
    }

    /// `false`: never get the open sessions; a gap goes on at the oldest event that is kept. For log shippers.
    pub fn snapshot(mut self, wanted: bool) -> Self {
        self.subscription.snapshot = Some(wanted);
        self
    }

    /// With `false`, and [`snapshot(false)`](Self::snapshot): a gap ends the stream with
    /// [`Code::Gone`](crate::protocol::Code::Gone) instead of going on behind it. For those who may not miss anything
    /// and would rather look into it.
    pub fn skip(mut self, allowed: bool) -> Self {
        self.subscription.skip = Some(allowed);
        self
    }

    /// Ask for all of this, and for nothing that was asked for before.
    pub fn subscription(mut self, subscription: Subscription) -> Self {
        self.subscription = subscription;
        self
    }

    /// Be a worker of this name: 1 to 64 of `[A-Za-z0-9._-]`. The server keeps one position for each lane of it.
    pub fn consumer(mut self, name: impl Into<String>) -> Self {
        self.subscription.consumer = Some(name.into());
        self
    }

    /// How many lanes the consumer is made with, 1 to 64; later wishes are not heard. Default 1. Each account belongs to
    /// one lane, and a lane to one worker at a time.
    pub fn lanes(mut self, lanes: u32) -> Self {
        self.subscription.lanes = Some(lanes);
        self
    }

    /// Items that may be on their way or unhandled here, 1 to 4,096: the bound of this stream's memory. Default 256. 0:
    /// nothing is acknowledged, and a slow application holds the server back by not reading.
    pub fn window(mut self, items: u32) -> Self {
        self.subscription.window = Some(items);
        self
    }

    /// How many items of one lane may be in your hands at once; they are acknowledged in their order. Default 1: the
    /// next item of a lane comes when the last one is settled.
    pub fn in_hand(mut self, items: u32) -> Self {
        self.subscription.in_hand = items;
        self
    }

    /// Workers: how long an item may wait in the queue of a process that does not get to it, while other workers wait
    /// for its lane; up to 15 minutes, in milliseconds on the wire. Default 60 s. While an item is in your hands, the
    /// server is told by itself that work goes on.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.subscription.ack_timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Ask this for the position of each lane that begins, so that what was done counts, not what was acknowledged: see
    /// [`PositionStore`]. For workers.
    pub fn positions(mut self, store: impl PositionStore) -> Self {
        self.positions = Positions::new(store);
        self
    }

    /// Get the API key from here instead.
    pub fn key(mut self, provider: impl KeyProvider) -> Self {
        self.keys = Keys::new(provider);
        self
    }

    /// Send the API key unencrypted if the address says `ws://`. Not needed for this machine itself; elsewhere, whoever
    /// carries the bytes can read the key and the events.
    pub fn allow_plaintext(mut self) -> Self {
        self.plaintext_is_allowed = true;
        self
    }

    /// Check every item against the log that was read before, and every signed head against these keys; without keys,
    /// signatures are not looked at. A contradiction is the stream's last item, an error with the code
    /// [`LogRewritten`](crate::protocol::Code::LogRewritten); what it is about is not handed over. For views.
    ///
    /// The store is read by `open`, on its thread, and written after items are handled. For an unbroken chain ask for all
    /// `types`, and begin [`after`](Self::after) the checkpoint's position or with [`Start::Earliest`].
    ///
    /// ```no_run
    /// use passkey_accounts::log::{CheckpointStore, FileCheckpoints, head::HeadKey};
    ///
    /// # fn example(accounts: passkey_accounts::Accounts) -> Result<(), Box<dyn std::error::Error>> {
    /// let key = HeadKey::from_jwk_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")?;
    /// let store = FileCheckpoints::new("/var/lib/shop/log.checkpoint");
    /// let mut builder = accounts.events().types(["*"]);
    /// if let Some(checkpoint) = store.load()? {
    ///     builder = builder.after(checkpoint.position.to_string());
    /// }
    /// let events = builder.witness([key], store).open();
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "verify")]
    pub fn witness(
        mut self,
        keys: impl IntoIterator<Item = HeadKey>,
        store: impl CheckpointStore + 'static,
    ) -> Self {
        self.witness = Some(WitnessPlan::new(keys.into_iter().collect(), store));
        self
    }

    /// Believe nothing that a passkey should have signed and did not: see [`Pins`](crate::evidence::Pins). A forged
    /// event is the stream's last item, an error with the code
    /// [`EvidenceForged`](crate::protocol::Code::EvidenceForged); it is not handed over. For views.
    ///
    /// The stream begins where the pins end, the first time with the oldest event that is kept. Accounts that are older
    /// than that must be [pinned](crate::evidence::Pins::pin) by you, or their first sign-in ends the stream. Without
    /// `types` it asks for those that pins are about.
    ///
    /// The store is read by `open`, on its thread, and written after items are handled, at most once a second. Give each
    /// stream a store of its own.
    ///
    /// ```no_run
    /// use passkey_accounts::evidence::{Expected, FilePins};
    ///
    /// # fn example(accounts: passkey_accounts::Accounts) -> Result<(), Box<dyn std::error::Error>> {
    /// let expected = Expected {
    ///     app_id: "app_081040g2081040g2081040g208".parse()?,
    ///     rp_id: "shop.example".into(),
    ///     origins: vec!["https://shop.example".into()],
    /// };
    /// let live = accounts.events().evidence(expected, FilePins::new("/var/lib/shop/pins")).live_sessions();
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "verify")]
    pub fn evidence(mut self, expected: Expected, store: impl PinStore + 'static) -> Self {
        self.evidence = Some(EvidencePlan::new(expected, store));
        self
    }

    /// Follows the open sessions with this stream, whatever types or position it was to have.
    ///
    /// With [`evidence`](Self::evidence), a session is live if and only if a passkey was seen to open it. Snapshots hold
    /// no evidence, so the log is read instead, from where the pins end; the state, told on a second connection, only says
    /// when that is done. (Where the newest entries are not for this key, the next bookmark says it: up to 20 s.)
    ///
    /// # Panics
    /// As [`open`](Self::open).
    pub fn live_sessions(mut self) -> LiveSessions {
        // Nothing is acknowledged: applying an item cannot fail.
        self.subscription = Subscription { window: Some(0), ..Subscription::default() };
        #[cfg(feature = "verify")]
        if self.evidence.is_some() {
            let state = Self { evidence: None, witness: None, ..self.clone() };
            return LiveSessions::follow_proven(state.open(), self.open());
        }
        LiveSessions::follow(self.open())
    }

    /// Starts the stream in the background. An address or key that cannot work is its first and last item.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub fn open(self) -> Events {
        let consumer: Arc<str> = self.subscription.consumer.as_deref().unwrap_or_default().into();
        self.start_driver(&consumer).unwrap_or_else(|error| {
            let opened = Opened {
                shared: Arc::new(Shared::failed(error)),
                consumer: consumer.to_string(),
                #[cfg(feature = "verify")]
                witnessed: None,
                #[cfg(feature = "verify")]
                guarded: None,
            };
            Events::new(opened, watch::channel(Status::Closed).1)
        })
    }

    #[cfg_attr(not(feature = "verify"), expect(unused_mut, reason = "pins say where to begin"))]
    fn start_driver(mut self, consumer: &Arc<str>) -> Result<Events, StreamError> {
        // The pins first: they say where the stream begins.
        #[cfg(feature = "verify")]
        let guarded = self.evidence.take().map(|plan| plan.begin(&mut self.subscription)).transpose()?;
        #[cfg(feature = "verify")]
        let witnessed = self.witness.take().map(|plan| plan.begin(&self.subscription)).transpose()?;
        let Self { url, keys, positions, plaintext_is_allowed, subscription, .. } = self;
        let address = Address::parse(&url, plaintext_is_allowed)?;
        let (status_sender, status) = watch::channel(Status::Connecting);
        let shared = Arc::new(Shared::new(subscription, make_seed()));
        let name = Arc::clone(consumer);
        let application = Application {
            key: Box::new(move || keys.ask()),
            position: Box::new(move |lane, lease| positions.ask(Arc::clone(&name), lane, lease)),
        };
        tokio::spawn(drive(Arc::clone(&shared), Connector::new(address), application, status_sender));
        let opened = Opened {
            shared,
            consumer: consumer.to_string(),
            #[cfg(feature = "verify")]
            witnessed,
            #[cfg(feature = "verify")]
            guarded,
        };
        Ok(Events::new(opened, status))
    }
}

/// For the jitter of delays only. Without entropy the delays of several processes may coincide, no more.
fn make_seed() -> u64 {
    getrandom::u64().unwrap_or(0)
}

//! A running server: what it is made of, and how it stops.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use passkey_accounts::protocol::gateway::EndReason;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::task::TaskTracker;

use crate::{
    accounts::Populations,
    apps::Apps,
    ceremony::Authenticators,
    clock::Clock,
    context::{BackEnds, Context},
    crypto::RootKeySource,
    key_expiry::end_expired_keys,
    limits::DRAIN_MS,
    listen::listen,
    log::Retention,
    mail::Mailer,
    rates::{Rates, Rationing},
    recovery_count::keep_counting,
    refusals::keep_telling,
    ring_turn::{RingTurns, keep_resealing},
    routes::{ApiState, Site, router},
    sessions::{Attached, Detached, SessionLimits},
    store::{OpenError, Store},
    stream::Consumers,
};

/// What a server is made of.
#[derive(Debug)]
pub struct Settings {
    /// The folder of the database.
    pub data_directory: PathBuf,
    /// The time.
    pub clock: Clock,
    /// Where the root keys are, by which the database opens.
    pub root_keys: RootKeySource,
    /// Where mail goes.
    pub mailer: Mailer,
    /// How often strangers may ask.
    pub rates: Rates,
    /// What apps with the policy `hardware` take.
    pub authenticators: Authenticators,
    /// How long sessions last.
    pub session_limits: SessionLimits,
    /// How much of each log is kept.
    pub retention: Retention,
    /// How long sockets may take to leave when the server stops, in milliseconds; 0: they are closed at once.
    pub drain_ms: u64,
    /// TLS, unless a proxy in front or a loopback address does without.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// A server that has its database open and does not listen yet.
#[derive(Debug)]
pub struct Prepared {
    settings: Settings,
    store: Store,
}

impl Prepared {
    /// Opens the database.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let root_keys = settings.root_keys.read()?;
        let store = Store::open(&settings.data_directory, settings.clock.clone(), &root_keys).await?;
        Ok(Self { settings, store })
    }

    /// The database.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// [`OpenError`] when the listener has no address.
    pub async fn start(self, listener: TcpListener, site: Site) -> Result<Running, OpenError> {
        self.start_behind(listener, site, |server| server).await
    }

    /// Starts to listen, with what `front` makes of the server's routes.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_behind(
        self,
        listener: TcpListener,
        site: Site,
        front: impl FnOnce(Router) -> Router,
    ) -> Result<Running, OpenError> {
        let Self {
            settings:
                Settings {
                    data_directory,
                    clock,
                    root_keys,
                    mailer,
                    authenticators,
                    session_limits,
                    rates,
                    retention,
                    drain_ms,
                    tls,
                },
            store,
        } = self;
        let address = listener.local_addr().map_err(|error| OpenError::Directory(data_directory, error))?;
        let apps = Apps::new(store.apps());
        let detached = Detached::default();
        for app in store.apps() {
            let Some(tail) = store.logs().tail(app.app_id) else { continue };
            // Their sockets went with the server that carried them. Whoever holds the key may come back.
            for session in tail.state().sessions().values() {
                detached.insert(Arc::clone(session), clock.uptime(), EndReason::ServerLost);
            }
        }
        let populations = Populations::default();
        for app in store.apps() {
            // Whoever asks first must not wait for it. If it cannot be read now, they do, or are told.
            if let Err(error) = populations.of(&store, app.app_id).await {
                tracing::warn!(%error, app.id = %app.app_id, "the looks of an app's accounts could not be read");
            }
        }
        let (stop, stopping) = watch::channel(false);
        let back_ends = BackEnds::default();
        let tasks = TaskTracker::new();
        let rationing = Arc::new(Rationing::new(rates, &clock));
        let context = Arc::new(Context {
            rationing: Arc::clone(&rationing),
            refusals: Arc::default(),
            api: ApiState::new(&clock),
            clock,
            keyring: Arc::clone(store.keyring()),
            ring: RingTurns::new(root_keys),
            store,
            apps,
            mailer,
            authenticators,
            session_limits,
            populations,
            attached: Attached::default(),
            detached,
            back_ends,
            consumers: Consumers::default(),
            drain_ms,
            site,
            stopping,
            recoveries: watch::Sender::new(()),
            sockets: tasks.clone(),
        });
        let sweeper = tokio::spawn({
            let context = Arc::clone(&context);
            async move { context.detached.sweep(&context.store, &context.clock).await }
        });
        let expiry = tokio::spawn({
            let context = Arc::clone(&context);
            async move { end_expired_keys(&context).await }
        });
        let cutter = tokio::spawn({
            let context = Arc::clone(&context);
            async move { retention.keep_cutting(&context.store, &context.clock).await }
        });
        let sealer = tokio::spawn({
            let context = Arc::clone(&context);
            async move { keep_resealing(&context).await }
        });
        let counter = tokio::spawn({
            let context = Arc::clone(&context);
            async move { keep_counting(&context).await }
        });
        let teller = tokio::spawn({
            let context = Arc::clone(&context);
            async move { keep_telling(&context).await }
        });
        let accepting = tokio::spawn(listen(
            listener,
            tls,
            front(router(Arc::clone(&context))),
            rationing,
            Arc::clone(&context.refusals),
            context.stopping.clone(),
            tasks.clone(),
        ));
        Ok(Running {
            address,
            context,
            stop,
            tasks,
            accepting,
            housekeeping: [sweeper, cutter, expiry, sealer, counter, teller],
        })
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its handlers share.
    pub context: Arc<Context>,
    stop: watch::Sender<bool>,
    tasks: TaskTracker,
    accepting: JoinHandle<()>,
    housekeeping: [JoinHandle<()>; 6],
}

impl Running {
    /// Stops: no new connections, every socket is told to come back later, sessions stay open for their grace time.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.accepting.await;
        self.tasks.close();
        let patience = Duration::from_millis(self.context.drain_ms + DRAIN_MS);
        let drained = tokio::time::timeout(patience, self.tasks.wait()).await;
        if drained.is_err() {
            tracing::warn!(connections = self.tasks.len(), "stopped before every connection had left");
        }
        for task in self.housekeeping {
            task.abort();
            let _ = task.await;
        }
        self.context.store.close().await;
    }
}

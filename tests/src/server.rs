//! A server of our own for one test: port 0, its own folder, a clock that the test moves.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;

use passkey_accounts::{
    key_pair::KeyPair,
    log::Epoch,
    protocol::{AccountID, AppID, PasskeyID, Scope, UnixMillis, gateway::Policy},
};
use passkey_accounts_server::{
    accounts::Passkey,
    apps::App,
    ceremony::Authenticators,
    clock::{Clock, make_random},
    context::Context,
    crypto::{RootKeySource, RootKeys},
    keys::{ApiKey, KeyEnvironment},
    log::Retention,
    mail::{Mailer, Outbox},
    rates::Rates,
    routes::{Mode, Site},
    server::{Prepared, Running, Settings},
    sessions::SessionLimits,
    store::{NewKeyRow, NewPasskeyRow, OpenError, StoreError, Wanted},
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpSocket},
    time::timeout,
};

/// When manual clocks start: 2026-11-22T18:00:00Z.
pub const START: UnixMillis = UnixMillis(1_795_370_400_000);

/// The root keys of every server in this process.
pub fn root_keys() -> RootKeys {
    RootKeys::one(&[7; 32])
}

/// Binds the port without listening: while a server restarts, no connection of another test gets it for its own end.
fn hold_port(address: &mut SocketAddr) -> TcpSocket {
    let held = TcpSocket::new_v4().expect("a socket");
    held.set_reuseaddr(true).expect("a new socket takes it");
    held.bind(*address).expect("the port is free");
    *address = held.local_addr().expect("a bound socket has an address");
    held
}

/// Listens on a port that is held. A process that another test starts has a copy of every socket until it becomes its own
/// program, so one that listened there may be open for a moment after it was closed here.
async fn listen_again(address: SocketAddr) -> TcpListener {
    let listening = async {
        loop {
            match TcpListener::bind(address).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::task::yield_now().await,
                listener => break listener.expect("the port is held"),
            }
        }
    };
    timeout(Duration::from_secs(10), listening).await.expect("nobody else listens there")
}

/// A running server. Dropping it drops everything that it stored.
#[derive(Debug)]
pub struct TestServer {
    running: Option<Running>,
    directory: PathBuf,
    /// Removes the directory, unless it is somebody else's.
    _temporary: Option<TempDir>,
    clock: Clock,
    authenticators: Authenticators,
    session_limits: SessionLimits,
    rates: Rates,
    mode: Mode,
    drain_ms: u64,
    tls: Option<Arc<rustls::ServerConfig>>,
    front: fn(Router) -> Router,
    address: SocketAddr,
    /// Keeps the port while no server listens on it.
    port: Option<TcpSocket>,
    /// The app that tests sign in to.
    pub app_id: AppID,
    /// A key of that app.
    pub api_key: String,
}

impl TestServer {
    /// A server whose clock stands still until the test moves it.
    pub async fn start() -> Self {
        Self::start_with(Clock::manual(START), SessionLimits::default()).await
    }

    /// As [`start`](Self::start), with room for so many sessions of one account.
    pub async fn start_with_room(per_account: u64) -> Self {
        Self::start_with(Clock::manual(START), SessionLimits { per_account, ..SessionLimits::default() })
            .await
    }

    /// A server with the machine's clock, for browsers and other processes that have clocks of their own.
    pub async fn start_in_real_time() -> Self {
        Self::start_with(Clock::System, SessionLimits::default()).await
    }

    /// A server that runs for developers, or for people.
    pub async fn start_in(mode: Mode) -> Self {
        Self::start_as(Clock::manual(START), SessionLimits::default(), mode).await
    }

    /// A server with these settings.
    pub async fn start_with(clock: Clock, session_limits: SessionLimits) -> Self {
        Self::start_as(clock, session_limits, Mode::Dev).await
    }

    async fn start_as(clock: Clock, session_limits: SessionLimits, mode: Mode) -> Self {
        let temporary = TempDir::new().expect("a temporary folder can be made");
        let mut server = Self {
            running: None,
            directory: temporary.path().to_owned(),
            _temporary: Some(temporary),
            clock,
            authenticators: Authenticators::default(),
            session_limits,
            rates: Rates::off(),
            mode,
            drain_ms: 0,
            tls: None,
            front: |server| server,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            port: None,
            app_id: AppID::from_bytes(make_random()),
            api_key: String::new(),
        };
        server.open().await;
        server
    }

    /// A server on the data in this folder, in real time. `known` is what an earlier process had there: its port, its app
    /// and a key.
    pub async fn start_in_folder(directory: PathBuf, known: Option<(u16, AppID, String)>) -> Self {
        let (port, app_id, api_key) =
            known.unwrap_or_else(|| (0, AppID::from_bytes(make_random()), String::new()));
        let mut server = Self {
            running: None,
            directory,
            _temporary: None,
            clock: Clock::System,
            authenticators: Authenticators::default(),
            session_limits: SessionLimits::default(),
            rates: Rates::off(),
            mode: Mode::Dev,
            drain_ms: 0,
            tls: None,
            front: |server| server,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            port: None,
            app_id,
            api_key,
        };
        server.open().await;
        server
    }

    async fn open(&mut self) {
        self.try_open().await.expect("the database opens");
    }

    async fn try_open(&mut self) -> Result<(), OpenError> {
        let settings = Settings {
            data_directory: self.directory.clone(),
            clock: self.clock.clone(),
            root_keys: RootKeySource::Keys(root_keys()),
            mailer: Mailer::Outbox(Outbox::default()),
            authenticators: self.authenticators.clone(),
            session_limits: self.session_limits,
            rates: self.rates.clone(),
            retention: Retention::default(),
            drain_ms: self.drain_ms,
            tls: self.tls.clone(),
        };
        if self.port.is_none() {
            self.port = Some(hold_port(&mut self.address));
        }
        let listener = listen_again(self.address).await;
        let prepared = Prepared::open(settings).await?;
        if self.api_key.is_empty() {
            let origins = vec![self.origin().parse().expect("localhost is an origin")];
            let app = App::new(self.app_id, "Test Shop".into(), "localhost".into(), origins, Policy::Strict);
            let epoch = Epoch::from_random(u32::from_be_bytes(make_random()));
            prepared
                .store()
                .create_app(app.expect("the app is valid"), epoch)
                .await
                .expect("the app is stored");
            let key = ApiKey::new(KeyEnvironment::Dev, &make_random());
            prepared
                .store()
                .create_key(self.app_id, &key, "tests".into(), None)
                .await
                .expect("the key is stored");
            self.api_key = key.reveal().to_owned();
        }
        let site = Site::new(self.mode, &self.origin())
            .with_app(self.app_id, "Test Shop")
            .with_api_key(&self.api_key);
        self.running =
            Some(prepared.start_behind(listener, site, self.front).await.expect("the server starts"));
        Ok(())
    }

    /// Stops the server in an orderly way, and starts it again on the same port with the same data.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.open().await;
    }

    /// Stops the server in an orderly way.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Starts the server again with limits for strangers; there are none otherwise, because all tests have one address.
    pub async fn ration(&mut self, rates: Rates) {
        self.rates = rates;
        self.restart().await;
    }

    /// Starts the server again with an app that takes passkeys of these authenticators only.
    pub async fn require_hardware(&mut self, authenticators: Authenticators) {
        self.authenticators = authenticators;
        self.set_policy(Policy::Hardware).await;
    }

    /// Starts the server again with another policy of its app.
    pub async fn set_policy(&mut self, policy: Policy) {
        self.context().store.set_policy(self.app_id, policy).await.expect("the app is there");
        self.restart().await;
    }

    /// Starts the server again with this time for sockets to leave; it is 0 otherwise.
    pub async fn set_drain_ms(&mut self, drain_ms: u64) {
        self.drain_ms = drain_ms;
        self.restart().await;
    }

    /// Starts the server again with TLS; it speaks in clear otherwise.
    pub async fn encrypt(&mut self, tls: rustls::ServerConfig) {
        self.tls = Some(Arc::new(tls));
        self.restart().await;
    }

    /// Starts the server again with what this makes of its routes.
    pub async fn put_in_front(&mut self, front: fn(Router) -> Router) {
        self.front = front;
        self.restart().await;
    }

    /// Starts a stopped server on the same port with the same data.
    pub async fn start_again(&mut self) {
        self.open().await;
    }

    /// Starts a stopped server whose database somebody has written to.
    ///
    /// # Errors
    /// Why the database does not open.
    pub async fn try_start_again(&mut self) -> Result<(), OpenError> {
        self.try_open().await
    }

    /// `http://localhost:port`, with TLS too: where the app's pages are.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// `ws://localhost:port/v1/gateway`, or `wss`.
    pub fn gateway_url(&self) -> String {
        format!("{}://localhost:{}/v1/gateway", self.scheme(), self.address.port())
    }

    /// `ws://localhost:port/`, or `wss`.
    pub fn events_url(&self) -> String {
        format!("{}://localhost:{}/", self.scheme(), self.address.port())
    }

    const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "wss" } else { "ws" }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder of its database.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The server's clock.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What the server's handlers share.
    ///
    /// # Panics
    /// When the server is stopped.
    pub fn context(&self) -> &Context {
        &self.running.as_ref().expect("the server runs").context
    }

    /// Lets the accounts of the app be recovered by a code and a mail, after this many milliseconds.
    pub async fn allow_recovery(&self, hold_ms: u64) {
        self.allow_recovery_of(self.app_id, hold_ms).await;
    }

    /// The same for another app of this server.
    pub async fn allow_recovery_of(&self, app_id: AppID, hold_ms: u64) {
        let context = self.context();
        context.store.set_recovery(app_id, Some(hold_ms)).await.expect("the app is there");
        context.store.apps().into_iter().for_each(|app| context.apps.insert(app));
    }

    /// The code that was last mailed to an address.
    pub fn mailed_code(&self, email: &str) -> Option<String> {
        let Mailer::Outbox(outbox) = &self.context().mailer else { return None };
        let mut codes = outbox.mails().into_iter().filter(|mail| !mail.code.is_empty());
        codes.find(|mail| mail.to == email).map(|mail| mail.code)
    }

    /// The subjects of the mails to this address, the newest first.
    pub fn mailed(&self, email: &str) -> Vec<String> {
        let Mailer::Outbox(outbox) = &self.context().mailer else { return Vec::new() };
        outbox.mails().into_iter().filter(|mail| mail.to == email).map(|mail| mail.subject).collect()
    }

    /// Makes another app on this server for the same origin, with a key of its own that has every scope.
    pub async fn make_app(&self) -> (AppID, ApiKey) {
        let app_id = self.make_app_at(&[self.origin()]).await;
        (app_id, self.make_key_of(app_id).await)
    }

    /// Makes a key of this app that has every scope.
    pub async fn make_key_of(&self, app_id: AppID) -> ApiKey {
        let key = ApiKey::new(KeyEnvironment::Live, &make_random());
        let stored = self.context().store.create_key(app_id, &key, "other".into(), None).await;
        stored.expect("the key is stored");
        key
    }

    /// Makes another app on this server whose pages may be at these origins of localhost.
    pub async fn make_app_at(&self, origins: &[impl AsRef<str>]) -> AppID {
        self.make_app_for("localhost", origins).await
    }

    /// Makes another app on this server with this RP ID, whose pages may be at these origins.
    pub async fn make_app_for(&self, rp_id: &str, origins: &[impl AsRef<str>]) -> AppID {
        let app_id = AppID::from_bytes(make_random());
        let origins =
            origins.iter().map(|origin| origin.as_ref().parse().expect("it is an origin")).collect();
        let app = App::new(app_id, "Shop".into(), rp_id.to_owned(), origins, Policy::Strict);
        let epoch = Epoch::from_random(u32::from_be_bytes(make_random()));
        let app = app.expect("the app is valid");
        self.context().store.create_app(app.clone(), epoch).await.expect("the app is stored");
        self.context().apps.insert(app);
        app_id
    }

    /// Makes another API key of the app, for these things only.
    pub async fn make_key_for(&self, scopes: &[Scope]) -> ApiKey {
        let key = ApiKey::new(KeyEnvironment::Live, &make_random());
        let (app_id, scopes) = (self.app_id, scopes.to_vec());
        let new = NewKeyRow::secret(app_id, &key, "scoped".into(), scopes, None);
        self.context().store.issue_key(new).await.expect("the key is stored");
        key
    }

    /// Registers another key pair of the app, with every scope.
    pub async fn make_key_pair(&self) -> KeyPair {
        let pair = KeyPair::from_seed(&make_random());
        let (app_id, scopes) = (self.app_id, Scope::DEFAULT.to_vec());
        let new = NewKeyRow::pair(app_id, pair.public_key(), "pair".into(), scopes, None);
        self.context().store.issue_key(new).await.expect("the key is stored");
        pair
    }

    /// Gives an account another passkey, which nobody has: a copy of its first with another credential id.
    pub async fn add_passkey(&self, account_id: AccountID) -> PasskeyID {
        let store = &self.context().store;
        let passkey_id = PasskeyID::from_bytes(make_random());
        let app_id = self.app_id;
        store
            .write::<_, StoreError, _>(move |write| {
                Box::pin(async move {
                    let account = write.account(app_id, Wanted::Account(account_id)).await?;
                    let mut account = account.expect("there is such an account");
                    let row = account.passkeys.first().expect("the account has a passkey");
                    let mut passkey = Passkey::from_record(&row.record)?;
                    passkey.credential_id = make_random::<32>().to_vec();
                    let credential_index =
                        write.keyring().derive_credential_index(app_id, &passkey.credential_id);
                    let new = NewPasskeyRow { passkey_id, credential_index, record: passkey.to_record() };
                    write.insert_passkey(&mut account, &new).await
                })
            })
            .await
            .expect("the row is stored");
        passkey_id
    }

    /// Makes another API key of the app; it works until `expires_at`.
    pub async fn make_key(&self, expires_at: Option<UnixMillis>) -> ApiKey {
        let key = ApiKey::new(KeyEnvironment::Live, &make_random());
        let stored = self.context().store.create_key(self.app_id, &key, "another".into(), expires_at).await;
        stored.expect("the key is stored");
        key
    }
}

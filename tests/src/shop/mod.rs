//! One small shop in five builds: what carries a session, and what begins it. The attack suite attacks all of them.
//!
//! Its only secret is who asks: `POST /act` does something in a person's name and writes it into the log of actions, which
//! is the oracle of the suite. Whatever is not this project's doing is done the way good sites do it: tokens of 256 random
//! bits, kept as hashes; `__Host-`, `HttpOnly`, `Secure`, `SameSite=Lax`; slow password hashes; passkeys checked by the
//! same strict code as ours, so that only the carrier makes a difference.
//!
//! | file | what it is |
//! | --- | --- |
//! | `classic.rs` | the four builds with tokens and cookies |
//! | `ours.rs` | the build with Passkey Accounts: a server of its own and proofs |
//! | `database.rs` | what the four keep, in SQLite |
//! | `person.rs` | somebody who uses a shop without a browser |
//! | `pages/` | the page, for browsers, with a hole that takes comments for code |

mod classic;
mod database;
mod ours;
mod pages;
mod person;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use passkey_accounts::LiveSessions;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub use database::{Database, is_password};
pub use ours::Hearing;
pub use person::{Carried, Person};

use crate::{
    TestServer, TlsFront,
    proof::{WireAnswer, WireRequest},
    raw::Identity,
};

/// What carries a session, and what begins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Build {
    /// A bearer token in `localStorage`, for a password.
    TokenPassword,
    /// A bearer token in `localStorage`, for a passkey.
    TokenPasskey,
    /// An `HttpOnly` cookie, for a password.
    CookiePassword,
    /// An `HttpOnly` cookie, for a passkey.
    CookiePasskey,
    /// Passkey Accounts.
    PasskeyAccount,
}

impl Build {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 5] = [
        Self::TokenPassword,
        Self::TokenPasskey,
        Self::CookiePassword,
        Self::CookiePasskey,
        Self::PasskeyAccount,
    ];

    /// Its name in files.
    pub const fn id(self) -> &'static str {
        match self {
            Self::TokenPassword => "tokenPassword",
            Self::TokenPasskey => "tokenPasskey",
            Self::CookiePassword => "cookiePassword",
            Self::CookiePasskey => "cookiePasskey",
            Self::PasskeyAccount => "passkeyAccount",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::TokenPassword => "Token, password",
            Self::TokenPasskey => "Token, passkey",
            Self::CookiePassword => "Cookie, password",
            Self::CookiePasskey => "Cookie, passkey",
            Self::PasskeyAccount => "Passkey Account",
        }
    }

    /// Whether people sign in with a passkey.
    pub const fn has_passkeys(self) -> bool {
        matches!(self, Self::TokenPasskey | Self::CookiePasskey | Self::PasskeyAccount)
    }

    /// Whether a cookie carries the session.
    pub const fn has_cookies(self) -> bool {
        matches!(self, Self::CookiePassword | Self::CookiePasskey)
    }
}

/// A shop that is open.
pub struct Shop {
    /// Which build.
    pub build: Build,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its host: no other shop's, because cookies do not tell ports apart.
    pub host: String,
    /// `http://HOST:PORT`, or `https`.
    pub origin: String,
    /// Where its pages have their socket: `ws://HOST:PORT/PATH`, or `wss`.
    pub socket_url: String,
    /// What was done in it, and what it keeps, where it is one of the four.
    actions: Arc<Actions>,
    /// What the four keep.
    pub database: Option<Arc<Database>>,
    /// The server of the fifth.
    pub auth: Option<TestServer>,
    tried: watch::Receiver<usize>,
    serving: JoinHandle<()>,
    /// What takes TLS off.
    _fronts: Vec<TlsFront>,
}

/// Something that was done in somebody's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// In whose: an address, or an account's id.
    pub who: String,
    /// What.
    pub what: String,
}

/// The log of actions.
#[derive(Debug, Default)]
pub(crate) struct Actions(Mutex<Vec<Action>>);

impl Actions {
    pub(crate) fn add(&self, who: impl Into<String>, what: impl Into<String>) {
        let action = Action { who: who.into(), what: what.into() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(action);
    }

    fn list(&self) -> Vec<Action> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shop {
    /// Opens one on a port of its own, with an empty database.
    pub async fn open(build: Build) -> Self {
        Self::open_behind(build, None).await
    }

    /// Opens one over TLS, under a name that only browsers know which were
    /// [launched for it](crate::chromium::Chromium::launch_trusting). Requests of tests go past the TLS.
    pub async fn open_over_tls(build: Build, identity: &Identity) -> Self {
        Self::open_behind(build, Some(identity)).await
    }

    async fn open_behind(build: Build, identity: Option<&Identity>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let mut fronts = Vec::new();
        let (host, origin) = match identity {
            None => {
                let host = format!("shop{}.localhost", address.port());
                let origin = format!("http://{host}:{}", address.port());
                (host, origin)
            }
            Some(identity) => {
                let front = TlsFront::start(address, identity).await;
                let host = format!("shop{}.test", address.port());
                let origin = format!("https://{host}:{}", front.port);
                fronts.push(front);
                (host, origin)
            }
        };
        let actions = Arc::<Actions>::default();
        let (database, auth) = match build {
            Build::PasskeyAccount => (None, Some(ours::start(&origin, &host).await)),
            _ => (Some(Arc::new(Database::create().await)), None),
        };
        let routes = match (&database, &auth) {
            (Some(database), _) => classic::routes(build, &origin, &host, &actions, database),
            (None, Some(auth)) => ours::routes(auth, &Hearing::from(auth), &origin, &host, &actions).await,
            (None, None) => Router::new(),
        };
        let socket_url = match (&auth, identity) {
            (None, _) => format!("{}/live", origin.replacen("http", "ws", 1)),
            (Some(auth), None) => auth.gateway_url(),
            (Some(auth), Some(identity)) => {
                let front = TlsFront::start(auth.address(), identity).await;
                let socket_url = format!("wss://accounts.test:{}/v1/gateway", front.port);
                fronts.push(front);
                socket_url
            }
        };
        let app_id = auth.as_ref().map(|auth| auth.app_id);
        let gateway_url = auth.as_ref().map(|_| &*socket_url);
        let routes = routes.merge(pages::routes(build, app_id, gateway_url, identity.is_some()));
        let (count, tried) = watch::channel(0);
        let routes = routes.layer(middleware::from_fn_with_state(count, count_acts));
        let serving =
            tokio::spawn(async move { axum::serve(listener, routes).await.expect("the listener works") });
        Self {
            build,
            address,
            host,
            origin,
            socket_url,
            actions,
            database,
            auth,
            tried,
            serving,
            _fronts: fronts,
        }
    }

    /// Another process of the same back end, over the same data, behind the same address: where it listens.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn another_process(&self) -> SocketAddr {
        let (origin, host, actions) = (&self.origin, &self.host, &self.actions);
        match &self.database {
            Some(database) => serve(classic::routes(self.build, origin, host, actions, database)).await.0,
            None => self.process_that_hears(&Hearing::from(self.auth())).await.0,
        }
    }

    /// Another process, which may hear of sessions from somebody else than the server; it ends when the handle is aborted.
    /// For the build that has a server.
    ///
    /// # Panics
    /// In the other builds.
    pub async fn process_that_hears(&self, hearing: &Hearing) -> (SocketAddr, JoinHandle<()>) {
        serve(ours::routes(self.auth(), hearing, &self.origin, &self.host, &self.actions).await).await
    }

    /// Waits until somebody has tried to act so often, successfully or not.
    ///
    /// # Panics
    /// When they do not.
    pub async fn tried(&self, times: usize) {
        let mut tried = self.tried.clone();
        let waiting = tokio::time::timeout(PATIENCE, tried.wait_for(|tried| *tried >= times)).await;
        waiting.expect("they try in time").expect("the shop is open");
    }

    /// How often somebody has tried to act.
    pub fn tries(&self) -> usize {
        *self.tried.borrow()
    }

    /// What was done so far.
    pub fn actions(&self) -> Vec<Action> {
        self.actions.list()
    }

    /// How often something was done in somebody's name.
    pub fn count(&self, who: &str, what: &str) -> usize {
        self.actions().iter().filter(|action| action.who == who && action.what == what).count()
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: &WireRequest) -> WireAnswer {
        request.send(self.address).await
    }

    /// Sends so many copies of a request at once.
    pub async fn send_copies(&self, request: &WireRequest, copies: usize) -> Vec<WireAnswer> {
        request.send_copies(self.address, copies).await
    }

    /// What a back end knows that begins now, in the build that has a server of its own.
    ///
    /// # Panics
    /// In the other builds.
    pub async fn begin_anew(&self) -> LiveSessions {
        let hearing = Hearing::from(self.auth());
        let live = ours::events(self.auth(), &hearing, &self.origin, &self.host).live_sessions();
        live.in_sync().await.expect("the server is there");
        live
    }

    /// The server of the build that has one.
    ///
    /// # Panics
    /// In the other builds.
    pub fn auth(&self) -> &TestServer {
        self.auth.as_ref().expect("this build has a server of its own")
    }
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop")
            .field("build", &self.build)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves on a port of its own.
async fn serve(routes: Router) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("a bound listener has an address");
    (address, tokio::spawn(async move { axum::serve(listener, routes).await.expect("the listener works") }))
}

/// Counts what tried to act, once it is answered.
async fn count_acts(State(count): State<watch::Sender<usize>>, request: Request, next: Next) -> Response {
    let is_act = request.uri().path().starts_with("/act");
    let response = next.run(request).await;
    if is_act {
        count.send_modify(|count| *count += 1);
    }
    response
}

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

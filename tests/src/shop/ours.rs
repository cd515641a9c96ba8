//! The build with Passkey Accounts: a real server, and a back end that knows who asks by proofs.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    routing::post,
};
use passkey_accounts::{
    Account, Accounts, Events, EventsBuilder, Item, defended,
    evidence::{Expected, MemoryPins},
    protocol::{
        AccountID, CeremonyID,
        event::{Confirmed, EventKind},
    },
    tower::ProofLayer,
};
use passkey_accounts_server::rates::Rates;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Actions;
use crate::TestServer;

struct Ours {
    actions: Arc<Actions>,
    confirmed: watch::Receiver<Vec<Confirmed>>,
    used: Mutex<HashSet<CeremonyID>>,
}

/// Starts the server.
pub(super) async fn start(origin: &str, host: &str) -> TestServer {
    let mut auth = TestServer::start_in_real_time().await;
    auth.ration(Rates::default()).await;
    let app_id = auth.make_app_for(host, &[origin]).await;
    let key = auth.make_key_of(app_id).await;
    (auth.app_id, auth.api_key) = (app_id, key.reveal().to_owned());
    auth
}

/// Where a back end hears what happens, and what it has pinned.
#[derive(Debug, Clone)]
pub struct Hearing {
    /// `http://HOST:PORT` of the server, or of whoever stands in for it.
    pub server: String,
    /// Pins that outlive a process.
    pub pins: Arc<MemoryPins>,
}

impl Hearing {
    /// From the server itself, for the first time.
    pub(super) fn from(auth: &TestServer) -> Self {
        Self { server: auth.origin(), pins: Arc::default() }
    }
}

/// One process of a back end of that server, which answers at `origin`.
pub(super) async fn routes(
    auth: &TestServer,
    hearing: &Hearing,
    origin: &str,
    host: &str,
    actions: &Arc<Actions>,
) -> Router {
    let live = events(auth, hearing, origin, host).live_sessions();
    let proofs = live.proofs().origin(origin).build().expect("the origin is one");
    let (heard, confirmed) = watch::channel(Vec::new());
    // Each stream has its own pins, because each has its own position.
    let listening = Hearing { pins: Arc::default(), ..hearing.clone() };
    tokio::spawn(listen(events(auth, &listening, origin, host).types(["*"]).open(), heard));
    live.in_sync().await.expect("the server is there");
    let ours = Ours { actions: Arc::clone(actions), confirmed, used: Mutex::default() };
    Router::new()
        .route("/act", post(act))
        .route("/act/confirmed", post(act_confirmed))
        .layer(ProofLayer::new(proofs))
        .with_state(Arc::new(ours))
}

/// What a back end hears, as far as passkeys have signed it.
pub(super) fn events(auth: &TestServer, hearing: &Hearing, origin: &str, host: &str) -> EventsBuilder {
    let accounts =
        Accounts::connect(&*hearing.server, auth.api_key.clone()).expect("the server's address is one");
    let expected = Expected { app_id: auth.app_id, rp_id: host.to_owned(), origins: vec![origin.to_owned()] };
    let events = accounts.events();
    if defended!(EvidenceChecked) { events.evidence(expected, Arc::clone(&hearing.pins)) } else { events }
}

async fn act(State(ours): State<Arc<Ours>>, account: Account, what: String) -> StatusCode {
    ours.actions.add(account.account_id.to_string(), what.trim());
    StatusCode::OK
}

#[derive(Deserialize)]
struct Given {
    confirmation: Option<String>,
}

/// What matters: only what a passkey has signed, by this account, and once.
async fn act_confirmed(
    State(ours): State<Arc<Ours>>,
    account: Account,
    Query(given): Query<Given>,
    what: String,
) -> StatusCode {
    let is_confirmed = match given.confirmation.and_then(|id| id.parse().ok()) {
        Some(named) => ours.is_confirmed(named, account.account_id, &what).await,
        None => false,
    };
    if !is_confirmed && defended!(ActionConfirmed) {
        return StatusCode::FORBIDDEN;
    }
    ours.actions.add(account.account_id.to_string(), what.trim());
    StatusCode::OK
}

impl Ours {
    async fn is_confirmed(&self, named: CeremonyID, account_id: AccountID, what: &str) -> bool {
        let mut confirmed = self.confirmed.clone();
        let find =
            |confirmed: &Vec<Confirmed>| confirmed.iter().find(|one| one.ceremony_id == named).cloned();
        let heard = tokio::time::timeout(WAIT, confirmed.wait_for(|all| find(all).is_some())).await;
        let Some(found) = heard.ok().and_then(Result::ok).and_then(|all| find(&all)) else { return false };
        let action = serde_json::from_str::<Value>(&found.action.0).unwrap_or_default();
        let is_fresh = self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(named);
        found.account_id == account_id
            && action == json!({ "do": what })
            && (is_fresh || !defended!(ConfirmationOnce))
    }
}

async fn listen(mut events: Events, heard: watch::Sender<Vec<Confirmed>>) {
    while let Some(Ok(delivery)) = events.next().await {
        let (item, receipt) = delivery.into_parts();
        if let Item::Event(event) = item
            && let Some(EventKind::Confirmed(confirmed)) = event.kind
        {
            heard.send_modify(|all| all.push(*confirmed));
        }
        receipt.ack();
    }
}

/// How long the news of a confirmation may take.
const WAIT: Duration = Duration::from_secs(2);

//! A back end of a customer, on a port of its own, and somebody signed in to it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::OriginalUri, http::Method, routing::any};
use passkey_accounts::{
    Account, Accounts, LiveSessions, Proofs, protocol::gateway::Session, tower::ProofLayer,
};
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer, proof::ProofDraft};
use tokio::{net::TcpListener, task::JoinHandle};

/// Far longer than anything here takes.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// It says who asked, and for what. Dropping it ends it.
pub(super) struct BackEnd {
    pub(super) address: SocketAddr,
    pub(super) origin: String,
    pub(super) live: LiveSessions,
    pub(super) proofs: Proofs,
    task: JoinHandle<()>,
}

impl BackEnd {
    /// With a layer that refuses what has no proof.
    pub(super) async fn start(server: &TestServer) -> Self {
        let live = Accounts::connect(server.events_url(), server.api_key.clone()).unwrap().live_sessions();
        live.in_sync().await.unwrap();
        Self::start_with(live, |layer| {
            Router::new()
                .route("/", any(whoami))
                .route("/{*path}", any(whoami))
                .layer(layer.body_limit(BODY_LIMIT))
        })
        .await
    }

    pub(super) async fn start_with(live: LiveSessions, router: impl FnOnce(ProofLayer) -> Router) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = format!("http://app.localhost:{}", address.port());
        let proofs =
            live.proofs().origin(&origin).origin(OTHER_ORIGIN).fresh_within(LONG * 3).build().unwrap();
        let router = router(ProofLayer::new(proofs.clone()));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, origin, live, proofs, task }
    }

    /// `GET` as the page of this session makes it.
    pub(super) fn get(&self, session: &Session, target: &str) -> ProofDraft {
        ProofDraft::get(session.session_id, &self.origin, target, self.live.server_time())
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) async fn whoami(account: Account, method: Method, uri: OriginalUri, body: Bytes) -> String {
    format!("{} {method} {} {}", account.account_id, uri.0, body.len())
}

/// A page that is signed in, and its session.
pub(super) async fn signed_in(server: &TestServer, email: &str, seed: u8) -> (Page, Session) {
    let mut page = Page::connect(server).await;
    let session = page.sign_up(server, email, &mut SoftwareAuthenticator::new([seed; 32])).await;
    (page, session)
}

/// Served too, under another name.
pub(super) const OTHER_ORIGIN: &str = "https://other.example";

pub(super) const BODY_LIMIT: usize = 1_000;

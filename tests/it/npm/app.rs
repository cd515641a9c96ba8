//! The app of `tests/npm/app` in a browser, as a person uses it.

use passkey_accounts::protocol::AppID;
use passkey_accounts_tests::{
    TestServer,
    chromium::{self, Stored},
    firefox,
};
use serde_json::Value;

/// A tab of some browser.
pub(super) enum Tab {
    Chromium(chromium::Page),
    Firefox(firefox::Tab),
}

/// The app, open in a tab.
pub(super) struct Shop<'a> {
    pub(super) tab: Tab,
    pub(super) server: &'a TestServer,
}

/// The address of the app at `origin`, which signs in to `app_id` on `server`.
pub(super) fn address(origin: &str, server: &TestServer, app_id: AppID) -> String {
    format!("{origin}/?app={app_id}&url={}", server.gateway_url())
}

impl Shop<'_> {
    /// Signs up and returns the account's id.
    pub(super) async fn sign_up(&self, email: &str) -> String {
        self.fill("email", email).await;
        self.click("sign-up").await;
        self.wait_for("codeSent").await;
        self.fill("code", &self.server.mailed_code(email).expect("a code was mailed")).await;
        self.click("verify").await;
        self.wait_for("signedIn").await;
        self.text("account").await
    }

    /// Signs in and returns the account's id.
    pub(super) async fn sign_in(&self, email: &str) -> String {
        self.fill("email", email).await;
        self.click("sign-in").await;
        self.wait_for("signedIn").await;
        self.text("account").await
    }

    pub(super) async fn sign_out(&self) {
        self.click("sign-out").await;
        self.wait_for("signedOut").await;
    }

    /// Waits until the app shows this status; fails when it shows an error instead.
    pub(super) async fn wait_for(&self, status: &str) {
        let script = format!(
            "new Promise((resolve) => {{
                const text = (id) => document.getElementById(id).textContent;
                const look = () => {{
                    const seen = text('status');
                    if (seen !== '{status}' && !text('error') && !seen.includes(': ')) return;
                    watcher.disconnect();
                    resolve(seen === '{status}' ? '' : `${{seen}} ${{text('error')}}`);
                }};
                const watcher = new MutationObserver(look);
                watcher.observe(document, {{ subtree: true, childList: true, characterData: true }});
                look();
            }})"
        );
        assert_eq!(self.evaluate(&script).await, "", "waiting for {status}");
    }

    /// Waits until the first connection is made.
    pub(super) async fn connected(&self) {
        let status = "document.getElementById('status').textContent";
        let script = format!(
            "new Promise((resolve) => {{
                const look = () => ['loading', 'connecting'].includes({status}) || (watcher.disconnect(), resolve({status}));
                const watcher = new MutationObserver(look);
                watcher.observe(document, {{ subtree: true, childList: true, characterData: true }});
                look();
            }})"
        );
        let status = self.evaluate(&script).await;
        assert!(["signedOut", "signedIn"].iter().any(|word| status == *word), "{status}");
    }

    /// What the browser keeps for the app.
    pub(super) async fn stored(&self) -> Stored {
        let stored = match &self.tab {
            Tab::Chromium(page) => page.stored().await,
            Tab::Firefox(tab) => tab.stored().await,
        };
        stored.expect("the page can be asked")
    }

    pub(super) async fn text(&self, id: &str) -> String {
        let text = self.evaluate(&format!("document.getElementById('{id}').textContent")).await;
        text.as_str().expect("an element has text").to_owned()
    }

    pub(super) async fn click(&self, id: &str) {
        self.evaluate(&format!("document.getElementById('{id}').click()")).await;
    }

    async fn fill(&self, id: &str, text: &str) {
        self.evaluate(&format!("document.getElementById('{id}').value = '{text}'")).await;
    }

    async fn evaluate(&self, expression: &str) -> Value {
        let value = match &self.tab {
            Tab::Chromium(page) => page.evaluate(expression).await,
            Tab::Firefox(tab) => tab.evaluate(expression).await,
        };
        value.unwrap_or_else(|error| panic!("{expression}: {error:#}"))
    }
}

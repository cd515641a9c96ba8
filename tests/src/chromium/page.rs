//! One page: navigate, evaluate, wait, listen to what it logs.

use anyhow::{Context, bail};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{Stored, connection::Connection, storage};

/// A tab.
pub struct Page {
    connection: Connection,
    target: String,
    session: String,
}

/// A platform authenticator that says yes, or what else is asked of it.
#[derive(Debug, Clone, Copy)]
pub struct VirtualAuthenticator {
    /// Whether the person passes the device's own check.
    pub verifies_user: bool,
    /// Whether the person touches the sensor. `false`: the prompt waits until it is taken away.
    pub is_present: bool,
}

impl Default for VirtualAuthenticator {
    fn default() -> Self {
        Self { verifies_user: true, is_present: true }
    }
}

impl Page {
    pub(super) async fn attach(
        connection: Connection,
        target: String,
        session: String,
    ) -> anyhow::Result<Self> {
        let page = Self { connection, target, session };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(page)
    }

    /// Goes to `url` and waits until the page has loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn navigate(&self, url: &str) -> anyhow::Result<()> {
        let before = self.connection.events().len();
        let answer = self.call("Page.navigate", json!({"url": url})).await?;
        if let Some(error) = answer.get("errorText").and_then(Value::as_str) {
            bail!("{url}: {error}");
        }
        self.connection
            .wait_for(before, |event| event.session == self.session && event.method == "Page.loadEventFired")
            .await
            .with_context(|| format!("{url} does not load"))
    }

    /// Loads the page again and waits until it has loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn reload(&self) -> anyhow::Result<()> {
        let before = self.connection.events().len();
        self.call("Page.reload", json!({})).await?;
        self.connection
            .wait_for(before, |event| event.session == self.session && event.method == "Page.loadEventFired")
            .await
            .context("the page does not load again")
    }

    /// Closes the tab.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn close(self) -> anyhow::Result<()> {
        self.connection.call(None, "Target.closeTarget", json!({"targetId": self.target})).await.map(drop)
    }

    /// Evaluates a JavaScript expression and awaits it if it is a promise. The result is its JSON form.
    ///
    /// # Errors
    /// With what the expression threw.
    pub async fn evaluate(&self, expression: &str) -> anyhow::Result<Value> {
        evaluate(&self.connection, &self.session, expression).await
    }

    /// Waits until a JavaScript condition about the document holds, and returns its value. It is looked at again whenever
    /// the document changes, never by the clock.
    ///
    /// # Errors
    /// When it does not come true in time; says what the page shows instead.
    pub async fn wait_until(&self, condition: &str) -> anyhow::Result<Value> {
        let expression = format!(
            "new Promise((resolve) => {{
                const look = () => {{ const value = ({condition}); if (value) {{ watcher.disconnect(); resolve(value) }} }};
                const watcher = new MutationObserver(look);
                watcher.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
                look();
            }})"
        );
        match self.evaluate(&expression).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let shown = self.evaluate("document.body.innerText").await.unwrap_or_default();
                Err(error.context(format!(
                    "waiting for {condition}; the page shows: {shown}; console: {:?}",
                    self.logged()
                )))
            }
        }
    }

    /// Gives the page a platform authenticator. It works headless and touches nothing outside the browser.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn add_authenticator(&self, authenticator: VirtualAuthenticator) -> anyhow::Result<()> {
        self.call("WebAuthn.enable", json!({"enableUI": false})).await?;
        let options = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": authenticator.verifies_user,
            "automaticPresenceSimulation": authenticator.is_present,
        });
        self.call("WebAuthn.addVirtualAuthenticator", json!({"options": options})).await?;
        Ok(())
    }

    /// Everything that scripts logged, threw, or that the browser complained about, oldest first.
    pub fn logged(&self) -> Vec<String> {
        let of_this_page = self.connection.events().into_iter().filter(|event| event.session == self.session);
        of_this_page
            .filter(|event| {
                matches!(
                    &*event.method,
                    "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded"
                )
            })
            .map(|event| event.params.to_string())
            .collect()
    }

    /// What the browser keeps for the page's origin.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub async fn stored(&self) -> anyhow::Result<Stored> {
        let cookies = self.call("Network.getAllCookies", json!({})).await?;
        storage::read(&cookies, &self.evaluate(storage::SCRIPT).await?)
    }

    /// A picture of the page, PNG.
    ///
    /// # Errors
    /// When the browser cannot paint.
    pub async fn screenshot(&self) -> anyhow::Result<Vec<u8>> {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        let text = picture["data"].as_str().context("no picture")?;
        Ok(BASE64.decode(text.as_bytes())?)
    }

    /// Any other command of the protocol, for this page.
    ///
    /// # Errors
    /// The browser's own.
    pub async fn call(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.connection.call(Some(&self.session), method, params).await
    }
}

/// Evaluates in whatever `session` is attached to.
pub(super) async fn evaluate(
    connection: &Connection,
    session: &str,
    expression: &str,
) -> anyhow::Result<Value> {
    let arguments =
        json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
    let mut answer = connection.call(Some(session), "Runtime.evaluate", arguments).await?;
    if let Some(thrown) = answer.get("exceptionDetails") {
        let description = thrown.pointer("/exception/description").and_then(Value::as_str);
        bail!("{}", description.map_or_else(|| thrown.to_string(), str::to_owned));
    }
    Ok(answer.pointer_mut("/result/value").map_or(Value::Null, Value::take))
}

//! A real Firefox, driven over Marionette: what geckodriver speaks to it, without geckodriver.
//!
//! As small as the Chromium one: launch, open a page, evaluate, a virtual authenticator, what was stored.

mod marionette;

use std::{path::PathBuf, process::Stdio, sync::Arc};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

use crate::chromium::{PATIENCE, Stored, VirtualAuthenticator, storage};
use marionette::Marionette;

/// No port of its own choice, no downloads, and the software token that virtual authenticators are.
const PREFERENCES: &str = r#"
user_pref("marionette.port", 0);
user_pref("security.webauth.webauthn_enable_softtoken", true);
user_pref("security.webauth.webauthn_enable_usbtoken", false);
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.server", "");
"#;

/// A browser with an empty profile. It is killed and its profile removed when this is dropped.
pub struct Firefox {
    marionette: Arc<Mutex<Marionette>>,
    // In this order: the process must be gone before its folder.
    _process: Child,
    _profile: TempDir,
}

/// A tab.
pub struct Tab {
    marionette: Arc<Mutex<Marionette>>,
    handle: String,
}

impl Firefox {
    /// Starts a browser.
    ///
    /// # Errors
    /// When there is no Firefox on this machine, or it does not start.
    pub async fn launch() -> anyhow::Result<Self> {
        let Some(program) = program() else {
            bail!("no Firefox on this machine: apt-get install firefox-esr")
        };
        let profile = tempfile::tempdir()?;
        std::fs::write(profile.path().join("user.js"), PREFERENCES)?;
        let mut process = Command::new(&program)
            .args(["--headless", "--marionette", "--no-remote", "--profile"])
            .arg(profile.path())
            // Besides its profile it writes to the home folder.
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = process.stdout.take().context("stdout is piped")?;
        let port = timeout(PATIENCE, marionette_port(stdout)).await.context("Firefox says nothing")??;
        let mut marionette = Marionette::connect(port).await?;
        marionette.call("WebDriver:NewSession", json!({"timeouts": {"script": 60_000}})).await?;
        Ok(Self { marionette: Arc::new(Mutex::new(marionette)), _process: process, _profile: profile })
    }

    /// Opens a tab and waits until it has loaded.
    ///
    /// # Errors
    /// When the address cannot be loaded.
    pub async fn open(&self, url: &str) -> anyhow::Result<Tab> {
        let window = self.call("WebDriver:NewWindow", json!({"type": "tab"})).await?;
        let handle = window["handle"].as_str().context("no handle")?.to_owned();
        let tab = Tab { marionette: Arc::clone(&self.marionette), handle };
        tab.navigate(url).await?;
        Ok(tab)
    }

    /// Gives the browser, so all of its tabs, a platform authenticator. Needs a tab that is open.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn add_authenticator(&self, authenticator: VirtualAuthenticator) -> anyhow::Result<()> {
        let options = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": authenticator.verifies_user,
            "isUserConsenting": authenticator.is_present,
        });
        self.call("WebAuthn:AddVirtualAuthenticator", options).await?;
        Ok(())
    }

    async fn call(&self, command: &str, arguments: Value) -> anyhow::Result<Value> {
        self.marionette.lock().await.call(command, arguments).await
    }
}

impl Tab {
    /// Goes to `url` and waits until the page has loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn navigate(&self, url: &str) -> anyhow::Result<()> {
        self.call("WebDriver:Navigate", json!({"url": url})).await.map(drop)
    }

    /// Loads the page anew.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.call("WebDriver:Refresh", json!({})).await.map(drop)
    }

    /// Closes the tab.
    ///
    /// # Errors
    /// The browser's own.
    pub async fn close(self) -> anyhow::Result<()> {
        self.call("WebDriver:CloseWindow", json!({})).await.map(drop)
    }

    /// Evaluates a JavaScript expression about the document and awaits it if it is a promise. It runs beside the page's own
    /// scripts: it sees their document and not their variables.
    ///
    /// # Errors
    /// With what the expression threw.
    pub async fn evaluate(&self, expression: &str) -> anyhow::Result<Value> {
        let script = format!("return ({expression})");
        let mut answer = self.call("WebDriver:ExecuteScript", json!({"script": script, "args": []})).await?;
        Ok(answer.get_mut("value").map_or(Value::Null, Value::take))
    }

    /// What the browser keeps for the page's origin.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub async fn stored(&self) -> anyhow::Result<Stored> {
        let cookies = self.call("WebDriver:GetCookies", json!({})).await?;
        storage::read(&json!({"cookies": cookies}), &self.evaluate(storage::SCRIPT).await?)
    }

    /// Commands go to the tab that was switched to last, so both steps are one for everybody else.
    async fn call(&self, command: &str, arguments: Value) -> anyhow::Result<Value> {
        let mut marionette = self.marionette.lock().await;
        marionette.call("WebDriver:SwitchToWindow", json!({"handle": self.handle, "focus": true})).await?;
        marionette.call(command, arguments).await
    }
}

/// The browser to test with: `PASSKEY_ACCOUNTS_FIREFOX`, or the first that is on the path.
pub fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PASSKEY_ACCOUNTS_FIREFOX") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    ["firefox-esr", "firefox"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// Reads the port that the browser prints. The rest of its chatter is drained, so that it never blocks on it.
async fn marionette_port(stdout: ChildStdout) -> anyhow::Result<u16> {
    let mut lines = BufReader::new(stdout).lines();
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, port)) = line.split_once("Listening on port ") {
            let port = port.trim().parse()?;
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(port);
        }
        said.push(line);
    }
    bail!("Firefox ended before it was ready:\n{}", said.join("\n"))
}

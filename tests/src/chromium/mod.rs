//! A real Chromium, driven over the Chrome DevTools Protocol.
//!
//! Small on purpose: launch, open a page, evaluate, a virtual authenticator, what was logged, what was stored.

mod connection;
mod memory;
mod page;
pub(crate) mod storage;
mod worker;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use data_encoding::BASE64;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use connection::Connection;
pub use page::{Page, VirtualAuthenticator};
pub use storage::Stored;
pub use worker::SharedWorker;

use crate::raw::Identity;

/// How long anything may take before a test is told that it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Flags with which passkeys work in a machine without screen, sandbox or network.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
];

/// A browser with an empty profile. It is killed and its profile removed when this is dropped.
pub struct Chromium {
    connection: Connection,
    // In this order: the process must be gone before its folder.
    process: Child,
    profile: TempDir,
}

impl Chromium {
    /// Starts a browser.
    ///
    /// # Errors
    /// When there is no Chromium on this machine, or it does not start.
    pub async fn launch() -> anyhow::Result<Self> {
        Self::launch_with(tempfile::tempdir()?).await
    }

    /// Starts a browser with a profile that another one has left.
    ///
    /// # Errors
    /// As [`launch`](Self::launch).
    pub async fn launch_with(profile: TempDir) -> anyhow::Result<Self> {
        Self::start(profile, &[]).await
    }

    /// Starts a browser that has this extension, unpacked, and waits until it is there.
    ///
    /// # Errors
    /// As [`launch`](Self::launch), and when the browser does not take the extension.
    pub async fn launch_with_extension(folder: &Path) -> anyhow::Result<Self> {
        let browser =
            Self::start(tempfile::tempdir()?, &[format!("--load-extension={}", folder.display())]).await?;
        browser.connection.call(None, "Target.setDiscoverTargets", json!({"discover": true})).await?;
        let is_there = |event: &connection::Event| {
            let url = event.params.pointer("/targetInfo/url").and_then(serde_json::Value::as_str);
            url.is_some_and(|url| url.starts_with("chrome-extension://"))
        };
        browser.connection.wait_for(0, is_there).await.context("the extension is not there")?;
        Ok(browser)
    }

    /// Starts a browser for which every name under `.test` is this machine, and the certificates of these are good ones.
    /// Pages of `as_secure`, an origin without TLS, are let do what takes TLS.
    ///
    /// # Errors
    /// As [`launch`](Self::launch).
    pub async fn launch_trusting(trusted: &[&Identity], as_secure: Option<&str>) -> anyhow::Result<Self> {
        let keys: Vec<_> = trusted.iter().map(|identity| BASE64.encode(&identity.key_digest())).collect();
        let mut flags = vec![
            "--host-resolver-rules=MAP *.test 127.0.0.1".to_owned(),
            format!("--ignore-certificate-errors-spki-list={}", keys.join(",")),
        ];
        flags.extend(as_secure.map(|origin| format!("--unsafely-treat-insecure-origin-as-secure={origin}")));
        Self::start(tempfile::tempdir()?, &flags).await
    }

    async fn start(profile: TempDir, more: &[String]) -> anyhow::Result<Self> {
        let Some(program) = program() else { bail!("no Chromium on this machine: apt-get install chromium") };
        let mut process = Command::new(&program)
            .args(FLAGS)
            .args(more)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stderr = process.stderr.take().context("stderr is piped")?;
        let address =
            timeout(PATIENCE, devtools_address(stderr)).await.context("Chromium says nothing")??;
        let connection = Connection::open(&address).await?;
        Ok(Self { connection, process, profile })
    }

    /// Opens a page and waits until it has loaded.
    ///
    /// # Errors
    /// When the address cannot be loaded.
    pub async fn open(&self, url: &str) -> anyhow::Result<Page> {
        let made = self.connection.call(None, "Target.createTarget", json!({"url": "about:blank"})).await?;
        let target = made["targetId"].as_str().context("no target")?.to_owned();
        let session = self.attach(&target).await?;
        let page = Page::attach(self.connection.clone(), target, session).await?;
        page.navigate(url).await?;
        Ok(page)
    }

    /// Quits in an orderly way, and leaves the profile.
    ///
    /// # Errors
    /// When the browser does not quit.
    pub async fn quit(mut self) -> anyhow::Result<TempDir> {
        self.connection.call(None, "Browser.close", json!({})).await?;
        timeout(PATIENCE, self.process.wait()).await.context("Chromium does not quit")??;
        Ok(self.profile)
    }

    /// The shared workers that run.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn shared_workers(&self) -> anyhow::Result<Vec<SharedWorker>> {
        let answer = self.connection.call(None, "Target.getTargets", json!({})).await?;
        let targets = answer["targetInfos"].as_array().context("no targets")?;
        let mut workers = Vec::new();
        for target in targets.iter().filter(|target| target["type"] == "shared_worker") {
            let target = target["targetId"].as_str().context("no target")?.to_owned();
            let session = self.attach(&target).await?;
            workers.push(SharedWorker { connection: self.connection.clone(), target, session });
        }
        Ok(workers)
    }

    /// Reads the memory of all its processes, one stretch of it after the other. On Linux.
    ///
    /// # Errors
    /// When the browser is gone, or this user may not.
    pub fn read_memory(&self, found: impl FnMut(&[u8])) -> anyhow::Result<()> {
        memory::read(self.process.id().context("the browser is gone")?, found)
    }

    async fn attach(&self, target: &str) -> anyhow::Result<String> {
        let arguments = json!({"targetId": target, "flatten": true});
        let attached = self.connection.call(None, "Target.attachToTarget", arguments).await?;
        Ok(attached["sessionId"].as_str().context("no session")?.to_owned())
    }
}

/// The browser to test with: `PASSKEY_ACCOUNTS_CHROMIUM`, or the first that is on the path.
pub fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PASSKEY_ACCOUNTS_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    names
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// Reads the address that the browser prints. The rest of its chatter is drained, so that it never blocks on it.
async fn devtools_address(stderr: tokio::process::ChildStderr) -> anyhow::Result<String> {
    let mut lines = BufReader::new(stderr).lines();
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await? {
        if let Some(address) = line.strip_prefix("DevTools listening on ") {
            let address = address.to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(address);
        }
        said.push(line);
    }
    bail!("Chromium ended before it was ready:\n{}", said.join("\n"))
}

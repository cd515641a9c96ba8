//! `cargo xtask demo`: builds, starts the dev server, walks once through it, and stays up.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::{
    build,
    process::{run, target, workspace},
};

/// Runs the demo; with `once` it ends after the walk and leaves nothing behind.
///
/// # Errors
/// Names the step that failed.
pub(crate) fn run_demo(once: bool, port: u16) -> anyhow::Result<()> {
    build::run()?;
    run(workspace("build").arg("--quiet"))?;
    let folder = target().join(if once { "demo-once" } else { "demo" });
    if once && folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let mut server = DevServer::start(&folder, if once { 0 } else { port })?;
    println!("\nA person signs up, out and in, confirms a payment and is signed out; a back end sees:\n");
    run(Command::new(target().join("debug/walk")).arg(&server.url))?;
    if once {
        return Ok(());
    }
    let DevServer { url, events_url, api_key, notes_url, evil_url, .. } = &server;
    println!("\nNow you:");
    println!("  1. {url}/quickstart shows what a back end sees, live");
    println!("  2. {url}/login     signs you up with a passkey, in another tab");
    println!("  3. {url}/outbox    has the mailed code");
    println!("  4. {url}/account   shows your passkeys and sessions");
    println!("\nA whole app, where each request is signed and each deletion confirmed:");
    println!("  {notes_url}   and, beside it, the page that attacks it:");
    println!("  {evil_url}");
    println!("\nYour own back end, in another terminal:");
    println!("  cd examples/node && npm install");
    println!(
        "  PASSKEY_ACCOUNTS_URL={events_url} PASSKEY_ACCOUNTS_API_KEY={api_key} node print-sign-ins.mjs"
    );
    println!("  The same in Python, Kotlin, Swift and Rust: examples/README.md");
    println!("\nCtrl-C stops it.");
    let status = server.process.wait()?;
    ensure!(status.success(), "the server ended: {status}");
    Ok(())
}

/// A dev server in its own process; killed when dropped.
struct DevServer {
    process: Child,
    url: String,
    events_url: String,
    api_key: String,
    notes_url: String,
    evil_url: String,
}

impl DevServer {
    fn start(folder: &Path, port: u16) -> anyhow::Result<Self> {
        let mut process = Command::new(target().join("debug/passkey-accounts"))
            .args(["dev", "--json", "--port", &port.to_string(), "--data-dir"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .context("the server cannot be started")?;
        let mut line = String::new();
        let output = process.stdout.take().context("the server has an output")?;
        BufReader::new(output).read_line(&mut line)?;
        let started: serde_json::Value =
            serde_json::from_str(&line).context("the server did not start; it said why above")?;
        let text = |member: &str| {
            started.get(member).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        Ok(Self {
            process,
            url: text("url"),
            events_url: text("eventsURL"),
            api_key: text("apiKey"),
            notes_url: text("notesURL"),
            evil_url: text("evilURL"),
        })
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

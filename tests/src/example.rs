//! The examples that print sign-ins, each as a process of its own.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::build::{self, node_example, rust_example, workspace};

/// A running example. Dropping it ends it.
#[derive(Debug)]
pub struct Example {
    /// The language.
    pub name: &'static str,
    process: Child,
    lines: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts those of Rust, Node and Python against this address.
    pub fn start_all(url: &str, api_key: &str) -> Vec<Self> {
        let mut node = Command::new("node");
        node.arg(node_example().join("print-sign-ins.mjs"));
        let mut python = Command::new(build::python());
        python.arg(workspace().join("examples/python/print_sign_ins.py"));
        let rust = Command::new(rust_example("print_sign_ins"));
        let start = |(name, command)| Self::start(name, command, url, api_key);
        [("node", node), ("python", python), ("rust", rust)].into_iter().map(start).collect()
    }

    fn start(name: &'static str, mut command: Command, url: &str, api_key: &str) -> Self {
        command.env("PASSKEY_ACCOUNTS_URL", url).env("PASSKEY_ACCOUNTS_API_KEY", api_key);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let stdout = process.stdout.take().expect("its output is piped");
        Self { name, process, lines: BufReader::new(stdout).lines() }
    }

    /// The next line it prints; `None` when there is none within that time.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn line(&mut self, within: Duration) -> Option<String> {
        match timeout(within, self.lines.next_line()).await {
            Ok(Ok(Some(line))) => Some(line),
            Ok(Ok(None)) => {
                let ending = self.ending().await;
                panic!("{} ended: {ending:?}", self.name)
            }
            Ok(Err(error)) => panic!("{}: {error}", self.name),
            Err(_) => None,
        }
    }

    /// Waits until it ends by itself: its exit code and what it said on stderr.
    pub async fn ending(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.process.stderr.take().expect("its errors are piped");
        stderr.read_to_string(&mut said).await.expect("it writes text");
        (self.process.wait().await.expect("it can be waited for").code(), said)
    }
}

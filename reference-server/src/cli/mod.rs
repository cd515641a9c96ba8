//! The command line.

mod app;
mod data;
mod dev;
mod forward;
mod key;
mod listen;
mod log;
mod place;
mod print;
mod recovery;
mod root_key;
mod serve;
mod trigger;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// What `--version` says. A build whose defences can be turned off must not be taken for one that may run.
const VERSION: &str = if cfg!(feature = "planted") {
    concat!(env!("CARGO_PKG_VERSION"), " (for tests only: its defences can be turned off)")
} else {
    env!("CARGO_PKG_VERSION")
};

/// Passkey-only sign-in over one WebSocket, with live auth events for back ends.
#[derive(Debug, Parser)]
#[command(name = "passkey-accounts", version = VERSION, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start on localhost with no configuration: makes an app and an API key, shows mail on a page
    Dev(dev::Dev),
    /// Start for real, from a configuration file, the environment and flags
    Serve(serve::Serve),
    /// Make, list and show apps
    #[command(subcommand)]
    App(app::AppCommand),
    /// Make, rotate, revoke and list API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Print events as they come, and forward them to a URL
    Listen(listen::Listen),
    /// Make a test account sign in or out on a dev server
    Trigger(trigger::Trigger),
    /// Export an app's log into a file, and verify one
    #[command(subcommand)]
    Log(log::LogCommand),
    /// List, approve and cancel the recoveries of accounts on a running server
    #[command(subcommand)]
    Recovery(recovery::RecoveryCommand),
    /// List the root keys, and let another one seal
    #[command(subcommand)]
    RootKey(root_key::RootKeyCommand),
    /// Check the rows of a data folder, and accept them as they are
    #[command(subcommand)]
    Data(data::DataCommand),
}

type Outcome = Result<(), Box<dyn Error>>;

/// Runs the command line.
pub async fn run(cli: Cli) -> ExitCode {
    let filter = EnvFilter::try_from_env("PASSKEY_ACCOUNTS_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = match cli.command {
        Command::Dev(dev) => dev.run().await,
        Command::Serve(serve) => serve.run().await,
        Command::App(command) => command.run().await,
        Command::Key(command) => command.run().await,
        Command::Listen(listen) => listen.run().await,
        Command::Trigger(trigger) => trigger.run().await,
        Command::Log(command) => command.run().await,
        Command::Recovery(command) => command.run().await,
        Command::RootKey(command) => command.run().await,
        Command::Data(command) => command.run().await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Hears SIGHUP, by which an operator has the root keys read again; on Windows nothing.
struct HangUp {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl HangUp {
    fn new() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { signal: signal(SignalKind::hangup())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    async fn received(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

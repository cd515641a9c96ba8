//! The command line: `dev`, `serve`, `app`, `key`.

mod app;
mod dev;
mod key;
mod serve;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Passkey-only sign-in over one WebSocket, with live auth events for back ends.
#[derive(Debug, Parser)]
#[command(name = "passkey-accounts", version, arg_required_else_help = true)]
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
    /// Make and list apps
    #[command(subcommand)]
    App(app::AppCommand),
    /// Make and revoke API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
}

/// Where the database is, for commands that work on it while no server runs.
#[derive(Debug, Clone, clap::Args)]
struct DataDirectory {
    /// The folder of the database
    #[arg(long, default_value = "passkey-accounts-data", value_name = "FOLDER")]
    data_dir: PathBuf,
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

//! Builds, demonstrates and tests the project.

mod build;
mod npm;
mod process;
mod size;
mod stamp;
mod wasm;

use clap::{Parser, Subcommand};

/// Builds, demonstrates and tests Passkey Accounts.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the npm package into sdk-wasm/npm/dist.
    Build,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Build => build::run(),
    }
}

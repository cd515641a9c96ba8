//! Builds, demonstrates and tests the project.

mod attack;
mod build;
mod demo;
mod dist;
mod fuzz;
mod npm;
mod process;
mod server_wasm;
mod size;
mod stamp;
mod test;
mod tools;
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
    /// Builds and starts everything, walks once through it, and stays up.
    Demo {
        /// Ends after the walk.
        #[arg(long)]
        once: bool,
        /// The port on localhost.
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Makes everything that is published: crate, server, npm, python, kotlin, swift; into target/dist.
    Dist {
        /// How native code is built.
        #[arg(long, value_enum, default_value = "release")]
        profile: dist::Profile,
        /// Only these, separated by commas.
        #[arg(long, value_delimiter = ',', value_name = "LIST")]
        only: Vec<String>,
    },
    /// Runs everything that this machine can run.
    Test {
        /// Parts that must run, separated by commas; `all` for every one.
        #[arg(long, value_delimiter = ',', value_name = "LIST")]
        require: Vec<String>,
    },
    /// Carries out every attack of the threat matrix, and makes the table: docs/threats.md, the site's, a report.
    Attack {
        /// Writes nothing: the tree must say already what was measured.
        #[arg(long)]
        check: bool,
    },
    /// Compares the verification of ceremonies with webauthn-rs and SimpleWebAuthn, and prints where they disagree.
    Differential {
        /// How many mutated ceremonies; they are the same in every run.
        #[arg(long, default_value_t = 100_000)]
        cases: u32,
    },
    /// Gives every parser of strangers' bytes inputs that nobody thought of: fuzz/README.md.
    Fuzz {
        /// For so many seconds each.
        #[arg(long, default_value_t = 60, value_name = "N")]
        seconds: u64,
        /// So many executions each instead, always the same ones.
        #[arg(long, conflicts_with = "seconds", value_name = "N")]
        runs: Option<u64>,
        /// Runs nothing, but makes the committed corpora as small as they can be, with what earlier runs have found.
        #[arg(long, conflicts_with_all = ["seconds", "runs"])]
        minimise: bool,
        /// These targets; without any, all.
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Runs the benchmarks, which print ratios against baselines of the same run.
    Bench,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Build => build::run(),
        Task::Demo { once, port } => demo::run_demo(once, port),
        Task::Dist { profile, only } => dist::run(profile, &only),
        Task::Test { require } => test::run_tests(&require),
        Task::Attack { check } => attack::run(check),
        Task::Differential { cases } => test::run_differential(cases),
        Task::Fuzz { minimise: true, targets, .. } => fuzz::minimise(&targets),
        Task::Fuzz { seconds, runs, targets, .. } => {
            fuzz::run_targets(&targets, runs.map_or(fuzz::Amount::Seconds(seconds), fuzz::Amount::Runs))
        }
        Task::Bench => test::run_benchmarks(),
    }
}

//! Runs the simulation of the event stream over many seeds, or shows one run.
#![allow(clippy::print_stdout, reason = "it is a command")]

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use passkey_accounts::planted::Bug;
use passkey_accounts_tests::simulation::{Outcome, Seen, replay, run};

/// The event stream in a seeded world.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// A bug to plant.
    #[arg(long)]
    bug: Option<String>,
    /// Shows what happens.
    #[arg(long)]
    trace: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { seeds, from, bug, trace } = Arguments::parse();
    let bug = match bug {
        None => None,
        Some(name) => {
            let found = Bug::ALL.iter().find(|bug| format!("{bug:?}") == name);
            Some(*found.with_context(|| format!("no bug is called {name:?}: {:?}", Bug::ALL))?)
        }
    };
    let Some(to) = from.checked_add(seeds) else { bail!("there are no such seeds") };
    let mut all = Seen::default();
    for seed in from..to {
        let Outcome { violation, seen, trace, fingerprint, .. } = run(seed, bug, trace);
        all += seen;
        for line in trace {
            println!("{line}");
        }
        if let Some(violation) = violation {
            println!(
                "seed {seed}, {} steps, {fingerprint:016x}: {:?} is broken: {}",
                seen.steps, violation.promise, violation.what
            );
            println!("{}", replay(seed, bug));
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("{seeds} seeds: {all:#?}");
    Ok(ExitCode::SUCCESS)
}

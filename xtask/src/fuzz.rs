//! `cargo xtask fuzz`: builds the targets of `fuzz/` with libFuzzer and runs them on their corpora.
//!
//! The flags are those of cargo-fuzz without a sanitizer, all of them stable: there is no unsafe code of ours for one to
//! watch. Overflow and debug assertions are on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use crate::process::{cargo, read, root, run, target};

/// How long each target runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amount {
    /// So many executions, always the same ones.
    Runs(u64),
    /// So many seconds.
    Seconds(u64),
}

/// Runs the targets of these names, or all, on what is committed and from there on. What is found lies in
/// `target/fuzz/found`, what covers something new in `target/fuzz/corpus`.
///
/// # Errors
/// When it cannot be built, or a target has found something.
pub(crate) fn run_targets(names: &[String], amount: Amount) -> anyhow::Result<()> {
    let (program, all) = (build()?, targets()?);
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no target {unknown}; there are: {}", all.join(" "));
    }
    let chosen = all.iter().filter(|name| names.is_empty() || names.contains(name));
    let mut found = Vec::new();
    println!("{:<20} {:>12} {:>8} {:>8}  outcome", "target", "executions", "seconds", "edges");
    for name in chosen {
        let report = fuzz(&program, name, amount)?;
        println!("{report}");
        if !report.is_clean {
            found.push(report);
        }
    }
    for report in &found {
        eprintln!("\n{}: {}", report.name, report.tail);
    }
    ensure!(
        found.is_empty(),
        "{} targets have found something: the inputs are in {}; see fuzz/README.md",
        found.len(),
        target().join("fuzz/found").display()
    );
    Ok(())
}

/// Replaces the committed corpora by the fewest and smallest inputs that cover what they and the runs here have covered.
///
/// # Errors
/// When it cannot be built, or an input fails.
pub(crate) fn minimise(names: &[String]) -> anyhow::Result<()> {
    let program = build()?;
    for name in targets()?.iter().filter(|name| names.is_empty() || names.contains(name)) {
        let (committed, grown) = (corpus(name), target().join("fuzz/corpus").join(name));
        let small = target().join("fuzz/minimised").join(name);
        if small.exists() {
            fs::remove_dir_all(&small)?;
        }
        fs::create_dir_all(&small)?;
        fs::create_dir_all(&grown)?;
        run(fuzzer(&program, name).arg("-merge=1").args([&small, &committed, &grown]))?;
        fs::remove_dir_all(&committed)?;
        fs::create_dir_all(&committed)?;
        for entry in fs::read_dir(&small)? {
            let entry = entry?;
            fs::copy(entry.path(), committed.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The program that holds every target.
fn build() -> anyhow::Result<PathBuf> {
    let rustc = read(Command::new("rustc").arg("-vV").current_dir(root()))?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let folder = target().join("fuzz/build");
    // With --target, build scripts and macros are built without the flags.
    run(cargo()
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target",
            host,
        ])
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", FLAGS.join(" ")))?;
    Ok(folder.join(host).join("release/passkey-accounts-fuzz"))
}

/// Each has its folder, and in it what is replayed.
fn targets() -> anyhow::Result<Vec<String>> {
    let mut names = fs::read_dir(root().join("fuzz/corpus"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn corpus(name: &str) -> PathBuf {
    root().join("fuzz/corpus").join(name)
}

fn fuzzer(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.env("FUZZ_TARGET", name).args(["-timeout=30", "-rss_limit_mb=1024", "-max_len=4096"]);
    command
}

fn fuzz(program: &Path, name: &str, amount: Amount) -> anyhow::Result<Report> {
    let (grown, found) = (target().join("fuzz/corpus").join(name), target().join("fuzz/found"));
    fs::create_dir_all(&found)?;
    let mut command = fuzzer(program, name);
    match amount {
        Amount::Runs(runs) => command.args([format!("-runs={runs}"), "-seed=1".to_owned()]),
        Amount::Seconds(seconds) => command.arg(format!("-max_total_time={seconds}")),
    };
    // libFuzzer writes what covers something new into the first folder. The same executions each time: what earlier runs have
    // found is not read, and what this one finds is not kept.
    let kept = match amount {
        Amount::Runs(_) => target().join("fuzz/dropped").join(name),
        Amount::Seconds(_) => grown,
    };
    if matches!(amount, Amount::Runs(_)) && kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    fs::create_dir_all(&kept)?;
    command
        .args([kept, corpus(name)])
        .arg(format!("-dict={}", root().join("fuzz/dictionary.txt").display()))
        .arg(format!("-artifact_prefix={}/{name}-", found.display()))
        .stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Report::read(name, &said, output.status.success()))
}

/// What libFuzzer said in the end.
struct Report {
    name: String,
    executions: String,
    seconds: String,
    edges: String,
    is_clean: bool,
    /// The last that it said.
    tail: String,
}

impl Report {
    fn read(name: &str, said: &str, is_clean: bool) -> Self {
        let after = |line: &str, word: &str| {
            let rest = line.split_once(word)?.1.trim_start();
            Some(rest.split_whitespace().next().unwrap_or_default().to_owned())
        };
        let last = |word: &str, value: &str| {
            said.lines().rev().filter(|line| line.contains(word)).find_map(|line| after(line, value))
        };
        let unknown = || "-".to_owned();
        let start = said.find("panicked at").unwrap_or_else(|| said.len().saturating_sub(2_000));
        Self {
            name: name.to_owned(),
            executions: last("Done ", "Done").unwrap_or_else(unknown),
            seconds: last("Done ", " in").unwrap_or_else(unknown),
            edges: last("cov: ", "cov:").unwrap_or_else(unknown),
            is_clean,
            tail: said.get(start..).unwrap_or_default().to_owned(),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, executions, seconds, edges, is_clean, .. } = self;
        let outcome = if *is_clean { "nothing found" } else { "FOUND" };
        write!(f, "{name:<20} {executions:>12} {seconds:>8} {edges:>8}  {outcome}")
    }
}

const FLAGS: [&str; 6] = [
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn a_report_says_what_libfuzzer_said_in_the_end() {
        let said = "#2\tINITED cov: 12 ft: 13\n#100\tDONE   cov: 98 ft: 99 corp: 3/9b\nDone 100 runs in 2 second(s)\n";
        let report = Report::read("cbor", said, true).to_string();
        let words: Vec<_> = report.split_whitespace().collect();
        assert_eq!(words, ["cbor", "100", "2", "98", "nothing", "found"]);
        let report = Report::read("cbor", "thread panicked at src/x.rs:1\n==1== ERROR", false);
        assert!(report.to_string().ends_with("FOUND") && report.tail.starts_with("panicked at"));
    }
}

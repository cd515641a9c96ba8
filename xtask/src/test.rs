//! `cargo xtask test`: everything this machine can run, and a closing table of what ran, what did not, and why.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};

use crate::{
    attack, build, demo, dist, fuzz,
    process::{cargo, found, npm, print_and_keep, root, run, target, workspace},
    tools,
};

/// One part of the tests.
struct Part {
    name: &'static str,
    what: &'static str,
    /// Programs without which it cannot run.
    needs: &'static [&'static str],
    run: fn() -> anyhow::Result<()>,
}

const PARTS: [Part; 18] = [
    Part {
        name: "format",
        what: "rustfmt",
        needs: &[],
        run: || {
            run(cargo().args(["fmt", "--all", "--check"]))?;
            run(cargo().args(["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]))
        },
    },
    Part {
        name: "package",
        what: "the npm package: Rust to wasm, TypeScript",
        needs: &["node", "npm"],
        run: build::run,
    },
    Part {
        name: "lints",
        what: "clippy, every target, no warning",
        needs: &[],
        run: || run(workspace("clippy").args(["--quiet", "--all-targets", "--", "--deny", "warnings"])),
    },
    Part {
        name: "rust",
        what: "units and whole system: real sockets, real SQLite",
        needs: &[],
        run: || {
            // Tests start the server, the examples and the Python binding as processes of their own.
            run(workspace("build").arg("--quiet"))?;
            let skipped = APART.iter().flat_map(|filter| ["--skip", filter]);
            run(workspace("test").args(["--lib", "--bins", "--tests", "--"]).args(skipped))
        },
    },
    Part {
        name: "differential",
        what: "the verification beside webauthn-rs and SimpleWebAuthn",
        needs: &["node", "npm"],
        run: || whole_system("differential::"),
    },
    Part {
        name: "docs",
        what: "examples in the documentation",
        needs: &[],
        run: || run(workspace("test").args(["--quiet", "--doc"])),
    },
    Part {
        name: "fuzz",
        what: "what strangers send, as nobody thought of it: the corpora, and 20,000 executions of each target",
        needs: &["c++"],
        run: || fuzz::run_targets(&[], fuzz::Amount::Runs(20_000)),
    },
    Part {
        name: "dist",
        what: "what is published: made, and used outside of the workspace",
        needs: &["node", "npm", "tar"],
        run: || {
            dist::run(dist::Profile::Dev, &["crate", "server", "npm"].map(str::to_owned))?;
            whole_system("dist::")
        },
    },
    Part {
        name: "node",
        what: "the npm package's server entry",
        needs: &["node", "npm"],
        run: || whole_system("node::"),
    },
    Part {
        name: "python",
        what: "the wheel in a fresh environment",
        needs: &["python3"],
        run: || installed("python"),
    },
    Part {
        name: "kotlin",
        what: "the jars from a Maven repository: Kotlin, Java, Ktor, Spring",
        needs: &["javac", "mvn"],
        run: || installed("kotlin"),
    },
    Part {
        name: "swift",
        what: "the Swift package, in Debian's toolchain",
        needs: &[tools::SWIFT],
        run: || installed("swift"),
    },
    Part {
        name: "acme",
        what: "a certificate from Pebble, an authority of our own",
        needs: &[tools::GO],
        run: || whole_system("acme::"),
    },
    Part {
        name: "examples",
        what: "Rust, Node and Python print who signs in; the other languages' tests run theirs",
        needs: &["node", "npm", "python3"],
        run: || whole_system("examples::"),
    },
    Part {
        name: "browser",
        what: "real Chromium with a virtual authenticator",
        needs: &["chromium", "node", "npm", "python3"],
        run: || whole_system("browser::"),
    },
    Part {
        name: "npm",
        what: "the packed package: linters, its own tests, every bundler, React, Chromium and Firefox",
        needs: &["chromium", "firefox-esr", "node", "npm", "tar"],
        run: || whole_system("npm::"),
    },
    Part {
        name: "attack",
        what: "the threat matrix: every attack is carried out, and the tree says what came of it",
        needs: &["chromium", "node", "npm", "python3"],
        run: || attack::run(true),
    },
    Part {
        name: "demo",
        what: "cargo xtask demo --once",
        needs: &["node", "npm"],
        run: || demo::run_demo(true, 0),
    },
];

/// Parts of the `it` binary that have a line of their own in the table.
const APART: [&str; 11] = [
    "acme::",
    "differential::",
    "dist::",
    "node::",
    "python::",
    "kotlin::",
    "swift::",
    "examples::",
    "browser::",
    "npm::",
    "threats::",
];

/// Makes the artifact of a language, and runs the tests that install it.
fn installed(language: &str) -> anyhow::Result<()> {
    dist::run(dist::Profile::Dev, &[language.to_owned()])?;
    whole_system(&format!("{language}::"))
}

fn whole_system(filter: &str) -> anyhow::Result<()> {
    let mut command = workspace("test");
    command.args(["--quiet", "--test", "it", "--", "--format", "pretty", "--color", "never", filter]);
    let output = print_and_keep(&mut command)?;
    ensure!(!output.contains("test result: ok. 0 passed"), "no test is called {filter}");
    Ok(())
}

/// Runs every part; those named in `required` (or `all`) must run.
///
/// # Errors
/// When a part failed, or a required one could not run.
pub(crate) fn run_tests(required: &[String]) -> anyhow::Result<()> {
    for name in required {
        let is_known = name == "all" || PARTS.iter().any(|part| part.name == name);
        ensure!(
            is_known,
            "there is no part {name}; there are: all {}",
            PARTS.map(|part| part.name).join(" ")
        );
    }
    tools::install();
    let vectors = target().join("vectors");
    if vectors.exists() {
        fs::remove_dir_all(&vectors)?;
    }
    if found("npm") {
        run(npm().arg("ci").current_dir(root().join("examples/node")))?;
    }
    let outcomes: Vec<_> = PARTS.iter().map(|part| (part, part.outcome())).collect();
    println!("\n{:<12} {:<8} {:>6}  what", "part", "outcome", "time");
    for (part, outcome) in &outcomes {
        let (word, seconds, why) = outcome.cells();
        println!("{:<12} {word:<8} {seconds:>6}  {}{why}", part.name, part.what);
    }
    show_vectors(&vectors)?;
    let count = |word: &str| outcomes.iter().filter(|(_, outcome)| outcome.cells().0 == word).count();
    println!("\n{} passed, {} failed, {} skipped", count("ran"), count("failed"), count("skipped"));
    let is_required = |part: &Part| required.iter().any(|name| name == "all" || name == part.name);
    for (part, outcome) in &outcomes {
        match outcome {
            Outcome::Failed(_, error) => bail!("{} failed: {error:#}", part.name),
            Outcome::Skipped(why) if is_required(part) => {
                bail!("{} is required and could not run: {why}", part.name)
            }
            Outcome::Ran(_) | Outcome::Skipped(_) => {}
        }
    }
    Ok(())
}

/// How many vectors each language has replayed: those of tests/vectors that are about a back end's client.
fn show_vectors(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    println!(
        "\n{:<12} {:>6} {:>8} {:>6}  vectors replayed; browsers check no evidence",
        "language", "stream", "evidence", "proof"
    );
    let mut folders =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    folders.sort();
    for folder in folders {
        let language = folder.file_name().unwrap_or_default().to_string_lossy();
        let number = |kind: &str| fs::read_to_string(folder.join(kind)).unwrap_or_else(|_| "none".to_owned());
        println!("{language:<12} {:>6} {:>8} {:>6}", number("stream"), number("evidence"), number("proof"));
    }
    Ok(())
}

enum Outcome {
    Ran(Duration),
    Failed(Duration, anyhow::Error),
    Skipped(String),
}

impl Outcome {
    fn cells(&self) -> (&'static str, String, String) {
        let seconds = |time: &Duration| format!("{} s", time.as_secs());
        match self {
            Self::Ran(time) => ("ran", seconds(time), String::new()),
            Self::Failed(time, error) => ("failed", seconds(time), format!(" - {error:#}")),
            Self::Skipped(why) => ("skipped", String::new(), format!(" - {why}")),
        }
    }
}

impl Part {
    #[expect(clippy::disallowed_methods, reason = "this is a program's rim: it says how long a part took")]
    fn outcome(&self) -> Outcome {
        if let Some(why_not) = self.needs.iter().find_map(|program| tools::why_not(program)) {
            return Outcome::Skipped(why_not);
        }
        println!("\n== {}: {}", self.name, self.what);
        let start = Instant::now();
        match (self.run)() {
            Ok(()) => Outcome::Ran(start.elapsed()),
            Err(error) => Outcome::Failed(start.elapsed(), error),
        }
    }
}

/// Compares the verification with those of others over this many mutated ceremonies.
///
/// # Errors
/// When we accept one that both others refuse.
pub(crate) fn run_differential(cases: u32) -> anyhow::Result<()> {
    let mut command = workspace("test");
    command.env("PASSKEY_ACCOUNTS_CEREMONIES", cases.to_string());
    run(command.args([
        "--quiet",
        "--test",
        "it",
        "--",
        "--nocapture",
        "--test-threads",
        "1",
        "differential::",
    ]))
}

/// Runs every benchmark.
///
/// # Errors
/// Names the one that failed.
pub(crate) fn run_benchmarks() -> anyhow::Result<()> {
    for name in ["verify", "proof", "stream", "signins", "stream_load", "hostile"] {
        run(cargo().args(["bench", "--quiet", "--package", "passkey-accounts-tests", "--bench", name]))?;
    }
    Ok(())
}

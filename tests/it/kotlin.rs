//! The Kotlin package against the real server: the artifact in `target/dist/maven`, as its users get it. JUnit, run by Maven.

use std::{fs, path::Path, process::Stdio};

use passkey_accounts_tests::{
    build::{served_binary, target, workspace},
    control::Control,
    vectors,
};
use tokio::{process::Command, sync::Mutex};

/// Two at once would fetch the same files into one place.
static MAVEN: Mutex<()> = Mutex::const_new(());

/// Maven in a folder of the repository, with what it writes in `target`.
fn maven(folder: &str, goals: &[&str]) -> Command {
    let repository = target().join("dist/maven");
    assert!(repository.exists(), "run `cargo xtask dist --profile dev --only kotlin` first");
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--no-transfer-progress"]).args(goals).current_dir(workspace().join(folder));
    maven.arg(format!("-Dmaven.repo.local={}", target().join("maven").display()));
    maven.arg(format!("-Daccounts.repository=file://{}", repository.display()));
    maven.arg(format!("-Dbuild.folder={}", target().join("kotlin/build").display()));
    maven.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    maven
}

/// Runs it to its good end and returns what it printed.
async fn ends_well(mut maven: Command) -> String {
    let output = maven.output().await.expect("mvn can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kotlin_package_passes_its_tests() {
    let _one = MAVEN.lock().await;
    let control = Control::start(served_binary().to_owned()).await;
    let mut tests = maven("sdk-ffi/kotlin/tests", &["test"]);
    tests.envs(control.environment());
    let said = control.obey_until(ends_well(tests)).await;
    let summary = said.lines().rfind(|line| line.contains("Tests run: ")).expect("Maven counts tests");
    assert!(summary.contains("Skipped: 0") && !summary.contains("Tests run: 0"), "{summary}");
    vectors::record("Kotlin", &said);
}

#[tokio::test]
async fn the_examples_and_the_benchmark_build_by_themselves() {
    let _one = MAVEN.lock().await;
    for folder in ["examples/kotlin", "sdk-ffi/kotlin/bench"] {
        ends_well(maven(folder, &["--quiet", "compile"])).await;
    }
}

#[test]
fn the_snippets_of_the_readme_are_lines_of_files_that_run() {
    let kotlin = workspace().join("sdk-ffi/kotlin");
    let readme = fs::read_to_string(kotlin.join("README.md")).expect("the package has a README");
    let sources = [kotlin.join("tests"), kotlin.join("ktor"), workspace().join("examples/kotlin")];
    let mut texts = Vec::new();
    sources.iter().for_each(|folder| read_sources(folder, &mut texts));
    let texts: Vec<_> = texts.iter().map(|text| flat(text)).collect();
    let snippets: Vec<_> =
        ["kotlin", "java"].iter().flat_map(|language| snippets(&readme, language)).collect();
    assert!(snippets.len() >= 5, "{} snippets", snippets.len());
    for snippet in snippets {
        assert!(texts.iter().any(|text| text.contains(&flat(snippet))), "no file has:\n{snippet}");
    }
}

/// The code blocks of a language.
fn snippets<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// Without what says how deep a line is nested.
fn flat(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn read_sources(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        let is_source = path
            .extension()
            .is_some_and(|extension| ["kt", "java"].iter().any(|wanted| extension == *wanted));
        if path.is_dir() && !path.ends_with("target") {
            read_sources(&path, into);
        } else if is_source {
            into.push(fs::read_to_string(path).expect("a source is text"));
        }
    }
}

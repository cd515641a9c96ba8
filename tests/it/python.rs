//! The Python package, installed from its wheel: `pytest` on the files of sdk-ffi/python/tests.

use std::{path::PathBuf, process::Stdio};

use passkey_accounts_tests::{build, control::Control, vectors};
use tokio::process::Command;

fn python() -> Command {
    let mut command = Command::new(build::python());
    command.current_dir(folder()).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn folder() -> PathBuf {
    build::workspace().join("sdk-ffi/python/tests")
}

fn pytest(file: &str) -> Command {
    let mut command = python();
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "../pyproject.toml"]).arg(file);
    command
}

/// Its output, when it ended well and nothing was skipped.
async fn said(mut command: Command) -> String {
    let output = command.output().await.expect("python can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("skipped"), "{said}");
    said
}

/// Runs one test file, which may tell this server what to do.
async fn passes(file: &str) {
    let control = Control::start(build::served_binary().to_owned()).await;
    let mut command = pytest(file);
    command.envs(control.environment());
    control.obey_until(said(command)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_misses_nothing_and_repeats_what_was_not_handled() {
    passes("test_events.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_take_over_from_each_other() {
    passes("test_workers.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sessions_proofs_and_the_http_api_say_what_the_server_says() {
    passes("test_sessions.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_notices_what_was_rewritten() {
    passes("test_witness.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_synchronous_twin_can_be_interrupted_and_forked() {
    passes("test_sync.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interpreter_ends_with_things_open() {
    passes("test_exit.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_events_take_no_more_memory_than_some() {
    passes("test_memory.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frameworks_let_through_what_is_signed() {
    passes("test_frameworks.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_server_says_what_the_real_one_says() {
    passes("test_testing.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_keeps_notes_for_who_signs_their_requests() {
    passes("test_example.py").await;
}

#[tokio::test]
async fn transcripts_and_proofs_are_replayed() {
    vectors::record("Python", &said(pytest("test_replay.py")).await);
}

#[tokio::test]
async fn what_is_written_down_is_true() {
    said(pytest("test_documents.py")).await;
}

#[tokio::test]
async fn types_are_strict() {
    let package = build::workspace().join("sdk-ffi/python");
    let mut mypy = python();
    mypy.args(["-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir"]);
    mypy.arg(build::target().join("python/mypy")).env("MYPYPATH", "tests");
    said({
        mypy.args(["passkey_accounts", "tests", "bench", "../../examples/python"]).current_dir(&package);
        mypy
    })
    .await;
    let mut pyright = python();
    pyright.args(["-m", "pyright", "--project", "pyproject.toml", "--pythonpath"]).arg(build::python());
    said({
        pyright.current_dir(&package);
        pyright
    })
    .await;
}

//! The npm package's server entry against the real server: `node --test` on the files of tests/node.

use std::{path::Path, process::Stdio};

use passkey_accounts_tests::{build, control::Control, vectors};
use tokio::process::Command;

/// Runs one test file, which may tell this server what to do.
async fn passes(file: &str) {
    let control = Control::start(build::served_binary().to_owned()).await;
    let mut node = node(&[file]);
    node.envs(control.environment());
    control.obey_until(ends_well(node)).await;
}

fn node(files: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(["--expose-gc", "--test", "--test-timeout=60000"]).args(files).current_dir(folder());
    command
}

async fn ends_well(mut command: Command) -> String {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = command.output().await.expect("node can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("# skipped 0") && !said.contains("# pass 0"), "{said}");
    said.into_owned()
}

fn folder() -> &'static Path {
    build::node_tests()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_misses_nothing_and_repeats_what_was_not_handled() {
    passes("live/events.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_take_over_from_each_other() {
    passes("live/workers.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sessions_know_who_is_signed_in() {
    passes("live/sessions.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_pass_with_the_proof_of_a_live_session_and_no_other() {
    passes("live/proofs.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_middleware_fits_express_fastify_and_hono() {
    passes("live/middleware.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_keeps_notes_for_who_signs_their_requests() {
    build::node_example();
    passes("live/example.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_events_take_no_more_memory_than_some() {
    passes("live/memory.test.mjs").await;
}

#[tokio::test]
async fn all_vectors_have_the_outcome_that_they_say() {
    let said = ends_well(node(&["replay/replay.test.mjs", "replay/proofs.test.mjs"])).await;
    vectors::record("Node", &said);
}

#[tokio::test]
async fn the_declarations_are_strict_and_tell_items_apart() {
    let compiler = build::workspace().join("sdk-wasm/npm/node_modules/typescript/bin/tsc");
    let output =
        Command::new("node").arg(compiler).args(["-p", "types"]).current_dir(folder()).output().await;
    let output = output.expect("node can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

//! The npm package's server entry against the real server: `node --test` on the files of tests/node.

use std::{path::Path, process::Stdio, time::Duration};

use passkey_accounts_tests::{build, control::Control, vectors};
use tokio::{process::Command, time::timeout};

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
async fn a_server_that_is_killed_loses_nothing() {
    passes("live/kill.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_witness_notices_what_was_rewritten() {
    passes("live/witness.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_no_passkey_signed_is_not_believed() {
    passes("live/evidence.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_api_answers_and_errors_are_typed() {
    passes("live/api.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_readme_shows_of_back_ends_runs() {
    passes("live/readme.test.mjs").await;
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
async fn what_arrives_together_is_handed_out_one_by_one() {
    ends_well(node(&["bursts.test.mjs"])).await;
}

#[tokio::test]
async fn all_vectors_have_the_outcome_that_they_say() {
    let said = ends_well(node(&["replay/replay.test.mjs", "replay/proofs.test.mjs"])).await;
    vectors::record("Node", &said);
}

/// The server entry over the WebSocket of another runtime.
async fn passes_in(name: &str, program: &str, arguments: &[&str]) {
    let control = Control::start(build::served_binary().to_owned()).await;
    let mut runtime = Command::new(folder().join("node_modules/.bin").join(program));
    runtime.args(arguments).arg("live/runtime.mjs").current_dir(folder()).envs(control.environment());
    runtime.stdin(Stdio::null()).kill_on_drop(true);
    let ended = async { timeout(PATIENCE, runtime.output()).await.expect("it ends by itself") };
    let output = control.obey_until(ended).await.expect("it can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    vectors::record(name, &said);
}

#[tokio::test(flavor = "multi_thread")]
async fn bun_runs_the_server_entry_and_has_the_outcome_of_all_vectors() {
    passes_in("Bun", "bun", &["run"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deno_runs_the_server_entry_and_has_the_outcome_of_all_vectors() {
    passes_in("Deno", "deno", &["run", "--allow-all", "--quiet"]).await;
}

#[tokio::test]
async fn the_declarations_are_strict_and_tell_items_apart() {
    let compiler = build::workspace().join("sdk-wasm/npm/node_modules/typescript/bin/tsc");
    let output =
        Command::new("node").arg(compiler).args(["-p", "types"]).current_dir(folder()).output().await;
    let output = output.expect("node can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Within this, whatever a runtime does is done.
const PATIENCE: Duration = Duration::from_secs(60);

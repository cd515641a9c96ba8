//! What the packed package is checked with: linters of packages, and its own tests in Node.

use passkey_accounts_tests::npm;
use tokio::process::Command;

async fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("NO_COLOR", "1").current_dir(npm::installed());
    let output = command.output().await.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{program} {arguments:?}:\n{said}");
    said
}

async fn node_test(file: &str) {
    let said = run("node", &["--test", "--test-timeout=30000", &format!("checks/{file}")]).await;
    assert!(!said.contains("# tests 0"), "{said}");
}

#[tokio::test]
async fn publint_finds_nothing_to_complain_about() {
    let tarball = npm::tarball();
    let said = run("node_modules/.bin/publint", &["run", tarball.to_str().unwrap(), "--strict"]).await;
    assert!(said.contains("All good!"), "{said}");
}

#[tokio::test]
async fn every_entry_has_types_that_every_kind_of_import_finds() {
    let tarball = npm::tarball();
    // A WebAssembly file has no types.
    let options = ["--profile", "esm-only", "--exclude-entrypoints", "core.wasm", "server.wasm"];
    run("node_modules/.bin/attw", &[&[tarball.to_str().unwrap()], options.as_slice()].concat()).await;
}

#[tokio::test]
async fn importing_an_entry_on_a_server_does_nothing() {
    node_test("entries.test.mjs").await;
}

#[tokio::test]
async fn an_app_is_tested_with_the_fake_server_alone() {
    node_test("testing.test.mjs").await;
}

#[tokio::test]
async fn what_the_readmes_show_of_a_page_runs() {
    node_test("readme.test.mjs").await;
}

#[tokio::test]
async fn react_shows_a_frozen_state_on_the_server_and_connects_once() {
    node_test("react.test.mjs").await;
}

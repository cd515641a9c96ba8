//! The package's server entry in workerd, as an application would bundle it.

use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer, npm};
use serde_json::{Value, json};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_in_workerd_knows_who_is_signed_in_and_refuses_a_request_without_proof() {
    let server = TestServer::start_in_real_time().await;
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@shop.example", &mut SoftwareAuthenticator::new([1; 32])).await;
    let mut node = Command::new("node");
    node.arg("checks/workerd.mjs")
        .env("PASSKEY_ACCOUNTS_URL", server.origin())
        .env("PASSKEY_ACCOUNTS_API_KEY", &server.api_key)
        .current_dir(npm::installed());
    let output = node.output().await.expect("Node is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let answer: Option<Value> = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let printed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(answer, Some(json!({ "sessions": 1, "refusal": "proofMissing" })), "{said}{printed}");
}

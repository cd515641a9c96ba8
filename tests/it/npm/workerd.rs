//! The package's server entry in workerd, as an application would bundle it.

use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer, npm};
use serde_json::{Value, json};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_in_workerd_knows_who_is_signed_in_and_refuses_a_request_without_proof() {
    let server = TestServer::start_in_real_time().await;
    let mut page = Page::connect(&server).await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    page.sign_up(&server, "ada@shop.example", &mut authenticator).await;
    page.sign_out().await;
    page.sign_in("ada@shop.example", &mut authenticator).await;
    let mut node = Command::new("node");
    node.arg("checks/workerd.mjs")
        .env("PASSKEY_ACCOUNTS_URL", server.origin())
        .env("PASSKEY_ACCOUNTS_API_KEY", &server.api_key)
        .env("PASSKEY_ACCOUNTS_APP_ID", server.app_id.to_string())
        .current_dir(npm::installed());
    let output = node.output().await.expect("Node is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let printed = String::from_utf8_lossy(&output.stderr);
    // Without `nodejs_compat` nothing there checks signatures, and evidence is refused instead of believed.
    let answer = |proven: Value| json!({ "sessions": 1, "refusal": "proofMissing", "proven": proven });
    assert_eq!(answers, [answer(json!("notSupported")), answer(json!(1))], "{said}{printed}");
}

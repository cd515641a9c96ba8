//! The Python package against the real server: its own tests, run while people sign in and out.

use std::process::Stdio;

use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer, build};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_python_package_passes_its_tests() {
    // Before anybody is connected: it may take longer than a page may be silent.
    let package = build::python_package();
    let server = TestServer::start_in_real_time().await;
    let mut page = Page::connect(&server).await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    page.sign_up(&server, "ada@shop.example", &mut authenticator).await;
    page.sign_out().await;
    let tests = Command::new("python3")
        .args(["-m", "unittest", "discover", "--start-directory"])
        .arg(build::workspace().join("sdk-ffi/python/tests"))
        .env("PYTHONPATH", package)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PASSKEY_ACCOUNTS_URL", server.events_url())
        .env("PASSKEY_ACCOUNTS_API_KEY", &server.api_key)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python3 can be started");
    let ended = tests.wait_with_output();
    tokio::pin!(ended);
    let output = loop {
        tokio::select! {
            biased;
            output = &mut ended => break output.expect("python3 can be waited for"),
            _ = page.sign_in("ada@shop.example", &mut authenticator) => {}
        }
        page.confirm(r#"{"type":"pay","amount":10}"#, &mut authenticator).await;
        page.sign_out().await;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("skipped"), "{said}");
}

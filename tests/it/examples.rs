//! The promise of the home page: a few lines in any language print who signs in.

use std::time::Duration;

use passkey_accounts_tests::{Example, Page, SoftwareAuthenticator, TestServer};

#[tokio::test(flavor = "multi_thread")]
async fn every_example_prints_who_signs_in_and_out() {
    let server = TestServer::start_in_real_time().await;
    // First, because building them may take longer than a page may be silent.
    let examples = Example::start_all(&server.events_url(), &server.api_key);
    let mut page = Page::connect(&server).await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let account = page.sign_up(&server, "ada@shop.example", &mut authenticator).await.account_id;
    page.sign_out().await;
    let expected = [format!("signed in: {account}"), format!("signed out: {account}")];
    for mut example in examples {
        let mut printed = Vec::new();
        // It prints what happens once it listens, and only itself knows when that is: sign in until it does.
        for _ in 0..60 {
            page.sign_in("ada@shop.example", &mut authenticator).await;
            page.sign_out().await;
            while printed.len() < 2 {
                let Some(line) = example.line(Duration::from_secs(1)).await else { break };
                printed.push(line);
            }
            if printed.len() == 2 {
                break;
            }
        }
        printed.sort();
        assert_eq!(printed, expected, "{}", example.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_says_what_is_wrong_with_a_bad_key() {
    let server = TestServer::start_in_real_time().await;
    let wrong = server.api_key.replace("pa_dev_", "pa_dev_x");
    for mut example in Example::start_all(&server.events_url(), &wrong) {
        let (code, said) = example.ending().await;
        assert_eq!(code, Some(1), "{}: {said}", example.name);
        assert!(said.contains("the API key is missing, misspelt or unknown"), "{}: {said}", example.name);
    }
}

//! The whole product: a person at the served login page, and back ends in three languages that see it live.

use std::time::Duration;

use passkey_accounts_tests::{
    Example, TestServer,
    chromium::{Chromium, Page, Stored, VirtualAuthenticator},
};
use tokio::time::timeout;

use super::{
    dist,
    login::{LOGIN, submit},
};

const EMAIL: &str = "ada@shop.example";

/// The login page, as a person uses it.
struct Login<'a> {
    page: Page,
    server: &'a TestServer,
}

impl<'a> Login<'a> {
    async fn open(browser: &Chromium, server: &'a TestServer, hash: &str) -> Self {
        // The server holds the package that it was built with; a stale or missing one must not go unnoticed.
        assert!(dist().is_dir());
        let page = browser.open(&format!("{}/login{hash}", server.origin())).await.unwrap();
        page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
        page.evaluate("customElements.whenDefined('passkey-login').then(() => 0)").await.unwrap();
        Self { page, server }
    }

    async fn wait_for_screen(&self, screen: &str, mode: &str) {
        let shown = format!("{LOGIN}.screen === '{screen}' && {LOGIN}.mode === '{mode}'");
        self.page.wait_until(&shown).await.unwrap();
    }

    async fn sign_up(&self) -> String {
        self.wait_for_screen("address", "sign-up").await;
        submit(&self.page, EMAIL).await;
        self.wait_for_screen("code", "sign-up").await;
        let code = self.server.mailed_code(EMAIL).expect("a code was mailed");
        submit(&self.page, &code).await;
        self.signed_in_account().await
    }

    async fn sign_in(&self) -> String {
        self.wait_for_screen("address", "sign-in").await;
        submit(&self.page, EMAIL).await;
        self.signed_in_account().await
    }

    async fn sign_out(&self) {
        self.page.evaluate(&format!("{LOGIN}.signOut()")).await.unwrap();
        self.wait_for_screen("address", "sign-in").await;
    }

    async fn signed_in_account(&self) -> String {
        self.page.wait_until(&format!("{LOGIN}.screen === 'signed-in'")).await.unwrap();
        let account =
            self.page.evaluate("document.getElementById('session-account').textContent").await.unwrap();
        account.as_str().unwrap().to_owned()
    }
}

async fn expect_lines(examples: &mut [Example], lines: &[String], when: &str) {
    for example in examples {
        for expected in lines {
            let line = example.line(Duration::from_secs(30)).await;
            assert_eq!(line.as_deref(), Some(expected.as_str()), "{} {when}", example.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_up_in_and_out_while_back_ends_in_three_languages_see_it() {
    let server = TestServer::start_in_real_time().await;
    // First, because they may have to be built: a page that does nothing for minutes is disconnected.
    let mut examples = Example::start_all(&server.events_url(), &server.api_key);
    let browser = Chromium::launch().await.unwrap();
    let login = Login::open(&browser, &server, "#sign-up").await;
    let all_listen = async {
        while server.context().back_ends.count(server.app_id) < examples.len() {
            // One round trip to the browser is the pace of looking again.
            login.page.evaluate("0").await.unwrap();
        }
    };
    timeout(Duration::from_secs(60), all_listen).await.expect("every example connects");

    let account = login.sign_up().await;
    assert_eq!(login.page.stored().await.unwrap(), Stored::default(), "with a session open");
    login.sign_out().await;
    assert_eq!(login.sign_in().await, account);
    login.sign_out().await;
    assert_eq!(login.page.stored().await.unwrap(), Stored::default(), "after it");
    let (signed_in, signed_out) = (format!("signed in: {account}"), format!("signed out: {account}"));
    let twice = [signed_in.clone(), signed_out.clone(), signed_in.clone(), signed_out.clone()];
    expect_lines(&mut examples, &twice, "after signing out").await;

    // Leaving the page is signing out, too, a little later: no page of the site is connected any more.
    login.sign_in().await;
    login.page.navigate(&format!("{}/how-passkeys-work", server.origin())).await.unwrap();
    expect_lines(&mut examples, &[signed_in, signed_out], "after leaving the page").await;
    assert_eq!(login.page.stored().await.unwrap(), Stored::default(), "on another page");
    assert_eq!(login.page.logged(), [""; 0], "nothing to complain about");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_can_be_typed_again_and_an_unknown_address_gets_a_prompt_like_a_known_one() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let login = Login::open(&browser, &server, "#sign-up").await;
    login.wait_for_screen("address", "sign-up").await;
    submit(&login.page, EMAIL).await;
    login.wait_for_screen("code", "sign-up").await;
    let code = server.mailed_code(EMAIL).expect("a code was mailed");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    submit(&login.page, wrong).await;
    login
        .page
        .wait_until(&format!("{LOGIN}.shadowRoot.querySelector('#code-wrong')?.hidden === false"))
        .await
        .unwrap();
    submit(&login.page, &code).await;
    login.signed_in_account().await;
    login.sign_out().await;
    // The page learns only what the browser says of any passkey that is not here.
    submit(&login.page, "nobody@shop.example").await;
    let said = format!("{LOGIN}.shadowRoot.querySelector('[role=alert]').innerText");
    let said = login.page.wait_until(&said).await.unwrap();
    assert!(said.as_str().unwrap().to_lowercase().contains("passkey"), "{said}");
}

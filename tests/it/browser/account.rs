//! The account page against the real server: a second passkey on a second authenticator, names, removal, other browsers.

use passkey_accounts_tests::{
    TestServer,
    chromium::{Chromium, Page, Stored, VirtualAuthenticator},
};
use serde_json::{Value, json};

use super::login::{LOGIN, submit, wait_for_screen};

const EMAIL: &str = "ada@shop.example";
const PASSKEYS: &str = "[...document.querySelectorAll('#passkeys h3')].map((title) => title.textContent)";
const SESSIONS: &str = "[...document.querySelectorAll('#sessions .item:not(.placeholder)')].length";

/// A browser at one page of the site, and its authenticator.
struct Person {
    browser: Chromium,
    page: Page,
    authenticator: String,
}

impl Person {
    async fn at(server: &TestServer, path: &str) -> Self {
        let browser = Chromium::launch().await.unwrap();
        let page = browser.open(&format!("{}{path}", server.origin())).await.unwrap();
        let authenticator = page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
        Self { browser, page, authenticator }
    }

    async fn sign_up(&self, server: &TestServer) {
        self.wait_for_screen("address").await;
        self.page.evaluate(&format!("{LOGIN}.mode = 'sign-up'")).await.unwrap();
        submit(&self.page, EMAIL).await;
        self.wait_for_screen("code").await;
        submit(&self.page, &server.mailed_code(EMAIL).expect("a code was mailed")).await;
        self.wait_for_screen("signed-in").await;
    }

    async fn sign_in(&self) {
        self.wait_for_screen("address").await;
        submit(&self.page, EMAIL).await;
        self.wait_for_screen("signed-in").await;
    }

    async fn wait_for_screen(&self, screen: &str) {
        wait_for_screen(&self.page, screen).await;
    }

    /// Presses the button whose text begins so.
    async fn press(&self, label: &str) {
        let button = format!(
            "[...document.querySelectorAll('main button')].find((each) => each.checkVisibility() && each.textContent.startsWith('{label}'))"
        );
        self.page.wait_until(&format!("{button} !== undefined")).await.unwrap();
        self.page.evaluate(&format!("{button}.click()")).await.unwrap();
    }

    /// Gives this person's authenticator to another browser, as a synced passkey would come there.
    async fn copy_passkeys_to(&self, other: &Self) {
        let of = json!({"authenticatorId": self.authenticator});
        let credentials = self.page.call("WebAuthn.getCredentials", of).await.unwrap();
        for credential in credentials["credentials"].as_array().unwrap() {
            let copy = json!({"authenticatorId": other.authenticator, "credential": credential});
            other.page.call("WebAuthn.addCredential", copy).await.unwrap();
        }
    }

    async fn set_present(&self, is_present: bool) {
        let presence = json!({"authenticatorId": self.authenticator, "enabled": is_present});
        self.page.call("WebAuthn.setAutomaticPresenceSimulation", presence).await.unwrap();
    }

    async fn waits(&self, condition: &str) -> Value {
        self.page.wait_until(condition).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_passkey_is_made_on_another_device_vouched_for_named_used_and_removed() {
    let server = TestServer::start_in_real_time().await;
    let ada = Person::at(&server, "/account").await;
    ada.sign_up(&server).await;
    ada.waits(&format!("{PASSKEYS}.length === 1")).await;
    assert_eq!(ada.page.evaluate("document.getElementById('nudge').hidden").await.unwrap(), false);
    let remove = "[...document.querySelectorAll('#passkeys button')].filter((each) => each.textContent.startsWith('Remove')).length";
    assert_eq!(ada.page.evaluate(remove).await.unwrap(), 0, "never the last");

    // The device that has a passkey already must not be what answers first.
    ada.set_present(false).await;
    let key = VirtualAuthenticator { is_roaming: true, ..VirtualAuthenticator::default() };
    ada.page.add_authenticator(key).await.unwrap();
    let second_prompt = "(() => {
        const real = navigator.credentials.get.bind(navigator.credentials);
        navigator.credentials.get = async (options) => {
            await new Promise((resolve) => { globalThis.goOn = resolve; document.body.dataset.prompted = 'get' });
            navigator.credentials.get = real;
            return real(options);
        };
    })()";
    ada.page.evaluate(second_prompt).await.unwrap();
    ada.press("Add a passkey").await;
    ada.press("Make it").await;
    ada.waits("document.body.dataset.prompted === 'get'").await;
    ada.set_present(true).await;
    ada.page.evaluate("goOn()").await.unwrap();
    ada.waits(&format!("{PASSKEYS}.length === 2")).await;
    assert_eq!(ada.page.evaluate("document.getElementById('nudge').hidden").await.unwrap(), true);

    // The second row is the newer one.
    let row = "document.querySelector('#passkeys .item:last-child')";
    let rename = format!("{row}.querySelector('[data-does=rename]').click()");
    ada.page.evaluate(&rename).await.unwrap();
    ada.waits("document.getElementById('new-name') !== null").await;
    ada.page.evaluate("document.getElementById('new-name').value = ' Key in the drawer '").await.unwrap();
    ada.press("Save").await;
    ada.waits(&format!("{PASSKEYS}.includes('Key in the drawer')")).await;
    // The server has it, not only the page.
    ada.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))").await.unwrap();
    ada.waits(&format!(
        "document.getElementById('passkeys').ariaBusy !== 'true' && {PASSKEYS}.includes('Key in the drawer')"
    ))
    .await;

    let remove = format!("{row}.querySelector('[data-does=remove]').click()");
    ada.page.evaluate(&remove).await.unwrap();
    ada.press("Remove it").await;
    ada.waits(&format!("{PASSKEYS}.length === 1 && !document.getElementById('nudge').hidden")).await;
    assert_eq!(
        ada.page.evaluate(&format!("{LOGIN}.screen")).await.unwrap(),
        "signed-in",
        "it opened no session"
    );
    assert_eq!(ada.page.stored().await.unwrap(), Stored::default());
    assert_eq!(ada.page.logged(), [""; 0], "nothing to complain about");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_browser_is_seen_signed_out_and_told_so() {
    let server = TestServer::start_in_real_time().await;
    let ada = Person::at(&server, "/account").await;
    ada.sign_up(&server).await;
    ada.waits(&format!("{SESSIONS} === 1")).await;
    let elsewhere = Person::at(&server, "/login").await;
    ada.copy_passkeys_to(&elsewhere).await;
    elsewhere.sign_in().await;

    ada.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))").await.unwrap();
    ada.waits(&format!("{SESSIONS} === 2")).await;
    let browsers =
        "[...document.querySelectorAll('#sessions h3')].every((each) => /Chrom/.test(each.textContent))";
    assert_eq!(ada.page.evaluate(browsers).await.unwrap(), true, "it is said which browser it is");
    let row = "#sessions .item .link-button";
    ada.page.evaluate(&format!("document.querySelector('{row}').click()")).await.unwrap();
    ada.waits(&format!("{SESSIONS} === 1")).await;
    elsewhere.wait_for_screen("address").await;
    let said = format!("{LOGIN}.shadowRoot.querySelector('.notice').innerText");
    assert_eq!(
        elsewhere.page.evaluate(&said).await.unwrap(),
        "You have signed out in another page or on another device."
    );

    elsewhere.sign_in().await;
    ada.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))").await.unwrap();
    ada.waits(&format!("{SESSIONS} === 2")).await;
    ada.press("Sign out everywhere else").await;
    elsewhere.wait_for_screen("address").await;
    ada.waits(&format!("{SESSIONS} === 1")).await;

    ada.press("Sign out").await;
    ada.wait_for_screen("address").await;
    let gone =
        "document.getElementById('account').hidden && document.querySelectorAll('#passkeys h3').length === 0";
    assert_eq!(ada.page.evaluate(gone).await.unwrap(), true, "nothing of the account stays in the page");
    for page in [&ada.page, &elsewhere.page] {
        assert_eq!(page.logged(), [""; 0], "nothing to complain about");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_elsewhere_is_told_on_the_open_page_and_ended_there() {
    let server = TestServer::start_in_real_time().await;
    let ada = Person::at(&server, "/account").await;
    ada.sign_up(&server).await;
    ada.waits(&format!("{SESSIONS} === 1")).await;
    let elsewhere = Person::at(&server, "/login").await;
    ada.copy_passkeys_to(&elsewhere).await;

    // The page is only looked at.
    elsewhere.sign_in().await;
    let notices = "document.querySelectorAll('#news .message').length";
    ada.waits(&format!("{notices} === 1 && {SESSIONS} === 2")).await;
    let said = ada.page.evaluate("document.getElementById('news').innerText").await.unwrap();
    for part in ["Somebody has signed in to this account.", "Chrome on Linux", &server.origin()] {
        assert!(said.as_str().unwrap().contains(part), "{said}");
    }
    ada.press("Sign out there").await;
    elsewhere.wait_for_screen("address").await;
    ada.waits(&format!("{notices} === 0 && {SESSIONS} === 1")).await;

    elsewhere.sign_in().await;
    ada.waits(&format!("{notices} === 1 && {SESSIONS} === 2")).await;
    ada.press("That was me").await;
    ada.waits(&format!("{notices} === 0")).await;
    elsewhere.wait_for_screen("signed-in").await;
    for page in [&ada.page, &elsewhere.page] {
        assert_eq!(page.logged(), [""; 0], "nothing to complain about");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_the_login_page_is_the_one_of_the_account_page_and_of_a_reload() {
    let server = TestServer::start_in_real_time().await;
    let ada = Person::at(&server, "/login").await;
    ada.sign_up(&server).await;
    let session = ada.page.evaluate("document.getElementById('session-id').textContent").await.unwrap();
    let tip = ada.page.evaluate("document.getElementById('reload-tip').textContent").await.unwrap();
    assert!(tip.as_str().unwrap().contains("you stay signed in"), "{tip}");
    let link = "[...document.querySelectorAll('nav a')].find((each) => each.textContent === 'Account').checkVisibility()";
    assert_eq!(ada.page.evaluate(link).await.unwrap(), true);

    ada.page.navigate(&format!("{}/account", server.origin())).await.unwrap();
    ada.wait_for_screen("signed-in").await;
    ada.waits(&format!("{PASSKEYS}.length === 1")).await;
    ada.page.navigate(&format!("{}/login", server.origin())).await.unwrap();
    ada.wait_for_screen("signed-in").await;
    assert_eq!(
        ada.page.evaluate("document.getElementById('session-id').textContent").await.unwrap(),
        session
    );
    let tab = ada.browser.open(&format!("{}/account", server.origin())).await.unwrap();
    wait_for_screen(&tab, "signed-in").await;
    ada.page.evaluate(&format!("{LOGIN}.signOut()")).await.unwrap();
    wait_for_screen(&tab, "address").await;
    assert_eq!(ada.page.stored().await.unwrap(), Stored::default());
}

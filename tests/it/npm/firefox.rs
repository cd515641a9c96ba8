//! The package in a real Firefox.

use passkey_accounts::protocol::AppID;
use passkey_accounts_tests::{
    TestServer,
    chromium::{Stored, VirtualAuthenticator},
    firefox::Firefox,
    npm, vectors,
};

use super::app::{Shop, Tab, address};
use crate::browser::vectors::{SAID, serve};

const EMAIL: &str = "ada@shop.example";

struct World {
    server: TestServer,
    origin: String,
    app_id: AppID,
    browser: Firefox,
}

impl World {
    async fn start() -> Self {
        let server = TestServer::start_in_real_time().await;
        let origin = npm::serve(npm::build_app("import-map")).await;
        let app_id = server.make_app_at(&[&origin]).await;
        Self { server, origin, app_id, browser: Firefox::launch().await.unwrap() }
    }

    async fn open(&self) -> Shop<'_> {
        let tab = self.browser.open(&address(&self.origin, &self.server, self.app_id)).await.unwrap();
        let shop = Shop { tab: Tab::Firefox(tab), server: &self.server };
        // A tab that joins others is told their state, whatever it is.
        shop.connected().await;
        shop
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_up_out_and_in_and_firefox_keeps_nothing() {
    let world = World::start().await;
    let shop = world.open().await;
    world.browser.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
    let account = shop.sign_up(EMAIL).await;
    assert_eq!(shop.stored().await, Stored::default(), "with a session open");
    shop.sign_out().await;
    assert_eq!(shop.sign_in(EMAIL).await, account);
    shop.sign_out().await;
    assert_eq!(shop.stored().await, Stored::default(), "after it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_tab_of_firefox_shares_the_session_and_its_end() {
    let world = World::start().await;
    let first = world.open().await;
    world.browser.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
    assert_eq!(first.text("persistence").await, "worker");
    let account = first.sign_up(EMAIL).await;
    let second = world.open().await;
    second.wait_for("signedIn").await;
    assert_eq!(second.text("account").await, account);
    second.sign_out().await;
    first.wait_for("signedOut").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reload_firefox_asks_for_one_more_tap() {
    let world = World::start().await;
    let shop = world.open().await;
    world.browser.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
    let account = shop.sign_up(EMAIL).await;
    let Tab::Firefox(tab) = &shop.tab else { panic!("this is Firefox") };
    tab.reload().await.unwrap();
    shop.wait_for("signedOut").await;
    assert_eq!(shop.sign_in(EMAIL).await, account);
    assert_eq!(shop.stored().await, Stored::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_has_the_outcome_of_all_vectors() {
    let browser = Firefox::launch().await.unwrap();
    let tab = browser.open(&serve().await).await.unwrap();
    let said = tab.evaluate(SAID).await.unwrap();
    vectors::record_browser("Firefox", said.as_str().expect("text"));
}

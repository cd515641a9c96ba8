//! Every page that `dev` serves, whole: axe finds nothing, nothing scrolls sideways, nothing is complained about.

use passkey_accounts_tests::{
    build::axe_script,
    chromium::{Chromium, Page, VirtualAuthenticator},
};

use super::login::{LOGIN, submit, wait_for_screen};
use crate::notes::Dev;

const EMAIL: &str = "ada@shop.example";

/// Paths of the site that show the same to everybody, and what is there when a page is complete.
const OPEN: [(&str, &str); 5] = [
    ("/recover", "document.querySelector('[data-fill=version]').textContent"),
    ("/", "document.querySelector('#threat-matrix table')"),
    ("/how-passkeys-work", "document.querySelector('[data-fill=version]').textContent"),
    ("/quickstart", "document.getElementById('live-state').textContent === 'Connected'"),
    ("/nothing-here", "document.querySelector('[data-fill=version]').textContent"),
];

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_on_any_page() {
    let dev = Dev::start();
    let browser = Chromium::launch().await.unwrap();
    let mut faults = Vec::new();
    let page = browser.open(&format!("{}/login", dev.site())).await.unwrap();
    page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();

    wait_for_screen(&page, "address").await;
    assert_eq!(title(&page).await, "Sign in · Passkey Accounts");
    faults.extend(inspect(&page, "login").await);
    page.evaluate(&format!("{LOGIN}.mode = 'sign-up'")).await.unwrap();
    submit(&page, EMAIL).await;
    wait_for_screen(&page, "code").await;
    assert_eq!(title(&page).await, "Create an account · Passkey Accounts");
    submit(&page, &dev.mailed_code(EMAIL).await).await;
    wait_for_screen(&page, "signed-in").await;
    page.wait_until("document.querySelectorAll('#stored > div').length === 6").await.unwrap();
    assert_eq!(title(&page).await, "Signed in · Passkey Accounts");
    faults.extend(inspect(&page, "login, signed in").await);
    page.navigate(&format!("{}/account", dev.site())).await.unwrap();
    page.wait_until("document.querySelector('#passkeys h3') && document.querySelector('#sessions h3')")
        .await
        .unwrap();
    faults.extend(inspect(&page, "account").await);
    page.navigate(&format!("{}/outbox", dev.site())).await.unwrap();
    page.wait_until("document.querySelector('#mails > *')").await.unwrap();
    faults.extend(inspect(&page, "outbox").await);
    for (path, complete) in OPEN {
        page.navigate(&format!("{}{path}", dev.site())).await.unwrap();
        page.wait_until(complete).await.unwrap();
        faults.extend(inspect(&page, path).await);
    }
    page.navigate(&dev.origin("app")).await.unwrap();
    wait_for_screen(&page, "address").await;
    faults.extend(inspect(&page, "notes").await);
    // What the browser itself says of a page that does not exist.
    let said: Vec<String> =
        page.logged().into_iter().filter(|entry| !entry.contains("/nothing-here")).collect();
    assert_eq!(said, [""; 0], "nothing to complain about");

    // A page of its own: every refusal is logged there.
    let evil = browser.open(&dev.origin("evil")).await.unwrap();
    evil.wait_until("document.body.dataset.done === 'true'").await.unwrap();
    faults.extend(inspect(&evil, "evil").await);
    assert_eq!(faults, [""; 0]);
}

/// Light and dark as on a desk, and as narrow as a small telephone.
async fn inspect(page: &Page, name: &str) -> Vec<String> {
    page.evaluate(&format!("{};0", axe_script())).await.unwrap();
    let mut faults = Vec::new();
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 320)] {
        page.emulate(width, &[("prefers-color-scheme", scheme)]).await.unwrap();
        let found = page.evaluate(FAULTS).await.unwrap();
        let found = found.as_array().unwrap().iter().filter_map(|fault| fault.as_str());
        faults.extend(found.map(|fault| format!("{name}, {scheme}, {width} wide: {fault}")));
    }
    faults
}

async fn title(page: &Page) -> String {
    page.evaluate("document.title").await.unwrap().as_str().unwrap_or_default().to_owned()
}

/// What moves to its new colour has it before axe looks.
const FAULTS: &str = "(async () => {
    for (const each of document.getAnimations()) if (each.effect.getComputedTiming().iterations !== Infinity) each.finish();
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    const faults = violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target} ${failureSummary}`));
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) faults.push(`${scrollWidth} wide on a screen of ${clientWidth}`);
    return faults;
})()";

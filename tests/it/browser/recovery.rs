//! Recovery in a real browser: the code on the account page, the warning, the button that cancels, and the package's calls
//! from the other side.

use passkey_accounts::protocol::event::EventKind;
use passkey_accounts_tests::{
    TestServer,
    chromium::{Chromium, VirtualAuthenticator},
};
use serde_json::{Value, json};

use super::{
    login::{LOGIN, submit, wait_for_screen},
    tab::{ADA, Tab},
};
use crate::confirm::events;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Asks for a recovery, and says what came of both codes.
async fn recover(tab: &Tab, server: &TestServer, code: &str) -> Value {
    tab.focus().await;
    tab.run(&format!(
        "client.recover({{ email: '{ADA}' }}).then((pending) => void (globalThis.recovery = pending))"
    ))
    .await;
    let mailed = server.mailed_code(ADA).expect("a code was mailed");
    tab.run(&format!("failure(recovery.verify('{mailed}', '{code}'))")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_makes_a_code_is_told_of_a_recovery_and_cancels_it() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    server.allow_recovery(DAY_MS).await;
    let tab = Tab::connected(&browser, &server, json!({"persistence": "page"})).await;
    tab.sign_up(&server).await;
    let code = tab.run("client.state.session.makeRecoveryCode()").await;
    let code = code.as_str().expect("a code").to_owned();
    assert_eq!(code.len(), 33);
    let stranger = Tab::connected(&browser, &server, json!({"persistence": "page"})).await;
    assert_eq!(recover(&stranger, &server, "mistyped").await["code"], "wrongRecoveryCode");
    let held = recover(&stranger, &server, &code.to_lowercase()).await;
    assert_eq!(held["value"]["status"], "held", "{held}");
    assert_eq!(stranger.state().await["status"], "signedOut");

    tab.until("state.recoveryUntil !== undefined").await;
    let hours = tab.run("(client.state.recoveryUntil - Date.now()) / 3600000").await;
    assert!((23.0..=24.1).contains(&hours.as_f64().unwrap()), "{hours}");
    tab.run("client.state.session.cancelRecovery()").await;
    tab.until("state.recoveryUntil === undefined").await;
    assert_eq!(tab.run("failure(client.state.session.cancelRecovery())").await["code"], "notFound");
    assert_eq!(recover(&stranger, &server, &code).await["code"], "wrongRecoveryCode");
    for tab in [&tab, &stranger] {
        tab.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_has_waited_gives_a_passkey_that_signs_in() {
    let server = TestServer::start_in_real_time().await;
    server.allow_recovery(0).await;
    let (first, second) = (Chromium::launch().await.unwrap(), Chromium::launch().await.unwrap());
    let lost = Tab::connected(&first, &server, json!({"persistence": "page"})).await;
    lost.sign_up(&server).await;
    let code = lost.run("client.state.session.makeRecoveryCode()").await;
    let tab = Tab::connected(&second, &server, json!({"persistence": "page"})).await;
    let recovered = recover(&tab, &server, code.as_str().unwrap()).await;
    assert_eq!(recovered["value"], json!({"status": "recovered"}), "{recovered}");
    assert_eq!(tab.prompts().await, 1);
    let out = lost.until("state.status !== 'signedIn' && state.reason !== undefined").await;
    assert_eq!(out["reason"], "recovered", "{out}");
    tab.sign_in().await;
    assert_eq!(tab.state().await["status"], "signedIn");
    assert!(events(&server).iter().any(|kind| matches!(kind, EventKind::RecoveryCompleted(_))));
    tab.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sites_page_leads_through_a_recovery_and_says_what_is_wrong_where_it_is() {
    let server = TestServer::start_in_real_time().await;
    server.allow_recovery(0).await;
    let browser = Chromium::launch().await.unwrap();
    let lost = Tab::connected(&browser, &server, json!({"persistence": "page"})).await;
    lost.sign_up(&server).await;
    let code = lost.run("client.state.session.makeRecoveryCode()").await;
    let page = browser.open(&format!("{}/login", server.origin())).await.unwrap();
    page.wait_until("!document.getElementById('recover-tip').hidden").await.unwrap();
    page.navigate(&format!("{}/recover", server.origin())).await.unwrap();
    page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
    page.call("Page.bringToFront", json!({})).await.unwrap();

    wait_for_screen(&page, "address").await;
    submit(&page, ADA).await;
    wait_for_screen(&page, "code").await;
    let mailed = server.mailed_code(ADA).expect("a code was mailed");
    let type_code = |code: &str| {
        format!("(() => {{ {LOGIN}.shadowRoot.querySelector('#recovery-code').value = {} }})()", json!(code))
    };
    page.evaluate(&type_code("0123")).await.unwrap();
    submit(&page, &mailed).await;
    let wrong = format!("{LOGIN}.shadowRoot.querySelector('#recovery-code-wrong').textContent !== ''");
    page.wait_until(&wrong).await.unwrap();
    page.evaluate(&type_code(code.as_str().unwrap())).await.unwrap();
    submit(&page, &mailed).await;
    wait_for_screen(&page, "recovered").await;
    page.evaluate(&format!("{LOGIN}.shadowRoot.querySelector('.button.main').click()")).await.unwrap();
    submit(&page, ADA).await;
    wait_for_screen(&page, "signed-in").await;
    assert_eq!(page.logged(), [""; 0]);
}

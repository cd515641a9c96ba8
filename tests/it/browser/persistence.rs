//! How long a session lives: reloads, navigation, tabs, lost connections, a server that comes back.

use std::{pin::pin, time::Duration};

use passkey_accounts::protocol::{
    event::{EventKind, LoggedOut},
    gateway::EndReason,
};
use passkey_accounts_server::{clock::Clock, sessions::SessionLimits};
use passkey_accounts_tests::{
    BackEnd, Line, START, TestServer,
    chromium::{Chromium, Stored},
};
use serde_json::json;
use tokio::time::timeout;

use super::tab::Tab;

/// Short, so that tests need not wait long; long enough for a reload on a busy machine.
const PAGE_GONE_MS: u64 = 3_000;

/// A back end that hears of every end from now on.
async fn listening(server: &TestServer, api_key: &str) -> BackEnd {
    let first = json!({ "types": ["loggedOut"], "start": "now", "apiKey": api_key });
    let mut back_end = BackEnd::view(server, first).await;
    // The bookmark that says where it begins.
    back_end.message().await;
    back_end
}

async fn next_end(back_end: &mut BackEnd) -> LoggedOut {
    match back_end.event().await.kind() {
        Ok(Some(EventKind::LoggedOut(logged_out))) => logged_out,
        other => panic!("not loggedOut: {other:?}"),
    }
}

/// A line to the server, and an app whose pages come over it, with a key of that app.
pub(super) async fn over_a_line(server: &TestServer) -> (Line, String, String) {
    let line = Line::start(server.address()).await.unwrap();
    let app_id = server.make_app_at(&[line.origin()]).await;
    let key = server.make_key_of(app_id).await;
    (line, app_id.to_string(), key.reveal().to_owned())
}

async fn with_grace(grace_ms: u64) -> TestServer {
    TestServer::start_with(Clock::System, SessionLimits { grace_ms, ..SessionLimits::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_survives_reloads_and_a_walk_through_the_site_without_a_prompt() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    assert_eq!(tab.run("client.persistence").await, "worker");
    let session = tab.sign_up(&server).await;
    let signed_in = json!({ "status": "signedIn", "sessionID": session });
    for _ in 0..3 {
        tab.page.reload().await.unwrap();
        assert_eq!(tab.connect().await, signed_in);
    }
    tab.page.navigate(&format!("{}/quickstart", server.origin())).await.unwrap();
    tab.page.navigate(&format!("{}/how-passkeys-work", server.origin())).await.unwrap();
    assert_eq!(tab.connect().await, signed_in);
    assert_eq!(tab.prompts().await, 0);
    tab.is_clean().await;
    tab.run("client.signOut()").await;
    assert_eq!(tab.state().await, json!({ "status": "signedOut", "reason": "user" }));
    tab.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_share_a_session_and_what_one_does_the_other_sees() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let first = Tab::connected(&browser, &server, json!({})).await;
    let second = Tab::connected(&browser, &server, json!({})).await;
    let session = first.sign_up(&server).await;
    let signed_in = json!({ "status": "signedIn", "sessionID": session });
    assert_eq!(second.until("state.status === 'signedIn'").await, signed_in);
    second.run("client.signOut()").await;
    let signed_out = json!({ "status": "signedOut", "reason": "user" });
    assert_eq!(first.until("state.status === 'signedOut'").await, signed_out);
    // The passkey is in the first tab's authenticator: its prompt appears where it was asked for.
    first.sign_in().await;
    second.until("state.status === 'signedIn'").await;
    assert_eq!(second.prompts().await, 0);
    // A client that lets go leaves the others alone.
    second.run("client.close()").await;
    assert_eq!(second.state().await["status"], "closed");
    assert_eq!(first.state().await["status"], "signedIn");
    for tab in [first, second] {
        tab.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_ends_shortly_after_its_last_page() {
    let server = TestServer::start_in_real_time().await;
    let mut back_end = listening(&server, &server.api_key).await;
    let browser = Chromium::launch().await.unwrap();
    let options = json!({ "pageGoneMs": PAGE_GONE_MS });
    let first = Tab::connected(&browser, &server, options.clone()).await;
    let session = first.sign_up(&server).await;
    let second = Tab::open(&browser, &server.origin(), &server.app_id.to_string(), options).await;
    assert_eq!(second.connect().await["status"], "signedIn");
    first.is_clean().await;
    first.page.close().await.unwrap();
    assert_eq!(second.state().await["status"], "signedIn", "one page is left");
    let mut end = pin!(next_end(&mut back_end));
    let is_early = timeout(Duration::from_millis(PAGE_GONE_MS + 1_000), &mut end).await.is_ok();
    assert!(!is_early, "one page is left");
    second.page.close().await.unwrap();
    let end =
        timeout(Duration::from_millis(PAGE_GONE_MS + 1_000), end).await.expect("the session ends in time");
    assert_eq!((json!(end.session_id.to_string()), end.reason), (session, EndReason::PageGone));
    // Who comes back finds out.
    let back = Tab::connected(&browser, &server, json!({})).await;
    assert_eq!(back.state().await, json!({ "status": "signedOut", "reason": "pageGone" }));
    back.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_last_client_ends_the_session_at_once() {
    let server = TestServer::start_in_real_time().await;
    let mut back_end = listening(&server, &server.api_key).await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({ "pageGoneMs": 60_000 })).await;
    tab.sign_up(&server).await;
    tab.run("client.close()").await;
    assert_eq!(next_end(&mut back_end).await.reason, EndReason::PageGone);
    assert_eq!(tab.run("failure(client.signOut()).then(({ code }) => code)").await, "unexpected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_kept_by_the_page_ends_with_it() {
    let server = TestServer::start_in_real_time().await;
    let mut back_end = listening(&server, &server.api_key).await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({ "persistence": "page" })).await;
    assert_eq!(tab.run("client.persistence").await, "page");
    tab.sign_up(&server).await;
    assert_eq!(browser.shared_workers().await.unwrap().len(), 0);
    tab.page.reload().await.unwrap();
    assert_eq!(next_end(&mut back_end).await.reason, EndReason::PageGone);
    assert_eq!(tab.connect().await, json!({ "status": "signedOut" }));
    tab.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_be_loaded_leaves_the_work_to_the_page() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    // Missing; not a script; of another origin, which no browser allows.
    for worker in ["/sdk/nowhere.js", "/site.json", "https://other.example/worker.js"] {
        let tab = Tab::connected(&browser, &server, json!({ "worker": worker })).await;
        assert_eq!(tab.run("client.persistence").await, "page", "{worker}");
    }
    let tab = Tab::connected(&browser, &server, json!({ "worker": "/sdk/nowhere.js" })).await;
    tab.sign_up(&server).await;
    assert_eq!(tab.state().await["status"], "signedIn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_takes_the_session_with_it_and_the_page_goes_on() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    tab.sign_up(&server).await;
    browser.shared_workers().await.unwrap().remove(0).kill().await.unwrap();
    let signed_out = json!({ "status": "signedOut", "reason": "connectionLost" });
    assert_eq!(tab.until("state.status === 'signedOut'").await, signed_out);
    assert_eq!(tab.run("client.persistence").await, "worker");
    tab.sign_in().await;
    tab.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_private_half_of_a_workers_key_cannot_be_exported() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    let worker = browser.shared_workers().await.unwrap().remove(0);
    // More than any script of a page could do: catch the key within the worker while it is made.
    let catch = "{
        const real = crypto.subtle.generateKey.bind(crypto.subtle);
        crypto.subtle.generateKey = async (...options) => (globalThis.caught = await real(...options));
    }";
    worker.evaluate(catch).await.unwrap();
    tab.sign_up(&server).await;
    let tries = "Promise.all(['jwk', 'pkcs8', 'raw'].map((format) =>
        crypto.subtle.exportKey(format, caught.privateKey).then(() => 'exported', (error) => error.name)))";
    let refused = json!(["InvalidAccessError", "InvalidAccessError", "InvalidAccessError"]);
    assert_eq!(worker.evaluate(tries).await.unwrap(), refused);
    let kept = "JSON.stringify([caught.privateKey.extractable, caught.privateKey.usages])";
    assert_eq!(worker.evaluate(kept).await.unwrap(), r#"[false,["sign"]]"#);
}

/// Loses the connection in one way or another, and mends it.
async fn resumes(persistence: &str, is_silent: bool) {
    let server = TestServer::start_in_real_time().await;
    let (line, app_id, _) = over_a_line(&server).await;
    let browser = Chromium::launch().await.unwrap();
    let options = json!({ "persistence": persistence });
    let tab = Tab::open(&browser, &line.origin(), &app_id, options).await;
    tab.connect().await;
    let session = tab.sign_up(&server).await;
    let before = tab.prompts().await;
    if is_silent {
        line.cut_silently();
    } else {
        line.cut();
    }
    let lost = json!({ "status": "reconnecting", "sessionID": session });
    assert_eq!(tab.until("state.status === 'reconnecting'").await, lost);
    line.mend();
    let back = json!({ "status": "signedIn", "sessionID": session });
    assert_eq!(tab.until("state.status === 'signedIn'").await, back);
    assert_eq!(tab.prompts().await, before);
    let kept = tab.run("states.map(({ sessionID }) => sessionID)").await;
    assert!(kept.as_array().unwrap().iter().skip(1).all(|id| *id == session), "{kept}");
    assert_eq!(tab.page.stored().await.unwrap(), Stored::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_resumed_within_its_grace_time_without_a_prompt() {
    resumes("worker", false).await;
    resumes("page", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_taken_over_from_a_connection_that_the_server_believes_in() {
    resumes("worker", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_goes_on_with_the_session() {
    let mut server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    let session = tab.sign_up(&server).await;
    let before = tab.prompts().await;
    server.restart().await;
    tab.until("states.some(({ status }) => status === 'reconnecting')").await;
    let back = json!({ "status": "signedIn", "sessionID": session });
    assert_eq!(tab.until("state.status === 'signedIn'").await, back);
    assert_eq!(tab.prompts().await, before);
    assert_eq!(tab.page.stored().await.unwrap(), Stored::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_too_late_finds_nobody_signed_in() {
    let mut server = with_grace(1_000).await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    let session = tab.sign_up(&server).await;
    server.stop().await;
    let given_up = tab.until("state.status === 'reconnecting' && !state.session").await;
    assert_eq!(given_up, json!({ "status": "reconnecting", "reason": "connectionLost" }));
    server.start_again().await;
    let signed_out = json!({ "status": "signedOut", "reason": "connectionLost" });
    assert_eq!(tab.until("state.status === 'signedOut'").await, signed_out);
    let earliest = json!({ "types": ["loggedOut"], "start": "earliest" });
    let mut back_end = BackEnd::view(&server, earliest).await;
    back_end.message().await;
    let end = next_end(&mut back_end).await;
    assert_eq!((json!(end.session_id.to_string()), end.reason), (session, EndReason::ServerLost));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stays_away_for_too_long_signs_out_everywhere() {
    for grace_ms in [1_000, 0] {
        let server = with_grace(grace_ms).await;
        let (line, app_id, key) = over_a_line(&server).await;
        let mut back_end = listening(&server, &key).await;
        let browser = Chromium::launch().await.unwrap();
        let tab = Tab::open(&browser, &line.origin(), &app_id, json!({})).await;
        tab.connect().await;
        let session = tab.sign_up(&server).await;
        line.cut();
        let end = next_end(&mut back_end).await;
        assert_eq!((json!(end.session_id.to_string()), end.reason), (session, EndReason::ConnectionLost));
        let given_up = tab.until("state.status === 'reconnecting' && !state.session").await;
        assert_eq!(given_up, json!({ "status": "reconnecting", "reason": "connectionLost" }), "{grace_ms}");
        line.mend();
        let signed_out = json!({ "status": "signedOut", "reason": "connectionLost" });
        assert_eq!(tab.until("state.status === 'signedOut'").await, signed_out, "{grace_ms}");
        // It is not the page's to bring back: a fresh tap is.
        tab.sign_in().await;
        assert_eq!(tab.page.stored().await.unwrap(), Stored::default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_comes_while_the_server_is_away_is_told_at_once_and_one_that_comes_later_connects() {
    let mut server = TestServer::start_in_real_time().await;
    let (line, app_id, _) = over_a_line(&server).await;
    let browser = Chromium::launch().await.unwrap();
    let first = Tab::open(&browser, &line.origin(), &app_id, json!({})).await;
    first.connect().await;
    let second = Tab::open(&browser, &line.origin(), &app_id, json!({})).await;
    // So that the package is there when the server is not.
    second.connect().await;
    second.run("client.close()").await;
    server.stop().await;
    first.until("state.status === 'reconnecting'").await;
    let connect = format!(
        "import('/sdk/index.js').then(({{ connect }}) => connect({{ app: '{app_id}' }})).catch(({{ code }}) => code)"
    );
    assert_eq!(second.run(&connect).await, "connectionLost");
    server.start_again().await;
    assert_eq!(second.connect().await, json!({ "status": "signedOut" }));
    first.until("state.status === 'signedOut'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_by_idleness_goes_on_while_the_person_does_something() {
    let limits = SessionLimits { idle_ms: 8_000, ..SessionLimits::default() };
    let server = TestServer::start_with(Clock::manual(START), limits).await;
    let mut back_end = listening(&server, &server.api_key).await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({ "persistence": "page" })).await;
    tab.run(
        "globalThis.heard = 0;
        globalThis.hearing = new Promise((resolve) => { globalThis.hear = resolve });
        const { get } = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data');
        Object.defineProperty(MessageEvent.prototype, 'data', { get() {
            const text = get.call(this);
            if (String(text).startsWith('{\"type\":\"sessions\"')) hear(heard += 1);
            return text;
        } });
        undefined",
    )
    .await;
    tab.sign_up(&server).await;
    // Only what a person does counts: an event that a script makes is none.
    tab.run(
        "const real = performance.now.bind(performance);
        globalThis.shift = 3000;
        performance.now = () => real() + shift;
        dispatchEvent(new KeyboardEvent('keydown', { key: 'a' }))",
    )
    .await;
    server.clock().advance(7_000);
    tab.run("shift += 3000").await;
    tab.page.press_key("Tab").await.unwrap();
    assert_eq!(tab.run("hearing.then(() => heard)").await, 1);
    // Past the end that it would have had, and up to the new one.
    server.clock().advance(7_999);
    assert_eq!(tab.state().await["status"], "signedIn");
    server.clock().advance(1);
    let ended = tab.until("state.status === 'signedOut'").await;
    assert_eq!(ended["reason"], "idleTimeout");
    let event = back_end.event().await;
    assert_eq!(event.time, START.plus(15_000));
}

//! `<passkey-login>` and the account page in every state, brought about by a fake client that says what the test wants said.

mod stage;

use passkey_accounts_tests::chromium::Page;
use serde_json::{Value, json};
use tokio::process::Command;

use super::dist;
use stage::{Look, Stage, inspect, play, read};

/// What each scene must show: the screen, and a part of its text.
const SCENES: &[(&str, &str, &str)] = &[
    ("connecting", "connecting", "Opening the connection."),
    ("unavailable", "unavailable", "The server at auth.example does not answer."),
    ("closed", "unavailable", "The connection to the server was closed."),
    ("sign-in", "address", "With the passkey of your account."),
    ("sign-up", "address", "First a code by email, then a passkey."),
    ("address missing", "address", "Type your email address."),
    ("address wrong", "address", "That does not look like an email address."),
    ("prompt", "address", "Your browser asks for the passkey of ada@shop.example."),
    ("prompt cancelled here", "address", "Cancelled. Nobody was signed in."),
    ("prompt closed or no passkey", "address", "this device has no passkey for this address"),
    ("no passkey, and no recovery", "address", "this device has no passkey for this address"),
    ("passkey rejected", "address", "This passkey was not accepted."),
    ("not supported", "not-supported", "Passkeys need HTTPS or localhost."),
    ("rate limited", "address", "You can try again in 30 seconds."),
    ("server error", "address", "Something went wrong on the server."),
    ("unknown error", "address", "A newer server says this."),
    ("mismatch", "mismatch", "Do not go on here"),
    ("sending the code", "address", "Sending the code"),
    ("mail failed", "address", "The email could not be sent."),
    ("code", "code", "Six digits are on their way to ada@shop.example. They work until"),
    ("code too short", "code", "The code has six digits."),
    ("making the passkey", "code", "your browser offers to make a passkey for ada@shop.example"),
    ("code wrong", "code", "That is not the code in the email."),
    ("passkey not made", "code", "Your code still works: try again."),
    ("account exists", "code", "This address already has an account."),
    ("passkey exists", "code", "This device already has a passkey of this account."),
    ("code sent again", "code", "Use the newest one."),
    ("code expired", "code-expired", "Have a new one sent to ada@shop.example."),
    ("too many codes", "code-expired", "Those were too many wrong codes."),
    ("code lost", "address", "the code went with it"),
    ("recover", "address", "the recovery code that you have kept"),
    ("recovery off", "address", "This site has no recovery by code."),
    ("both codes", "code", "Seven groups, as you wrote them down."),
    ("recovery code missing", "code", "Type your recovery code."),
    ("checking the codes", "code", "Once both codes are checked and the wait is over"),
    ("recovery code wrong", "code", "This recovery code does not fit."),
    ("no passkey after the wait", "code", "Your code still works: try again."),
    ("recovery held", "recovery-held", "within seven days. A mail was sent to ada@shop.example"),
    ("recovered", "recovered", "You have a new passkey, and everybody was signed out."),
    ("recovered, about to sign in", "address", "With the passkey of your account."),
    ("reconnecting", "address", "Connection lost, connecting again"),
    ("signed in", "signed-in", "ada@shop.example"),
    ("signed in before", "signed-in", "acct_7m3kq9v1c5t0r8n2d6p4b1f9hs"),
    ("expiring soon", "signed-in", "This session ends at"),
    ("session held", "signed-in", "You stay signed in if the connection is back within 60 seconds."),
    ("signing out", "signed-in", "Signing out"),
    ("ended user", "address", "You have signed out."),
    ("ended elsewhere", "address", "in another page or on another device"),
    ("ended pageGone", "address", "its page went away"),
    ("ended connectionLost", "address", "the connection was lost for too long"),
    ("ended idleTimeout", "address", "nothing happened for a while"),
    ("ended absoluteTimeout", "address", "its longest duration"),
    ("ended revoked", "address", "ended from elsewhere"),
    ("ended replaced", "address", "A newer session"),
    ("ended passkeyRemoved", "address", "its passkey was removed"),
    ("ended accountErased", "address", "the account was erased"),
    ("ended keyRevoked", "address", "a key of this app was revoked"),
    ("ended serverLost", "address", "the server that carried it went away"),
    ("ended other", "address", "The session has ended."),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_state_says_what_is_so() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    let names: Vec<String> = read(&page, "names").await;
    let expected: Vec<&str> = SCENES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, expected);
    for (name, screen, part) in SCENES {
        let shown = play(&page, name).await;
        assert_eq!(shown.screen, *screen, "{name}");
        assert!(shown.text.contains(part), "{name}: {}", shown.text);
    }
    assert_eq!(stage.complaints(&page), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_in_any_state_of_the_element() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    for look in Look::ALL {
        let faults = inspect(&page, look, "element", 520).await;
        assert!(faults.is_empty(), "{faults:#?}");
    }
    assert_eq!(stage.complaints(&page), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_in_any_state_of_the_account_page() {
    let stage = Stage::start().await;
    let page = stage.open_account().await;
    for look in Look::ALL {
        let faults = inspect(&page, look, "account", 900).await;
        assert!(faults.is_empty(), "{faults:#?}");
    }
    assert_eq!(stage.complaints(&page), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_a_keyboard_alone_signs_up_cancels_and_signs_out() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    play(&page, "sign-up").await;
    page.press_key("Tab").await.unwrap();
    assert_eq!(focus(&page).await, "Email address");
    page.press_key("Enter").await.unwrap();
    assert_eq!(focus(&page).await, "Email address", "what is wrong has the focus");
    page.type_text("ada@shop.example").await.unwrap();
    page.press_key("Enter").await.unwrap();
    page.evaluate("fake.answer(fake.pending())").await.unwrap();
    assert_eq!(focus(&page).await, "Code from the email");
    page.type_text("123 456").await.unwrap();
    page.press_key("Enter").await.unwrap();
    assert_eq!(page.evaluate("fake.calls[0].options.code").await.unwrap(), "123456");
    assert_eq!(focus(&page).await, "Code from the email", "a busy form keeps the focus");
    for _ in 0..3 {
        page.press_key("Tab").await.unwrap();
    }
    page.press_key("Tab").await.unwrap();
    assert_eq!(focus(&page).await, "Cancel");
    page.press_key("Enter").await.unwrap();
    assert_eq!(focus(&page).await, "Code from the email", "the focus does not fall to the top of the page");
    page.press_key("Enter").await.unwrap();
    let sign_in = "fake.show({ status: 'signedIn', session: fake.session() }), fake.answer()";
    page.evaluate(sign_in).await.unwrap();
    assert_eq!(focus(&page).await, "You are signed in");
    page.press_key("Tab").await.unwrap();
    assert_eq!(focus(&page).await, "Sign out");
    page.press_key("Enter").await.unwrap();
    page.evaluate("fake.show({ status: 'signedOut', reason: 'user' }), fake.answer()").await.unwrap();
    assert_eq!(focus(&page).await, "Email address");
    assert_eq!(stage.complaints(&page), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_lost_every_passkey_is_led_through_and_the_focus_is_where_something_is_wrong() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    let shown = play(&page, "no passkey, and no recovery").await.text;
    assert!(!shown.contains("Lost your passkeys?"), "it is not offered where there is none: {shown}");
    play(&page, "recover").await;
    assert_eq!(page.evaluate("element.mode").await.unwrap(), "recover");
    assert_eq!(focus(&page).await, "Email address", "with the address that was typed");
    page.press_key("Enter").await.unwrap();
    assert_eq!(page.evaluate("fake.calls[0].options.email").await.unwrap(), "ada@shop.example");
    page.evaluate("fake.answer(fake.recovery())").await.unwrap();
    assert_eq!(focus(&page).await, "Code from the email");
    page.type_text("123456").await.unwrap();
    page.press_key("Enter").await.unwrap();
    assert_eq!(focus(&page).await, "Recovery code", "it is what is missing");
    page.type_text(" 0123-4567 ").await.unwrap();
    page.press_key("Enter").await.unwrap();
    let sent = "[fake.calls[0].options.code, fake.calls[0].options.recoveryCode]";
    assert_eq!(page.evaluate(sent).await.unwrap(), json!(["123456", "0123-4567"]));
    page.evaluate("fake.refuse('wrongCode')").await.unwrap();
    assert_eq!(focus(&page).await, "Code from the email");
    page.press_key("Enter").await.unwrap();
    page.evaluate("fake.refuse('wrongRecoveryCode')").await.unwrap();
    assert_eq!(focus(&page).await, "Recovery code");
    page.press_key("Enter").await.unwrap();
    page.evaluate("fake.answer({ status: 'recovered' })").await.unwrap();
    assert_eq!(focus(&page).await, "Your account is recovered");
    page.press_key("Tab").await.unwrap();
    page.press_key("Enter").await.unwrap();
    assert_eq!(focus(&page).await, "Email address");
    assert_eq!(page.evaluate("element.mode").await.unwrap(), "sign-in");
    assert_eq!(stage.complaints(&page), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_person_types_a_challenge_is_prepared_and_the_click_asks_at_once() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    play(&page, "sign-in").await;
    page.evaluate("type('ada@'), type('ada@shop.example')").await.unwrap();
    // Until it is prepared; a test cannot see that nothing happens later.
    let prepared = "new Promise((resolve) => {
        const real = fake.prepare;
        fake.prepare = async (options) => { await real.call(fake, options); resolve(fake.prepared) };
    })";
    assert_eq!(page.evaluate(prepared).await.unwrap(), json!(["ada@shop.example"]));
    // In the turn of the click, not after it: some browsers show the prompt only then.
    let click = "(() => { element.shadowRoot.querySelector('form button').click(); return fake.calls.map(({ name }) => name) })()";
    assert_eq!(page.evaluate(click).await.unwrap(), json!(["signIn"]));
    let twice =
        "(() => { element.shadowRoot.querySelector('form button').click(); return fake.calls.length })()";
    assert_eq!(page.evaluate(twice).await.unwrap(), 1, "a busy button does nothing");
    // A challenge works once, so there is another one for the next click.
    let again = format!("(() => {{ const again = {prepared}; fake.refuse('cancelled'); return again }})()");
    assert_eq!(page.evaluate(&again).await.unwrap(), json!(["ada@shop.example", "ada@shop.example"]));
    play(&page, "sign-up").await;
    page.evaluate("type('ada@shop.example')").await.unwrap();
    let never = "new Promise((resolve) => setTimeout(() => resolve(fake.prepared), 600))";
    assert_eq!(page.evaluate(never).await.unwrap(), json!([]), "there is no passkey yet to ask for");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_the_page_who_came_who_went_and_what_failed() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    let listen = "globalThis.heard = []; for (const name of ['passkey-signed-in', 'passkey-signed-out', 'passkey-news', 'passkey-error'])
        document.addEventListener(name, ({ type, detail }) => heard.push([type, detail.session?.accountID ?? detail.reason ?? detail.news?.type ?? detail.error.code]))";
    page.evaluate(listen).await.unwrap();
    play(&page, "signed in").await;
    play(&page, "session held").await;
    page.evaluate("fake.show({ status: 'signedIn', session: fake.state.session })").await.unwrap();
    page.evaluate("fake.tell({ type: 'sessionOpened', session: {} })").await.unwrap();
    play(&page, "ended revoked").await;
    play(&page, "rate limited").await;
    let account = "acct_7m3kq9v1c5t0r8n2d6p4b1f9hs";
    let expected = json!([
        ["passkey-signed-in", account],
        ["passkey-signed-out", "other"], // the scene before was left with its client
        ["passkey-signed-in", account],  // once, although the connection came back
        ["passkey-news", "sessionOpened"],
        ["passkey-signed-out", "other"],
        ["passkey-signed-in", account],
        ["passkey-signed-out", "revoked"],
        ["passkey-error", "rateLimited"],
    ]);
    assert_eq!(page.evaluate("heard").await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_come_in_the_pages_language_and_each_can_be_replaced() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    let german = "import('/sdk/element.js').then(({ addStrings }) => {
        addStrings('de', { signInTitle: 'Anmelden', wait: 'Noch {duration}.', errors: { rateLimited: 'Zu viele Versuche.' } });
        document.documentElement.lang = 'de-AT';
        element.setAttribute('lang', 'de-AT');
    })";
    page.evaluate(german).await.unwrap();
    let shown = play(&page, "rate limited").await.text;
    for part in ["Anmelden", "Zu viele Versuche.", "Noch 30 Sekunden.", "Email address"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    page.evaluate("element.strings = { email: '<b>E-Mail</b>', lang: 'ar' }").await.unwrap();
    let shown = play(&page, "sign-in").await.text;
    assert!(shown.contains("<b>E-Mail</b>"), "text stays text: {shown}");
    assert_eq!(page.evaluate("element.shadowRoot.querySelector('.box').lang").await.unwrap(), "ar");
    assert_eq!(stage.complaints(&page), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_challenge_that_is_not_bound_nothing_can_be_pressed_but_reload() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    play(&page, "mismatch").await;
    // Whatever the connection does then.
    page.evaluate("fake.show({ status: 'reconnecting' }), fake.show({ status: 'signedOut' })").await.unwrap();
    let buttons = "[...element.shadowRoot.querySelectorAll('button, input')]
        .filter((each) => each.checkVisibility()).map((each) => each.textContent)";
    assert_eq!(page.evaluate(buttons).await.unwrap(), json!(["Reload the page"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_is_moved_goes_on_and_one_that_is_removed_lets_go_of_the_client() {
    let stage = Stage::start().await;
    let page = stage.open_element().await;
    play(&page, "code").await;
    page.evaluate("type('123'), document.body.append(element), settled()").await.unwrap();
    assert_eq!(page.evaluate("element.screen").await.unwrap(), "code");
    let removed =
        "element.remove(), settled().then(() => { fake.show({ status: 'closed' }); return element.screen })";
    assert_eq!(page.evaluate(removed).await.unwrap(), "connecting", "it no longer follows");
}

#[tokio::test]
async fn importing_the_element_on_a_server_does_nothing() {
    let script = "
        const before = Object.getOwnPropertyNames(globalThis).length;
        const { PasskeyLogin } = await import('./element.js');
        console.log(JSON.stringify([typeof PasskeyLogin, Object.getOwnPropertyNames(globalThis).length - before]));
    ";
    let mut node = Command::new("node");
    let output =
        node.args(["--input-type=module", "--eval", script]).current_dir(dist()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said, json!(["function", 0]));
}

/// What a person would say has the focus: its label, or its text.
async fn focus(page: &Page) -> String {
    let script = "(() => {
        const focused = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement;
        return focused.labels?.[0]?.textContent ?? focused.textContent.trim();
    })()";
    read(page, script).await
}

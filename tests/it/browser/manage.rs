//! The account in the hands of its person: passkeys, sessions, confirmations; and what the authenticator is told.

use passkey_accounts::protocol::event::EventKind;
use passkey_accounts_tests::{BackEnd, TestServer, chromium::Chromium};
use serde_json::{Value, json};

use super::tab::Tab;

/// Keeps what authenticators are told, and lets the test decide what becomes of the next `get`: `real`, or a refusal.
const SPY: &str = "{
    globalThis.signals = [];
    const signal = PublicKeyCredential.signalUnknownCredential.bind(PublicKeyCredential);
    PublicKeyCredential.signalUnknownCredential = (options) => (signals.push(options), signal(options));
    const get = navigator.credentials.get;
    globalThis.refuseNext = false;
    navigator.credentials.get = async (options) => {
        globalThis.atGet?.();
        await globalThis.gate;
        if (!refuseNext) return get(options);
        refuseNext = false;
        throw new DOMException('no', 'NotAllowedError');
    };
    const create = navigator.credentials.create;
    navigator.credentials.create = async (options) => (globalThis.made = await create(options));
    // Holds back every `get` until `open()`, and says when one is asked for.
    globalThis.hold = () => {
        globalThis.gate = new Promise((resolve) => { globalThis.open = () => { gate = undefined; resolve() } });
        return new Promise((resolve) => { globalThis.atGet = resolve });
    };
}";

/// Why the session of `elsewhere` ended, as soon as it has.
const ENDED_ELSEWHERE: &str = "new Promise((resolve) => {
    const look = ({ status, reason }) => status === 'signedOut' && resolve(reason);
    elsewhere.subscribe(look);
    look(elsewhere.state);
})";

/// A person with two authenticators. Touching both at once would make it a matter of luck which one answers.
struct Devices<'a> {
    tab: &'a Tab,
    first: Value,
}

impl<'a> Devices<'a> {
    async fn of(tab: &'a Tab) -> Self {
        // In place of the one that every tab has.
        tab.page.call("WebAuthn.disable", json!({})).await.unwrap();
        tab.page.call("WebAuthn.enable", json!({"enableUI": false})).await.unwrap();
        let first = Self::plug_in(tab, "internal").await;
        Self { tab, first }
    }

    async fn plug_in(tab: &Tab, transport: &str) -> Value {
        let options = json!({"options": {
            "protocol": "ctap2", "transport": transport, "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "automaticPresenceSimulation": true,
        }});
        let added = tab.page.call("WebAuthn.addVirtualAuthenticator", options).await.unwrap();
        added["authenticatorId"].clone()
    }

    async fn touch_the_first(&self, does: bool) {
        let arguments = json!({"authenticatorId": self.first, "enabled": does});
        self.tab.page.call("WebAuthn.setAutomaticPresenceSimulation", arguments).await.unwrap();
    }

    /// Makes a passkey on the second, and has the first vouch for it, or not.
    async fn add(&self, does_vouch: bool) -> Value {
        self.touch_the_first(false).await;
        let asked = format!(
            "(async () => {{
                globalThis.refuseNext = {};
                const asked = hold();
                globalThis.adding = failure(client.state.session.passkeys.add());
                await Promise.race([asked, adding]);
            }})()",
            !does_vouch
        );
        self.tab.run(&asked).await;
        self.touch_the_first(true).await;
        self.tab.run("open(); adding").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_passkey_is_vouched_for_and_only_what_is_gone_is_signalled() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    let devices = Devices::of(&tab).await;
    tab.run(SPY).await;
    tab.sign_up(&server).await;

    let first = tab.run("client.state.session.passkeys.list()").await;
    assert_eq!(first.as_array().unwrap().len(), 1);
    assert_eq!((&first[0]["isCurrent"], first[0]["aaguid"].as_str().unwrap().len()), (&json!(true), 36));
    let named =
        tab.run("client.state.session.passkeys.rename(client.state.session.passkeyID, 'Laptop')").await;
    assert_eq!(named["name"], "Laptop");
    let failure =
        tab.run("failure(client.state.session.passkeys.rename(client.state.session.passkeyID, ''))").await;
    assert_eq!(failure["code"], "invalidName");
    let failure =
        tab.run("failure(client.state.session.passkeys.remove(client.state.session.passkeyID))").await;
    assert_eq!((&failure["code"], tab.run("signals").await), (&json!("lastPasskey"), json!([])));
    // This device has one already, and says so.
    let failure = tab.run("failure(client.state.session.passkeys.add())").await;
    assert_eq!((&failure["code"], tab.run("signals").await), (&json!("passkeyExists"), json!([])));

    Devices::plug_in(&tab, "usb").await;
    // Nobody vouches: the passkey was made in vain, and its authenticator is told.
    let failure = devices.add(false).await;
    assert_eq!(failure["code"], "cancelled", "{failure}");
    let orphan = tab.run("[{ rpId: 'localhost', credentialId: made.id }]").await;
    assert_eq!(tab.run("signals").await, orphan);
    tab.run("signals.length = 0").await;

    let added = devices.add(true).await;
    let passkey_id = added["value"]["passkeyID"].as_str().unwrap_or_else(|| panic!("{added}")).to_owned();
    assert_eq!(tab.run("signals").await, json!([]));
    assert_eq!(tab.run("client.state.session.passkeys.list().then(({ length }) => length)").await, 2);

    // Removed, but the prompt was closed: still there, and nothing is said.
    let remove = format!("failure(client.state.session.passkeys.remove('{passkey_id}'))");
    tab.run("globalThis.refuseNext = true").await;
    assert_eq!(tab.run(&remove).await["code"], "cancelled");
    assert_eq!(tab.run("signals").await, json!([]));
    let removed = tab.run(&remove).await;
    assert_eq!(removed.get("code"), None, "{removed}");
    assert_eq!(tab.run("signals").await, tab.run("[{ rpId: 'localhost', credentialId: made.id }]").await);
    assert_eq!(tab.run("client.state.session.passkeys.list().then(([{ name }]) => name)").await, "Laptop");
    tab.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_where_they_are_signed_in_and_signs_out_elsewhere() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    let session = tab.sign_up(&server).await;
    // Another session of the same person: a client of the same page, with an engine of its own.
    let elsewhere = "(async () => {
        const { connect } = await import('/sdk/index.js');
        globalThis.elsewhere = await connect({ app: 'APP', persistence: 'page' });
        const { sessionID } = await elsewhere.signIn({ email: 'ada@example.org' });
        return sessionID;
    })()"
        .replace("APP", &server.app_id.to_string());
    let list = "client.state.session.sessions.list()
        .then((list) => list.map(({ sessionID, browser, isCurrent }) => [sessionID, browser, isCurrent]))";
    let other = tab.run(&elsewhere).await;
    let both = json!([[session, "Chrome on Linux", true], [other, "Chrome on Linux", false]]);
    assert_eq!(tab.run(list).await, both);
    tab.run(&format!("client.state.session.sessions.end({other})")).await;
    assert_eq!(tab.run(ENDED_ELSEWHERE).await, "user");
    tab.run("elsewhere.signIn({ email: 'ada@example.org' }).then(() => undefined)").await;
    assert_eq!(tab.run("client.state.session.sessions.endOthers()").await, 1);
    assert_eq!(tab.run(list).await, json!([[session, "Chrome on Linux", true]]));
    tab.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_elsewhere_is_told_to_every_tab_of_the_session_and_not_to_the_page_that_signs_in() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    tab.sign_up(&server).await;
    let second = Tab::open(&browser, &server.origin(), &server.app_id.to_string(), json!({})).await;
    assert_eq!(second.connect().await["status"], "signedIn");
    for tab in [&tab, &second] {
        tab.run("void (globalThis.told = new Promise((resolve) => client.onNews(resolve)))").await;
    }
    tab.focus().await;
    let elsewhere = "(async () => {
        const { connect } = await import('/sdk/index.js');
        globalThis.elsewhere = await connect({ app: 'APP', persistence: 'page' });
        globalThis.toldElsewhere = 0;
        elsewhere.onNews(() => { toldElsewhere += 1 });
        const { sessionID } = await elsewhere.signIn({ email: 'ada@example.org' });
        return sessionID;
    })()"
        .replace("APP", &server.app_id.to_string());
    let other = tab.run(&elsewhere).await;
    let expected = json!(["sessionOpened", other, "Chrome on Linux", server.origin(), false]);
    for tab in [&tab, &second] {
        let told = "told.then(({ type, session }) => [type, session.sessionID, session.browser, session.origin, session.isCurrent])";
        assert_eq!(tab.run(told).await, expected);
    }
    second.run("told.then(({ session }) => client.state.session.sessions.end(session.sessionID))").await;
    assert_eq!(tab.run(ENDED_ELSEWHERE).await, "user");
    assert_eq!(tab.run("toldElsewhere").await, 0);
    for tab in [&tab, &second] {
        tab.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_reaches_the_back_end_with_the_action_that_was_shown() {
    let server = TestServer::start_in_real_time().await;
    let mut back_end = BackEnd::view(&server, json!({ "types": ["confirmed"], "start": "now" })).await;
    back_end.message().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    tab.sign_up(&server).await;
    let confirmation = tab.run("client.state.session.confirm({ pay: 'Grace', amount: '12.50' })").await;
    let Ok(Some(EventKind::Confirmed(confirmed))) = back_end.event().await.kind() else {
        panic!("not confirmed")
    };
    assert_eq!(confirmation["confirmationID"], confirmed.ceremony_id.to_string());
    assert_eq!(confirmed.action.0, r#"{"amount":"12.50","pay":"Grace"}"#);
    assert_eq!(tab.state().await["status"], "signedIn");
    tab.is_clean().await;
}

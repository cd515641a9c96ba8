//! A tab of a real server's page in which a test drives the package itself, under the site's strict policy.

use passkey_accounts_tests::{
    TestServer,
    chromium::{Chromium, Page, Stored, VirtualAuthenticator},
};
use serde_json::{Value, json};

pub(super) const ADA: &str = "ada@example.org";

/// A tab that is connected as `client`, counts the passkey prompts, and keeps the states that it was told.
pub(super) struct Tab {
    pub(super) page: Page,
    /// The argument of `connect`.
    options: Value,
}

const CONNECT: &str = "(async (options) => {
    globalThis.prompts = 0;
    for (const name of ['create', 'get']) {
        const real = navigator.credentials[name].bind(navigator.credentials);
        navigator.credentials[name] = (...given) => (globalThis.prompts++, real(...given));
    }
    const { connect, PasskeyError } = await import('/sdk/index.js');
    globalThis.show = ({ status, session, reason }) => ({
        status, ...(session && { sessionID: session.sessionID }), ...(reason && { reason: reason.code ?? reason }),
    });
    globalThis.failure = async (promise) => {
        try { return { value: await promise } } catch (error) {
            const { code, retryable, message } = error;
            return { code, retryable, message, isOurs: error instanceof PasskeyError };
        }
    };
    globalThis.states = [];
    globalThis.client = await connect(options);
    client.subscribe((state) => states.push(show(state)));
    return show(client.state);
})";

impl Tab {
    /// Opens a page at `origin` and connects to `app`, with these further `options`.
    pub(super) async fn open(browser: &Chromium, origin: &str, app: &str, options: Value) -> Self {
        // A page without scripts of its own that would connect.
        let page = browser.open(&format!("{origin}/how-passkeys-work")).await.unwrap();
        page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
        let mut all = json!({ "app": app });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        Self { page, options: all }
    }

    /// Opens a tab of the server's own app and connects.
    pub(super) async fn connected(browser: &Chromium, server: &TestServer, options: Value) -> Self {
        let tab = Self::open(browser, &server.origin(), &server.app_id.to_string(), options).await;
        assert_eq!(tab.connect().await["status"], "signedOut");
        tab
    }

    /// Connects, also again after a reload; says the first state.
    pub(super) async fn connect(&self) -> Value {
        self.run(&format!("{CONNECT}({})", self.options)).await
    }

    pub(super) async fn run(&self, script: &str) -> Value {
        match self.page.evaluate(script).await {
            Ok(value) => value,
            Err(error) => panic!("{error}; console: {:?}", self.page.logged()),
        }
    }

    /// Makes it the tab that the person looks at: browsers show passkey prompts in no other.
    pub(super) async fn focus(&self) {
        self.page.call("Page.bringToFront", json!({})).await.unwrap();
    }

    /// Signs up, and says the session's id.
    pub(super) async fn sign_up(&self, server: &TestServer) -> Value {
        self.focus().await;
        self.run(&format!(
            "client.signUp({{ email: '{ADA}' }}).then((pending) => void (globalThis.pending = pending))"
        ))
        .await;
        let code = server.mailed_code(ADA).expect("a code was mailed");
        self.run(&format!("pending.verify('{code}').then(({{ sessionID }}) => sessionID)")).await
    }

    pub(super) async fn sign_in(&self) -> Value {
        self.focus().await;
        self.run(&format!("client.signIn({{ email: '{ADA}' }}).then(({{ sessionID }}) => sessionID)")).await
    }

    /// Waits until a condition about `state` holds, and says that state.
    pub(super) async fn until(&self, condition: &str) -> Value {
        self.run(&format!(
            "new Promise((resolve) => {{
                let leave = () => undefined;
                const look = (state) => {{ if ({condition}) {{ leave(); resolve(show(state)) }} }};
                leave = client.subscribe(look);
                look(client.state);
            }})"
        ))
        .await
    }

    /// The present state.
    pub(super) async fn state(&self) -> Value {
        self.run("show(client.state)").await
    }

    pub(super) async fn prompts(&self) -> Value {
        self.run("prompts").await
    }

    /// Nothing is stored, and nothing was complained about.
    pub(super) async fn is_clean(&self) {
        assert_eq!(self.page.stored().await.unwrap(), Stored::default());
        assert_eq!(self.page.logged(), [""; 0]);
    }
}

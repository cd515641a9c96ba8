//! What the package does when a server is wrong, slow or gone.

use passkey_accounts::protocol::{
    Code,
    base64url::Base64Url,
    gateway::{ClientMessage, ServerMessage, SessionKey},
};
use passkey_accounts_tests::chromium::{Chromium, Page, VirtualAuthenticator};
use serde_json::{Value, json};

use super::scripted::{APP, Answer, Scripted, sign_in_ceremony};

/// The engine behaves the same in a worker and in the page.
const BOTH: [&str; 2] = ["worker", "page"];

/// A page that is connected as `client`, counts the passkey prompts and keeps the errors of its calls.
async fn connected(
    browser: &Chromium,
    server: &Scripted,
    authenticator: VirtualAuthenticator,
    persistence: &str,
) -> Page {
    let page = browser.open(&format!("{}/", server.origin)).await.unwrap();
    page.add_authenticator(authenticator).await.unwrap();
    let script = format!(
        "(async () => {{
            globalThis.prompts = 0;
            for (const name of ['create', 'get']) {{
                const real = navigator.credentials[name].bind(navigator.credentials);
                navigator.credentials[name] = (...options) => (globalThis.prompts++, real(...options));
            }}
            const {{ connect, PasskeyError }} = await import('/sdk/index.js');
            globalThis.states = [];
            globalThis.client = await connect({{ app: '{APP}', persistence: '{persistence}' }});
            if (client.persistence !== '{persistence}') return client.persistence;
            client.subscribe((state) => states.push(`${{state.status}}:${{state.reason ?? ''}}`));
            globalThis.failure = async (promise) => {{
                try {{ await promise; return 'no failure' }} catch (error) {{
                    const {{ code, retryable, message }} = error;
                    return {{ code, retryable, message, isOurs: error instanceof PasskeyError }};
                }}
            }};
            return client.state.status;
        }})()"
    );
    assert_eq!(page.evaluate(&script).await.unwrap(), "signedOut");
    page
}

async fn failed_sign_in(page: &Page) -> Value {
    page.evaluate("failure(client.signIn({ email: 'ada@example.org' }))").await.unwrap()
}

fn for_another_key(_: &ClientMessage, origin: &str) -> ServerMessage {
    let part = Base64Url(vec![1; 32]);
    sign_in_ceremony(&SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part.clone(), y: part }, origin)
}

fn for_another_origin(request: &ClientMessage, _: &str) -> ServerMessage {
    let ClientMessage::SignInBegin(begin) = request else { panic!("{request:?}") };
    sign_in_ceremony(&begin.session_key, "https://shop.example")
}

fn for_this_page(request: &ClientMessage, origin: &str) -> ServerMessage {
    let ClientMessage::SignInBegin(begin) = request else { panic!("{request:?}") };
    sign_in_ceremony(&begin.session_key, origin)
}

#[tokio::test]
async fn a_forged_challenge_is_refused_before_the_authenticator_is_asked() {
    for persistence in BOTH {
        let answers = [for_another_key, for_another_origin].map(Answer::Say);
        let (browser, server) = (Chromium::launch().await.unwrap(), Scripted::start(answers).await);
        let page = connected(&browser, &server, VirtualAuthenticator::default(), persistence).await;
        for _ in 0..2 {
            let failure = failed_sign_in(&page).await;
            assert_eq!(
                (&failure["code"], &failure["isOurs"]),
                (&json!("challengeMismatch"), &json!(true)),
                "{failure}"
            );
            assert_eq!(page.evaluate("prompts").await.unwrap(), 0);
        }
        assert_eq!(page.logged(), [""; 0]);
    }
}

#[tokio::test]
async fn a_bound_challenge_reaches_the_authenticator_and_an_abort_takes_its_prompt_away() {
    for persistence in BOTH {
        let server = Scripted::start([Answer::Say(for_this_page)]).await;
        let browser = Chromium::launch().await.unwrap();
        let nobody_touches = VirtualAuthenticator { is_present: false, ..VirtualAuthenticator::default() };
        let page = connected(&browser, &server, nobody_touches, persistence).await;
        let script = "(async () => {
        const controller = new AbortController();
        const real = navigator.credentials.get;
        const prompted = new Promise((resolve) => {
            navigator.credentials.get = (options) => { resolve(); return real(options) };
        });
        const call = failure(client.signIn({ email: 'ada@example.org', signal: controller.signal }));
        await prompted;
        controller.abort(new Error('the person left'));
        const { code, retryable } = await call;
        return { code, retryable, prompts };
    })()";
        let result = page.evaluate(script).await.unwrap();
        assert_eq!(result, json!({"code": "cancelled", "retryable": false, "prompts": 1}));
    }
}

#[tokio::test]
async fn a_lost_connection_rejects_the_call_and_is_made_anew() {
    for persistence in BOTH {
        let server = Scripted::start([Answer::Vanish]).await;
        let browser = Chromium::launch().await.unwrap();
        let page = connected(&browser, &server, VirtualAuthenticator::default(), persistence).await;
        let failure = failed_sign_in(&page).await;
        assert_eq!(
            (&failure["code"], &failure["retryable"]),
            (&json!("connectionLost"), &json!(true)),
            "{failure}"
        );
        let back = "client.state.status === 'signedOut' ||
        new Promise((resolve) => client.subscribe(({ status }) => status === 'signedOut' && resolve(true)))";
        assert_eq!(page.evaluate(back).await.unwrap(), true);
        assert_eq!(page.evaluate("states").await.unwrap(), json!(["reconnecting:", "signedOut:"]));
    }
}

#[tokio::test]
async fn a_final_close_code_ends_the_client() {
    for persistence in BOTH {
        let server = Scripted::start([Answer::Close(Code::OriginNotAllowed)]).await;
        let browser = Chromium::launch().await.unwrap();
        let page = connected(&browser, &server, VirtualAuthenticator::default(), persistence).await;
        assert_eq!(failed_sign_in(&page).await["code"], "connectionLost");
        assert_eq!(page.evaluate("client.state.status").await.unwrap(), "closed");
        assert_eq!(failed_sign_in(&page).await["code"], "unexpected");
    }
}

#[tokio::test]
async fn an_answer_to_another_request_changes_nothing() {
    for persistence in BOTH {
        let server = Scripted::start([Answer::WithAnother(Code::Internal, Code::RateLimited)]).await;
        let browser = Chromium::launch().await.unwrap();
        let page = connected(&browser, &server, VirtualAuthenticator::default(), persistence).await;
        assert_eq!(failed_sign_in(&page).await["code"], "rateLimited");
    }
}

#[tokio::test]
async fn connecting_to_nothing_says_what_to_check() {
    let server = Scripted::start([]).await;
    let browser = Chromium::launch().await.unwrap();
    let page = browser.open(&format!("{}/", server.origin)).await.unwrap();
    let script = format!(
        "import('/sdk/index.js').then(({{ connect }}) => connect({{ app: '{APP}', url: '/nowhere' }}))
            .catch(({{ code, retryable, message }}) => ({{ code, retryable, message }}))"
    );
    let failure = page.evaluate(&script).await.unwrap();
    assert_eq!(
        (&failure["code"], &failure["retryable"]),
        (&json!("connectionLost"), &json!(true)),
        "{failure}"
    );
    assert!(failure["message"].as_str().unwrap().contains("is the server running"), "{failure}");
    let unknown =
        "import('/sdk/index.js').then(({ connect }) => connect({ app: 'shop' })).catch(({ code }) => code)";
    assert_eq!(page.evaluate(unknown).await.unwrap(), "unknownApp");
}

#[tokio::test]
async fn the_session_key_cannot_be_exported() {
    let server = Scripted::start([Answer::Say(for_another_key)]).await;
    let browser = Chromium::launch().await.unwrap();
    let page = connected(&browser, &server, VirtualAuthenticator::default(), "page").await;
    // What a script that got into the page could do at best: catch the key while it is made.
    let script = "(async () => {
        const real = crypto.subtle.generateKey.bind(crypto.subtle);
        let pair;
        crypto.subtle.generateKey = async (...options) => (pair = await real(...options));
        await failure(client.signIn({ email: 'ada@example.org' }));
        const tries = ['jwk', 'pkcs8', 'raw'].map((format) =>
            crypto.subtle.exportKey(format, pair.privateKey).then(() => 'exported', () => 'refused'));
        return [pair.privateKey.extractable, ...await Promise.all(tries)];
    })()";
    assert_eq!(page.evaluate(script).await.unwrap(), json!([false, "refused", "refused", "refused"]));
}

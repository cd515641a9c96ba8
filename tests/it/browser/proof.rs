//! What a page signs, checked as a back end checks it: signed requests, proofs for sockets, actions to confirm; and the
//! click that shows a prompt without waiting.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use data_encoding::BASE64;
use passkey_accounts::{
    proof::{Proof, RequestHead},
    protocol::{UnixMillis, event::EventKind, gateway::SessionKey},
};
use passkey_accounts_tests::{
    BackEnd, TestServer,
    chromium::{Chromium, Stored},
};
use serde_json::{Value, json};

use super::{persistence::over_a_line, tab::Tab};

/// A signed-in tab, and the session's key as a back end knows it.
async fn signed_in(server: &TestServer, browser: &Chromium, persistence: &str) -> (Tab, SessionKey) {
    let mut back_end = BackEnd::view(server, json!({ "types": ["loggedIn"], "start": "now" })).await;
    back_end.message().await;
    let tab = Tab::connected(browser, server, json!({ "persistence": persistence })).await;
    tab.sign_up(server).await;
    let Ok(Some(EventKind::LoggedIn(logged_in))) = back_end.event().await.kind() else {
        panic!("not loggedIn")
    };
    tab.run(SPY).await;
    (tab, logged_in.session_key)
}

/// Keeps what is sent: method, address, the three fields, the redirect mode, and the body's bytes.
const SPY: &str = "{
    const real = globalThis.fetch;
    globalThis.fetch = async (request) => {
        const bytes = new Uint8Array(await request.clone().arrayBuffer());
        const { method, url, redirect, credentials, mode, referrerPolicy } = request;
        globalThis.sent = {
            method, url, redirect, credentials, mode, referrerPolicy,
            fields: Object.fromEntries(request.headers), body: btoa(String.fromCharCode(...bytes)),
        };
        return real(request);
    };
    globalThis.send = async (...given) => { await client.state.session.fetch(...given); return sent };
}";

/// Checks what was sent with the session's key, all but the nonce. Says the body.
fn check(sent: &Value, key: &SessionKey, now: UnixMillis) -> Vec<u8> {
    let text = |value: &'static str| sent["fields"][value].as_str().map(str::as_bytes);
    let target_uri = sent["url"].as_str().unwrap();
    let proof = Proof::of_request(&RequestHead {
        method: sent["method"].as_str().unwrap(),
        target_uri: target_uri.split('#').next().unwrap(),
        signature_input: text("signature-input"),
        signature: text("signature"),
        content_digest: text("content-digest"),
    })
    .unwrap_or_else(|error| panic!("{error}: {sent}"));
    proof.check_time(now).unwrap();
    assert!(is_signed(key, proof.signed(), proof.signature()), "{sent}");
    let body = BASE64.decode(sent["body"].as_str().unwrap().as_bytes()).unwrap();
    proof.check_body(&body).unwrap();
    body
}

fn is_signed(key: &SessionKey, signed: &[u8], signature: &[u8]) -> bool {
    let point = [&[4], key.x.0.as_slice(), key.y.0.as_slice()].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_says_who_sent_exactly_this() {
    let browser = Chromium::launch().await.unwrap();
    for persistence in ["worker", "page"] {
        let server = TestServer::start_in_real_time().await;
        let (tab, key) = signed_in(&server, &browser, persistence).await;
        let now = || server.clock().now();
        let cases: [(&str, &[u8]); 8] = [
            ("send('/site.json')", b""),
            ("send('/site.json?a=%20b#part')", b""),
            ("send(new URL('/x', location.href), { method: 'DELETE' })", b""),
            ("send('/x', { method: 'POST', body: 'h\u{e9}llo' })", "h\u{e9}llo".as_bytes()),
            ("send('/x', { method: 'PUT', body: new Blob(['blob']) })", b"blob"),
            ("send('/x', { method: 'POST', body: new URLSearchParams({ a: '1 2' }) })", b"a=1+2"),
            (
                "send('/x', { method: 'POST', body: new ReadableStream({
                    start(to) { for (const part of ['str', 'eam']) to.enqueue(new TextEncoder().encode(part)); to.close() },
                }) })",
                b"stream",
            ),
            ("send(new Request('/x', { method: 'POST', body: 'given', headers: { 'x-own': 'kept' } }))", b"given"),
        ];
        for (script, body) in cases {
            let sent = tab.run(script).await;
            assert_eq!(check(&sent, &key, now()), body, "{script}");
            assert_eq!(sent["redirect"], "error", "{script}");
            assert_eq!(sent["fields"].get("content-digest").is_some(), !body.is_empty(), "{script}");
        }
        assert_eq!(tab.run("sent.fields['x-own']").await, "kept");
        let form = "(() => { const form = new FormData(); form.set('file', new Blob(['x']), 'x.txt');
            return send('/x', { method: 'POST', body: form }) })()";
        let sent = tab.run(form).await;
        let body = String::from_utf8(check(&sent, &key, now())).unwrap();
        let boundary =
            sent["fields"]["content-type"].as_str().unwrap().split_once("boundary=").unwrap().1.to_owned();
        assert!(body.starts_with(&format!("--{boundary}")), "{body}");

        // Whatever else was asked for is what is sent.
        let sent = tab
            .run("send('/x', { method: 'POST', body: 'b', credentials: 'omit', redirect: 'manual', referrerPolicy: 'origin' })")
            .await;
        check(&sent, &key, now());
        assert_eq!(
            (&sent["credentials"], &sent["redirect"], &sent["referrerPolicy"]),
            (&json!("omit"), &json!("manual"), &json!("origin"))
        );
        // No proof serves twice.
        let nonces = "(async () => {
            const nonces = new Set();
            for (let n = 0; n < 20; n++) nonces.add(/nonce=\"([^\"]+)\"/.exec((await send('/x')).fields['signature-input'])[1]);
            return [nonces.size, [...nonces][0].length];
        })()";
        assert_eq!(tab.run(nonces).await, json!([20, 22]));
        tab.run("client.signOut()").await;
        assert_eq!(tab.page.stored().await.unwrap(), Stored::default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_request_rejects_as_fetch_does_and_an_ended_session_signs_nothing() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let (tab, _) = signed_in(&server, &browser, "worker").await;
    let aborted =
        "client.state.session.fetch('/x', { signal: AbortSignal.abort() }).catch(({ name }) => name)";
    assert_eq!(tab.run(aborted).await, "AbortError");
    tab.run("globalThis.old = client.state.session; client.signOut()").await;
    for call in [
        "old.fetch('/x')",
        "old.prove('a', 'b')",
        "old.confirm({})",
        "old.passkeys.list()",
        "old.passkeys.add()",
        "old.passkeys.rename('pk_', 'x')",
        "old.passkeys.remove('pk_')",
        "old.sessions.list()",
        "old.sessions.endOthers()",
    ] {
        let failure = tab.run(&format!("failure({call})")).await;
        assert_eq!((&failure["code"], &failure["isOurs"]), (&json!("sessionGone"), &json!(true)), "{call}");
    }
    // Nor for the session that follows: it has a key of its own.
    tab.sign_in().await;
    assert_eq!(tab.run("failure(old.fetch('/x')).then(({ code }) => code)").await, "sessionGone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_for_a_socket_is_for_its_audience_and_nonce() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let (tab, key) = signed_in(&server, &browser, "worker").await;
    let token = tab.run("client.state.session.prove('wss://app.example/live', 'n-1')").await;
    let token = token.as_str().unwrap();
    let proof = Proof::of_socket(token, "wss://app.example/live", "n-1").unwrap();
    proof.check_time(server.clock().now()).unwrap();
    assert!(is_signed(&key, proof.signed(), proof.signature()));
    assert!(Proof::of_socket(token, "wss://app.example/live", "n-2").is_err());
    for arguments in ["'', 'n'", "'a', ''", "'a'.repeat(257), 'n'"] {
        let failure = tab.run(&format!("failure(client.state.session.prove({arguments}))")).await;
        assert_eq!(failure["code"], "badMessage", "{arguments}");
    }
    tab.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_signs_no_text_that_a_page_makes_up() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let (tab, _) = signed_in(&server, &browser, "page").await;
    // A script in the page can reach the port of a worker; this is the most that it takes.
    let script = "(async () => {
        const { start } = await import('/sdk/worker.js');
        const answers = [];
        const say = (await start()).connect((message) => answers.push(message));
        let id = 0;
        const call = (method, ...args) => say({ type: 'call', id: id++, method, args });
        call('proveRequest', 'ses_x', 'GET', location.href);
        call('prove', 'ses_x', 'a', 'n');
        call('sign', 'anything');
        call('constructor', 'anything');
        await new Promise((resolve) => setTimeout(resolve));
        return answers.sort((a, b) => a.id - b.id).map(({ type, error }) => [type, error.code]);
    })()";
    let refused = json!([
        ["failed", "sessionGone"],
        ["failed", "sessionGone"],
        ["failed", "badMessage"],
        ["failed", "badMessage"]
    ]);
    assert_eq!(tab.run(script).await, refused);
    for (method, url) in [("GET\\n", "/x"), ("G T", "/x"), ("GET", "data:,x"), ("GET", "no address")] {
        let script = format!(
            "(async () => {{
                const {{ sessionID }} = client.state.session;
                const real = Request;
                globalThis.Request = class extends real {{
                    get method() {{ return '{method}' }}
                    get url() {{ return '{url}' }}
                }};
                const {{ code }} = await failure(client.state.session.fetch('/x'));
                globalThis.Request = real;
                return code;
            }})()"
        );
        assert_eq!(tab.run(&script).await, "badMessage", "{method} {url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_travels_in_its_canonical_form_and_what_is_no_json_does_not_travel() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let (tab, _) = signed_in(&server, &browser, "page").await;
    let spy = "{
        globalThis.frames = [];
        const real = WebSocket.prototype.send;
        WebSocket.prototype.send = function (text) { frames.push(text); real.call(this, text) };
        globalThis.confirmed = async (action) => {
            frames.length = 0;
            await failure(client.state.session.confirm(action));
            return frames.find((frame) => frame.includes('confirm.begin')) ?? '';
        };
    }";
    tab.run(spy).await;
    // RFC 8785 section 3.2.3 sorts by UTF-16 code units: the emoji's surrogates come before U+FB33.
    let action = r#"{ b: [1e21, -0, 0.1, null, true], '\u{fb33}': 1, '\u{1f600}': 2, a: { z: '\u20ac"\\\n\u0007', y: [] } }"#;
    let numbers = r#""b":[1e+21,0,0.1,null,true]"#;
    let canonical =
        format!(r#"{{"a":{{"y":[],"z":"€\"\\\n\u0007"}},{numbers},"{}":2,"{}":1}}"#, '\u{1f600}', '\u{fb33}');
    let frame = tab.run(&format!("confirmed({action})")).await;
    assert!(frame.as_str().unwrap().contains(&canonical), "{frame} does not contain {canonical}");
    for refused in [
        "undefined",
        "null",
        "'text'",
        "[1]",
        "{ a: undefined }",
        "{ a: () => 1 }",
        "{ a: NaN }",
        "{ a: Infinity }",
        "{ a: 1n }",
        "{ a: [,1] }",
        "{ a: new Date() }",
        "{ a: new Map() }",
        "{ a: '\\ud800' }",
        "{ '\\udc00': 1 }",
        "{ a: 'x'.repeat(2048) }",
        "(() => { const a = {}; a.a = a; return a })()",
    ] {
        let failure = tab.run(&format!("failure(client.state.session.confirm({refused}))")).await;
        assert_eq!(failure["code"], "invalidAction", "{refused}");
    }
    assert_eq!(tab.run("client.state.status").await, "signedIn");
}

/// Says whether the prompt was asked for before `signIn` had returned, and with the click still fresh.
const CLICK: &str = "(async () => {
    let asked = 0;
    const real = navigator.credentials.get;
    navigator.credentials.get = (options) => {
        asked++;
        globalThis.isActive = navigator.userActivation.isActive;
        return real(options);
    };
    const call = client.signIn({ email: 'ada@example.org' });
    const atOnce = asked;
    const { sessionID } = await call.finally(() => { navigator.credentials.get = real });
    return { atOnce, asked, isActive, isSignedIn: client.state.session.sessionID === sessionID };
})()";

fn click(at_once: u32) -> Value {
    json!({ "atOnce": at_once, "asked": 1, "isActive": true, "isSignedIn": true })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_sign_in_shows_the_prompt_within_the_click() {
    let browser = Chromium::launch().await.unwrap();
    for persistence in ["worker", "page"] {
        let server = TestServer::start_in_real_time().await;
        let (tab, _) = signed_in(&server, &browser, persistence).await;
        tab.run("client.signOut()").await;
        assert_eq!(tab.run(CLICK).await, click(0), "without preparation");
        tab.run("client.signOut()").await;
        tab.run("states.length = 0; client.prepare({ email: 'ada@example.org' })").await;
        assert_eq!(tab.run("states.length").await, 0, "preparing changes nothing to be seen");
        assert_eq!(tab.run(CLICK).await, click(1));
        tab.run("client.signOut()").await;

        // For another address, or too old: fetched anew, and nobody notices.
        tab.run("client.prepare({ email: 'grace@example.org' })").await;
        assert_eq!(tab.run(CLICK).await, click(0));
        tab.run("client.signOut()").await;
        tab.run("client.prepare({ email: 'ada@example.org' })").await;
        tab.run("globalThis.realNow = Date.now; Date.now = () => realNow.call(Date) + 270_000").await;
        assert_eq!(tab.run(CLICK).await, click(0));
        tab.run("Date.now = realNow; client.signOut()").await;

        // Not waited for: the click takes over what is under way.
        tab.run("void client.prepare({ email: 'ada@example.org' })").await;
        let clicked = tab.run(CLICK).await;
        assert_eq!((&clicked["asked"], &clicked["isSignedIn"]), (&json!(1), &json!(true)));
        tab.run("client.signOut()").await;
        tab.is_clean().await;
        tab.page.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preparing_disturbs_no_call_and_no_code_and_never_rejects() {
    let server = TestServer::start_in_real_time().await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    let other = Tab::connected(&browser, &server, json!({})).await;
    // A code is on its way: a new challenge would make it useless.
    tab.run(
        "client.signUp({ email: 'ada@example.org' }).then((pending) => void (globalThis.pending = pending))",
    )
    .await;
    for tab in [&tab, &other] {
        tab.run("client.prepare({ email: 'grace@example.org' })").await;
    }
    let code = server.mailed_code("ada@example.org").unwrap();
    tab.focus().await;
    tab.run(&format!("pending.verify('{code}').then(() => undefined)")).await;
    // Signed in: nothing to prepare.
    tab.run("client.prepare({ email: 'ada@example.org' })").await;
    tab.run("client.signOut()").await;
    // Two tabs: the one that prepared first does not notice that the other did too.
    tab.run("client.prepare({ email: 'ada@example.org' })").await;
    other.run("client.prepare({ email: 'ada@example.org' })").await;
    tab.sign_in().await;
    other.run("client.prepare({ email: 'ada@example.org', signal: AbortSignal.abort() })").await;
    for tab in [tab, other] {
        tab.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepared_on_a_lost_connection_is_prepared_anew() {
    let server = TestServer::start_in_real_time().await;
    let (line, app_id, _) = over_a_line(&server).await;
    let browser = Chromium::launch().await.unwrap();
    // In the page, where its frames can be seen.
    let tab = Tab::open(&browser, &line.origin(), &app_id, json!({ "persistence": "page" })).await;
    tab.connect().await;
    tab.sign_up(&server).await;
    let spy = "(async () => {
        await client.signOut();
        const real = WebSocket.prototype.send;
        globalThis.begun = 0;
        globalThis.twice = new Promise((resolve) => {
            WebSocket.prototype.send = function (text) {
                real.call(this, text);
                if (text.includes('signIn.begin') && ++begun === 2) resolve();
            };
        });
        await client.prepare({ email: 'ada@example.org' });
    })()";
    tab.run(spy).await;
    line.cut();
    tab.until("state.status === 'reconnecting'").await;
    line.mend();
    tab.run("twice").await;
    // The same preparation, as its number of requests says.
    tab.run("client.prepare({ email: 'ada@example.org' })").await;
    assert_eq!(tab.run(CLICK).await, click(1));
    assert_eq!(tab.run("begun").await, 2);
}

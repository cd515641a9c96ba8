//! The fake server of `passkey-accounts/testing` says what the real one says.

use passkey_accounts_tests::{
    TestServer,
    chromium::{Chromium, Page},
    npm,
};
use serde_json::Value;

/// Has the page go through its conversation with who answers at `url`; `code` finds the code that was mailed.
async fn transcript(page: &Page, app: &str, url: &str, code: impl AsyncFn(&str) -> String) -> Vec<Value> {
    page.evaluate(&format!("void (globalThis.talk = conversation.startTalk({app}, {url}))")).await.unwrap();
    loop {
        let next = match page.evaluate("talk.next()").await {
            Ok(next) => next,
            Err(error) => panic!("{error:#} after {}", page.evaluate("talk.said.at(-1)").await.unwrap()),
        };
        if let Some(email) = next["email"].as_str() {
            let code = code(email).await;
            page.evaluate(&format!("talk.code('{code}')")).await.unwrap();
        } else {
            assert_eq!(next["error"], Value::Null, "{}", next["error"].as_str().unwrap_or_default());
            return next["transcript"].as_array().expect("the talk ends with its transcript").clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_server_answers_as_the_real_one_does() {
    let server = TestServer::start_in_real_time().await;
    let origin = npm::serve(npm::installed().to_owned()).await;
    let app_id = server.make_app_at(&[&origin]).await;
    server.allow_recovery_of(app_id, 60_000).await;
    let browser = Chromium::launch().await.unwrap();
    let page = browser.open(&format!("{origin}/checks/blank.html")).await.unwrap();
    let load = "(async () => {
        globalThis.conversation = await import('/checks/conversation.js');
        const { FakeServer } = globalThis.testing = await import('/node_modules/passkey-accounts/dist/testing.js');
        globalThis.fake = new FakeServer({ name: 'Shop', recoveryHoldMs: 60_000 });
    })()";
    page.evaluate(load).await.unwrap();

    let real_code = async |email: &str| server.mailed_code(email).expect("a code was mailed");
    let url = format!("'{}'", server.gateway_url());
    let real = transcript(&page, &format!("'{app_id}'"), &url, real_code).await;

    page.evaluate("void testing.install({ server: fake })").await.unwrap();
    let fake_code = async |email: &str| {
        page.evaluate(&format!("fake.codeOf('{email}')")).await.unwrap().as_str().unwrap().to_owned()
    };
    let fake = transcript(&page, "fake.app", "fake.url", fake_code).await;

    for (real, fake) in real.iter().zip(&fake) {
        assert_eq!(fake, real, "the fake's answer, and the real one's");
    }
    assert_eq!(fake.len(), real.len());
    assert!(real.len() > 40, "{} answers", real.len());
}

//! React in a real browser, over the fake server.

use passkey_accounts_tests::{chromium::Chromium, npm};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn under_strict_mode_react_connects_once_shows_one_state_and_lets_go() {
    let browser = Chromium::launch().await.unwrap();
    for version in ["react-18", "react-19"] {
        let origin = npm::serve(npm::build_app(version)).await;
        let page = browser.open(&origin).await.unwrap();
        page.wait_until("document.title === 'ready'").await.unwrap();
        let seen = page.evaluate("walk()").await.unwrap_or_else(|error| panic!("{version}: {error:#}"));
        let expected = json!({
            "connected": [1, 1],
            "isSame": true,
            "torn": [],
            "heard": ["sessionOpened"],
            "errors": [],
            "left": [0, 0],
            "isFrozen": true,
        });
        assert_eq!(seen, expected, "{version}");
        assert_eq!(
            page.logged().iter().filter(|line| !line.contains("React DevTools")).count(),
            0,
            "{version}"
        );
    }
}

//! The vectors in a browser: the module for JavaScript back ends has the outcome that they say there too.

use std::fs;

use passkey_accounts_tests::{build, chromium::Chromium, npm, vectors};

/// What the page of the replays says of them, once it does.
pub(crate) const SAID: &str = "new Promise((resolve) => {
    const page = document.documentElement;
    const look = () => page.dataset.said && resolve(page.dataset.said);
    new MutationObserver(look).observe(page, { attributes: true });
    look();
})";

/// Serves the page of the replays, and the vectors: its address.
pub(crate) async fn serve() -> String {
    build::node_tests();
    let tests = build::workspace().join("tests");
    let files = fs::read_dir(tests.join("vectors/stream")).expect("the folder is there");
    let names =
        files.map(|file| file.expect("the folder can be read").file_name().into_string().expect("ASCII"));
    let query: Vec<_> =
        names.filter(|name| name.ends_with(".jsonl")).map(|name| format!("file={name}")).collect();
    format!("{}/node/replay/page.html?{}", npm::serve(tests).await, query.join("&"))
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_has_the_outcome_of_all_vectors() {
    let browser = Chromium::launch().await.unwrap();
    let page = browser.open(&serve().await).await.unwrap();
    let said = page.evaluate(SAID).await.unwrap();
    vectors::record_browser("Chromium", said.as_str().expect("text"));
}

//! How much a browser downloads: what it asked for, not a list that somebody keeps.

use passkey_accounts_tests::{
    TestServer,
    chromium::{Chromium, VirtualAuthenticator},
    npm,
};

use super::app::{Shop, Tab, address};

/// What importing the package loads, in bytes after brotli.
const EAGER_BYTES: usize = 2 * 1024;

/// What a page loads to sign in, all of it, the WebAssembly inlined, in bytes after brotli.
const WHOLE_BYTES: usize = 32 * 1024;

fn brotli_bytes(file: &std::path::Path) -> usize {
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    let content = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut content.as_slice(), &mut compressed, &parameters).unwrap();
    println!("{:>6} {}", compressed.len(), file.file_name().unwrap().to_string_lossy());
    compressed.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_loads_no_more_than_the_budget() {
    let server = TestServer::start_in_real_time().await;
    let folder = npm::build_app("import-map");
    let (origin, requested) = npm::serve_and_note(folder.clone()).await;
    let app_id = server.make_app_at(&[&origin]).await;
    let browser = Chromium::launch().await.unwrap();
    let size = || {
        let mut files: Vec<_> = requested.lock().unwrap().iter().cloned().collect();
        files.retain(|file| file.starts_with("passkey-accounts/"));
        files.iter().map(|file| brotli_bytes(&folder.join(file))).sum::<usize>()
    };

    let page = browser.open(&format!("{origin}/main.js")).await.unwrap();
    page.evaluate("import('/passkey-accounts/index.js').then(() => true)").await.unwrap();
    let eager = size();
    println!("{eager} at import");

    page.navigate(&address(&origin, &server, app_id)).await.unwrap();
    page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
    let shop = Shop { tab: Tab::Chromium(page), server: &server };
    shop.wait_for("signedOut").await;
    shop.sign_up("ada@shop.example").await;
    shop.sign_out().await;
    shop.sign_in("ada@shop.example").await;
    let whole = size();
    println!("{whole} in all");
    assert!(eager <= EAGER_BYTES, "{eager} bytes at import, {EAGER_BYTES} are allowed");
    assert!(whole <= WHOLE_BYTES, "{whole} bytes in all, {WHOLE_BYTES} are allowed");
}

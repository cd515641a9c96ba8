//! One app, every bundler, no configuration: what comes out is served and signs in in a real Chromium.

use passkey_accounts_tests::{
    TestServer,
    build::workspace,
    chromium::{Chromium, VirtualAuthenticator},
    npm,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::app::{Shop, Tab, address};

/// What builds the app, as the package's README names it.
const BUNDLERS: [(&str, &str); 7] = [
    ("import-map", "import map, no bundler"),
    ("vite", "Vite build"),
    ("webpack", "webpack"),
    ("esbuild", "esbuild"),
    ("rollup", "rollup with node-resolve"),
    ("parcel", "Parcel"),
    ("bun", "Bun"),
];

/// The development server of Vite, which bundles nothing but dependencies.
async fn vite_dev() -> (Child, String) {
    let mut vite = Command::new("node_modules/.bin/vite")
        .args(["app", "--port", "0", "--host", "localhost", "--force"])
        .env("NO_COLOR", "1")
        .current_dir(npm::installed())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(vite.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, origin)) = line.split_once("Local:") {
            return (vite, origin.trim().trim_end_matches('/').to_owned());
        }
    }
    panic!("Vite ended before it was ready");
}

/// What the README's table says of this row: where the session lives.
fn promised(name: &str) -> String {
    let readme = std::fs::read_to_string(workspace().join("sdk-wasm/npm/README.md")).unwrap();
    let row = readme.lines().find(|line| line.starts_with(&format!("| {name} |")));
    let row = row.unwrap_or_else(|| panic!("the README says nothing of {name}"));
    row.split('`').nth(1).unwrap_or_else(|| panic!("no persistence in {row}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bundler_builds_an_app_that_signs_in_and_keeps_the_session_where_the_readme_says() {
    let server = TestServer::start_in_real_time().await;
    let mut apps = Vec::new();
    for (bundler, name) in BUNDLERS {
        apps.push((name, npm::serve(npm::build_app(bundler)).await));
    }
    let (_vite, origin) = vite_dev().await;
    apps.push(("Vite dev", origin));
    let origins: Vec<&str> = apps.iter().map(|(_, origin)| origin.as_str()).collect();
    let app_id = server.make_app_at(&origins).await;

    let browser = Chromium::launch().await.unwrap();
    let mut differences = Vec::new();
    for (name, origin) in &apps {
        let page = browser.open(&address(origin, &server, app_id)).await.unwrap();
        page.add_authenticator(VirtualAuthenticator::default()).await.unwrap();
        let shop = Shop { tab: Tab::Chromium(page), server: &server };
        shop.wait_for("signedOut").await;
        let email = format!("{}@shop.example", origin.rsplit(':').next().unwrap());
        let account = shop.sign_up(&email).await;
        shop.sign_out().await;
        assert_eq!(shop.sign_in(&email).await, account, "{name}");
        let (got, promised) = (shop.text("persistence").await, promised(name));
        println!("{name}: {got}");
        if got != promised {
            differences.push(format!("{name}: {got}, the README says {promised}"));
        }
        let Tab::Chromium(page) = &shop.tab else { continue };
        let mut logged = page.logged();
        logged.retain(|line| !line.contains("[vite]"));
        if got == "page" {
            // The browser says itself that there was no worker, and the README says so.
            logged.retain(|line| !line.contains("Failed to fetch a worker script."));
        }
        assert_eq!(logged, [""; 0], "{name}");
    }
    assert_eq!(differences, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_bundler_leaves_the_worker_out_a_copy_of_its_script_brings_it_back() {
    let server = TestServer::start_in_real_time().await;
    let folder = npm::build_app("esbuild");
    std::fs::copy(
        npm::installed().join("node_modules/passkey-accounts/dist/worker.js"),
        folder.join("copy.js"),
    )
    .unwrap();
    let origin = npm::serve(folder).await;
    let app_id = server.make_app_at(&[&origin]).await;
    let browser = Chromium::launch().await.unwrap();
    let address = format!("{}&worker=/copy.js", address(&origin, &server, app_id));
    let page = browser.open(&address).await.unwrap();
    let shop = Shop { tab: Tab::Chromium(page), server: &server };
    shop.wait_for("signedOut").await;
    assert_eq!(shop.text("persistence").await, "worker");
}

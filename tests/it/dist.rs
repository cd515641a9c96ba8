//! What `cargo xtask dist` makes, used as strangers use it: outside of the workspace.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use passkey_accounts_tests::build::{artifact, server_binary, target, workspace};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

#[test]
fn the_packed_crate_compiles_in_another_project() {
    let folder = TempDir::new().unwrap();
    let packed = artifact(&format!("passkey-accounts-{}.crate", env!("CARGO_PKG_VERSION")));
    succeeds(Command::new("tar").arg("-xzf").arg(packed).arg("-C").arg(folder.path()));
    let library = format!("passkey-accounts-{}", env!("CARGO_PKG_VERSION"));
    let manifest = format!(
        "[workspace]\nmembers = []\n[package]\nname = 'shop'\nversion = '0.0.0'\nedition = '2024'\n[dependencies]\n\
         passkey-accounts = {{ path = '{library}' }}\n\
         tokio = {{ version = '1', features = ['macros', 'rt-multi-thread'] }}\n",
    );
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    // The versions that were tested, so that what was compiled before serves here too.
    fs::copy(workspace().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    let example = workspace().join("examples/rust/src/bin/print_sign_ins.rs");
    fs::copy(example, folder.path().join("src/main.rs")).unwrap();
    let mut check = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    check.args(["check", "--quiet"]).current_dir(folder.path());
    succeeds(check.env("CARGO_TARGET_DIR", target().join("outside")));
}

#[tokio::test]
async fn the_server_binary_has_the_site_and_the_npm_package_inside() {
    let folder = TempDir::new().unwrap();
    let binary = artifact(&format!("passkey-accounts{}", std::env::consts::EXE_SUFFIX));
    // Where it would find them, had it not got them inside.
    let bytes = fs::read(&binary).unwrap();
    let site = fs::read(workspace().join("reference-server/site/quickstart.html")).unwrap();
    let entry = fs::read(workspace().join("sdk-wasm/npm/dist/index.js")).unwrap();
    for content in [site, entry] {
        assert!(bytes.windows(content.len()).any(|window| window == content), "a page is not inside");
    }
    let origin = starts(&binary, folder.path()).await;
    for path in ["/", "/quickstart", "/login", "/sdk/index.js"] {
        let status = reqwest::get(format!("{}{path}", origin.1)).await.unwrap().status();
        assert_eq!(status, 200, "{path}");
    }
}

#[test]
fn nothing_that_ships_has_defences_that_can_be_turned_off() {
    for package in [
        "passkey-accounts",
        "passkey-accounts-server",
        "passkey-accounts-ffi",
        "passkey-accounts-wasm",
        "passkey-accounts-wasm-server",
    ] {
        let mut tree = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        tree.args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p} {f}"]);
        let output = tree.args(["--package", package]).current_dir(workspace()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with(package), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains("planted"), "{package} is built with switches for tests");
    }
    let tests_own = Command::new(server_binary()).arg("--version").output().unwrap();
    assert!(
        String::from_utf8(tests_own.stdout).unwrap().contains("for tests only"),
        "that of the tests says so"
    );
}

/// The server in a folder of its own, which is killed when dropped, and its address.
async fn starts(binary: &Path, folder: &Path) -> (tokio::process::Child, String) {
    let mut command = tokio::process::Command::new(binary);
    command.args(["dev", "--json", "--port", "0"]).current_dir(folder);
    let mut server = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it says where it is");
    let said: Value = serde_json::from_str(&line).unwrap();
    (server, said["url"].as_str().unwrap().to_owned())
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

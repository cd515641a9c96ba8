//! The npm package in a real Chromium. Build it first: `cargo xtask build`.

mod account;
mod element;
mod hardware;
mod login;
mod manage;
mod notes;
mod package;
mod pages;
mod persistence;
mod proof;
mod recovery;
mod scripted;
mod sdk;
mod site;
mod tab;
pub(crate) mod vectors;

use std::path::PathBuf;

/// The built npm package.
fn dist() -> PathBuf {
    let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sdk-wasm/npm/dist");
    assert!(dist.join("worker.js").is_file(), "the npm package is not built: run `cargo xtask build`");
    dist
}

//! `cargo xtask build`: from Rust and TypeScript to the npm package in `sdk-wasm/npm/dist`.

use crate::{npm, server_wasm, size, wasm};

/// Builds what is not up to date, and says how large the result is.
///
/// # Errors
/// Names the step that failed.
pub(crate) fn run() -> anyhow::Result<()> {
    npm::install()?;
    wasm::build()?;
    server_wasm::build()?;
    npm::compile()?;
    size::report(&npm::dist())
}

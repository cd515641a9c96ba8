//! The npm side: the tools it needs and the TypeScript face.

use std::{path::PathBuf, process::Command};

use crate::{
    process::{npm, root, run},
    stamp::unless_fresh,
};

/// The npm package.
pub(crate) fn package() -> PathBuf {
    root().join("sdk-wasm").join("npm")
}

/// What is published, and what the server serves under /sdk/.
pub(crate) fn dist() -> PathBuf {
    package().join("dist")
}

/// A tool of the package's `devDependencies`, run by Node.
pub(crate) fn tool(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(package().join("node_modules").join(script)).current_dir(package());
    command
}

/// Installs exactly what package-lock.json names.
///
/// # Errors
/// When npm is missing or fails.
pub(crate) fn install() -> anyhow::Result<()> {
    let inputs = [package().join("package.json"), package().join("package-lock.json")];
    unless_fresh("npm", &inputs, "", &package().join("node_modules"), || {
        eprintln!("npm ci");
        run(npm().arg("ci").current_dir(package()))
    })
}

/// Compiles the TypeScript face.
///
/// # Errors
/// When it does not type-check.
pub(crate) fn compile() -> anyhow::Result<()> {
    let inputs =
        [package().join("src"), package().join("tsconfig.json"), package().join("package-lock.json")];
    unless_fresh("tsc", &inputs, "", &dist().join("index.js"), || {
        eprintln!("tsc");
        run(&mut tool("typescript/bin/tsc"))
    })
}

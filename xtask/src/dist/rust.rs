//! What is Rust to its users: the crate, and the server's binary with the site inside.

use std::env::consts;

use super::{Profile, publish};
use crate::process::{cargo, run, target, workspace};

/// Packs the crate. It is compiled once more from what was packed, as its users will.
///
/// # Errors
/// When something of it is not in the package.
pub(super) fn make_crate(_profile: Profile) -> anyhow::Result<()> {
    let mut package = cargo();
    package.args([
        "package",
        "--quiet",
        "--locked",
        "--allow-dirty",
        "--package",
        "passkey-accounts",
        "--no-verify",
    ]);
    run(&mut package)?;
    let name = format!("passkey-accounts-{VERSION}.crate");
    publish(&target().join("package").join(&name), &name)
}

/// Builds the server's binary.
///
/// # Errors
/// When it does not compile.
pub(super) fn make_server(profile: Profile) -> anyhow::Result<()> {
    crate::build::run()?;
    match profile {
        Profile::Dev => run(workspace("build").arg("--quiet"))?,
        Profile::Release => run(cargo().args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            profile.flag(),
            "--package",
            "passkey-accounts-server",
        ]))?,
    }
    let name = format!("passkey-accounts{}", consts::EXE_SUFFIX);
    publish(&profile.folder().join(&name), &name)
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

//! What is Rust to its users: the crate, and the server's binary with the site inside.

use std::env::consts;

use super::{Profile, publish};
use crate::process::{cargo, run, target, workspace};

/// Packs the crate. That it can be used outside of the workspace, the tests show.
///
/// # Errors
/// When something of it cannot be packed.
pub(super) fn make_crate(_profile: Profile) -> anyhow::Result<()> {
    let mut package = cargo();
    package.args(["package", "--quiet", "--locked", "--allow-dirty", "--no-verify"]);
    run(package.args(["--package", "passkey-accounts"]))?;
    let name = format!("passkey-accounts-{VERSION}.crate");
    publish(&target().join("package").join(&name), &name)
}

/// Builds the server's binary, the site inside.
///
/// # Errors
/// When it does not compile.
pub(super) fn make_server(profile: Profile) -> anyhow::Result<()> {
    crate::build::run()?;
    match profile {
        Profile::Dev => {
            let mut build = workspace("build");
            build.args(["--quiet", "--bin", "passkey-accounts"]);
            run(build.args(["--features", "passkey-accounts-server/embed"]))?;
        }
        Profile::Release => {
            let mut build = cargo();
            build.args(["build", "--quiet", "--locked", "--release", "--package", "passkey-accounts-server"]);
            run(&mut build)?;
        }
    }
    let name = format!("passkey-accounts{}", consts::EXE_SUFFIX);
    publish(&profile.folder().join(&name), &name)
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

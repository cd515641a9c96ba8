//! The native library of the bindings, and the foreign code that is generated from it.

use std::{
    env::consts,
    fs,
    path::{Path, PathBuf},
};

use super::Profile;
use crate::process::{run, workspace};

/// The name of the library's file.
pub(super) fn library_name() -> String {
    format!("{}passkey_accounts_ffi{}", consts::DLL_PREFIX, consts::DLL_SUFFIX)
}

/// Builds the library with its symbols, which the generator reads, and returns its path.
///
/// # Errors
/// When it does not compile.
pub(super) fn library(profile: Profile) -> anyhow::Result<PathBuf> {
    match profile {
        // As the tests build everything, or the same dependencies would be built once more.
        Profile::Dev => run(workspace("build").arg("--quiet"))?,
        Profile::Release => run(crate::process::cargo()
            .args(["build", "--quiet", "--locked", "--release", "--package", "passkey-accounts-ffi"])
            .env("CARGO_PROFILE_RELEASE_STRIP", "none"))?,
    }
    Ok(profile.folder().join(library_name()))
}

/// Generates the foreign code for `language` from a built library into a folder, which is emptied.
///
/// # Errors
/// When the generator does not compile or fails.
pub(super) fn generate(language: &str, library: &Path, into: &Path) -> anyhow::Result<()> {
    run(workspace("build").args(["--quiet", "--bin", "uniffi-bindgen"]))?;
    if into.exists() {
        fs::remove_dir_all(into)?;
    }
    fs::create_dir_all(into)?;
    let generator = Profile::Dev.folder().join(format!("uniffi-bindgen{}", consts::EXE_SUFFIX));
    let mut command = std::process::Command::new(generator);
    command.args(["generate", "--language", language, "--no-format", "--out-dir"]);
    run(command.arg(into).arg(library))
}

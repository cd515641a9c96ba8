//! The Swift package: the hand-written face, what is generated from the library, and the library.

#[path = "swift_reader.rs"]
mod reader;

use std::{
    env::consts,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use super::{Profile, folder, native};
use crate::process::{found, root, run, target};

/// Makes the package as a folder, and packs it.
///
/// # Errors
/// Names the step that failed.
pub(super) fn make(profile: Profile) -> anyhow::Result<()> {
    ensure!(consts::OS == "linux", "the package carries a Linux library, which is made on Linux");
    let library = native::library(profile)?;
    let generated = target().join("swift/generated");
    native::generate("swift", &library, &generated)?;
    let package = target().join("swift/package").join(NAME);
    if package.exists() {
        fs::remove_dir_all(&package)?;
    }
    assemble(&package, &generated, &library).context("the package cannot be put together")?;
    pack(&package)
}

fn assemble(package: &Path, generated: &Path, library: &Path) -> anyhow::Result<()> {
    let source = root().join("sdk-ffi/swift");
    copy_folder(
        &source.join(NAME).join("Sources/PasskeyAccounts"),
        &package.join("Sources/PasskeyAccounts"),
    )?;
    fs::copy(source.join(NAME).join("Package.swift"), package.join("Package.swift"))?;
    fs::copy(source.join("README.md"), package.join("README.md"))?;
    for licence in ["LICENSE", "LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(root().join(licence), package.join(licence))?;
    }

    let face = package.join("Sources/PasskeyAccountsNative");
    fs::create_dir_all(&face)?;
    let code = fs::read_to_string(generated.join(format!("{MODULE}.swift")))?;
    fs::write(face.join(format!("{MODULE}.swift")), reader::quicken(&code)?)?;
    let header = package.join("Sources").join(format!("{MODULE}FFI"));
    fs::create_dir_all(&header)?;
    fs::copy(generated.join(format!("{MODULE}FFI.h")), header.join(format!("{MODULE}FFI.h")))?;
    let map = fs::read_to_string(generated.join(format!("{MODULE}FFI.modulemap")))?;
    // What it uses of Apple's modules is not there on Linux, and comes with the header anyway.
    let map: String =
        map.lines().filter(|line| !line.trim().starts_with("use ")).map(|line| format!("{line}\n")).collect();
    fs::write(header.join("module.modulemap"), map)?;

    let libraries = package.join("Libraries").join(format!("linux-{}", consts::ARCH));
    fs::create_dir_all(&libraries)?;
    let shipped = libraries.join(native::library_name());
    fs::copy(library, &shipped)?;
    // The generator has read the symbols; nobody else needs them.
    if found("strip") {
        run(Command::new("strip").arg("--strip-unneeded").arg(&shipped))?;
    }
    Ok(())
}

/// Packs it with Python, which every machine that builds this has.
fn pack(package: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder())?;
    let archive: PathBuf = folder().join(format!("{NAME}-{VERSION}.zip"));
    let parent = package.parent().context("the package lies in a folder")?;
    run(Command::new("python3").args(["-m", "zipfile", "-c"]).arg(archive).arg(NAME).current_dir(parent))
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The package, its library product, and the module that is imported.
const NAME: &str = "PasskeyAccounts";

/// What the generator calls its files.
const MODULE: &str = "passkey_accounts_ffi";

const VERSION: &str = env!("CARGO_PKG_VERSION");

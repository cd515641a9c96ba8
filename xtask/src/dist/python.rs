//! The Python package: one wheel for all versions of Python.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::{
    Profile, folder,
    native::{generate, library, library_name},
};
use crate::process::{root, run, target};

/// Makes the wheel.
///
/// # Errors
/// Names the step that failed.
pub(super) fn make(profile: Profile) -> anyhow::Result<()> {
    let tools = tools()?;
    remove_earlier_wheels()?;
    match profile {
        Profile::Dev => assemble(&tools),
        Profile::Release => build(&tools),
    }
}

/// As it is published: compiled by zig against a C library that every Linux of the last ten years has.
fn build(tools: &Path) -> anyhow::Result<()> {
    // Maturin finds the generator on the path; it is not part of the library.
    run(crate::process::workspace("build").args(["--quiet", "--bin", "uniffi-bindgen"]))?;
    let mut path = vec![tools.to_path_buf(), Profile::Dev.folder()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut maturin = Command::new(tools.join("maturin"));
    maturin.args(["build", "--quiet", "--release", "--locked", "--out"]).arg(folder());
    if cfg!(target_os = "linux") {
        maturin.args(["--zig", "--compatibility", "manylinux_2_17"]);
    }
    // The generator reads the symbols of the library that it is given, and zig knows only to strip all or nothing.
    maturin.env("CARGO_PROFILE_RELEASE_STRIP", "none").env("CARGO_TARGET_DIR", target());
    run(maturin.env("PATH", std::env::join_paths(path)?).current_dir(package()))
}

/// The same files without compiling anything once more: what maturin compiles has other features than what the tests do,
/// and so all dependencies would be built again.
fn assemble(tools: &Path) -> anyhow::Result<()> {
    let built = library(Profile::Dev)?;
    let wheel = target().join("python/wheel");
    if wheel.exists() {
        fs::remove_dir_all(&wheel)?;
    }
    copy_sources(&package().join("passkey_accounts"), &wheel.join("passkey_accounts"))?;
    let native = wheel.join("passkey_accounts/_native");
    let generated = target().join("python/generated");
    generate("python", &built, &generated)?;
    fs::create_dir_all(&native)?;
    fs::copy(generated.join("passkey_accounts_ffi.py"), native.join("passkey_accounts_ffi.py"))?;
    // As maturin writes it.
    fs::write(native.join("__init__.py"), "from .passkey_accounts_ffi import *  # NOQA\n")?;
    fs::copy(&built, native.join(library_name()))?;
    let mut maturin = Command::new(tools.join("maturin"));
    maturin.args(["pep517", "write-dist-info", "--metadata-directory"]).arg(&wheel);
    maturin.stdout(std::process::Stdio::null());
    run(maturin.current_dir(package()))?;
    fs::create_dir_all(folder())?;
    let mut pack = Command::new(tools.join("python"));
    pack.args(["-m", "wheel", "pack", "--dest-dir"]).arg(folder()).arg(&wheel);
    run(pack.stdout(std::process::Stdio::null()))
}

/// The folder of programs that build wheels, installed once.
fn tools() -> anyhow::Result<PathBuf> {
    let requirements = package().join("requirements/build.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let environment = target().join("python/tools");
    let stamp = environment.join("installed.txt");
    let programs = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(pip.arg(&requirements))?;
    fs::write(stamp, wanted)?;
    Ok(programs)
}

fn copy_sources(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{} is not there", from.display()))? {
        let entry = entry?;
        if entry.file_name() == "__pycache__" {
            continue;
        }
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_sources(&entry.path(), &copy)?;
        } else {
            fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}

/// Whoever installs from the folder must not find two.
fn remove_earlier_wheels() -> anyhow::Result<()> {
    let Ok(files) = fs::read_dir(folder()) else { return Ok(()) };
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn package() -> PathBuf {
    root().join("sdk-ffi/python")
}

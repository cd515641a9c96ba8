//! Builds and installs what tests run outside of themselves: the Python package, the examples, axe. Each once per test run.

use std::{
    env::{self, consts},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace")
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// What `cargo xtask dist` has made under this name.
///
/// # Panics
/// When it is not there.
pub fn artifact(name: &str) -> PathBuf {
    let path = target().join("dist").join(name);
    assert!(path.exists(), "{} is not there: run `cargo xtask dist --profile dev` first", path.display());
    path
}

/// The folder to put on `PYTHONPATH`: the hand-written package with the generated binding and the library inside.
pub fn python_package() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        build_workspace();
        assemble_python_package().expect("the Python package can be put together")
    })
}

fn assemble_python_package() -> io::Result<PathBuf> {
    let library = format!("{}passkey_accounts_ffi{}", consts::DLL_PREFIX, consts::DLL_SUFFIX);
    let built = target().join("debug").join(&library);
    let folder = target().join("python");
    let native = folder.join("passkey_accounts/_native");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&native)?;
    for file in fs::read_dir(workspace().join("sdk-ffi/python/passkey_accounts"))? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), folder.join("passkey_accounts").join(file.file_name()))?;
        }
    }
    run(Command::new(target().join(format!("debug/uniffi-bindgen{}", consts::EXE_SUFFIX)))
        .args(["generate", "--language", "python", "--no-format", "--out-dir"])
        .arg(&native)
        .arg(&built));
    fs::copy(&built, native.join(&library))?;
    // As maturin packs it.
    fs::write(native.join("__init__.py"), "from .passkey_accounts_ffi import *  # NOQA\n")?;
    Ok(folder)
}

/// The server's binary.
pub fn server_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        build_workspace();
        target().join(format!("debug/passkey-accounts{}", consts::EXE_SUFFIX))
    })
}

/// The server of tests in other languages, as a program.
pub fn served_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        build_workspace();
        target().join(format!("debug/served{}", consts::EXE_SUFFIX))
    })
}

/// A Rust example.
pub fn rust_example(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build_workspace);
    target().join(format!("debug/{name}{}", consts::EXE_SUFFIX))
}

/// The folder of the Node examples, with what they need installed.
pub fn node_example() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = workspace().join("examples/node");
        install_locked(&folder);
        unpack_package_into(&folder.join("node_modules"));
        folder
    })
}

/// The script of axe-core, which finds what people with disabilities would stumble over.
pub fn axe_script() -> &'static str {
    static SCRIPT: OnceLock<String> = OnceLock::new();
    SCRIPT.get_or_init(|| {
        let folder = workspace().join("tests/axe");
        let script = folder.join("node_modules/axe-core/axe.min.js");
        if !script.exists() {
            run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder));
        }
        fs::read_to_string(script).expect("npm has installed axe-core")
    })
}

/// The folder of the tests of the npm package's server entry, the package and what else they need installed.
pub fn node_tests() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = workspace().join("tests/node");
        install_locked(&folder);
        unpack_package_into(&folder.join("node_modules"));
        run(Command::new(workspace().join("sdk-wasm/npm/node_modules/.bin/esbuild"))
            .args(["--bundle", "--format=esm", "--log-level=warning", "replay/internals.mjs"])
            .arg("--outfile=node_modules/internals.mjs")
            .current_dir(&folder));
        folder
    })
}

/// `npm ci`, unless it was done with this very lockfile.
fn install_locked(folder: &Path) {
    let done = folder.join("node_modules/installed-lock.json");
    let wanted = fs::read(folder.join("package-lock.json")).expect("the lockfile is there");
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return;
    }
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder));
    fs::write(done, wanted).expect("the folder can be written to");
}

/// The npm package as it is published, so that it finds beside it what its users would have there.
fn unpack_package_into(modules: &Path) {
    let folder = modules.join("passkey-accounts");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder can be made");
    let tarball = artifact(&format!("passkey-accounts-{}.tgz", env!("CARGO_PKG_VERSION")));
    run(Command::new("tar").arg("-xzf").arg(tarball).args(["--strip-components", "1", "-C"]).arg(folder));
}

/// Builds everything, with the features that `cargo xtask test` builds with: other features would mean other builds of
/// the same dependencies.
fn build_workspace() {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments =
        ["build", "--quiet", "--locked", "--workspace", "--features", "passkey-accounts-ffi/bindgen"];
    run(Command::new(cargo).args(arguments).current_dir(workspace()));
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}

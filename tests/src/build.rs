//! Builds and installs what tests run outside of themselves: the Python package, the examples, axe. Each once per test run.

use std::{
    env::{self, consts},
    fs,
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

/// The Python of a virtual environment in which the wheel is installed, with what its tests need beside it.
///
/// # Panics
/// When `cargo xtask dist` has not made the wheel, or something cannot be installed.
pub fn python() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let requirements = workspace().join("sdk-ffi/python/requirements/tests.txt");
        let python = environment(&target().join("python/environment"), &requirements);
        pip(&python, &["--no-index", "--no-deps", "--force-reinstall"], &wheel());
        python
    })
}

/// The Python of a virtual environment with sslyze, which looks for weaknesses of TLS.
///
/// # Panics
/// When it cannot be installed.
pub fn scanner() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| environment(&target().join("scanner"), &workspace().join("tests/scanner.txt")))
}

/// The folder with Pebble, an authority for certificates, and its name server.
///
/// # Panics
/// When they cannot be installed: they are written in Go.
pub fn pebble() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = target().join("pebble");
        let done = folder.join("installed.txt");
        if !fs::read_to_string(&done).is_ok_and(|installed| installed == PEBBLE_VERSION) {
            for program in ["pebble", "pebble-challtestsrv"] {
                let package = format!("github.com/letsencrypt/pebble/v2/cmd/{program}@{PEBBLE_VERSION}");
                run(Command::new("go").args(["install", &package]).env("GOBIN", &folder));
            }
            fs::write(done, PEBBLE_VERSION).expect("the folder can be written to");
        }
        folder
    })
}

const PEBBLE_VERSION: &str = "v2.10.3";

/// The Python of a virtual environment with exactly these requirements, made anew when they have changed.
fn environment(folder: &Path, requirements: &Path) -> PathBuf {
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let python = programs.join(format!("python{}", consts::EXE_SUFFIX));
    let wanted = fs::read(requirements).expect("the requirements are there");
    let done = folder.join("installed.txt");
    if !fs::read(&done).is_ok_and(|installed| installed == wanted) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
        pip(&python, &["--requirement"], requirements);
        fs::write(done, wanted).expect("the folder can be written to");
    }
    python
}

fn pip(python: &Path, arguments: &[&str], what: &Path) {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install"]);
    run(pip.args(arguments).arg(what));
}

/// The wheel: its name says for which machine it is.
fn wheel() -> PathBuf {
    let files = fs::read_dir(target().join("dist")).into_iter().flatten();
    let mut paths = files.map(|file| file.expect("the folder can be read").path());
    let wheel = paths.find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheel.expect("a wheel is in target/dist: run `cargo xtask dist --profile dev` first")
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

/// The folder of what asks SimpleWebAuthn for its verdicts, with SimpleWebAuthn installed.
pub fn differential() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = workspace().join("tests/differential");
        install_locked(&folder);
        folder
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

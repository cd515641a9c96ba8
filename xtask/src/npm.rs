//! The npm side: the tools it needs, the TypeScript face, and the bundles that browsers load.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    process::{npm, root, run, target},
    server_wasm,
    stamp::unless_fresh,
    wasm,
};

/// What a page or a server imports by name; those whose source exists are built. What they share, and what they load later,
/// lies beside them in files of its own.
const ENTRIES: [&str; 6] = ["index", "element", "react", "server", "server.workerd", "testing"];

/// The one file that is whole without any other: a SharedWorker's script cannot count on a bundler.
const WORKER: &str = "worker";

/// Every browser that has what passkeys need here has this.
const BUNDLE: [&str; 6] =
    ["--bundle", "--format=esm", "--target=es2022", "--minify", "--charset=utf8", "--log-level=warning"];

/// An error that nobody catches is shown with the line that threw it.
const LINES: &str = "--line-limit=500";

/// Members of the generated glue that nothing outside it names.
const PRIVATE: &str = "--mangle-props=^__(wbg|wrap|destroy)";

/// The npm package.
pub(crate) fn package() -> PathBuf {
    root().join("sdk-wasm").join("npm")
}

/// What is published, and what the server serves under /sdk/.
pub(crate) fn dist() -> PathBuf {
    package().join("dist")
}

/// The sources; the WebAssembly module and its glue are generated into them.
pub(crate) fn source() -> PathBuf {
    package().join("src")
}

/// What esbuild says of the entries: which file imports which.
pub(crate) fn imports() -> PathBuf {
    target().join("xtask").join("imports.json")
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

/// Checks the types, and makes the declarations and the bundles in the package's dist folder.
///
/// # Errors
/// When the sources do not type-check or cannot be bundled.
pub(crate) fn compile() -> anyhow::Result<()> {
    let inputs = [source(), package().join("tsconfig.json"), package().join("package-lock.json")];
    let recipe = format!("{ENTRIES:?} {BUNDLE:?} {LINES} {PRIVATE}");
    unless_fresh("bundles", &inputs, &recipe, &dist().join("index.js"), || {
        // Files whose name carries a hash would stay for ever.
        if dist().exists() {
            fs::remove_dir_all(dist())?;
        }
        eprintln!("tsc");
        run(&mut tool("typescript/bin/tsc"))?;
        eprintln!("esbuild");
        let file = |name: &str| format!("src/{name}.ts");
        let entries = ENTRIES.into_iter().map(file).filter(|file| package().join(file).is_file());
        run(esbuild()
            .args(entries)
            // Two copies of an error's class would not be instances of each other.
            .args([
                LINES,
                "--splitting",
                "--chunk-names=[name]-[hash]",
                "--external:./worker.js",
                "--external:./server.wasm",
                "--external:react",
            ])
            .arg(format!("--metafile={}", imports().display())))?;
        run(esbuild().arg(PRIVATE).arg(file(WORKER)))?;
        fs::copy(wasm::optimised(), dist().join("core.wasm"))?;
        fs::copy(server_wasm::optimised(), dist().join("server.wasm"))?;
        // The declarations that tsc makes refer to those of the generated module, which it does not copy.
        fs::copy(source().join("machine.d.ts"), dist().join("machine.d.ts"))?;
        Ok(())
    })
}

fn esbuild() -> Command {
    // A script or a program, by whether its package ran its install script here; npm's link fits both.
    let mut command = Command::new(package().join("node_modules/.bin/esbuild"));
    command.current_dir(package()).args(BUNDLE).arg("--outdir=dist");
    command
}

//! The WebAssembly of JavaScript back ends: `src/server/core.js` (the glue) and `src/server/wasm.js` (the module).

use std::{fs, path::PathBuf, process::Command};

use anyhow::Context;
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    npm::{package, source, tool},
    process::{read, root, run, target},
    stamp::unless_fresh,
    wasm::{INLINED, TARGET, WASM_OPT, flags, inline},
};

/// A server downloads nothing: what counts is speed.
const LEVEL: &str = "-O3";

/// Makes both files among the package's sources, for the bundler.
///
/// # Errors
/// Names the step that failed.
pub(crate) fn build() -> anyhow::Result<()> {
    let module = compile()?;
    let work = target().join("xtask").join("wasm-server");
    let into = source().join("server");
    let inputs = [module.clone(), package().join("package-lock.json")];
    let options: Vec<&str> = std::iter::once(LEVEL).chain(WASM_OPT.iter().copied().skip(1)).collect();
    unless_fresh(
        "wasm-server",
        &inputs,
        &format!("{INLINED} {}", options.join(" ")),
        &into.join("wasm.js"),
        || {
            fs::create_dir_all(&work)?;
            eprintln!("wasm-bindgen (server)");
            Bindgen::new()
                .input_path(&module)
                .out_name("core")
                .web(true)?
                .typescript(false)
                .omit_default_module_path(true)
                .remove_name_section(true)
                .remove_producers_section(true)
                .generate(&work)?;
            eprintln!("wasm-opt (server)");
            let optimised = optimised();
            run(tool("binaryen/bin/wasm-opt")
                .args(&options)
                .arg(work.join("core_bg.wasm"))
                .arg("-o")
                .arg(&optimised))?;
            fs::copy(work.join("core.js"), into.join("core.js"))?;
            inline(&optimised, &into.join("wasm.js"))
        },
    )
}

/// Where the optimised module is before it is inlined.
pub(crate) fn optimised() -> PathBuf {
    target().join("xtask").join("wasm-server").join("optimised.wasm")
}

fn compile() -> anyhow::Result<PathBuf> {
    let cargo = read(&mut Command::new(root().join("xtask").join("scripts").join("wasm-setup.sh")))
        .context("this machine cannot build for WebAssembly")?;
    run(Command::new(cargo).current_dir(root()).env("CARGO_ENCODED_RUSTFLAGS", flags()).args([
        "build",
        "--quiet",
        "--package",
        "passkey-accounts-wasm-server",
        "--lib",
        "--profile",
        "wasm-server",
        "--target",
        TARGET,
    ]))?;
    Ok(target().join(TARGET).join("wasm-server").join("passkey_accounts_wasm_server.wasm"))
}

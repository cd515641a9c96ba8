//! The WebAssembly side: compile, bind, optimise, inline.
//!
//! The module travels inside a JavaScript module that is loaded on demand: it then works unconfigured in every bundler and
//! from a plain `<script type=module>`, where a .wasm file beside it would need a loader or a fetch.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    npm::{dist, package, tool},
    process::{read, root, run, target},
    stamp::unless_fresh,
};

/// What modules are compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Changes whenever [`inline`] writes something else.
pub(crate) const INLINED: &str = "2";

/// What rustc emits for the target. Never `--all-features`: engines refuse the result.
pub(crate) const WASM_OPT: &[&str] = &[
    "-Oz",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--strip-debug",
    "--strip-producers",
];

/// Makes `core.js` (the glue) and `wasm.js` (the module) in the package's dist folder.
///
/// # Errors
/// Names the step that failed.
pub(crate) fn build() -> anyhow::Result<()> {
    let module = compile()?;
    let work = target().join("xtask").join("wasm");
    let inputs = [module.clone(), package().join("package-lock.json")];
    unless_fresh(
        "wasm",
        &inputs,
        &format!("{INLINED} {}", WASM_OPT.join(" ")),
        &dist().join("wasm.js"),
        || {
            fs::create_dir_all(&work)?;
            fs::create_dir_all(dist())?;
            eprintln!("wasm-bindgen");
            bind(&module, &work)?;
            eprintln!("wasm-opt");
            let optimised = work.join("optimised.wasm");
            run(tool("binaryen/bin/wasm-opt")
                .args(WASM_OPT)
                .arg(work.join("core_bg.wasm"))
                .arg("-o")
                .arg(&optimised))?;
            fs::copy(work.join("core.js"), dist().join("core.js"))?;
            inline(&optimised, &dist().join("wasm.js"))
        },
    )
}

/// Where the optimised module is before it is inlined.
pub(crate) fn optimised() -> PathBuf {
    target().join("xtask").join("wasm").join("optimised.wasm")
}

fn compile() -> anyhow::Result<PathBuf> {
    let cargo = read(&mut Command::new(root().join("xtask").join("scripts").join("wasm-setup.sh")))
        .context("this machine cannot build for WebAssembly")?;
    run(Command::new(cargo).current_dir(root()).env("CARGO_ENCODED_RUSTFLAGS", flags()).args([
        "build",
        "--quiet",
        "--package",
        "passkey-accounts-wasm",
        "--lib",
        "--profile",
        "wasm",
        "--target",
        TARGET,
    ]))?;
    Ok(target().join(TARGET).join("wasm").join("passkey_accounts_wasm.wasm"))
}

/// The small variant of SHA-256, and panic messages that do not tell where this machine keeps its files.
pub(crate) fn flags() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let mut flags = vec!["--cfg".to_owned(), "sha2_backend_soft=\"compact\"".to_owned()];
    for (folder, name) in [(home, "cargo"), (Some(root()), "source")] {
        flags.extend(folder.map(|folder| format!("--remap-path-prefix={}={name}", folder.display())));
    }
    flags.join("\x1f")
}

fn bind(module: &Path, into: &Path) -> anyhow::Result<()> {
    Bindgen::new()
        .input_path(module)
        .out_name("core")
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(into)
}

/// Writes the module as a JavaScript string in which frequent bytes are one printable character and the others an escape.
/// Unlike in base64 bytes stay whole, so a compressor still finds what repeats: a fifth less over the wire.
pub(crate) fn inline(module: &Path, into: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(module)?;
    ensure!(bytes.starts_with(b"\0asm"), "{} is not a WebAssembly module", module.display());
    let is_plain = |code: &u8| (b' '..=b'~').contains(code) && !matches!(code, b'\'' | b'\\');
    let mut by_frequency: Vec<u8> = (0..=255).collect();
    by_frequency.sort_by_cached_key(|byte| Reverse(bytes.iter().filter(|other| *other == byte).count()));
    let plain_first = (0..=255).filter(is_plain).chain((0..=255).filter(|code| !is_plain(code)));
    let code_of: HashMap<u8, u8> = by_frequency.into_iter().zip(plain_first).collect();
    let mut byte_of: Vec<(u8, u8)> = code_of.iter().map(|(byte, code)| (*code, *byte)).collect();
    byte_of.sort_unstable();
    let table: Vec<String> = byte_of.iter().map(|(_, byte)| byte.to_string()).collect();
    let text: String = bytes
        .iter()
        .filter_map(|byte| code_of.get(byte))
        .map(|code| if is_plain(code) { char::from(*code).to_string() } else { format!("\\x{code:02x}") })
        .collect();
    let table = table.join(",");
    let script = format!(
        "const byteOf = [{table}];\nconst text =\n  '{text}';\n\
         export const wasm = () => Uint8Array.from(text, (character) => byteOf[character.charCodeAt(0)]);\n"
    );
    Ok(fs::write(into, script)?)
}

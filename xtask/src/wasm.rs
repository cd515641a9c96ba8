//! The WebAssembly side: compile, bind, optimise, inline.
//!
//! The module travels inside a script: it then works unconfigured in every bundler, in a worker and from a plain
//! `<script type=module>`, where a .wasm file beside it would need a loader or a fetch.

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
    npm::{package, source, tool},
    process::{read, root, run, target},
    stamp::unless_fresh,
};

/// What modules are compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Changes whenever [`inline`] writes something else.
pub(crate) const INLINED: &str = "4";

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
    "--strip-target-features",
    // The memory is the module's own and new, and rustc puts the stack where addresses are low.
    "--zero-filled-memory",
    "--low-memory-unused",
];

/// Makes `machine.js` (the glue) and `wasm.js` (the module) among the package's sources, for the bundler.
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
        &source().join("wasm.js"),
        || {
            fs::create_dir_all(&work)?;
            eprintln!("wasm-bindgen");
            bind(&module, &work)?;
            eprintln!("wasm-opt");
            let optimised = work.join("optimised.wasm");
            run(tool("binaryen/bin/wasm-opt")
                .args(WASM_OPT)
                .arg(work.join("machine_bg.wasm"))
                .arg("-o")
                .arg(&optimised))?;
            fs::copy(work.join("machine.js"), source().join("machine.js"))?;
            inline(&optimised, &source().join("wasm.js"))
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
        .out_name("machine")
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(into)
}

/// Writes the module as a JavaScript string of one character a byte: frequent bytes printable ASCII, the others from U+00A1 on.
/// Unlike in base64 bytes stay whole, so a compressor still finds what repeats: a fifth less over the wire.
pub(crate) fn inline(module: &Path, into: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(module)?;
    ensure!(bytes.starts_with(b"\0asm"), "{} is not a WebAssembly module", module.display());
    let mut by_frequency: Vec<u8> = (0..=255).collect();
    by_frequency.sort_by_cached_key(|byte| Reverse(bytes.iter().filter(|other| *other == byte).count()));
    // Without quotation mark, backslash and the soft hyphen, which editors swallow.
    let characters = (' '..='~').chain('\u{a1}'..).filter(|character| !"'\\\u{ad}".contains(*character));
    let character_of: HashMap<u8, char> = by_frequency.into_iter().zip(characters).collect();
    let mut table = [0; ('~' as usize - ' ' as usize + 1) + 256];
    for (byte, character) in &character_of {
        // Where the script looks it up, see below.
        let index = u32::from(*character) - if character.is_ascii() { 32 } else { 66 };
        if let Some(place) = table.get_mut(index as usize) {
            *place = *byte;
        }
    }
    let end = table.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let table = table.iter().take(end).map(u8::to_string).collect::<Vec<_>>().join(",");
    let text: String = bytes.iter().filter_map(|byte| character_of.get(byte)).collect();
    let script = format!(
        "const byteOf = [{table}];\nconst text =\n  '{text}';\n\
         const indexOf = (code) => code - (code < 127 ? 32 : 66);\n\
         export const wasm = () => Uint8Array.from(text, (character) => byteOf[indexOf(character.charCodeAt(0))]);\n"
    );
    Ok(fs::write(into, script)?)
}

//! The WebAssembly side: compile, bind, optimise, inline.
//!
//! The module travels inside a script: it then works unconfigured in every bundler, in a worker and from a plain
//! `<script type=module>`, where a .wasm file beside it would need a loader or a fetch.

use std::{
    cmp::Reverse,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde_json::Value;
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    npm::{package, source, tool},
    process::{read, root, run, target},
    stamp::unless_fresh,
};

/// What modules are compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Changes whenever [`inline`] writes something else.
pub(crate) const INLINED: &str = "6";

/// Exclusive-ors bytes so that the most frequent ones become characters of one byte that need no escape.
const MASK: u8 = 0x51;

/// What a bundler would escape: NUL, BEL, BS, LF, VT, FF, CR, ESC, the quotation mark of the string, and the backslash.
const NEEDS_ESCAPE: [u8; 10] = [0, 7, 8, 10, 11, 12, 13, 27, b'\'', b'\\'];

/// What wasm-bindgen names its files after.
const GLUE: &str = "machine";

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

/// What makes a browser's module smaller still: control flow built anew, then what that uncovers, then names of one letter.
const SMALLEST: &[&str] = &[
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "--reorder-locals",
    "--minify-imports-and-exports-and-modules",
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
        &format!("{INLINED} {LEFT_OUT:?} {} {}", SMALLEST.join(" "), WASM_OPT.join(" ")),
        &source().join("wasm.js"),
        || {
            fs::create_dir_all(&work)?;
            eprintln!("wasm-bindgen");
            bind(&module, &work)?;
            eprintln!("wasm-opt");
            let optimised = work.join("optimised.wasm");
            let renamed = read(
                tool("binaryen/bin/wasm-opt")
                    .args(SMALLEST)
                    .args(WASM_OPT.iter().skip(1))
                    .arg(work.join(format!("{GLUE}_bg.wasm")))
                    .arg("-o")
                    .arg(&optimised),
            )?;
            let glue = fs::read_to_string(work.join(format!("{GLUE}.js")))?;
            fs::write(source().join("machine.js"), shorten(&prune(&glue)?, &renamed)?)?;
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
        .out_name(GLUE)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(into)
}

/// Writes the module as a JavaScript string of one character a byte, so that a compressor still finds what repeats: in base64 it
/// would not. `Uint8Array` takes a character's code modulo 256, so what a script cannot hold as it is moves up by that.
pub(crate) fn inline(module: &Path, into: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(module)?;
    ensure!(bytes.starts_with(b"\0asm"), "{} is not a WebAssembly module", module.display());
    let text = bytes.into_iter().map(character).collect::<Option<String>>();
    let text = text.context("there is a character for every byte")?;
    let script = format!(
        "const text =\n  '{text}';\n\
         export const wasm = () => Uint8Array.from(text, (character) => character.charCodeAt(0) ^ {MASK});\n"
    );
    Ok(fs::write(into, script)?)
}

fn character(byte: u8) -> Option<char> {
    let code = byte ^ MASK;
    char::from_u32(u32::from(code) + if NEEDS_ESCAPE.contains(&code) { 256 } else { 0 })
}

/// What the glue does for browsers that have no passkeys as this package needs them, or for calls that it never makes: the piece
/// from one text up to another is left out.
const LEFT_OUT: [(&str, &str); 8] = [
    ("    __destroy_into_raw() {", "    /**"),
    ("if (Symbol.dispose)", "function __wbg_get_imports"),
    ("    numBytesDecoded +=", "    return cachedTextDecoder.decode(bytes)"),
    ("if (!('encodeInto' in", "let WASM_VECTOR_LEN"),
    (" || cachedDataViewMemory0.buffer.detached === true", " || (cached"),
    ("cachedDataViewMemory0.buffer.detached === undefined && ", "cachedDataViewMemory0.buffer !=="),
    ("    if (realloc === undefined)", "    let len = arg.length"),
    (
        "    if (module !== undefined)",
        "    const imports = __wbg_get_imports();\n    if (!(module instanceof",
    ),
];

/// Leaves [`LEFT_OUT`] out.
fn prune(glue: &str) -> anyhow::Result<String> {
    LEFT_OUT.iter().try_fold(glue.to_owned(), |glue, (from, to)| {
        let (before, rest) = glue.split_once(from).with_context(|| format!("the glue has no {from}"))?;
        let (_, after) = rest.split_once(to).with_context(|| format!("the glue has no {to} after {from}"))?;
        Ok([before, to, after].concat())
    })
}

/// Gives the glue the short names that wasm-opt gave imports and exports; `renamed` is what it printed.
fn shorten(glue: &str, renamed: &str) -> anyhow::Result<String> {
    let renamed: Value = serde_json::from_str(renamed).context("wasm-opt prints JSON")?;
    let pairs = |list: Option<&Value>| -> Vec<(String, String)> {
        let names =
            |entry: &Value| entry.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect();
        let entries = list.and_then(Value::as_array).into_iter().flatten().filter_map(names);
        let pair = |mut names: Vec<String>| Some((names.pop()?, names.pop()?));
        let mut pairs: Vec<_> = entries.filter_map(pair).collect();
        // A name that begins another comes after it.
        pairs.sort_by_key(|(_, long)| Reverse(long.len()));
        pairs
    };
    let mut glue = glue.replace(&format!("\"./{GLUE}_bg.js\": "), "a: ");
    for (short, long) in pairs(renamed.get("imports")) {
        let declared = format!("{long}: function");
        ensure!(glue.contains(&declared), "the glue has no {long}");
        glue = glue.replace(&declared, &format!("{short}: function"));
    }
    for (short, long) in pairs(renamed.get("exports")) {
        glue = glue.replace(&format!("wasm.{long}"), &format!("wasm.{short}"));
    }
    Ok(glue)
}

#[cfg(test)]
mod tests {
    use super::{MASK, NEEDS_ESCAPE, character, prune, shorten};

    #[test]
    fn every_byte_comes_back_from_its_character_and_needs_no_escape() {
        for byte in 0..=u8::MAX {
            let code = u32::from(character(byte).unwrap());
            // As `Uint8Array` does it.
            assert_eq!(u8::try_from((code ^ u32::from(MASK)) % 256).unwrap(), byte);
            assert!(NEEDS_ESCAPE.iter().all(|escaped| u32::from(*escaped) != code), "{byte}");
        }
    }

    #[test]
    fn the_glue_gets_the_modules_names_and_no_other_piece_of_a_name() {
        let glue = "\"./machine_bg.js\": import0, __wbg_get_1: function(wasm.machine_free, wasm.machine)";
        let renamed = r#"{"imports": [["./machine_bg.js", "__wbg_get_1", "a"]],
            "exports": [["machine", "b"], ["machine_free", "c"]]}"#;
        assert_eq!(shorten(glue, renamed).unwrap(), "a: import0, a: function(wasm.c, wasm.b)");
        assert!(shorten("", renamed).is_err());
    }

    #[test]
    fn glue_without_a_piece_that_is_to_be_left_out_is_refused() {
        assert!(prune("let nothing = 'of the kind'").is_err());
    }
}

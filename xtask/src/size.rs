//! How much a browser downloads.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::Value;

use crate::{npm::imports, wasm::optimised};

/// What a page imports.
const ENTRY: &str = "index.js";

/// The engine, loaded by the browser for the worker or by the page itself.
const WORKER: &str = "worker.js";

/// What only a page loads that manages passkeys and sessions.
const MANAGING: &str = "manage-";

/// Prints each script of `dist`, raw and as brotli, and what a page loads of them, and when.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn report(dist: &Path) -> anyhow::Result<()> {
    println!("{:<28} {:>9} {:>9}", "sdk-wasm/npm/dist", "raw", "brotli");
    let bundles: Value = serde_json::from_slice(&fs::read(imports())?)?;
    let eager = loaded(&bundles, &["import-statement"])?;
    let mut whole = loaded(&bundles, &["import-statement", "dynamic-import"])?;
    whole.insert(WORKER.to_owned());
    let (mut eager_bytes, mut signing_in_bytes, mut whole_bytes) = (0, 0, 0);
    for file in scripts(dist)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let brotli = print(&name, &fs::read(&file)?)?;
        eager_bytes += if eager.contains(&name) { brotli } else { 0 };
        let later = name.starts_with(MANAGING);
        signing_in_bytes += if whole.contains(&name) && !later { brotli } else { 0 };
        whole_bytes += if whole.contains(&name) { brotli } else { 0 };
    }
    print("(the module in worker.js)", &fs::read(optimised())?)?;
    println!("{:<28} {:>9} {:>9}", "loaded at import", "", eager_bytes);
    println!("{:<28} {:>9} {:>9}", "loaded to sign in", "", signing_in_bytes);
    println!("{:<28} {:>9} {:>9}", "loaded in all", "", whole_bytes);
    Ok(())
}

fn scripts(dist: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files =
        fs::read_dir(dist)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "js"));
    files.sort();
    Ok(files)
}

/// The files that [`ENTRY`] leads to by these kinds of import, by what esbuild wrote down.
fn loaded(bundles: &Value, kinds: &[&str]) -> anyhow::Result<BTreeSet<String>> {
    let outputs = bundles["outputs"].as_object().context("esbuild's metafile has outputs")?;
    let mut found = BTreeSet::new();
    let mut next = vec![format!("dist/{ENTRY}")];
    while let Some(path) = next.pop() {
        let Some(output) = outputs.get(&path) else { continue };
        if !found.insert(path.trim_start_matches("dist/").to_owned()) {
            continue;
        }
        let imports = output["imports"].as_array().map(Vec::as_slice).unwrap_or_default();
        next.extend(
            imports
                .iter()
                .filter(|import| import["kind"].as_str().is_some_and(|kind| kinds.contains(&kind)))
                .filter_map(|import| import["path"].as_str().map(str::to_owned)),
        );
    }
    Ok(found)
}

fn print(name: &str, content: &[u8]) -> anyhow::Result<usize> {
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*content, &mut compressed, &parameters)?;
    println!("{name:<28} {:>9} {:>9}", content.len(), compressed.len());
    Ok(compressed.len())
}

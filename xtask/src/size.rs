//! How much a browser downloads.

use std::{fs, path::Path};

use crate::wasm::optimised;

/// Modules that a page loads by importing the package; the rest comes with `connect`.
const EAGER: &[&str] = &["index.js", "error.js"];

/// Prints each file of `dist` that a browser loads, raw and as brotli.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn report(dist: &Path) -> anyhow::Result<()> {
    println!("{:<28} {:>9} {:>9}", "sdk-wasm/npm/dist", "raw", "brotli");
    let (mut eager, mut whole) = (0, 0);
    let mut files =
        fs::read_dir(dist)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "js"));
    files.sort();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let brotli = print(&name, &fs::read(&file)?)?;
        whole += brotli;
        if EAGER.contains(&name.as_str()) {
            eager += brotli;
        }
    }
    print("(the module in wasm.js)", &fs::read(optimised())?)?;
    println!("{:<28} {:>9} {:>9}", "loaded at import", "", eager);
    println!("{:<28} {:>9} {:>9}", "loaded in all", "", whole);
    Ok(())
}

fn print(name: &str, content: &[u8]) -> anyhow::Result<usize> {
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*content, &mut compressed, &parameters)?;
    println!("{name:<28} {:>9} {:>9}", content.len(), compressed.len());
    Ok(compressed.len())
}

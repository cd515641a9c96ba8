//! The Kotlin package, and its pieces for Ktor and Spring: a Maven repository in `target/dist/maven`.

use std::{
    env::consts,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use super::{
    Profile, folder,
    native::{generate, library, library_name},
};
use crate::process::{root, run, target};

/// Makes the artifacts.
///
/// # Errors
/// Names the step that failed.
pub(super) fn make(profile: Profile) -> anyhow::Result<()> {
    check_version()?;
    let built = library(profile)?;
    let generated = work().join("generated");
    generate("kotlin", &built, &generated)?;
    let native = work().join("native");
    if native.exists() {
        fs::remove_dir_all(&native)?;
    }
    hide(&generated.join("uniffi/passkey_accounts_ffi/passkey_accounts_ffi.kt"), &native.join("kotlin"))?;
    let resources = native.join("resources").join(jna_platform());
    fs::create_dir_all(&resources)?;
    let packed = resources.join(library_name());
    fs::copy(&built, &packed)?;
    // The generator has read the symbols by now.
    strip(&packed)?;
    let repository = folder().join("maven");
    for made_before in [repository.clone(), local_repository().join(GROUP)] {
        if made_before.exists() {
            fs::remove_dir_all(made_before)?;
        }
    }
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "--no-transfer-progress", "deploy", "-Dmaven.install.skip=true"]);
    maven.arg(format!("-DaltDeploymentRepository=dist::file://{}", repository.display()));
    maven.arg(format!("-Dmaven.repo.local={}", local_repository().display()));
    maven.arg(format!("-Dnative.folder={}", native.display()));
    maven.arg(format!("-Dbuild.folder={}", work().join("build").display()));
    run(maven.current_dir(package()))
}

/// Puts the generated code where only this package sees it: behind the face that is written by hand, in a package of its own,
/// with no name of it public.
fn hide(generated: &Path, into: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(generated).with_context(|| format!("{}", generated.display()))?;
    let mut text = text.replace("uniffi.passkey_accounts_ffi", PACKAGE);
    // The generator's warnings are nobody's here, and those of this package are errors.
    text = replaced(&text, "@file:Suppress(\"NAME_SHADOWING\")", "@file:Suppress(\"warnings\")")?;
    // Variants that have the name of the record in them, which the generator does not tell apart where it is boxed.
    for (member, record) in [("login", "LoggedIn"), ("event", "Event")] {
        text = replaced(
            &text,
            &format!("val `{member}`: {record})"),
            &format!("val `{member}`: {PACKAGE}.{record})"),
        )?;
    }
    // A function behind its documentation.
    text = text.replace("*/ fun `", "*/ internal fun `");
    fs::create_dir_all(into)?;
    let lines: Vec<_> = text.lines().map(hidden).collect();
    Ok(fs::write(into.join("passkey_accounts_ffi.kt"), lines.join("\n"))?)
}

/// The line, with what it declares visible in its module only. Declarations inside of others follow those.
fn hidden(line: &str) -> String {
    let declared = line.strip_prefix("public ").unwrap_or(line);
    let mut words = declared.split(' ').skip_while(|word| MODIFIERS.contains(word));
    let keyword = words.next().unwrap_or_default().split(['<', '(']).next().unwrap_or_default();
    if KEYWORDS.contains(&keyword) { format!("internal {declared}") } else { line.to_owned() }
}

/// The text with the one place changed.
fn replaced(text: &str, from: &str, to: &str) -> anyhow::Result<String> {
    let count = text.matches(from).count();
    ensure!(count == 1, "the generated Kotlin has {from} {count} times: the generator has changed");
    Ok(text.replace(from, to))
}

/// Takes out what only debuggers read.
fn strip(library: &Path) -> anyhow::Result<()> {
    if !crate::process::found("strip") {
        return Ok(());
    }
    // Apple's linker needs the names of what is not exported, too.
    run(Command::new("strip")
        .arg(if cfg!(target_os = "macos") { "-x" } else { "--strip-unneeded" })
        .arg(library))
}

/// The folder of a jar in which JNA looks for a library: `linux-x86-64`, `darwin-aarch64`, `win32-x86-64`.
fn jna_platform() -> String {
    let system = match consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let processor = match consts::ARCH {
        "x86_64" => "x86-64",
        other => other,
    };
    format!("{system}-{processor}")
}

/// Every part of the workspace has one version.
fn check_version() -> anyhow::Result<()> {
    let wanted = format!("<version>{}</version>", env!("CARGO_PKG_VERSION"));
    for module in ["", "accounts", "ktor", "spring"] {
        let path = package().join(module).join("pom.xml");
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        ensure!(text.contains(&wanted), "{} has another version than the workspace", path.display());
    }
    Ok(())
}

fn package() -> PathBuf {
    root().join("sdk-ffi/kotlin")
}

fn work() -> PathBuf {
    target().join("kotlin")
}

/// What Maven has fetched, and of us what it has installed: of an earlier artifact nothing must be left there. Not the
/// user's own repository, because what is made here is no release.
fn local_repository() -> PathBuf {
    target().join("maven")
}

const GROUP: &str = "passkey-accounts";

/// Of the generated code.
const PACKAGE: &str = "passkey.accounts.ffi";

const MODIFIERS: [&str; 8] = ["sealed", "data", "open", "enum", "abstract", "inline", "suspend", "const"];

const KEYWORDS: [&str; 7] = ["class", "interface", "object", "fun", "val", "var", "typealias"];

//! `cargo xtask dist`: everything that is published, in `target/dist`.

mod kotlin;
mod native;
mod npm;
mod python;
mod rust;
mod swift;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use crate::process::target;

/// How native code is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// As it is published.
    Release,
    /// As the tests build it: they install the same artifacts, made by the same steps in a tenth of the time.
    Dev,
}

impl Profile {
    /// Where cargo puts what it builds with it.
    fn folder(self) -> PathBuf {
        target().join(match self {
            Self::Release => "release",
            Self::Dev => "debug",
        })
    }
}

/// Makes the artifacts: the named ones, or all.
///
/// # Errors
/// Names the step that failed.
pub(crate) fn run(profile: Profile, only: &[String]) -> anyhow::Result<()> {
    for name in only {
        ensure!(
            MAKERS.iter().any(|(known, _)| known == name),
            "there is no artifact {name}; there are: {}",
            MAKERS.map(|(name, _)| name).join(" ")
        );
    }
    for (name, make) in MAKERS {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            make(profile).with_context(|| format!("the artifact {name} cannot be made"))?;
        }
    }
    println!("{}", folder().display());
    Ok(())
}

/// Makes one artifact, or several that belong together.
type Maker = fn(Profile) -> anyhow::Result<()>;

const MAKERS: [(&str, Maker); 6] = [
    ("crate", rust::make_crate),
    ("server", rust::make_server),
    ("npm", npm::make),
    ("python", python::make),
    ("kotlin", kotlin::make),
    ("swift", swift::make),
];

/// Where the artifacts are.
pub(crate) fn folder() -> PathBuf {
    target().join("dist")
}

/// Puts an artifact there, in place of what an earlier version has left.
fn publish(file: &Path, name: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder())?;
    fs::copy(file, folder().join(name)).with_context(|| format!("{} is not there", file.display()))?;
    Ok(())
}

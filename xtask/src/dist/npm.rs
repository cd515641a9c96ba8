//! The npm package, packed.

use super::{Profile, folder};
use crate::{
    build,
    npm::package,
    process::{npm, run},
};

/// Makes the tarball; what is in it is always built as it is published.
///
/// # Errors
/// Names the step that failed.
pub(super) fn make(_profile: Profile) -> anyhow::Result<()> {
    build::run()?;
    std::fs::create_dir_all(folder())?;
    run(npm().args(["pack", "--silent", "--pack-destination"]).arg(folder()).current_dir(package()))
}

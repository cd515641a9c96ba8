//! The Kotlin package.

use anyhow::bail;

use super::Profile;

/// Makes it.
///
/// # Errors
/// Names the step that failed.
pub(super) fn make(_profile: Profile) -> anyhow::Result<()> {
    bail!("it is being written")
}

//! Programs that tests need and that this machine may let us install.

use std::process::Command;

use crate::process::{found, run};

/// Installs Debian's Chromium, where this is Debian and we may; otherwise the table says what was skipped.
pub(crate) fn install_chromium() {
    if found("chromium") || !found("apt-get") {
        return;
    }
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        run(&mut command)
    };
    let installed = apt_get(&["update", "--quiet=2"])
        .and_then(|()| apt_get(&["install", "--yes", "--quiet=2", "--no-install-recommends", "chromium"]));
    if let Err(error) = installed {
        eprintln!("chromium cannot be installed here: {error:#}");
    }
}

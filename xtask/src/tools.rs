//! Programs that tests need and that this machine may let us install.

use std::process::Command;

use crate::process::{found, run};

/// Installs Debian's packages of what is missing, where this is Debian and we may; otherwise the table says what was skipped.
pub(crate) fn install() {
    let missing: Vec<_> =
        PACKAGES.into_iter().filter(|(program, _)| !found(program)).map(|(_, package)| package).collect();
    if missing.is_empty() || !found("apt-get") {
        return;
    }
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        run(&mut command)
    };
    let install = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
    let installed =
        apt_get(&["update", "--quiet=2"]).and_then(|()| apt_get(&[install.as_slice(), &missing].concat()));
    if let Err(error) = installed {
        eprintln!("{} cannot be installed here: {error:#}", missing.join(" and "));
    }
}

/// Programs, and the packages that they come in.
const PACKAGES: [(&str, &str); 5] = [
    ("chromium", "chromium"),
    ("firefox-esr", "firefox-esr"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
    ("mmdebstrap", "mmdebstrap"),
];

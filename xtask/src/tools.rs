//! Programs that tests need and that this machine may let us install.

use std::process::Command;

use crate::process::{found, read, root, run};

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

/// What is missing, if a part that needs this program cannot run.
pub(crate) fn why_not(program: &str) -> Option<String> {
    if program == GO {
        // It knows no --version.
        let works = read(Command::new(GO).arg("version")).is_ok();
        return (!works).then(|| "go is not installed: version 1.25 or newer".to_owned());
    }
    if program != SWIFT {
        return (!found(program)).then(|| format!("{program} is not installed"));
    }
    let mut script = Command::new("bash");
    script.arg(root().join("xtask/scripts/swift-rootfs.sh")).arg("--why-not");
    match read(&mut script) {
        Ok(said) => (!said.is_empty()).then_some(said),
        Err(error) => Some(format!("{error:#}")),
    }
}

/// Not a program but a folder with a toolchain, which is made where that is possible.
pub(crate) const SWIFT: &str = "swift";

/// Go, which the authority for certificates is written in. Debian's is too old.
pub(crate) const GO: &str = "go";

/// Programs, and the packages that they come in.
const PACKAGES: [(&str, &str); 5] = [
    ("c++", "g++"),
    ("chromium", "chromium"),
    ("firefox-esr", "firefox-esr"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
];

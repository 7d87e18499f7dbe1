//! What the operating system must offer: a C and C++ compiler, make, perl and python.

use std::env;
use std::io::IsTerminal;
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell::{self, Step, say, succeeds, which};

/// Something that a build runs, how to see that it is there, and Debian's packages that bring it.
struct Need {
    what: &'static str,
    packages: &'static [&'static str],
    is_there: fn() -> bool,
}

/// Vendored C sources (OpenSSL, SQLite, zstd) need these for the local network and the indexer.
const FOR_BUILDS: &[Need] = &[
    Need {
        what: "a C compiler (cc)",
        packages: &["gcc", "libc6-dev"],
        is_there: || which("cc").is_some(),
    },
    Need {
        what: "make",
        packages: &["make"],
        is_there: || which("make").is_some(),
    },
    Need {
        what: "perl with its standard modules",
        packages: &["perl"],
        is_there: || succeeds(Command::new("perl").args(["-MIPC::Cmd", "-MFindBin", "-e", "1"])),
    },
    Need {
        what: "python3",
        packages: &["python3"],
        is_there: || which("python3").is_some(),
    },
];

/// The sBPF linker is C++ inside, and the LLVM that it links comes as Python wheels.
const FOR_LINKER: &[Need] = &[
    Need {
        what: "a C++ compiler (c++)",
        packages: &["g++"],
        is_there: || which("c++").is_some(),
    },
    Need {
        what: "pip for python3",
        packages: &["python3-pip"],
        is_there: || succeeds(Command::new("python3").args(["-m", "pip", "--version"])),
    },
];

/// Other people's clients are packages of npm and PyPI.
const FOR_CLIENTS: &[Need] = &[
    Need {
        what: "Node.js (node)",
        packages: &["nodejs"],
        is_there: || which("node").is_some(),
    },
    Need {
        what: "npm",
        packages: &["npm"],
        is_there: || which("npm").is_some(),
    },
    Need {
        what: "pip for python3",
        packages: &["python3-pip"],
        is_there: || succeeds(Command::new("python3").args(["-m", "pip", "--version"])),
    },
];

/// The indexer's pages are looked at in a browser.
const FOR_PAGES: &[Need] = &[Need {
    what: "Chromium",
    packages: &["chromium", "fonts-dejavu-core"],
    is_there: || {
        ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .any(|name| which(name).is_some())
    },
}];

/// Makes sure that the indexer's pages can be looked at.
pub fn ensure_browser() -> Result<()> {
    ensure(FOR_PAGES)
}

/// Makes sure that host builds can run.
pub fn ensure_build_tools() -> Result<()> {
    ensure(FOR_BUILDS)
}

/// Makes sure that the sBPF linker can be built.
pub fn ensure_linker_tools() -> Result<()> {
    ensure(FOR_LINKER)
}

/// Makes sure that other people's clients can be installed and run.
pub fn ensure_client_tools() -> Result<()> {
    ensure(FOR_CLIENTS)
}

fn ensure(needs: &[Need]) -> Result<()> {
    let missing = |needs: &'_ [Need]| -> (Vec<&'static str>, Vec<&'static str>) {
        let missing: Vec<_> = needs.iter().filter(|need| !(need.is_there)()).collect();
        (
            missing.iter().map(|need| need.what).collect(),
            missing
                .iter()
                .flat_map(|need| need.packages)
                .copied()
                .collect(),
        )
    };
    let (what, packages) = missing(needs);
    if what.is_empty() {
        return Ok(());
    }
    say(format!("missing: {}", what.join(", ")));
    install(&packages)?;
    let (what, packages) = missing(needs);
    if what.is_empty() {
        return Ok(());
    }
    bail!(
        "still missing after installing {}: {}. Install it by hand and run this again.",
        packages.join(" "),
        what.join(", ")
    )
}

/// The command that a user runs to install Debian packages by hand.
pub fn apt_line(packages: &[&str]) -> String {
    format!(
        "sudo apt-get update && sudo apt-get install -y {}",
        packages.join(" ")
    )
}

/// Installs Debian packages, as root or through sudo.
pub fn install(packages: &[&str]) -> Result<()> {
    let by_hand = apt_line(packages);
    if which("apt-get").is_none() {
        bail!(
            "this is not a Debian or Ubuntu system: install what {} have there ({}) with your package manager and run this again",
            if packages.len() == 1 {
                "this package would"
            } else {
                "these packages would"
            },
            packages.join(", ")
        );
    }
    let is_root = shell::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let may_sudo = which("sudo").is_some()
        && (std::io::stdin().is_terminal() || succeeds(Command::new("sudo").args(["-n", "true"])));
    if !is_root && !may_sudo {
        bail!(
            "you are not root and sudo is not available here. Run this, then start again:\n    {by_hand}"
        );
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new(if is_root { "env" } else { "sudo" });
        if !is_root {
            command.arg("env");
        }
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .args(args)
            .current_dir(env::temp_dir());
        command
    };
    let step = Step::start(format!(
        "Installing Debian packages: {} (up to 2 minutes)",
        packages.join(" ")
    ));
    let advice =
        format!("Check the network and the package sources, or run this by hand:\n    {by_hand}");
    shell::must(&mut apt(&["update", "-qq"]), &advice)?;
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    shell::must(&mut apt(&[&install, packages].concat()), &advice)?;
    step.done("installed");
    Ok(())
}

//! A release, packed from the commands that the tests built: what is in it, and that what needs it finds it there.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const COMMANDS: [&str; 2] = ["quern", "quern-indexer"];
/// Of everything that people need, one of each kind at least.
const WANTED: &[&str] = &[
    "bin/quern",
    "bin/quern-indexer",
    "program/quern.so",
    "idl/quern.json",
    "idl/quern.ts",
    "share/man/man1/quern.1",
    "share/man/man1/quern-job-create.1",
    "share/man/man1/quern-indexer-run.1",
    "share/bash-completion/completions/quern",
    "share/zsh/site-functions/_quern-indexer",
    "share/fish/vendor_completions.d/quern.fish",
    "systemd/quern-provider.service",
    "systemd/quern-watcher.service",
    "systemd/quern-indexer.service",
    "container/Containerfile",
    "docs/OPERATING.md",
    "models/digits/digits.qmodel",
    "env.example",
    "LICENSE",
    "README.md",
    "BUILD",
    "SHA256SUMS",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{why}");
    text
}

/// The commands without their debug information, which would only make the test slow.
fn binaries(folder: &Path) {
    let built = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap();
    if COMMANDS.iter().any(|name| !built.join(name).is_file()) {
        // A run of the whole workspace has built them.
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args([
            "build",
            "--quiet",
            "--workspace",
            "--ignore-rust-version",
        ]);
        run(cargo.args(COMMANDS.map(|name| ["--bin", name]).concat()));
    }
    for name in COMMANDS {
        let mut strip = Command::new("strip");
        run(strip.arg("-o").arg(folder.join(name)).arg(built.join(name)));
    }
}

#[test]
fn a_release_holds_what_people_need() {
    let base = std::env::temp_dir().join(format!("quern-release-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&base);
    let (bin, out) = (base.join("bin"), base.join("out"));
    std::fs::create_dir_all(&bin).unwrap();
    binaries(&bin);
    let mut release = Command::new(env!("CARGO_BIN_EXE_xtask"));
    release.env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"));
    run(release
        .arg("release")
        .arg("--binaries")
        .arg(&bin)
        .arg("--out")
        .arg(&out));

    run(Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&out));
    let tarball = std::fs::read_dir(&out)
        .unwrap()
        .map(|item| item.unwrap().path());
    let tarball = tarball
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with(".tar.gz"))
        .unwrap();
    let listing = run(Command::new("tar").arg("-tzf").arg(&tarball));
    let name = listing
        .lines()
        .next()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    assert!(
        name.starts_with(&format!("quern-{}-", env!("CARGO_PKG_VERSION"))),
        "{name}"
    );
    let inside = listing
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{name}/")));
    let files: BTreeSet<&str> = inside.collect();
    for wanted in WANTED {
        assert!(files.contains(wanted), "{wanted} is not in {files:#?}");
    }

    image_finds_what_it_copies(&files);
    // Unpacked, every checksum holds, and the commands run.
    run(Command::new("tar")
        .arg("-xzf")
        .arg(&tarball)
        .current_dir(&base));
    let place = base.join(&name);
    run(Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(&place));
    for command in COMMANDS {
        let said = run(Command::new(place.join("bin").join(command)).arg("--version"));
        assert!(
            said.starts_with(&format!("{command} {}", env!("CARGO_PKG_VERSION"))),
            "{said}"
        );
    }
    program_knows_no_path(&place);
    settings_are_read(&place);
    services_are_sound(&place);
    std::fs::remove_dir_all(&base).unwrap();
}

/// What the image copies is packed under these names.
fn image_finds_what_it_copies(files: &BTreeSet<&str>) {
    let image = std::fs::read_to_string(root().join("packaging/container/Containerfile")).unwrap();
    let copied: Vec<&str> = image
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .flat_map(|line| line.split(' ').rev().skip(1))
        .collect();
    assert!(copied.len() > 4, "{copied:?}");
    for file in copied {
        assert!(
            files.contains(file),
            "the image copies {file}, which is not packed"
        );
    }
}

/// Another machine builds the same bytes: where this one keeps sources and libraries is in none of them.
fn program_knows_no_path(place: &Path) {
    let program = std::fs::read(place.join("program/quern.so")).unwrap();
    let root = root().display().to_string();
    for path in [root.as_str(), "registry/src", "/library/", ".rs"] {
        let mut windows = program.windows(path.len());
        let is_there = windows.any(|bytes| bytes == path.as_bytes());
        assert!(!is_there, "the program holds {path}");
    }
}

/// Every variable of the example is one of a command's, or one that a service puts into its command line.
fn settings_are_read(place: &Path) {
    let text = std::fs::read_to_string(place.join("env.example")).unwrap();
    let lines = text.lines().map(|line| line.trim_start_matches('#'));
    let names = lines.filter_map(|line| line.split_once('='));
    let names: Vec<&str> = names
        .map(|(name, _)| name)
        .filter(|name| !name.contains(' '))
        .collect();
    assert!(names.len() > 8, "{names:?}");
    let mut known = String::from("RUST_LOG");
    for command in COMMANDS {
        let mut help = Command::new(place.join("bin").join(command));
        help.arg(if command == "quern" { "watch" } else { "run" });
        known += &run(help.arg("--help"));
    }
    let mut embed = Command::new(place.join("bin").join("quern"));
    known += &run(embed.args(["embed", "--help"]));
    for item in std::fs::read_dir(place.join("systemd")).unwrap() {
        known += &std::fs::read_to_string(item.unwrap().path()).unwrap();
    }
    for name in names {
        assert!(known.contains(name), "nothing reads {name}");
    }
}

/// Where systemd is, it reads the services, too. Everywhere their commands are parsed by the commands' own tests.
fn services_are_sound(place: &Path) {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        return;
    }
    for item in std::fs::read_dir(place.join("systemd")).unwrap() {
        let unit = item.unwrap().path();
        let text = std::fs::read_to_string(&unit).unwrap();
        let bin = format!("{}/bin/", place.display());
        std::fs::write(&unit, text.replace("/usr/bin/", &bin)).unwrap();
        let mut verify = Command::new("systemd-analyze");
        let said = verify
            .args(["verify", "--man=no"])
            .arg(&unit)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let name = unit.file_name().unwrap().to_string_lossy().into_owned();
        // Lines about other units of this machine are not about these.
        let own: Vec<&str> = said.lines().filter(|line| line.contains(&name)).collect();
        assert!(own.is_empty(), "{own:#?}");
    }
}

//! `cargo xtask release`: everything that people need to run Quern, in one tarball with checksums.

mod archive;
mod contents;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program;
use crate::shell::{self, Step, say};
use crate::toolchain::Toolchain;
use crate::{cache, host};

/// The commands that are packed.
const COMMANDS: [&str; 2] = ["quern", "quern-indexer"];
/// Where the built program is.
const PROGRAM: &str = "target/deploy/quern.so";

/// Builds everything, or takes the commands in `binaries`, and packs it into `out`.
pub fn run(binaries: Option<PathBuf>, out: Option<PathBuf>) -> Result<()> {
    let root = shell::root();
    let are_given = binaries.is_some();
    let binaries = match binaries {
        Some(folder) => env::current_dir()?.join(folder),
        None => build()?,
    };
    let out = out.unwrap_or_else(|| root.join("target/dist-packages"));
    let target = target()?;
    let name = format!("quern-{}-{target}", env!("CARGO_PKG_VERSION"));
    let step = Step::start(format!("Packing {name} (a minute at most)"));
    let draft = out.join(format!(".{name}"));
    cache::remove(&draft)?;
    let folder = draft.join(&name);
    fill(&root, &binaries, &folder)?;
    fs::write(folder.join("BUILD"), note(&root, &target, are_given)?)?;
    sum(&folder)?;
    let tarball = out.join(format!("{name}.tar.gz"));
    archive::pack(&draft, &name, &tarball)?;
    cache::remove(&draft)?;
    let program = out.join("quern.so");
    fs::copy(root.join(PROGRAM), &program).context("cannot copy the program")?;
    let sums = archive::sums(&out, &[&tarball, &program])?;
    fs::write(out.join("SHA256SUMS"), &sums)?;
    for line in sums.lines() {
        say(line);
    }
    let bytes = fs::metadata(&tarball)?.len();
    step.done(format!("{}: {bytes} bytes", tarball.display()));
    Ok(())
}

/// Builds the program and the commands as they ship.
fn build() -> Result<PathBuf> {
    host::ensure_build_tools()?;
    program::build(Toolchain::Auto, false, None)?;
    let step =
        Step::start("Building the commands, optimised (an hour on two cores the first time)");
    let mut cargo = shell::cargo();
    cargo.args(["build", "--profile", "dist", "--locked"]);
    cargo.arg("--ignore-rust-version");
    cargo.args(["--package", "quern-cli", "--package", "quern-indexer"]);
    for command in COMMANDS {
        cargo.args(["--bin", command]);
    }
    shell::must(&mut cargo, "The lines above say why.")?;
    step.done("built");
    Ok(shell::root().join("target/dist"))
}

/// Lays out what is packed.
fn fill(root: &Path, binaries: &Path, folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("cannot create {}", bin.display()))?;
    for command in COMMANDS {
        let built = binaries.join(command);
        fs::copy(&built, bin.join(command)).with_context(|| {
            format!(
                "there is no {}; leave --binaries out to build it",
                built.display()
            )
        })?;
        // The command itself knows its options best.
        shell::output(
            Command::new(&built)
                .args(["reference", "--share"])
                .arg(folder.join("share")),
        )?;
    }
    contents::copy(root, folder)?;
    let program = folder.join("program");
    fs::create_dir_all(&program)?;
    let built = root.join(PROGRAM);
    if !built.exists() {
        bail!("{PROGRAM} is missing; build it with `cargo xtask build-program`");
    }
    fs::copy(built, program.join("quern.so"))?;
    Ok(())
}

/// Writes the checksums of all that is packed.
fn sum(folder: &Path) -> Result<()> {
    let files = archive::files(folder)?;
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    fs::write(folder.join("SHA256SUMS"), archive::sums(folder, &paths)?)?;
    Ok(())
}

/// What the release was made of.
fn note(root: &Path, target: &str, are_given: bool) -> Result<String> {
    let commands = match are_given {
        true => "given, not built here".to_owned(),
        false => shell::output(Command::new("rustc").arg("--version").current_dir(root))?,
    };
    let commands = commands.trim();
    let commit = commit(root);
    let inputs = fs::read_to_string(root.join(PROGRAM).with_extension("so.inputs"));
    let inputs = inputs.unwrap_or_default();
    let tools = inputs.lines().nth(2).unwrap_or("unknown");
    Ok(format!(
        "version {}\ncommit {commit}\ntarget {target}\ncommands {commands}\nprogram {tools}\n",
        env!("CARGO_PKG_VERSION")
    ))
}

/// The commit, and whether the files differ from it. A source archive is no repository.
fn commit(root: &Path) -> String {
    let git = |args: &[&str]| shell::output(Command::new("git").args(args).current_dir(root));
    let known = git(&["rev-parse", "HEAD"]).and_then(|commit| {
        let is_dirty = !git(&["status", "--porcelain"])?.trim().is_empty();
        let mark = if is_dirty { "-dirty" } else { "" };
        Ok(format!("{}{mark}", commit.trim()))
    });
    known.unwrap_or_else(|_| "unknown".to_owned())
}

/// The machine that the commands are built for: this one.
fn target() -> Result<String> {
    let text = shell::output(Command::new("rustc").arg("-vV").current_dir(shell::root()))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

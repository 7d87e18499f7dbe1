//! `cargo xtask demo`, `bench` and `picture`: the program is built, then a binary runs on it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host;
use crate::models;
use crate::program;
use crate::shell::{self, Step};
use crate::toolchain::Toolchain;

/// Package and binary of the demo.
pub const DEMO: (&str, &str) = ("quern-demo", "quern-demo");
/// Package and binary of the benchmarks.
const BENCH: (&str, &str) = ("quern-tests", "quern-bench");

/// Builds what is needed and runs a binary, with its standard output left to it.
pub fn binary((package, name): (&str, &str), args: &[String]) -> Result<()> {
    run(&mut prepared(package, name, args)?, name)
}

fn run(command: &mut Command, name: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status}); the lines above say why");
    }
    Ok(())
}

/// Runs the benchmarks, with the model's files where they can be had.
pub fn bench(args: &[String]) -> Result<()> {
    let mut bench = prepared(BENCH.0, BENCH.1, args)?;
    models::show(&mut bench);
    run(&mut bench, BENCH.1)
}

/// The same, with what it prints on standard output as the result.
pub fn capture((package, name): (&str, &str), args: &[String]) -> Result<String> {
    shell::output(prepared(package, name, args)?.stderr(std::process::Stdio::inherit()))
}

/// The command that runs the binary; it is built already.
fn prepared(package: &str, name: &str, args: &[String]) -> Result<Command> {
    host::ensure_build_tools()?;
    program::build(Toolchain::Auto, false, None)?;
    let step = Step::start(format!(
        "Building {name} and the local network (about 8 minutes the first time, then seconds)"
    ));
    let which = ["--package", package, "--bin", name, "--ignore-rust-version"];
    shell::must(
        shell::cargo().arg("build").args(which),
        "The lines above say why.",
    )?;
    step.done("built");
    let mut run = shell::cargo();
    run.args(["run", "--quiet"])
        .args(which)
        .arg("--")
        .args(args);
    Ok(run)
}

/// A command of the workspace, built as the tests build it.
pub fn built(name: &str) -> Result<PathBuf> {
    // The whole workspace, so that features are those of the tests and nothing is compiled twice.
    shell::must(
        shell::cargo()
            .args(["build", "--quiet", "--workspace", "--bin", name])
            .arg("--ignore-rust-version"),
        "The lines above say why.",
    )?;
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--quiet"]);
    let metadata: serde_json::Value = serde_json::from_str(&shell::output(&mut cargo)?)?;
    let folder = metadata["target_directory"].as_str();
    Ok(
        PathBuf::from(folder.context("cargo names no target folder")?)
            .join("debug")
            .join(name),
    )
}

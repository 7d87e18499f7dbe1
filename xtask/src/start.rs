//! `cargo xtask demo`, `bench` and `picture`: the program is built, then a binary runs on it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host;
use crate::program;
use crate::shell::{self, Step};
use crate::toolchain::Toolchain;

/// Package and binary of the demo.
pub const DEMO: (&str, &str) = ("quern-demo", "quern-demo");
/// Package and binary of the benchmarks.
pub const BENCH: (&str, &str) = ("quern-tests", "quern-bench");

/// Builds what is needed and runs a binary, with its standard output left to it.
pub fn binary((package, name): (&str, &str), args: &[String]) -> Result<()> {
    let status = prepared(package, name, args)?
        .status()
        .with_context(|| format!("could not start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status}); the lines above say why");
    }
    Ok(())
}

/// Measures the indexer as a release packs it; it needs neither the program nor a network.
pub fn indexer_bench(args: &[String]) -> Result<()> {
    host::ensure_build_tools()?;
    shell::must(
        shell::cargo()
            .args(["run", "--profile", "dist", "--package", "quern-indexer"])
            .args(["--example", "bench", "--ignore-rust-version", "--"])
            .args(args),
        "The lines above say why.",
    )
}

/// Like [`binary`], with what it prints on standard output as the result.
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

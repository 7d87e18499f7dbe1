//! The page of the command line: what its hidden command `reference` prints.

use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// Builds the command line as the tests build it, and asks it.
pub fn page() -> Result<String> {
    // The whole workspace, so that features are those of the tests and nothing is compiled twice.
    shell::must(
        shell::cargo()
            .args(["build", "--quiet", "--workspace", "--bin", "quern"])
            .arg("--ignore-rust-version"),
        "The lines above say why.",
    )?;
    let target = target_folder()?;
    shell::output(Command::new(format!("{target}/debug/quern")).arg("reference"))
}

/// Where cargo builds.
fn target_folder() -> Result<String> {
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--quiet"]);
    let metadata: serde_json::Value = serde_json::from_str(&shell::output(&mut cargo)?)?;
    let folder = metadata["target_directory"].as_str();
    Ok(folder.context("cargo names no target folder")?.to_owned())
}

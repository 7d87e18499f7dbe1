//! `cargo xtask demo` and `cargo xtask bench`: the program is built, then a binary runs on it.

use anyhow::{Result, bail};

use crate::host;
use crate::program::{self, Toolchain};
use crate::shell::{self, Step};

/// Builds what is needed and runs one binary of a package, with its standard output left to it.
pub fn binary(package: &str, name: &str, args: &[String]) -> Result<()> {
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
    let status = shell::cargo()
        .args(["run", "--quiet"])
        .args(which)
        .arg("--")
        .args(args)
        .status()?;
    if !status.success() {
        bail!("{name} failed ({status}); the lines above say why");
    }
    Ok(())
}

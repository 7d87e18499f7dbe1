//! `cargo xtask setup`: installs what building the program needs.

use anyhow::Result;

use crate::shell::{Step, say};
use crate::toolchain::Toolchain;
use crate::{cache, host};

/// Prepares a toolchain and says which.
pub fn run(toolchain: Toolchain) -> Result<()> {
    let step = Step::start("Setting up (about 2.5 minutes the first time, under a second later)");
    host::ensure_build_tools()?;
    let tools = toolchain.prepare()?;
    say(format!("the program will be built with {}", tools.name()));
    say(format!("cache: {}", cache::folder()?.display()));
    step.done("ready");
    Ok(())
}

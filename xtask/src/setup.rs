//! `cargo xtask setup`: installs what building the program and looking at the indexer's pages need.

use anyhow::Result;

use crate::shell::{Step, say};
use crate::toolchain::Toolchain;
use crate::{cache, host};

/// Prepares a toolchain and says which.
pub fn run(toolchain: Toolchain) -> Result<()> {
    let step = Step::start("Setting up (about 2.5 minutes the first time, under a second later)");
    host::ensure_build_tools()?;
    let tools = toolchain.prepare()?;
    // Nothing but the test of the pages needs it, and says so where it is missing.
    if let Err(error) = host::ensure_browser() {
        say(format!("without a browser: {error:#}"));
    }
    say(format!("the program will be built with {}", tools.name()));
    say(format!("cache: {}", cache::folder()?.display()));
    step.done("ready");
    Ok(())
}

//! The page of the command line: what its hidden command `reference` prints.

use std::process::Command;

use anyhow::Result;

use crate::{shell, start};

/// Builds the command line and asks it.
pub fn page() -> Result<String> {
    shell::output(Command::new(start::built("quern")?).arg("reference"))
}

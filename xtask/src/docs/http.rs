//! The page of the indexer's HTTP API: what its hidden command `reference` prints.

use std::process::Command;

use anyhow::Result;

use crate::{shell, start};

/// Builds the indexer and asks it.
pub fn page() -> Result<String> {
    shell::output(Command::new(start::built("quern-indexer")?).arg("reference"))
}

//! What a release holds beside the commands, their pages and the program.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Files and folders of the repository, and where they lie in a release.
const PLACES: &[(&str, &str)] = &[
    ("LICENSE", "LICENSE"),
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("SECURITY.md", "SECURITY.md"),
    ("docs", "docs"),
    ("idl", "idl"),
    // The first job of docs/FIRST-JOB.md.
    ("models/digits", "models/digits"),
    ("packaging/systemd", "systemd"),
    ("packaging/container", "container"),
    ("packaging/env.example", "env.example"),
    ("packaging/indexer.toml", "indexer.toml"),
];

/// Copies all of it.
pub fn copy(root: &Path, folder: &Path) -> Result<()> {
    for (from, to) in PLACES {
        place(&root.join(from), &folder.join(to)).with_context(|| format!("cannot pack {from}"))?;
    }
    Ok(())
}

fn place(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        for item in fs::read_dir(from)? {
            let item = item?;
            place(&item.path(), &to.join(item.file_name()))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to)?;
    Ok(())
}

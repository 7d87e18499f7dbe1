//! The files of the checkout that git knows.

use std::fs;

use anyhow::{Context, Result};

use crate::shell;

/// A text file: its path from the root, with `/`, and what it holds.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// Every file with one of the endings, tracked or new but not ignored.
pub fn with_endings(endings: &[&str]) -> Result<Vec<Source>> {
    let root = shell::root();
    let mut git = std::process::Command::new("git");
    git.current_dir(&root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]);
    let listed = shell::output(&mut git).context("the checks of the source need git")?;
    let mut found = Vec::new();
    for path in listed.split('\0') {
        let file = root.join(path);
        // A file that was deleted but not yet committed is still listed.
        if endings.iter().any(|ending| path.ends_with(ending)) && file.is_file() {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
            found.push(Source {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(found)
}

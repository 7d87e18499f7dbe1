//! What the clients need: Node.js, pip, and the packages of the lock files, each set once in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::shell::{self, Step};
use crate::{cache, host};

/// What the libraries ask for.
const LEAST_NODE: (u32, u32) = (20, 18);

/// Node.js with npm and Python with pip; says which version is too old.
pub fn ensure_tools() -> Result<()> {
    host::ensure_client_tools()?;
    let said = shell::output(Command::new("node").arg("--version"))?;
    match version(&said) {
        Some(found) if found >= LEAST_NODE => Ok(()),
        _ => bail!(
            "Node.js {}.{} or later is needed for other people's clients, and this is {}: install one (Debian 13 has it, nodejs.org too) \
             and run this again",
            LEAST_NODE.0,
            LEAST_NODE.1,
            said.trim()
        ),
    }
}

/// `v20.18.1` as (20, 18).
fn version(said: &str) -> Option<(u32, u32)> {
    let mut parts = said.trim().trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The `node_modules` of a project with a lock file.
pub fn node(project: &Path) -> Result<PathBuf> {
    let lock = fs::read(project.join("package-lock.json"))
        .with_context(|| format!("{} has no package-lock.json", project.display()))?;
    let downloads = cache::folder()?.join("npm");
    let entry = cache::entry(&key("node", &lock), |draft| {
        let step = Step::start(format!(
            "Installing the packages of {} (npm)",
            project.display()
        ));
        for file in ["package.json", "package-lock.json"] {
            fs::copy(project.join(file), draft.join(file))?;
        }
        let mut npm = Command::new("npm");
        // No package gets to run anything here.
        npm.args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            "--cache",
        ])
        .arg(&downloads)
        .current_dir(draft);
        shell::must(
            &mut npm,
            "It needs the network (the npm registry, or the mirror in npm's configuration).",
        )?;
        step.done("installed");
        Ok(())
    })?;
    Ok(entry.join("node_modules"))
}

/// A folder with the packages of a list, for PYTHONPATH.
pub fn python(list: &Path) -> Result<PathBuf> {
    let text = fs::read(list).with_context(|| format!("cannot read {}", list.display()))?;
    cache::entry(&key("python", &text), |draft| {
        let step = Step::start(format!(
            "Installing the packages of {} (pip)",
            list.display()
        ));
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--disable-pip-version-check",
            "--target",
        ])
        .arg(draft)
        .arg("--requirement")
        .arg(list)
        .env("PIP_ROOT_USER_ACTION", "ignore");
        shell::must(
            &mut pip,
            "It needs the network (PyPI, or the mirror in pip's configuration) and Python 3.10 or newer.",
        )?;
        step.done("installed");
        Ok(())
    })
}

fn key(name: &str, lock: &[u8]) -> String {
    let hash: String = Sha256::digest(lock)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("clients-{name}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read() {
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version("18.4"), Some((18, 4)));
        assert_eq!(version("nonsense"), None);
        assert!(version("v18.20.4") < Some(LEAST_NODE));
    }

    #[test]
    fn another_lock_file_is_another_entry() {
        assert_eq!(key("node", b"a"), key("node", b"a"));
        assert_ne!(key("node", b"a"), key("node", b"b"));
    }
}

//! Correcting other people's source, and refusing source that is not the one that is known.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Replaces each text, which must stand in the file exactly once.
pub fn edit(file: &Path, edits: &[(&str, &str)]) -> Result<()> {
    let mut text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    for (from, to) in edits {
        if text.matches(from).count() != 1 {
            bail!(
                "{} is not the source that xtask knows how to correct (looked for `{}`)",
                file.display(),
                from.trim()
            );
        }
        text = text.replace(from, to);
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The version of a package in a lock file.
pub fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?;
    Some(version.strip_suffix('"')?.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::env;

    #[test]
    fn reads_a_locked_version() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.1.0\"\n";
        assert_eq!(locked_version(lock, "a").as_deref(), Some("2.1.0"));
        assert_eq!(locked_version(lock, "c"), None);
    }

    #[test]
    fn an_edit_that_does_not_fit_is_refused() {
        let file = env::temp_dir().join(format!("quern-xtask-edit-{}", std::process::id()));
        fs::write(&file, "one two two").unwrap();
        assert!(edit(&file, &[("two", "2")]).is_err());
        assert!(edit(&file, &[("three", "3")]).is_err());
        edit(&file, &[("one", "1")]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "1 two two");
        fs::remove_file(&file).unwrap();
    }
}

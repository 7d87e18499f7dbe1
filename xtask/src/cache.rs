//! The folder outside the checkout in which set-up results are kept, keyed by version.
//!
//! An entry is made in a temporary folder beside its place and then renamed, so it is either complete or not there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};

/// `$QUERN_CACHE`, else `$XDG_CACHE_HOME/quern`, else `~/.cache/quern`.
pub fn folder() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = set("QUERN_CACHE") {
        return std::path::absolute(folder).context("QUERN_CACHE is not a usable path");
    }
    if let Some(folder) = set("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder).join("quern"));
    }
    match set("HOME") {
        Some(home) => Ok(PathBuf::from(home).join(".cache/quern")),
        None => bail!("no folder for the cache: set QUERN_CACHE to one that you may write to"),
    }
}

/// The entry called `key`, made by `make` (which fills the folder that it is given) when it is not there yet.
pub fn entry(key: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = folder()?;
    let place = folder.join(key);
    if is_complete(&place) {
        return Ok(place);
    }
    let draft = folder.join(format!(".{key}.{}", process::id()));
    remove(&draft)?;
    fs::create_dir_all(&draft).with_context(|| {
        format!(
            "cannot create {}: set QUERN_CACHE to a folder that you may write to",
            draft.display()
        )
    })?;
    let made = make(&draft).and_then(|()| {
        fs::write(draft.join(".done"), key).context("cannot write the cache's marker")
    });
    if let Err(error) = made {
        remove(&draft)?;
        return Err(error);
    }
    if !is_complete(&place) {
        remove(&place)?;
        let moved = fs::rename(&draft, &place);
        // Another run may have been faster; its entry is as good as ours.
        if !is_complete(&place) {
            moved.with_context(|| format!("cannot move {} into place", place.display()))?;
        }
    }
    remove(&draft)?;
    Ok(place)
}

/// Whether the entry called `key` is there already.
pub fn has(key: &str) -> Result<bool> {
    Ok(is_complete(&folder()?.join(key)))
}

fn is_complete(place: &Path) -> bool {
    place.join(".done").is_file()
}

/// Removes a folder if it is there.
pub fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Copies a folder with everything below it, following links.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let listing = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for item in listing {
        let item = item?;
        let (source, target) = (item.path(), to.join(item.file_name()));
        // A link that leads nowhere is of no use to a build.
        let Ok(kind) = fs::metadata(&source) else {
            continue;
        };
        if kind.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_copy_has_the_same_files_in_the_same_places() {
        let base = env::temp_dir().join(format!("quern-xtask-copy-{}", process::id()));
        remove(&base).unwrap();
        fs::create_dir_all(base.join("from/deep")).unwrap();
        fs::write(base.join("from/deep/file"), "text").unwrap();
        copy(&base.join("from"), &base.join("to")).unwrap();
        assert_eq!(
            fs::read_to_string(base.join("to/deep/file")).unwrap(),
            "text"
        );
        remove(&base).unwrap();
    }
}

//! Paths that begin at home.

use std::{env, path::PathBuf};

/// A path whose home folder is written out: a leading `~`, `$HOME`, `${HOME}` or `%USERPROFILE%`.
pub fn expand(path: &str) -> PathBuf {
    for start in ["~", "$HOME", "${HOME}", "%USERPROFILE%"] {
        let Some(rest) = path.strip_prefix(start) else {
            continue;
        };
        if rest.is_empty() {
            return home();
        }
        if let Some(rest) = rest.strip_prefix(std::path::is_separator) {
            return home().join(rest);
        }
    }
    PathBuf::from(path)
}

pub(super) fn home() -> PathBuf {
    env::var_os("HOME")
        .or_else(|| env::var_os("USERPROFILE"))
        .map_or_else(PathBuf::new, PathBuf::from)
}

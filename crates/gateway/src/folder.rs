//! What a gateway keeps in its folder, and where.

use {
    crate::journal,
    std::path::{Path, PathBuf},
};

/// Where a gateway's folder has the inputs that it shows providers.
pub fn inputs(state: &Path) -> PathBuf {
    state.join("inputs")
}

/// Where it has what is served over HTTP.
pub fn http(state: &Path) -> PathBuf {
    state.join("http")
}

/// All that a gateway has kept in its folder of one cluster: files and folders, of which nothing means anything on another one. The
/// API key is not among them.
pub fn kept(state: &Path) -> Vec<PathBuf> {
    let own = journal::PARTS.iter().map(|part| state.join(part));
    let served = crate::http::PARTS.iter().map(|part| http(state).join(part));
    let all = own.chain(served).chain([inputs(state)]);
    all.filter(|path| path.exists()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_kept_is_all_but_the_key_and_locks() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(kept(folder.path()), Vec::<PathBuf>::new());
        let place = |path: &str| folder.path().join(path);
        for path in ["orders", "inputs", "http/files", "http/batches"] {
            std::fs::create_dir_all(place(path)).unwrap();
        }
        for path in ["spending.csv", "cluster", "lock", "http/api-key"] {
            std::fs::write(place(path), b"").unwrap();
        }
        let mut expected: Vec<PathBuf> = [
            "orders",
            "inputs",
            "http/files",
            "http/batches",
            "spending.csv",
            "cluster",
        ]
        .map(place)
        .into();
        let mut found = kept(folder.path());
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}

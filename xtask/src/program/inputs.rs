//! What an artifact was built from, so that nothing is built twice and nothing stale is used.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// A hash of everything that something is built from.
pub fn digest(root: &Path, sources: &[&str], settings: &[&str]) -> Result<String> {
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    for source in sources {
        let folder = root.join(source);
        files.push(folder.join("Cargo.toml"));
        collect(&folder.join("src"), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for text in settings {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file);
        hash.update(name.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(bytes));
    }
    Ok(hex(&hash.finalize()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for item in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = item?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The inputs of the program that is there, if it is still the one that was built from them.
pub fn recorded(note: &Path, program: &Path) -> Option<String> {
    let text = fs::read_to_string(note).ok()?;
    let mut lines = text.lines();
    let (inputs, hash) = (lines.next()?, lines.next()?);
    let is_same = hex(&Sha256::digest(fs::read(program).ok()?)) == hash;
    is_same.then(|| inputs.to_owned())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::env;

    const SOURCES: &[&str] = &["programs/quern", "crates/rules"];

    #[test]
    fn every_input_counts() {
        let root = env::temp_dir().join(format!("quern-xtask-inputs-{}", std::process::id()));
        for source in SOURCES {
            fs::create_dir_all(root.join(source).join("src/deep")).unwrap();
            fs::write(root.join(source).join("Cargo.toml"), "").unwrap();
            fs::write(root.join(source).join("src/deep/a.rs"), "").unwrap();
        }
        fs::write(root.join("Cargo.toml"), "").unwrap();
        fs::write(root.join("Cargo.lock"), "").unwrap();
        let first = digest(&root, SOURCES, &["tools"]).unwrap();
        assert_eq!(first, digest(&root, SOURCES, &["tools"]).unwrap());
        assert_ne!(first, digest(&root, SOURCES, &["other tools"]).unwrap());
        fs::write(root.join("crates/rules/src/deep/a.rs"), "// changed").unwrap();
        assert_ne!(first, digest(&root, SOURCES, &["tools"]).unwrap());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_replaced_program_is_built_again() {
        let folder = env::temp_dir().join(format!("quern-xtask-note-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (note, program) = (folder.join("note"), folder.join("program"));
        fs::write(&program, "bytes").unwrap();
        fs::write(
            &note,
            format!("inputs\n{}\n", hex(&Sha256::digest("bytes"))),
        )
        .unwrap();
        assert_eq!(recorded(&note, &program).as_deref(), Some("inputs"));
        fs::write(&program, "other bytes").unwrap();
        assert_eq!(recorded(&note, &program), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}

//! Why a file cannot be read or written, in words instead of the system's numbers. What the file is for and what to do about
//! it says the caller.

use std::{
    io::{Error, ErrorKind},
    path::Path,
};

/// Why a file cannot be read, as a part of a sentence.
pub fn unread(path: &Path, error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => missing(path),
        ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        _ if path.is_dir() => "it is a folder, and a file is expected".to_owned(),
        _ => error.to_string(),
    }
}

/// Why a file cannot be written, as a part of a sentence.
pub fn unwritten(path: &Path, error: &Error) -> String {
    match error.kind() {
        _ if path.is_dir() => "it is a folder, and a file is expected".to_owned(),
        ErrorKind::NotFound => format!("there is no folder {}", folder(path).display()),
        ErrorKind::PermissionDenied => {
            format!("this user may not write it into {}", folder(path).display())
        }
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => error.to_string(),
    }
}

fn missing(path: &Path) -> String {
    if path.to_string_lossy().contains("://") {
        return "it is an address, and the path of a file on this machine is expected".to_owned();
    }
    let folder = folder(path);
    if !folder.is_dir() {
        return format!("there is no folder {}", folder.display());
    }
    // A relative path means another file in another folder.
    match std::env::current_dir() {
        Ok(here) if path.is_relative() => {
            format!("there is no such file (looked for from {})", here.display())
        }
        _ => "there is no such file".to_owned(),
    }
}

/// The folder that a file is or would be in.
fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, std::fs};

    #[test]
    fn the_reason_is_said_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let read = |path: &Path| unread(path, &fs::read(path).unwrap_err());
        let written = |path: &Path| unwritten(path, &fs::write(path, "x").unwrap_err());
        assert_eq!(read(&folder.path().join("nope")), "there is no such file");
        assert!(read(&folder.path().join("a/nope")).starts_with("there is no folder"));
        assert!(read(folder.path()).starts_with("it is a folder"));
        let here = std::env::current_dir().unwrap();
        let relative = read(Path::new("nope.bin"));
        assert!(relative.contains(&here.display().to_string()), "{relative}");
        let address = read(Path::new("https://example.com/x"));
        assert!(address.starts_with("it is an address"), "{address}");
        assert!(written(folder.path()).starts_with("it is a folder"));
        assert!(written(&folder.path().join("a/b")).starts_with("there is no folder"));
        for said in [read(&file.join("x")), written(&file.join("x"))] {
            assert!(!said.is_empty(), "{said}");
        }
    }
}

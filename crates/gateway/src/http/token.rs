//! The API key: a random token in a file that only its owner may read.

use {
    sha2::{Digest, Sha256},
    std::{
        fs::{self, OpenOptions},
        io::{self, Write},
        path::Path,
    },
    subtle::ConstantTimeEq,
};

/// How a key begins, so that who finds one knows what it is.
const PREFIX: &str = "quern-";
const RANDOM_BYTES: usize = 32;

/// The token that every request must bear.
#[derive(Clone)]
pub struct Token {
    text: String,
    sha256: [u8; 32],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// The token of a file; a new one if there is none.
    ///
    /// # Errors
    /// If the file cannot be used, others may read it, or it holds no token.
    pub fn open(path: &Path) -> io::Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => {
                refuse_if_readable_by_others(path)?;
                Self::parse(text.trim()).ok_or_else(|| {
                    io::Error::other("it holds no API key; remove it, and a new one is made")
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    fn create(path: &Path) -> io::Result<Self> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let token = Self::new(format!("{PREFIX}{}", hex::encode(random)));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Written beside its place: a key of which a part is there would be taken for a wrong one.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let _ = fs::remove_file(&part);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(token.text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        Ok(token)
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_token =
            digits.len() == 2 * RANDOM_BYTES && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_token.then(|| Self::new(text.to_owned()))
    }

    fn new(text: String) -> Self {
        let sha256 = Sha256::digest(text.as_bytes()).into();
        Self { text, sha256 }
    }

    /// The key itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a request bears it. How long that takes says nothing about the token: hashes are compared, all bytes of them.
    pub fn is(&self, borne: &[u8]) -> bool {
        let borne: [u8; 32] = Sha256::digest(borne).into();
        self.sha256.ct_eq(&borne).into()
    }
}

#[cfg(unix)]
fn refuse_if_readable_by_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)?.permissions().mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(io::Error::other(format!(
            "others may read it (mode {:o}); run chmod 600 on it, or remove it, and a new one is made",
            mode & 0o777
        ))),
    }
}

#[cfg(not(unix))]
fn refuse_if_readable_by_others(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_is_made_once_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/api-key");
        let made = Token::open(&path).unwrap();
        let read = Token::open(&path).unwrap();
        assert_eq!(made.text(), read.text());
        assert!(read.is(made.text().as_bytes()));
        for other in [
            "",
            "quern-",
            &made.text()[1..],
            &format!("{} ", made.text()),
        ] {
            assert!(!read.is(other.as_bytes()), "{other:?}");
        }
        assert_eq!(format!("{made:?}"), "Token(..)");
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api-key");
        Token::open(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Token::open(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api-key");
        Token::open(&path).unwrap();
        fs::write(&path, "secret").unwrap();
        assert!(Token::open(&path).is_err());
    }
}

//! Texts that the chain keeps for ever: refused here, before anything is paid, if nobody could read or follow them.

use quern_client::quern::constants::{MAX_NAME_BYTES, MAX_URI_BYTES};

/// Reads a name for clap.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty; write a name".to_owned());
    }
    plain(text, MAX_NAME_BYTES)
}

/// Reads a sentence for everybody to read, for clap.
///
/// # Errors
/// What is wrong with it.
pub fn sentence(text: &str) -> Result<String, String> {
    plain(text, MAX_URI_BYTES)
}

/// Reads the address of data for clap.
///
/// # Errors
/// What is wrong with it.
pub fn uri(text: &str) -> Result<String, String> {
    quern_data::check_uri(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// As [`uri`], or nothing.
///
/// # Errors
/// What is wrong with it.
pub fn uri_or_none(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(String::new()),
        text => uri(text),
    }
}

fn plain(text: &str, most_bytes: usize) -> Result<String, String> {
    quern_client::text::check(text)?;
    match text.len() > most_bytes {
        true => Err(format!(
            "it has {} bytes, and at most {most_bytes} fit; shorten it",
            text.len()
        )),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_read_or_follow_is_refused() {
        for bad in [
            "",
            " ",
            "a\nb",
            "gpj.\u{202e}exe",
            "\u{1b}[2J",
            &"x".repeat(33),
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert!(name("Köln GPUs").is_ok());
        assert!(sentence(&"x".repeat(200)).is_ok() && sentence(&"x".repeat(201)).is_err());
        assert!(sentence("no\u{2028}").is_err());
        assert!(uri("ipfs://bafy").is_err() && uri("").is_err());
        assert!(uri_or_none("").is_ok() && uri_or_none("C:\\x").is_err());
    }
}

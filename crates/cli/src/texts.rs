//! Texts, one on each line of a file, and the vectors that a model makes of them.

use {
    crate::{
        error::{Error, Result},
        files::Role,
    },
    quern_import::{Tokenized, Tokenizer},
    quern_proof::Tensor,
    std::path::Path,
};

/// The texts on the lines of a file. `option` is where it was named.
///
/// # Errors
/// `File`, naming the first line without a text: each line has its own vector.
pub fn read(path: &Path, option: &'static str) -> Result<Vec<String>> {
    let role = Role::texts(option);
    let bytes = role.read(path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| role.no_such(path, &bytes, "it is not in UTF-8"))?;
    let lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if lines.is_empty() {
        return Err(role.unusable(path, "it is empty"));
    }
    match lines.iter().position(String::is_empty) {
        None => Ok(lines),
        Some(at) => Err(role.error(
            path,
            format!(
                "line {} is empty, and an empty text has no vector; remove the line from {option}",
                at + 1
            ),
        )),
    }
}

/// The inputs of a graph for these texts. What lost its end is said on standard error.
///
/// # Errors
/// That the tokenizer failed.
pub fn tokenized(tokenizer: &Tokenizer, texts: &[String]) -> Result<Tokenized> {
    let all = tokenizer.tokenize(texts)?;
    if let Some(cut) = cut(&all.shortened) {
        quern_process::logs::say(&format!(
            "note: {} of {} texts are longer than {} tokens and lost their end: {cut}",
            all.shortened.len(),
            texts.len(),
            tokenizer.sequence()
        ));
    }
    Ok(all)
}

/// Which texts were cut, counted from 1 as lines are; of many the first.
fn cut(shortened: &[usize]) -> Option<String> {
    /// Most numbers in a note.
    const MOST: usize = 20;
    let first = shortened.iter().take(MOST);
    let first: Vec<String> = first.map(|at| (at + 1).to_string()).collect();
    let more = match shortened.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = if shortened.len() == 1 {
        "number"
    } else {
        "numbers"
    };
    (!first.is_empty()).then(|| format!("{what} {}{more}", first.join(", ")))
}

/// Rows at length 1.
///
/// # Errors
/// A row of zeros.
pub fn units(vectors: &Tensor) -> Result<Vec<f32>> {
    quern_import::units(vectors).map_err(|row| {
        Error::Other(format!(
            "row {row} of the result is zero, which has no direction; save the integers instead"
        ))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_cut_is_named() {
        assert_eq!(cut(&[]), None);
        assert_eq!(cut(&[0]).unwrap(), "number 1");
        assert_eq!(cut(&[1, 6]).unwrap(), "numbers 2, 7");
        let many: Vec<usize> = (0..25).collect();
        assert!(cut(&many).unwrap().ends_with("19, 20 and 5 more"));
    }

    #[test]
    fn every_line_is_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("texts.txt");
        let read = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            super::read(&path, "FILE")
        };
        assert_eq!(
            read("Grüße \r\ntwo\n".as_bytes()).unwrap(),
            ["Grüße", "two"]
        );
        let said = read(b"one\n\nthree").unwrap_err().to_string();
        assert!(
            said.ends_with(
                "line 2 is empty, and an empty text has no vector; remove the line from FILE"
            ),
            "{said}"
        );
        assert!(read(b"").is_err() && read(b"\xff\xfe").is_err());
    }

    #[test]
    fn vectors_have_length_one() {
        let vectors = Tensor::from_i8(2, 2, &[3, 4, -127, 0]).unwrap();
        assert_eq!(units(&vectors).unwrap(), [0.6, 0.8, -1.0, 0.0]);
        assert!(units(&Tensor::from_i8(1, 2, &[0, 0]).unwrap()).is_err());
    }
}

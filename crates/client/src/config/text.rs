//! Configuration files as text: encodings that editors write, and YAML, of which JSON is a part.

use serde::{Deserialize, de::IgnoredAny};

/// What a file holds; nothing if it holds nothing but comments.
///
/// # Errors
/// What is wrong with it, never a value of it: URLs of nodes hold keys.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<Option<T>, String> {
    let text = decode(bytes)?;
    if is_nothing(&text) {
        return Ok(None);
    }
    serde_norway::from_str::<Option<T>>(&text).map_err(|error| explained(&text, &error))
}

/// Whether there is nothing in a document but comments and the lines that begin and end it.
fn is_nothing(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#') || matches!(line, "---" | "..."))
}

/// Some editors put it in front of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// UTF-8, or UTF-16 with the mark in front that tells its order.
fn decode(bytes: &[u8]) -> Result<String, String> {
    let order: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => {
            let text = std::str::from_utf8(bytes);
            return text
                .map(|text| text.trim_start_matches(BYTE_ORDER_MARK).to_owned())
                .map_err(|_| "it is no text in UTF-8; save it as UTF-8".to_owned());
        }
    };
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| order([pair[0], pair[1]]))
        .collect();
    let text = String::from_utf16(&units);
    let text = text.map(|text| text.trim_start_matches(BYTE_ORDER_MARK).to_owned());
    text.map_err(|_| "it is damaged UTF-16; save it as UTF-8".to_owned())
}

/// What is wrong, without a word of the text itself.
fn explained(text: &str, error: &serde_norway::Error) -> String {
    let at = error
        .location()
        .map_or_else(String::new, |at| format!(" (line {})", at.line()));
    let message = error.to_string();
    if let Some(key) = message
        .split('`')
        .nth(1)
        .filter(|_| message.contains("duplicate"))
    {
        return format!("`{key}` stands in it twice{at}; keep one");
    }
    match serde_norway::from_str::<serde_norway::Value>(text) {
        Ok(serde_norway::Value::Mapping(_)) => format!("a value in it is no text{at}"),
        Ok(_) => {
            "it is no list of `key: value`; put each on its own line, with a space behind the colon"
                .to_owned()
        }
        Err(_) => format!("it cannot be read as YAML{at}"),
    }
}

/// The names of the settings in a file, as the end of a sentence that misses one.
pub(super) fn keys(bytes: &[u8]) -> String {
    /// More do not help to see a misspelling.
    const MOST: usize = 8;
    let found = parse::<std::collections::BTreeMap<String, IgnoredAny>>(bytes);
    let found = found.ok().flatten().unwrap_or_default();
    let is_name = |key: &&String| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let names: Vec<String> = found
        .into_keys()
        .filter(|key| is_name(&key))
        .take(MOST)
        .collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" (it has {})", names.join(", ")),
    }
}

//! What the program's hidden tests print, taken apart.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The marked sections of the output, in order: kind and text.
pub fn parts(printed: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in printed.lines() {
        let marker = |word: &str| {
            line.strip_prefix("--- IDL ")?
                .strip_prefix(word)?
                .strip_suffix(" ---")
        };
        match (&mut open, marker("begin "), marker("end ")) {
            (None, Some(kind), _) => open = Some((kind.to_owned(), String::new())),
            (Some((kind, _)), _, Some(end)) if kind == end => found.extend(open.take()),
            (Some((_, text)), None, None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None, None) => {}
            _ => bail!("the markers in the printed interface are out of order: {line}"),
        }
    }
    match open {
        None => Ok(found),
        Some((kind, _)) => bail!("the printed {kind} has no end"),
    }
}

/// Takes a list out of a part.
pub fn list(part: &mut Value, field: Option<&str>) -> Result<Vec<Value>> {
    let value = match field {
        Some(field) => part[field].take(),
        None => part.take(),
    };
    match value {
        Value::Array(items) => Ok(items),
        _ => bail!(
            "the printed interface has no list {}",
            field.unwrap_or_default()
        ),
    }
}

/// The name of an item.
pub fn name(item: &Value) -> Result<String> {
    let name = item["name"]
        .as_str()
        .context("a printed type has no name")?;
    Ok(name.to_owned())
}

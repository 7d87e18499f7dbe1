//! Type names without the Rust paths that Anchor prints.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Replaces `a::b::Name` by `Name` wherever that is the only path to a `Name`.
pub fn shorten(mut parts: Vec<&mut Value>) {
    let mut paths = BTreeMap::<String, BTreeSet<String>>::new();
    for part in &mut parts {
        texts(part, &mut |text| {
            if let Some(last) = last_of_path(text) {
                let known = paths.entry(last.to_owned()).or_default();
                known.insert(text.clone());
            }
        });
    }
    for part in &mut parts {
        texts(part, &mut |text| {
            let Some(last) = last_of_path(text).map(str::to_owned) else {
                return;
            };
            if paths.get(&last).is_some_and(|known| known.len() == 1) {
                *text = last;
            }
        });
    }
}

/// The last segment of a Rust path of at least two.
fn last_of_path(text: &str) -> Option<&str> {
    let is_name =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    let (_, last) = text.rsplit_once("::")?;
    text.split("::").all(is_name).then_some(last)
}

fn texts(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| texts(item, visit)),
        Value::Object(fields) => fields.values_mut().for_each(|field| texts(field, visit)),
        _ => {}
    }
}

//! Retired words stay away: docs/GLOSSARY.md lists them, and this looks for them in code, documents and help texts.

use anyhow::{Context, Result, bail};

use super::sources::{self, Source};
use crate::shell::{Step, say};

const GLOSSARY: &str = "docs/GLOSSARY.md";
const BEGIN: &str = "<!-- retired: begin -->";
const END: &str = "<!-- retired: end -->";
/// Where a retired word may stand: where it is retired, where the past is told, and where bad examples are.
const PAST: &[&str] = &[
    GLOSSARY,
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "xtask/src/rules/words.rs",
];

/// A word that is no longer used.
#[derive(Debug, PartialEq)]
struct Retired {
    word: String,
    instead: String,
    /// Only in documents, where code means something else by it.
    is_prose_only: bool,
}

/// Fails with the places.
pub fn check() -> Result<()> {
    let step = Step::start("Looking for retired words");
    let sources =
        sources::with_endings(&[".rs", ".md", ".toml", ".py", ".sql", ".json", ".ts", ".mjs"])?;
    let glossary = sources
        .iter()
        .find(|source| source.path == GLOSSARY)
        .with_context(|| format!("{GLOSSARY} is missing"))?;
    let retired = retired(&glossary.text)?;
    let mut found = 0;
    for source in sources
        .iter()
        .filter(|source| !PAST.contains(&source.path.as_str()))
    {
        for (line, word) in uses(source, &retired) {
            say(format!(
                "{}:{line}: `{}` is retired; say {}",
                source.path, word.word, word.instead
            ));
            found += 1;
        }
    }
    if found > 0 {
        bail!("{found} uses of retired words; {GLOSSARY} says what to write instead");
    }
    step.done(format!("none of {} words", retired.len()));
    Ok(())
}

/// The table between the markers: word, what to say instead, where.
fn retired(glossary: &str) -> Result<Vec<Retired>> {
    let (_, rest) = glossary
        .split_once(BEGIN)
        .with_context(|| format!("{GLOSSARY} has no {BEGIN}"))?;
    let (table, _) = rest
        .split_once(END)
        .with_context(|| format!("{GLOSSARY} has no {END}"))?;
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, word, instead, place, _] = cells[..] else {
            bail!("{GLOSSARY}: a row has three cells: {row}");
        };
        Ok(Retired {
            word: word.trim_matches('`').to_owned(),
            instead: instead.to_owned(),
            is_prose_only: match place {
                "everywhere" => false,
                "documents" => true,
                _ => bail!("{GLOSSARY}: `{place}` is neither `everywhere` nor `documents`"),
            },
        })
    })
    .collect()
}

/// Lines, counted from 1, with the retired words in them.
fn uses<'a>(source: &'a Source, retired: &'a [Retired]) -> Vec<(usize, &'a Retired)> {
    let is_prose = source.path.ends_with(".md");
    let mut found = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let words = retired
            .iter()
            .filter(|word| is_prose || !word.is_prose_only)
            .filter(|word| has_word(line, &word.word));
        found.extend(words.map(|word| (at + 1, word)));
    }
    found
}

/// Whether a line holds the word by itself: no letter, digit or `_` on either side.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line
            .get(at + word.len()..)
            .and_then(|tail| tail.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PAGE: &str = "<!-- retired: begin -->\n| retired | say | where |\n| --- | --- | --- |\n\
        | `asker` | opener | everywhere |\n| `whoever` | who acts | documents |\n<!-- retired: end -->";

    #[test]
    fn reads_the_table() {
        let words = retired(PAGE).unwrap();
        assert_eq!(words.len(), 2);
        assert!(
            words
                .iter()
                .any(|word| word.word == "whoever" && word.is_prose_only)
        );
        assert!(retired("").is_err());
        assert!(retired(&PAGE.replace("documents", "sometimes")).is_err());
    }

    #[test]
    fn finds_whole_words_where_they_are_forbidden() {
        let words = retired(PAGE).unwrap();
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let count = |path, text| uses(&source(path, text), &words).len();
        assert_eq!(count("a.rs", "let asker = 1; // whoever"), 1);
        assert_eq!(count("a.md", "the asker,\nwhoever"), 2);
        assert_eq!(count("a.rs", "let tasker = asker_key;"), 0);
    }
}

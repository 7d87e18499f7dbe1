//! Every test that docs/INVARIANTS.md or docs/THREATS.md cites by its whole name exists. A name is written
//! `package::module::test`: the modules are those of a crate, or the test binary and its files. A name that ends with a module
//! stands for all tests in it.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::sources::{self, Source};
use crate::shell::{Step, say};

const FILES: [&str; 2] = ["docs/INVARIANTS.md", "docs/THREATS.md"];

/// Fails with the list of what is missing.
pub fn check() -> Result<()> {
    let pages = FILES.join(" and ");
    let step = Step::start(format!("Looking for the tests that {pages} cite"));
    let sources = sources::with_endings(&[".rs", "Cargo.toml", ".md"])?;
    let mut found = 0;
    let mut missing = 0;
    for file in FILES {
        let page = sources
            .iter()
            .find(|source| source.path == file)
            .with_context(|| format!("{file} is missing"))?;
        let cited = cited(&page.text);
        if cited.is_empty() {
            bail!("{file} cites no test");
        }
        for name in cited {
            if exists(name, &sources) {
                found += 1;
            } else {
                say(format!("{file}: no such test: {name}"));
                missing += 1;
            }
        }
    }
    if missing > 0 {
        bail!("{missing} cited tests do not exist; correct {pages}");
    }
    step.done(format!("{found} tests, all there"));
    Ok(())
}

/// The names between backticks that start with a package of ours, each once.
fn cited(page: &str) -> Vec<&str> {
    let mut names: Vec<_> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.starts_with("quern") && !name.starts_with("quern_") && name.contains("::")
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether a source of the package holds the test, or the module with tests, in the modules that are named.
fn exists(name: &str, sources: &[Source]) -> bool {
    let parts: Vec<_> = name.split("::").collect();
    let [package, modules @ .., last] = parts.as_slice() else {
        return false;
    };
    let Some(folder) = folder(package, sources) else {
        return false;
    };
    sources.iter().any(|source| {
        source.path.strip_prefix(&folder).is_some_and(|path| {
            path.ends_with(".rs")
                && modules
                    .iter()
                    .all(|module| is_module(module, path, &source.text))
                && (has_test(&source.text, last)
                    || (is_module(last, path, &source.text) && has_tests(&source.text)))
        })
    })
}

/// The folder of a package, with a slash behind it.
fn folder(package: &str, sources: &[Source]) -> Option<String> {
    let line = format!("name = \"{package}\"");
    let manifest = sources.iter().find(|source| {
        let mut lines = source.text.lines();
        source.path.ends_with("Cargo.toml")
            && lines.by_ref().any(|line| line == "[package]")
            && lines.next() == Some(&line)
    })?;
    manifest.path.strip_suffix("Cargo.toml").map(str::to_owned)
}

/// Whether a module is the file, a folder above it, a binary named after both (`e2e_job` in `e2e/job.rs`), or inside it.
fn is_module(module: &str, path: &str, text: &str) -> bool {
    let path = Path::new(path).with_extension("");
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    parts.contains(&module)
        || parts.windows(2).any(|pair| pair.join("_") == module)
        || text.lines().any(|line| {
            let line = line.trim_start().trim_start_matches("pub ");
            line.strip_prefix("mod ")
                .is_some_and(|rest| rest.trim_end_matches([' ', '{']) == module)
        })
}

/// Whether there is any test.
fn has_tests(text: &str) -> bool {
    text.lines().map(str::trim_start).any(is_test_attribute)
}

fn is_test_attribute(line: &str) -> bool {
    line.starts_with("#[test]") || line.starts_with("#[tokio::test")
}

/// Whether a function of that name stands below a test attribute.
fn has_test(text: &str, test: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let head = format!("fn {test}(");
    lines.iter().enumerate().any(|(at, line)| {
        line.trim_start_matches("async ").starts_with(&head)
            && lines
                .iter()
                .take(at)
                .rev()
                .take_while(|line| line.starts_with('#') || line.starts_with("//"))
                .any(|line| is_test_attribute(line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<Source> {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        vec![
            source("tests/Cargo.toml", "[package]\nname = \"quern-tests\"\n"),
            source(
                "tests/program/edges.rs",
                "/// P8\n#[test]\n/// more\nfn to_the_second() {}\nfn helper() {}\n",
            ),
            source(
                "crates/rules/Cargo.toml",
                "[package]\nname = \"quern-rules\"\n",
            ),
            source(
                "crates/rules/src/late.rs",
                "mod tests {\n    #[test]\n    fn sums() {}\n}\n",
            ),
        ]
    }

    #[test]
    fn finds_a_test_where_it_is_said_to_be_and_nowhere_else() {
        let sources = sources();
        assert!(exists(
            "quern-tests::program::edges::to_the_second",
            &sources
        ));
        assert!(exists(
            "quern-tests::program_edges::to_the_second",
            &sources
        ));
        assert!(exists("quern-rules::late::tests::sums", &sources));
        assert!(!exists("quern-rules::price::tests::sums", &sources));
        assert!(!exists(
            "quern-rules::program::edges::to_the_second",
            &sources
        ));
        assert!(!exists("quern-tests::program::edges::helper", &sources));
        assert!(!exists("quern-tests::program::edges::to_the", &sources));
        assert!(!exists("quern-other::late::tests::sums", &sources));
        // A whole module of tests, and nothing that is none.
        assert!(exists("quern-rules::late::tests", &sources));
        assert!(exists("quern-tests::program::edges", &sources));
        assert!(!exists("quern-rules::late::trials", &sources));
        assert!(!exists("quern-rules::price", &sources));
    }

    #[test]
    fn reads_what_is_cited() {
        let page =
            "| `quern_proof::evidence` | `quern-a::b::c`, `quern-a::b::c` | `fn` `quern-tests`";
        assert_eq!(cited(page), ["quern-a::b::c"]);
    }
}

//! One instruction, one test file: `tests/program/<instruction>.rs` with at least one test of its own.

use anyhow::{Context, Result, bail};

use super::sources::{self, Source};
use crate::shell::{Step, say};

const PROGRAM: &str = "programs/quern/src/lib.rs";
const TESTS: &str = "tests/program";

/// Fails with the instructions that have no test file, or none with a test.
pub fn check() -> Result<()> {
    let step = Step::start(format!("Looking for every instruction's tests in {TESTS}"));
    let sources = sources::with_endings(&[".rs"])?;
    let program = sources
        .iter()
        .find(|source| source.path == PROGRAM)
        .with_context(|| format!("{PROGRAM} is missing"))?;
    let instructions = instructions(&program.text)?;
    let problems = problems(&instructions, &sources);
    for problem in &problems {
        say(problem);
    }
    if !problems.is_empty() {
        bail!("{} instructions have no test of their own", problems.len());
    }
    step.done(format!("{} instructions, all tested", instructions.len()));
    Ok(())
}

/// The names of the functions in the module that `#[program]` marks.
fn instructions(text: &str) -> Result<Vec<String>> {
    let file = syn::parse_file(text).with_context(|| format!("cannot read {PROGRAM} as Rust"))?;
    let modules = file.items.into_iter().filter_map(|item| match item {
        syn::Item::Mod(module) => Some(module),
        _ => None,
    });
    let is_program = |module: &syn::ItemMod| {
        let mut attributes = module.attrs.iter();
        attributes.any(|attribute| attribute.path().is_ident("program"))
    };
    let names: Vec<String> = modules
        .filter(is_program)
        .filter_map(|module| module.content)
        .flat_map(|(_, items)| items)
        .filter_map(|item| match item {
            syn::Item::Fn(function) => Some(function.sig.ident.to_string()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        bail!("{PROGRAM} has no instructions");
    }
    Ok(names)
}

fn problems(instructions: &[String], sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for name in instructions {
        let path = format!("{TESTS}/{name}.rs");
        match sources.iter().find(|source| source.path == path) {
            None => problems.push(format!("{path} is missing; write it")),
            Some(source) if !source.text.lines().any(|line| line == "#[test]") => {
                problems.push(format!("{path} has no test; add one"));
            }
            Some(_) => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn instructions_are_the_functions_of_the_program() {
        let text = "fn other() {} #[program] pub mod quern { use super::*; pub fn take() {} pub fn give() {} }";
        assert_eq!(instructions(text).unwrap(), ["take", "give"]);
        assert!(instructions("mod quern { pub fn take() {} }").is_err());
    }

    #[test]
    fn a_missing_file_and_one_without_tests_are_found() {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let sources = [
            source("tests/program/take.rs", "#[test]\nfn works() {}\n"),
            source("tests/program/give.rs", "// #[test]\npub fn errors() {}\n"),
        ];
        let names = ["take", "give", "keep"].map(str::to_owned);
        assert_eq!(
            problems(&names, &sources),
            [
                "tests/program/give.rs has no test; add one",
                "tests/program/keep.rs is missing; write it"
            ]
        );
    }
}

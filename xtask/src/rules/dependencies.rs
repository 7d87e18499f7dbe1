//! What deny.toml promises of dependencies, read from `cargo metadata`: licences and sources (docs/decisions/023).
//!
//! Where `cargo-deny` is installed it runs as well, with the list of known weaknesses when it can reach it.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::shell::{self, Step, say, succeeds, which};

const FILE: &str = "deny.toml";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Where the demo, the tests and the tools run.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// Crates whose manifest names no licence, with the one that their file of that name holds.
const BY_FILE: &[(&str, &str)] = &[("solana-config-interface", "Apache-2.0")];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<String>,
}

/// Fails with everything that breaks a promise.
pub fn check() -> Result<()> {
    let step = Step::start("Checking licences and sources of dependencies");
    let settings = fs::read_to_string(shell::root().join(FILE))
        .with_context(|| format!("cannot read {FILE}"))?;
    let allowed = allowed(&settings)?;
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--format-version", "1", "--locked", "--quiet"]);
    cargo.args(["--filter-platform", PLATFORM]);
    let metadata: Metadata = serde_json::from_str(&shell::output(&mut cargo)?)
        .context("cargo's metadata have another form than expected")?;
    let problems: Vec<_> = metadata
        .packages
        .iter()
        .flat_map(|package| problems(package, &allowed))
        .collect();
    for problem in &problems {
        say(problem);
    }
    if !problems.is_empty() {
        bail!("{} dependencies break {FILE}", problems.len());
    }
    deny()?;
    step.done(format!("{} packages", metadata.packages.len()));
    Ok(())
}

/// The tool itself, where somebody has installed it.
fn deny() -> Result<()> {
    if which("cargo-deny").is_none() {
        say("known weaknesses NOT checked: no cargo-deny (`cargo install cargo-deny --locked`)");
        return Ok(());
    }
    let deny = |args: &[&str]| {
        let mut command = Command::new("cargo-deny");
        command.current_dir(shell::root()).args(args);
        command
    };
    let mut checks = vec!["check", "bans", "licenses", "sources"];
    if succeeds(&mut deny(&["fetch", "db"])) {
        checks.push("advisories");
    } else {
        say("known weaknesses NOT checked: their list cannot be fetched");
    }
    shell::must(&mut deny(&checks), "The lines above say why.")
}

/// The list behind `allow = [` in the section of licences.
fn allowed(settings: &str) -> Result<Vec<&str>> {
    let list = settings
        .split_once("[licenses]")
        .and_then(|(_, rest)| rest.split_once("allow = ["))
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(list, _)| list)
        .with_context(|| format!("{FILE} has no list of allowed licences"))?;
    Ok(list.split('"').skip(1).step_by(2).collect())
}

/// What is wrong with a package.
fn problems(package: &Package, allowed: &[&str]) -> Vec<String> {
    let name = format!("{} {}", package.name, package.version);
    let mut problems = Vec::new();
    let Some(source) = &package.source else {
        // One of ours: it may not leave the choice of a version to chance.
        let open = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.req == "*" && dependency.path.is_none())
            .map(|dependency| format!("{name} takes any version of {}", dependency.name));
        problems.extend(open);
        return problems;
    };
    if source != REGISTRY {
        problems.push(format!("{name} comes from {source}"));
    }
    let by_file = BY_FILE
        .iter()
        .find(|(known, _)| *known == package.name)
        .map(|(_, license)| *license);
    match package.license.as_deref().or(by_file) {
        None => problems.push(format!("{name} names no licence")),
        Some(license) if !is_allowed(license, allowed) => {
            problems.push(format!("{name} is under {license}"));
        }
        Some(_) => {}
    }
    problems
}

/// Whether an SPDX expression can be met: one side of every `OR`, all sides of every `AND`, which binds tighter.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    // An old way to write OR.
    let expression = expression.replace('/', " OR ");
    let words = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = words.split_whitespace().collect();
    let mut rest = words.as_slice();
    let is_met = any(&mut rest, allowed);
    is_met && rest.is_empty()
}

fn any(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut is_met = all(words, allowed);
    while let ["OR", rest @ ..] = words {
        *words = rest;
        is_met |= all(words, allowed);
    }
    is_met
}

fn all(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut is_met = one(words, allowed);
    while let ["AND", rest @ ..] = words {
        *words = rest;
        is_met &= one(words, allowed);
    }
    is_met
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let is_met = any(words, allowed);
            let [")", rest @ ..] = *words else {
                return false;
            };
            *words = rest;
            is_met
        }
        [license, "WITH", exception, rest @ ..] => {
            *words = rest;
            allowed.contains(&format!("{license} WITH {exception}").as_str())
        }
        // `+` says "or any later version".
        [license, rest @ ..] => {
            *words = rest;
            allowed.contains(&license.trim_end_matches('+'))
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALLOWED: &[&str] = &[
        "MIT",
        "Apache-2.0",
        "MPL-2.0",
        "Apache-2.0 WITH LLVM-exception",
    ];

    #[test]
    fn an_expression_is_met_or_not() {
        for met in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "(MIT OR GPL-3.0) AND Apache-2.0",
            "GPL-3.0 OR MIT AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "MPL-2.0+",
        ] {
            assert!(is_allowed(met, ALLOWED), "{met}");
        }
        for unmet in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT WITH x",
            "(MIT",
            "MIT GPL-3.0",
        ] {
            assert!(!is_allowed(unmet, ALLOWED), "{unmet}");
        }
    }

    #[test]
    fn every_promise_is_looked_at() {
        let package = |license: Option<&str>, source: Option<&str>, req: &str| Package {
            name: "a".into(),
            version: "1.0.0".into(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
            dependencies: vec![Dependency {
                name: "b".into(),
                req: req.into(),
                path: None,
            }],
        };
        let count = |package: Package| problems(&package, ALLOWED).len();
        assert_eq!(count(package(Some("MIT"), Some(REGISTRY), "*")), 0);
        assert_eq!(count(package(Some("GPL-3.0"), Some(REGISTRY), "1")), 1);
        assert_eq!(count(package(None, Some(REGISTRY), "1")), 1);
        assert_eq!(count(package(Some("MIT"), Some("git+https://x"), "1")), 1);
        assert_eq!(count(package(Some("MIT"), None, "*")), 1);
        assert_eq!(count(package(Some("MIT"), None, "1")), 0);
    }

    #[test]
    fn the_list_is_read() {
        let settings = "[graph]\nall = []\n[licenses]\nallow = [\n  \"MIT\",\n  \"ISC\",\n]\n";
        assert_eq!(allowed(settings).unwrap(), ["MIT", "ISC"]);
        assert!(allowed("[licenses]").is_err());
    }
}

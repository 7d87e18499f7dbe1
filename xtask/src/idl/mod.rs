//! `cargo xtask idl`: the program's interface description, made as Anchor's own command line makes it.
//!
//! With the feature `idl-build`, Anchor's macros add hidden tests to the program that print parts of the description
//! between marker lines. Here they are run on the host, put together, sorted and checked; no Anchor tool is needed.

mod accounts;
mod addresses;
mod assemble;
mod layout;
mod paths;
mod printed;
mod typescript;
mod words;

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use assemble::assemble;

use crate::shell::{self, Step, say};

pub const IDL: &str = "idl/quern.json";
/// The same as a TypeScript type.
pub const TYPES: &str = "idl/quern.ts";
const CONFIG: &str = "Anchor.toml";
const HINT: &str = "Run `cargo xtask idl` and commit what it changes.";

/// Writes the description, its TypeScript type and the program's address in Anchor.toml.
pub fn write() -> Result<()> {
    let step =
        Step::start("Describing the program's interface (a host build, seconds to a minute)");
    let root = shell::root();
    fs::create_dir_all(root.join("idl"))?;
    for (name, text) in generate()? {
        fs::write(root.join(name), &text).with_context(|| format!("cannot write {name}"))?;
        say(format!("{name}: {} bytes", text.len()));
    }
    step.done("written");
    Ok(())
}

/// Fails when a committed file is not what the program's source says.
pub fn check() -> Result<()> {
    let step =
        Step::start("Checking the interface description (a host build, seconds to a minute)");
    let root = shell::root();
    for (name, now) in generate()? {
        let committed = fs::read_to_string(root.join(name))
            .with_context(|| format!("{name} cannot be read; `cargo xtask idl` writes it"))?;
        if committed != now {
            bail!("{name} is stale: {}. {HINT}", difference(&committed, &now));
        }
    }
    step.done("up to date");
    Ok(())
}

/// The first line that differs.
pub fn difference(committed: &str, now: &str) -> String {
    let mut pairs = committed.lines().zip(now.lines()).enumerate();
    match pairs.find(|(_, (old, new))| old != new) {
        Some((at, (old, new))) => format!(
            "line {} says `{}`, it should say `{}`",
            at + 1,
            old.trim(),
            new.trim()
        ),
        None => "one of the two is longer".to_owned(),
    }
}

/// The generated files as they should be.
fn generate() -> Result<[(&'static str, String); 3]> {
    let mut cargo = shell::cargo();
    cargo
        .args(["test", "--quiet", "--package", "quern", "--lib"])
        .args(["--features", "idl-build", "--ignore-rust-version"])
        .arg("__anchor_private_print_idl")
        .args(["--", "--show-output", "--test-threads=1"])
        // What the compiler says is shown as it comes; what the tests print is the description.
        .stderr(Stdio::inherit());
    let printed = shell::output(&mut cargo)?;
    let idl = assemble(&printed)?;
    let config =
        fs::read_to_string(shell::root().join(CONFIG)).context("cannot read Anchor.toml")?;
    let config = with_address(&config, &idl.address)?;
    let types = typescript::render(&serde_json::to_value(&idl)?)?;
    let idl = serde_json::to_string_pretty(&idl)? + "\n";
    Ok([(IDL, idl), (TYPES, types), (CONFIG, config)])
}

/// Anchor.toml with the program's address wherever `quern = "…"` stands.
fn with_address(config: &str, address: &str) -> Result<String> {
    let mut found = 0;
    let lines: Vec<_> = config
        .lines()
        .map(|line| match line.starts_with("quern = \"") {
            true => {
                found += 1;
                format!("quern = \"{address}\"")
            }
            false => line.to_owned(),
        })
        .collect();
    if found == 0 {
        bail!("Anchor.toml has no line `quern = \"…\"` under [programs.…]");
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn writes_the_address_to_every_cluster() {
        let config = "[programs.localnet]\nquern = \"old\"\n[programs.devnet]\nquern = \"old\"\n";
        let now = with_address(config, "new").unwrap();
        assert_eq!(now, config.replace("old", "new"));
        assert!(with_address("[programs.localnet]\n", "new").is_err());
    }
}

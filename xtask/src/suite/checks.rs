//! Everything that is not a Rust test.

use std::process::Command;

use anyhow::Result;

use super::suites;
use crate::rules::{circles, dependencies, instructions, invariants, words};
use crate::shell::{self, Step, say, succeeds};
use crate::{docs, idl};

/// What went wrong, by check.
pub type Problems = Vec<String>;

/// All of them. Each runs, so that one run shows every problem.
pub fn all(problems: &mut Problems) {
    quick(problems);
    note(problems, "dependencies", dependencies::check());
    note(problems, "IDL", idl::check());
    note(problems, "reference", docs::check());
    let all = [&["--workspace", "--all-targets"], suites::OPTIONAL].concat();
    note(problems, "lints", lint(&all));
    note(problems, "golden vectors", golden());
}

/// Those that take a second.
pub fn quick(problems: &mut Problems) {
    note(problems, "words", words::check());
    note(problems, "invariants", invariants::check());
    note(problems, "circles", circles::check());
    note(problems, "instructions", instructions::check());
    note(problems, "formatting", format_check());
}

/// Adds a failure to the problems.
pub fn note(problems: &mut Problems, name: &str, outcome: Result<()>) {
    if let Err(error) = outcome {
        problems.push(format!("{name}: {error:#}"));
    }
}

fn format_check() -> Result<()> {
    if !succeeds(shell::cargo().args(["fmt", "--version"])) {
        say(
            "formatting NOT checked: no rustfmt (`rustup component add rustfmt` or `apt-get install rustfmt-web`)",
        );
        return Ok(());
    }
    let step = Step::start("Checking the formatting (seconds)");
    shell::must(
        shell::cargo().args(["fmt", "--all", "--check"]),
        "Run `cargo fmt --all`.",
    )?;
    step.done("formatted");
    Ok(())
}

/// Lints with every warning an error; `what` says of which packages and targets.
pub fn lint(what: &[&str]) -> Result<()> {
    if !succeeds(shell::cargo().args(["clippy", "--version"])) {
        say(
            "lints NOT checked: no clippy (`rustup component add clippy` or `apt-get install rust-web-clippy`)",
        );
        return Ok(());
    }
    let step = Step::start("Linting (up to 15 minutes the first time)");
    shell::must(
        shell::cargo().arg("clippy").args(what).args([
            "--ignore-rust-version",
            "--",
            "-D",
            "warnings",
        ]),
        "The lines above say where.",
    )?;
    step.done("clean");
    Ok(())
}

/// The second implementation, in Python, must reproduce the committed vectors.
pub fn golden() -> Result<()> {
    const SCRIPTS: [&str; 4] = [
        "tests/golden/check.py",
        "tests/golden/cells.py",
        "tests/golden/page.py",
        "tests/golden/campaigns.py",
    ];
    let step = Step::start("Comparing the golden vectors with the Python implementation (seconds)");
    for script in SCRIPTS {
        shell::must(
            Command::new("python3")
                .arg(script)
                .current_dir(shell::root()),
            "The two implementations of the formats disagree.",
        )?;
    }
    step.done("equal");
    Ok(())
}

/// Writes the committed vectors again.
pub fn write_golden() -> Result<()> {
    shell::must(
        shell::cargo()
            .args([
                "test",
                "--package",
                "quern-proof",
                "--lib",
                "--test",
                "golden",
            ])
            .args(["--ignore-rust-version", "vectors_are_not_stale"])
            .env("QUERN_WRITE_GOLDEN", "1"),
        "The vectors were not written.",
    )
}

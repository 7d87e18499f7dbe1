//! `cargo xtask test`: every check and every test. The last line is `N passed, M failed`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::program::{self, Toolchain};
use crate::shell::{self, Step, say, succeeds};
use crate::{host, idl};

/// What the test runner counted.
#[derive(Default, Debug, PartialEq)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl Counts {
    /// Adds what a line of the runner's output says, if it is a summary of one test binary.
    fn read(&mut self, line: &str) {
        let Some(rest) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        let Some((_, figures)) = rest.split_once(". ") else {
            return;
        };
        for figure in figures.split("; ") {
            let Some((number, what)) = figure.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => self.passed = self.passed.saturating_add(number),
                "failed" => self.failed = self.failed.saturating_add(number),
                _ => {}
            }
        }
    }
}

/// Runs it all; `fast` runs the tests only; `args` go to `cargo test`.
pub fn run(fast: bool, args: &[String]) -> Result<()> {
    let step =
        Step::start("All checks and tests (cold up to 60 minutes on 2 cores, warm under 10)");
    let mut problems = Vec::new();
    let mut counts = Counts::default();
    let prepared = host::ensure_build_tools()
        .and_then(|()| program::build(Toolchain::Auto, false, None))
        .and_then(|()| program::build_probe(Toolchain::Auto));
    match prepared {
        Err(error) => problems.push(format!("the program was not built: {error:#}")),
        Ok(()) => {
            if !fast {
                checks(&mut problems);
            }
            match tests(args, &mut counts) {
                Ok(true) => {}
                Ok(false) if counts.failed > 0 => problems.push("tests failed".to_owned()),
                Ok(false) => {
                    problems.push("the test runner failed before or between tests".to_owned())
                }
                Err(error) => problems.push(format!("{error:#}")),
            }
            if counts == Counts::default() {
                problems.push("no test ran".to_owned());
            }
        }
    }
    step.done("finished");
    for problem in &problems {
        say(format!("FAILED: {problem}"));
    }
    // The last line of standard output: CI reads it.
    println!("{} passed, {} failed", counts.passed, counts.failed);
    std::io::stdout().flush()?;
    if problems.is_empty() {
        return Ok(());
    }
    // Not an error to be printed: that would come after the last line.
    std::process::exit(1);
}

/// Everything that is not a Rust test. All of it runs, so that one run shows every problem.
fn checks(problems: &mut Vec<String>) {
    let mut check = |name: &str, outcome: Result<()>| {
        if let Err(error) = outcome {
            problems.push(format!("{name}: {error:#}"));
        }
    };
    check("IDL", idl::check());
    check("formatting", format_check());
    check("lints", lint());
    check("golden vectors", golden());
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

fn lint() -> Result<()> {
    if !succeeds(shell::cargo().args(["clippy", "--version"])) {
        say(
            "lints NOT checked: no clippy (`rustup component add clippy` or `apt-get install rust-web-clippy`)",
        );
        return Ok(());
    }
    let step = Step::start("Linting (up to 15 minutes the first time)");
    shell::must(
        shell::cargo()
            .args(["clippy", "--workspace", "--all-targets"])
            .args(["--ignore-rust-version", "--", "-D", "warnings"]),
        "The lines above say where.",
    )?;
    step.done("clean");
    Ok(())
}

/// The second implementation, in Python, must reproduce the committed vectors.
fn golden() -> Result<()> {
    let script = "tests/golden/check.py";
    let step = Step::start("Comparing the golden vectors with the Python implementation (seconds)");
    shell::must(
        Command::new("python3")
            .arg(script)
            .current_dir(shell::root()),
        "The two implementations of the formats disagree.",
    )?;
    step.done("equal");
    Ok(())
}

/// Writes the committed vectors again, and compares them with the Python implementation.
pub fn write_golden() -> Result<()> {
    shell::must(
        shell::cargo()
            .args(["test", "-p", "quern-proof", "--test", "golden"])
            .env("QUERN_WRITE_GOLDEN", "1"),
        "The vectors were not written.",
    )
}

/// Runs the Rust tests, shows what they print and counts; true when the runner is content.
fn tests(args: &[String], counts: &mut Counts) -> Result<bool> {
    let step =
        Step::start("Running the tests (building them takes up to 20 minutes the first time)");
    let picks = args
        .iter()
        .any(|arg| arg.starts_with("-p") || arg.starts_with("--package"));
    let mut cargo = shell::cargo();
    cargo.args(["test", "--ignore-rust-version", "--no-fail-fast"]);
    if !picks {
        cargo.arg("--workspace");
    }
    let mut runner = cargo
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start `cargo test`")?;
    let Some(output) = runner.stdout.take() else {
        bail!("`cargo test` has no standard output");
    };
    let mut output = BufReader::new(output);
    let (mut line, mut shown) = (Vec::new(), std::io::stdout());
    while output.read_until(b'\n', &mut line)? > 0 {
        shown.write_all(&line)?;
        shown.flush()?;
        counts.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = runner.wait()?;
    step.done("tests ran");
    Ok(status.success())
}

#[cfg(test)]
mod tests_of_counts {
    use super::*;

    #[test]
    fn adds_up_what_the_runner_says() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.21s\n",
            "test result: nonsense",
            "a log line: test result: ok. 9 passed; 9 failed",
        ] {
            counts.read(line);
        }
        let expected = Counts {
            passed: 15,
            failed: 2,
        };
        assert_eq!(counts, expected);
    }
}

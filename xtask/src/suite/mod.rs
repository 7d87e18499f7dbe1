//! `cargo xtask test` and `cargo xtask check`. The last line that they print is `N passed, M failed`.

mod checks;
mod counts;
mod suites;

pub use checks::write_golden;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use checks::Problems;
use counts::Counts;
use suites::Suite;

use crate::shell::{self, Step, say};
use crate::toolchain::Toolchain;
use crate::{clients, host, models, program};

/// What the help text says of suites.
pub fn help() -> String {
    format!(
        "Suites: {}, {}. docs/TESTING.md says which one a change needs.",
        suites::names(),
        clients::NAME
    )
}

/// Runs one suite, or everything; `fast` leaves the checks out; `args` go to `cargo test`.
pub fn run(fast: bool, args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((first, [])) if first == clients::NAME => only_clients(),
        Some((first, rest)) if let Some(suite) = suites::named(first) => one(suite, rest),
        _ => whole(fast, args),
    }
}

/// Arguments that choose the tests of the indexer's pages, among others.
const PAGES: [&str; 2] = ["--workspace", "quern-indexer"];

/// `cargo xtask check`: what takes about a minute on a warm machine.
pub fn check() -> Result<()> {
    let step = Step::start("Checking (about a minute on a warm machine)");
    let mut problems = Vec::new();
    checks::quick(&mut problems);
    // Without a choice of packages clippy looks at the default members.
    checks::note(&mut problems, "lints", checks::lint(&["--all-targets"]));
    let mut counts = Counts::default();
    let packages = [
        "-p",
        "quern-rules",
        "-p",
        "quern-proof",
        "-p",
        "quern-client",
    ];
    run_tests(&packages.map(str::to_owned), &mut problems, &mut counts);
    checks::note(&mut problems, "golden vectors", checks::golden());
    finish(step, &problems, &counts)
}

fn one(suite: &Suite, args: &[String]) -> Result<()> {
    let step = Step::start(format!("Tests of {}", suite.what));
    host::ensure_build_tools()?;
    if suite.needs_database() {
        host::ensure_test_tools()?;
    }
    if suite.needs_program {
        program::build_for_tests()?;
    }
    let (mut problems, mut counts) = (Vec::new(), Counts::default());
    let args = [suite.arguments(), args.to_vec()].concat();
    run_tests(&args, &mut problems, &mut counts);
    finish(step, &problems, &counts)
}

fn only_clients() -> Result<()> {
    let step = Step::start("Tests of other people's clients");
    host::ensure_build_tools()?;
    program::build(Toolchain::Auto, false, None)?;
    let (mut problems, mut counts) = (Vec::new(), Counts::default());
    run_clients(&mut problems, &mut counts);
    finish(step, &problems, &counts)
}

fn run_clients(problems: &mut Problems, counts: &mut Counts) {
    let (passed, failed) = clients::run(problems);
    counts.passed = counts.passed.saturating_add(passed);
    counts.failed = counts.failed.saturating_add(failed);
}

fn whole(fast: bool, args: &[String]) -> Result<()> {
    let step =
        Step::start("All checks and tests (cold up to 60 minutes on 2 cores, warm under 10)");
    let (mut problems, mut counts) = (Vec::new(), Counts::default());
    let ready = host::ensure_build_tools().and_then(|()| host::ensure_test_tools());
    match ready.and_then(|()| program::build_for_tests()) {
        Err(error) => problems.push(format!("the program was not built: {error:#}")),
        Ok(()) => {
            if !fast {
                checks::all(&mut problems);
            }
            run_tests(&with_packages(args), &mut problems, &mut counts);
            // Arguments choose among the tests of `cargo test`, so they leave these out.
            if args.is_empty() {
                run_clients(&mut problems, &mut counts);
            }
        }
    }
    finish(step, &problems, &counts)
}

/// The arguments, of the whole workspace unless they choose packages.
fn with_packages(args: &[String]) -> Vec<String> {
    let picks = args
        .iter()
        .any(|arg| arg.starts_with("-p") || arg.starts_with("--package"));
    let all = if picks {
        Vec::new()
    } else {
        [&["--workspace"], suites::OPTIONAL].concat()
    };
    let all = all.into_iter().map(str::to_owned);
    all.chain(args.iter().cloned()).collect()
}

fn run_tests(args: &[String], problems: &mut Problems, counts: &mut Counts) {
    if args.iter().any(|arg| PAGES.contains(&arg.as_str()))
        && let Err(error) = host::ensure_browser()
    {
        say(format!(
            "the pages are NOT looked at in a browser: {error:#}"
        ));
    }
    match tests(args, counts) {
        Ok(true) => {}
        Ok(false) if counts.failed > 0 => problems.push("tests failed".to_owned()),
        Ok(false) => problems.push("the test runner failed before or between tests".to_owned()),
        Err(error) => problems.push(format!("{error:#}")),
    }
    if *counts == Counts::default() {
        problems.push("no test ran".to_owned());
    }
}

/// Says what went wrong, and last how many tests passed and failed.
fn finish(step: Step, problems: &Problems, counts: &Counts) -> Result<()> {
    step.done("finished");
    for problem in problems {
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

/// Runs the Rust tests, shows what they print and counts; true when the runner is content.
fn tests(args: &[String], counts: &mut Counts) -> Result<bool> {
    let step =
        Step::start("Running the tests (building them takes up to 20 minutes the first time)");
    let mut cargo = shell::cargo();
    cargo.args(["test", "--ignore-rust-version", "--no-fail-fast"]);
    match args
        .iter()
        .any(|arg| arg == "--workspace" || arg == "quern-import")
    {
        true => models::show(&mut cargo),
        false => models::show_fetched(&mut cargo),
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

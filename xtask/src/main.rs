//! `cargo xtask …`: everything that a developer or a CI machine runs in this repository.
//!
//! Logs go to standard error, so that `cargo xtask demo --json` leaves standard output to the summary.

mod cache;
mod host;
mod idl;
mod program;
mod program_id;
mod setup;
mod shell;
mod start;
mod suite;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Set up, build, test and show Quern.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", version)]
enum Cli {
    /// Install what building the program needs (cached outside the checkout)
    Setup {
        /// Prepare the upstream way even when `cargo build-sbf` is there
        #[arg(long, value_enum, default_value_t)]
        toolchain: program::Toolchain,
    },
    /// Build the on-chain program to sBPFv3: target/deploy/quern.so
    BuildProgram {
        /// Which way to build
        #[arg(long, value_enum, default_value_t)]
        toolchain: program::Toolchain,
        /// Build even when nothing changed
        #[arg(long)]
        force: bool,
        /// Build it for your own deployment: a keypair file or a base58 address [default: the committed id, for local networks]
        #[arg(long, value_name = "KEYPAIR_OR_ADDRESS")]
        program_id: Option<String>,
    },
    /// Build what the tests compare with native code: target/deploy/quern_probe.so (`test` does it too)
    BuildProbe {
        /// Which way to build
        #[arg(long, value_enum, default_value_t)]
        toolchain: program::Toolchain,
    },
    /// Write the program's IDL to idl/quern.json and its address to Anchor.toml
    Idl {
        /// Only compare; fail when a committed file is stale
        #[arg(long)]
        check: bool,
    },
    /// Write the golden vectors of graphs, commitments and files again: tests/golden/proof.json
    Golden,
    /// Build the program and run every check and every test
    Test {
        /// Skip formatting, lints and the golden check; run the tests only
        #[arg(long)]
        fast: bool,
        /// Passed to `cargo test`, for example `-p quern-rules` or a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run the main job on a local network, from escrow to leaderboard
    Demo {
        /// Passed to the demo: `--hold` keeps the network up, `--json` ends with a summary
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure compute units and sizes: docs/BENCHMARKS.md and target/bench/summary.json
    Bench {
        /// Passed to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    // One sentence, without the trace that RUST_BACKTRACE would add: what fails here fails in another program.
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli {
        Cli::Setup { toolchain } => setup::run(toolchain),
        Cli::BuildProgram {
            toolchain,
            force,
            program_id,
        } => program::build(toolchain, force, program_id.as_deref()),
        Cli::BuildProbe { toolchain } => program::build_probe(toolchain),
        Cli::Idl { check: false } => idl::write(),
        Cli::Idl { check: true } => idl::check(),
        Cli::Golden => suite::write_golden(),
        Cli::Test { fast, args } => suite::run(fast, &args),
        Cli::Demo { args } => start::binary("quern-demo", "quern-demo", &args),
        Cli::Bench { args } => start::binary("quern-tests", "quern-bench", &args),
    }
}

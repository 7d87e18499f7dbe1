//! `cargo xtask …`: everything that a developer or a CI machine runs in this repository.
//!
//! Logs go to standard error, so that `cargo xtask demo --json` leaves standard output to the summary.

mod cache;
mod clients;
mod docs;
mod host;
mod idl;
mod models;
mod picture;
mod program;
mod program_id;
mod release;
mod rules;
mod setup;
mod shell;
mod start;
mod suite;
mod toolchain;
mod upstream;

use std::path::PathBuf;
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
        toolchain: toolchain::Toolchain,
    },
    /// Build the on-chain program to sBPFv3: target/deploy/quern.so
    BuildProgram {
        /// Which way to build
        #[arg(long, value_enum, default_value_t)]
        toolchain: toolchain::Toolchain,
        /// Build even when nothing changed
        #[arg(long)]
        force: bool,
        /// Build it for your own deployment: a keypair file or a base58 address [default: the committed id, for local networks]
        #[arg(long, value_name = "KEYPAIR_OR_ADDRESS")]
        program_id: Option<String>,
    },
    /// Write the program's IDL to idl/quern.json, its type to idl/quern.ts and its address to Anchor.toml
    Idl {
        /// Only compare; fail when a committed file is stale
        #[arg(long)]
        check: bool,
    },
    /// Write the reference pages: docs/reference
    Docs {
        /// Only compare; fail when a committed page is stale
        #[arg(long)]
        check: bool,
    },
    /// Write the golden vectors of graphs, commitments and files again: tests/golden/proof.json and ops.json
    Golden,
    /// Fetch the files that a model is made of into the cache, by their hashes, and print the folder
    Fetch {
        /// A folder of models/ with a recipe.json, such as minilm
        model: String,
    },
    /// Run the demo and draw its end: docs/demo.svg
    Picture {
        /// Draw the text that is there; do not run the demo
        #[arg(long)]
        redraw: bool,
    },
    /// Check what takes about a minute: format, lints of the default members, house rules, tests of rules, proof and client
    Check,
    /// Build the program and run every check and every test, or one suite
    #[command(after_help = suite::help())]
    Test {
        /// Skip every check; run the tests only
        #[arg(long)]
        fast: bool,
        /// A suite's name, and what is passed to `cargo test`: `-p quern-rules`, a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build program and commands and start a local network; with a model's name it is fetched, imported and served there
    Localnet {
        /// A folder of models/ with a recipe.json, such as minilm
        model: Option<String>,
        /// Tokens of a text of that model; what is longer loses its end
        #[arg(long, default_value_t = 128)]
        sequence: usize,
        /// Passed to `quern localnet`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Build the commands, fetch and import a model, and start network, provider, indexer and gateway: `quern quickstart`
    Quickstart {
        /// A folder of models/ with a recipe.json
        #[arg(default_value = models::TESTED.0)]
        model: String,
        /// Tokens of a text; what is longer is refused
        #[arg(long, default_value_t = 128)]
        sequence: usize,
        /// Passed to `quern quickstart`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the main job on a local network, from escrow to leaderboard
    Demo {
        /// Passed to the demo: `--hold` keeps the network up, `--json` ends with a summary
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Pack the commands, their man pages and completions, the program, services and guides: target/dist-packages
    Release {
        /// Pack the commands in this folder; build nothing
        #[arg(long, value_name = "FOLDER")]
        binaries: Option<PathBuf>,
        /// Where to put tarball and SHA256SUMS [default: target/dist-packages]
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// Measure compute units and sizes, then products and the sentence encoder: docs/BENCHMARKS.md, target/bench/summary.json;
    /// `bench program` and `bench models` measure one of the two, `bench indexer` the indexer, `bench lag` only its
    /// lag behind the local network, `bench gateway` the gateway
    Bench {
        /// `program`, `models`, `indexer`, `lag` or `gateway`, and what is passed to the benchmark
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
        Cli::Idl { check: false } => idl::write(),
        Cli::Idl { check: true } => idl::check(),
        Cli::Docs { check: false } => docs::write(),
        Cli::Docs { check: true } => docs::check(),
        Cli::Golden => suite::write_golden(),
        Cli::Fetch { model } => {
            models::fetch(&model).map(|folder| println!("{}", folder.display()))
        }
        Cli::Picture { redraw } => picture::run(redraw),
        Cli::Check => suite::check(),
        Cli::Test { fast, args } => suite::run(fast, &args),
        Cli::Localnet {
            model,
            sequence,
            args,
        } => start::localnet(model.as_deref(), sequence, &args),
        Cli::Quickstart {
            model,
            sequence,
            args,
        } => start::quickstart(&model, sequence, &args),
        Cli::Demo { args } => start::binary(start::DEMO, &start::demo_args(&args)?),
        Cli::Release { binaries, out } => release::run(binaries, out),
        Cli::Bench { args } => match args.split_first() {
            Some((first, rest)) if first == "program" => start::bench(rest),
            Some((first, rest)) if first == "models" => start::models_bench(rest),
            Some((first, rest)) if first == "indexer" => start::indexer_bench(rest),
            Some((first, rest)) if first == "lag" => start::lag_bench(rest),
            Some((first, rest)) if first == "gateway" => start::gateway_bench(rest),
            _ => start::bench(&args).and_then(|()| start::models_bench(&[])),
        },
    }
}

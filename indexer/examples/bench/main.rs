//! Measures the indexer: `cargo xtask bench indexer`. The history is the same for the same numbers.
//!
//! Floors stand beside what is measured, from the same run: what SQLite takes for the bare record, and what `serde_json` takes
//! for the recording's lines.
#![allow(clippy::unwrap_used, clippy::panic)]

mod boards;
mod ingest;
mod machine;
mod past;
#[path = "../../tests/support/history.rs"]
mod support;

use clap::Parser;

/// Measure ingestion, memory, bytes and leaderboards of the indexer
#[derive(Parser)]
struct Options {
    /// Settled milestones behind the leaderboards
    #[arg(long, default_value_t = 20_000)]
    milestones: u64,
    /// Providers that share them
    #[arg(long, default_value_t = 10_000)]
    providers: u64,
    /// Jobs in the recording
    #[arg(long, default_value_t = 5_000)]
    recorded: u64,
    /// Requests of each leaderboard
    #[arg(long, default_value_t = 300)]
    requests: usize,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("| what | measured |\n| --- | ---: |");
    runtime.block_on(async {
        ingest::measure(options.recorded, options.providers.min(options.recorded)).await;
        boards::measure(options.milestones, options.providers, options.requests).await;
    });
}

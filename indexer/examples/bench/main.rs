//! Measures the indexer: `cargo xtask bench indexer`. The history is the same for the same numbers.
//!
//! Floors stand beside what is measured, from the same run: what SQLite takes for the bare record, and what `serde_json` takes
//! for the recording's lines.
#![allow(clippy::unwrap_used, clippy::panic)]

mod boards;
mod ingest;
mod machine;
mod past;
mod record;
#[path = "../../tests/support/history.rs"]
mod support;

use {clap::Parser, ingest::Scale, tempfile::TempDir};

/// Measure ingestion, memory, bytes and leaderboards of the indexer
#[derive(Parser)]
struct Options {
    /// Events in the recording
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Settled milestones behind the leaderboards
    #[arg(long, default_value_t = 1_000_000)]
    milestones: u64,
    /// Providers that share them
    #[arg(long, default_value_t = 10_000)]
    providers: u64,
    /// Requests of each leaderboard
    #[arg(long, default_value_t = 1_000)]
    requests: usize,
}

fn main() {
    let options = Options::parse();
    let scale = Scale {
        events: options.events,
        milestones: options.milestones,
        providers: options.providers,
    };
    let folder = TempDir::new().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("| what | measured |\n| --- | ---: |");
    runtime.block_on(async {
        ingest::measure(folder.path(), &scale).await;
        boards::measure(folder.path(), options.requests).await;
    });
}

//! Measures the indexer: `cargo xtask bench indexer`. The history is the same for the same numbers.
//!
//! Floors stand beside what is measured, from the same run: what SQLite takes for the bare record, and what `serde_json` takes
//! for the recording's lines. PostgreSQL stands behind, with a server of the run's own.
#![allow(clippy::unwrap_used, clippy::panic)]

mod boards;
mod ingest;
mod machine;
mod past;
mod postgres;
mod record;
#[path = "../../tests/support/postgres.rs"]
#[allow(dead_code)]
mod server;
#[path = "../../tests/support/history.rs"]
mod support;

use {
    clap::Parser,
    ingest::Scale,
    machine::{alone, line, peak},
    std::path::PathBuf,
    tempfile::TempDir,
};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Seconds of live events
    #[arg(long, default_value_t = 300)]
    live_secs: i64,
    /// Requests of each leaderboard
    #[arg(long, default_value_t = 1_000)]
    requests: usize,
    /// Only walk this recording into this new store
    #[arg(long, num_args = 2, value_names = ["RECORDING", "STORE"], hide = true)]
    walk: Vec<PathBuf>,
    /// Only measure the leaderboards of this store
    #[arg(long, value_name = "STORE", hide = true)]
    boards: Option<PathBuf>,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let [recording, store] = &options.walk[..] {
        return runtime.block_on(ingest::walk(recording, store, options.events));
    }
    if let Some(store) = &options.boards {
        let name = format!("sqlite:{}", store.display());
        let folder = TempDir::new().unwrap();
        runtime.block_on(boards::measure("", &name, folder.path(), options.requests));
        return line("memory of the process that served them, at most", peak());
    }
    let scale = Scale {
        events: options.events,
        milestones: options.milestones,
        providers: options.providers,
        live_secs: options.live_secs,
    };
    let folder = TempDir::new().unwrap();
    println!("| what | measured |\n| --- | ---: |");
    runtime.block_on(async {
        ingest::measure(folder.path(), &scale).await;
        let requests = options.requests.to_string();
        let store = folder.path().join("store");
        alone(["--requests", &requests, "--boards"], &[&store]);
        postgres::measure(folder.path(), &scale, options.requests).await;
    });
}

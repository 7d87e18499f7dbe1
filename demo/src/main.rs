//! `cargo xtask demo`: the main job on a local network, from escrow to leaderboard, with six cheats on the way and an audit
//! at the end.
//!
//! Progress goes to standard error; standard output gets the tables, or with `--json` one JSON object.

use {
    anyhow::{Context, Result, bail},
    clap::Parser,
    quern_demo::{Plan, play, quern},
    quern_testkit::net::Names,
    std::{path::PathBuf, process::ExitCode},
    tracing_subscriber::EnvFilter,
};

/// Show the main job on a local network: escrow, work, proof, cheats caught, settlement, rewards, leaderboard, audit
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Cli {
    /// Keep network, nodes and indexer up until Ctrl-C
    #[arg(long)]
    hold: bool,
    /// End with one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Print every step of every job
    #[arg(long, short = 'v')]
    verbose: bool,
    /// Refereed jobs
    #[arg(long, default_value_t = Plan::JOBS)]
    jobs: usize,
    /// Held-out images in each of them; there are 1,000 in all
    #[arg(long, default_value_t = Plan::IMAGES_PER_JOB)]
    images_per_job: usize,
    /// Folder of an encoder that `quern model import` made; without one a tiny random transformer takes its place
    #[arg(long, value_name = "FOLDER")]
    encoder: Option<PathBuf>,
}

fn main() -> ExitCode {
    // What the story types is this very binary again, as `quern`.
    let mut words: Vec<_> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == quern::WORD) {
        words.remove(0);
        return quern_cli::run(&words);
    }
    let cli = Cli::parse();
    // Surfnet calls it an error when a transaction arrives twice; senders repeat theirs until they see them land.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("error,quern_localnet=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(show(&cli));
    // Threads of the network may still be busy; nothing of theirs is worth waiting for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show(options: &Cli) -> Result<()> {
    let names = Names::new(false).verbose(options.verbose);
    let plan = Plan {
        jobs: options.jobs,
        images_per_job: options.images_per_job,
        encoder: options.encoder.clone(),
        quern: std::env::current_exe().context("cannot find this program's own file")?,
    };
    let (cast, summary) = play(plan, names).await?;
    if options.json {
        eprintln!("{}", summary.tables());
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!("{}", summary.tables());
    }
    if options.hold {
        let url = |name: &str| summary.urls[name].as_str().unwrap_or_default().to_owned();
        eprintln!("RPC         {}", url("rpc"));
        eprintln!("WebSocket   {}", url("ws"));
        eprintln!("API         {}/v1/leaderboards/providers", url("indexer"));
        eprintln!("Page        {}/", url("indexer"));
        eprintln!("\nEverything stays up until Ctrl-C: open the page in a browser.");
        interrupted().await?;
    } else {
        eprintln!("With --hold everything stays up, and a page shows it.");
    }
    cast.stop().await?;
    if !summary.audit_differences.is_empty() {
        bail!(
            "the audit found differences:\n  {}",
            summary.audit_differences.join("\n  ")
        );
    }
    Ok(())
}

/// Completes at Ctrl-C or at a polite request to end.
async fn interrupted() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

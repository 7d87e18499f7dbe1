//! The `quern-indexer` command.

use {
    clap::{Args, Parser, Subcommand, ValueEnum},
    quern_indexer::{Config, IndexerError, store::Store},
    std::process::ExitCode,
    tracing_subscriber::EnvFilter,
};

/// Follows the Quern program, stores its events and serves leaderboards over HTTP
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  quern-indexer run --url devnet --store sqlite:quern.sqlite --listen 0.0.0.0:8787"
)]
struct Cli {
    /// Form of the log lines
    #[arg(
        long,
        global = true,
        env = "QUERN_LOG_FORMAT",
        value_enum,
        default_value = "human"
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// Parts of libraries whose debug lines quote whole addresses: a node's can hold a key, so these lines are never written.
const TELL_URLS: [&str; 3] = [
    "reqwest",
    "solana_rpc_client::http_sender",
    "tungstenite::handshake::client",
];

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Human,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Follow the program and serve HTTP until interrupted
    #[command(
        after_help = "Example:\n  quern-indexer run --url devnet --store sqlite:quern.sqlite --listen 0.0.0.0:8787"
    )]
    Run(Config),
    /// Make every table again from the stored events
    #[command(after_help = "Example:\n  quern-indexer rebuild --store sqlite:quern.sqlite --check")]
    Rebuild(Rebuild),
    /// Have the next run walk the whole history again, for what a node left out
    #[command(after_help = "Example:\n  quern-indexer recheck --store sqlite:quern.sqlite")]
    Recheck(Stored),
    /// Print the page about the HTTP API
    #[command(hide = true)]
    Reference,
}

#[derive(Args)]
struct Stored {
    /// The store: sqlite:PATH
    #[arg(
        long,
        env = "QUERN_STORE",
        default_value = "sqlite:quern-indexer.sqlite"
    )]
    store: String,
}

#[derive(Args)]
struct Rebuild {
    #[command(flatten)]
    stored: Stored,
    /// Fail if the tables differ from the ones before
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.log_format);
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
    let result = runtime.block_on(async {
        match cli.command {
            Command::Run(config) => quern_indexer::run(config, interrupted()).await,
            Command::Rebuild(options) => rebuild(&options).await,
            Command::Recheck(options) => recheck(&options).await,
            Command::Reference => {
                print!("{}", quern_indexer::api::reference::page());
                Ok(())
            }
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let filter = TELL_URLS
        .iter()
        .filter_map(|part| format!("{part}=info").parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Human => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Completes at Ctrl-C or at a polite request to end.
async fn interrupted() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

async fn rebuild(options: &Rebuild) -> Result<(), IndexerError> {
    let store = Store::open_existing(&options.stored.store).await?;
    let rebuilt = store.rebuild().await?;
    store.close().await;
    let (before, after) = (hex::encode(rebuilt.before), hex::encode(rebuilt.after));
    println!(
        "{} events, {} of them revived; tables {after}",
        rebuilt.events, rebuilt.revived
    );
    if let Some(loss) = rebuilt.loss {
        println!("{loss}; the next run fetches them again");
    }
    if options.check && rebuilt.revived == 0 && before != after {
        return Err(IndexerError::RebuildDiffers {
            events: rebuilt.events,
            stored: before,
            rebuilt: after,
        });
    }
    Ok(())
}

async fn recheck(options: &Stored) -> Result<(), IndexerError> {
    let store = Store::open_existing(&options.store).await?;
    let mended = store.mend().await?;
    store.walk_again().await?;
    store.close().await;
    if let Some(loss) = mended.and_then(|mended| mended.loss) {
        println!("{loss}; the tables were made again without them");
    }
    println!("the next run walks the whole history again");
    Ok(())
}

//! The `quern-indexer` command.

use {
    clap::{Args, CommandFactory, Parser, Subcommand},
    quern_indexer::{Config, IndexerError, store::Store},
    quern_process::{
        logs::{self, LogOptions},
        pages,
        redact::without_keys,
    },
    std::{path::PathBuf, process::ExitCode},
};

/// Follows the Quern program, stores its events and serves leaderboards over HTTP
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  quern-indexer run --url devnet --store sqlite:quern.sqlite --listen 0.0.0.0:8787"
)]
struct Cli {
    #[command(flatten)]
    logs: LogOptions,
    #[command(subcommand)]
    command: Command,
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
    /// Try again what an older version did not understand, and list what is left
    #[command(after_help = "Example:\n  quern-indexer replay --store sqlite:quern.sqlite")]
    Replay(Stored),
    /// Have the next run walk the whole history again, for what a node left out
    #[command(after_help = "Example:\n  quern-indexer recheck --store sqlite:quern.sqlite")]
    Recheck(Stored),
    /// Write man pages and completions, or print the page about the HTTP API
    #[command(hide = true)]
    Reference(Reference),
}

#[derive(Args)]
struct Reference {
    /// Write man pages and completions below this folder
    #[arg(long, value_name = "FOLDER")]
    share: Option<PathBuf>,
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
    let nodes = cli.command.nodes();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    logs::start(cli.logs.log_format, "info,sqlx=warn", &nodes);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&format!("cannot start threads: {error}"), &nodes);
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => fail(&sentence, &nodes),
    }
}

async fn run(command: Command) -> Result<(), String> {
    let result = match command {
        Command::Run(config) => quern_indexer::run(config, interrupted()).await,
        Command::Rebuild(options) => rebuild(&options).await,
        Command::Replay(options) => replay(&options).await,
        Command::Recheck(options) => recheck(&options).await,
        Command::Reference(Reference { share: None }) => {
            print!("{}", quern_indexer::api::reference::page());
            return Ok(());
        }
        Command::Reference(Reference { share: Some(share) }) => {
            let advice = "name a folder that you may write to";
            return pages::write(Cli::command(), &share)
                .map_err(|error| format!("cannot write {}: {error}; {advice}", share.display()));
        }
    };
    result.map_err(|error| error.to_string())
}

/// Says what went wrong, without the keys of nodes.
fn fail(sentence: &str, nodes: &[&str]) -> ExitCode {
    if !logs::error(sentence, None) {
        eprintln!("error: {}", without_keys(sentence, nodes));
    }
    ExitCode::FAILURE
}

impl Command {
    /// URLs of the nodes that it talks to.
    fn nodes(&self) -> Vec<String> {
        match self {
            Self::Run(config) => {
                let urls = [Some(config.url.clone()), config.ws_url.clone()];
                urls.into_iter().flatten().collect()
            }
            Self::Rebuild(_) | Self::Replay(_) | Self::Recheck(_) | Self::Reference(_) => {
                Vec::new()
            }
        }
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

async fn replay(options: &Stored) -> Result<(), IndexerError> {
    let store = Store::open_existing(&options.store).await?;
    let replayed = store.replay().await?;
    store.close().await;
    println!("{} events revived", replayed.revived);
    for (reason, count) in replayed.left {
        println!("{count} left: {}", quern_client::text::escaped(&reason));
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    /// No document and no service names an option that does not exist.
    #[test]
    fn what_documents_tell_people_to_type_is_understood() {
        let all = quern_testkit::documented::documented("quern-indexer");
        assert!(!all.is_empty());
        for one in all {
            let error = Cli::try_parse_from(&one.words).err();
            let is_mention = |kind: ErrorKind| {
                let is_part = matches!(
                    kind,
                    ErrorKind::MissingRequiredArgument
                        | ErrorKind::MissingSubcommand
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                );
                is_part && !one.is_whole || kind == ErrorKind::DisplayHelp
            };
            let is_known = error.as_ref().is_none_or(|error| is_mention(error.kind()));
            assert!(is_known, "{}: {:?}: {error:?}", one.place, one.words);
        }
    }
}

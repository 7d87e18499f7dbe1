//! The `quern-indexer` command.

use {
    clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand},
    quern_api::Key,
    quern_indexer::{
        Config, IndexerError,
        config::{default_program, parse_key},
        store::{Checked, Role, Store},
        tally::{self, Chain, Format},
    },
    quern_process::{
        config_file::{self, ConfigFile},
        logs::{self, LogOptions},
        pages,
        redact::without_keys,
    },
    std::{ffi::OsString, io::BufWriter, path::PathBuf, process::ExitCode, sync::Arc},
};

/// Reading a history allocates and frees a few hundred small values for each event.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Follows the Quern program, stores its events and serves leaderboards over HTTP
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  quern-indexer run --url localhost --store sqlite:quern.sqlite --listen 127.0.0.1:8787"
)]
struct Cli {
    #[command(flatten)]
    logs: LogOptions,
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Follow the program and serve HTTP until interrupted
    #[command(
        after_help = "Example:\n  quern-indexer run --url localhost --store sqlite:quern.sqlite --listen 127.0.0.1:8787"
    )]
    Run(Box<Config>),
    /// Compare the tables with what the stored events make, look for what is missing, and change nothing
    #[command(after_help = "Example:\n  quern-indexer check --store sqlite:quern.sqlite")]
    Check(Stored),
    /// Copy the store to a file while it is in use, and check the copy
    #[command(
        after_help = "Example:\n  quern-indexer backup --store sqlite:quern.sqlite /backup/quern.sqlite"
    )]
    Backup(Backup),
    /// Make every table again from the stored events
    #[command(after_help = "Example:\n  quern-indexer rebuild --store sqlite:quern.sqlite --check")]
    Rebuild(Rebuild),
    /// Try again what an older version did not understand, and list what is left
    #[command(after_help = "Example:\n  quern-indexer replay --store sqlite:quern.sqlite")]
    Replay(Stored),
    /// Count a campaign again from its milestones, and fail at the first difference from events, tables and chain
    #[command(
        after_help = "Example:\n  quern-indexer tally CAMPAIGN --store sqlite:quern.sqlite --url devnet --format csv --milestones"
    )]
    Tally(TallyArgs),
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
    /// The store: sqlite:PATH or postgres://USER@HOST/DATABASE
    #[arg(
        long,
        env = "QUERN_STORE",
        hide_env_values = true,
        default_value = "sqlite:quern-indexer.sqlite"
    )]
    store: String,
}

#[derive(Args)]
struct Rebuild {
    #[command(flatten)]
    stored: Stored,
    /// Change nothing, and fail if the tables differ from the ones that the events make
    #[arg(long)]
    check: bool,
}

#[derive(Args)]
struct Backup {
    #[command(flatten)]
    stored: Stored,
    /// The file, which must not be there yet: a store of SQLite, or PostgreSQL's dump for pg_restore
    to: PathBuf,
}

#[derive(Args)]
struct TallyArgs {
    /// The campaign's address
    #[arg(value_parser = parse_key)]
    campaign: Key,
    #[command(flatten)]
    stored: Stored,
    /// The node whose accounts are compared, or one of localhost, devnet, testnet, mainnet-beta
    #[arg(
        short,
        long,
        env = "QUERN_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8899"
    )]
    url: String,
    /// Compare with what the store holds only, and ask no node
    #[arg(long)]
    offline: bool,
    /// The program's address
    #[arg(long, env = "QUERN_PROGRAM_ID", value_parser = parse_key, default_value_t = default_program())]
    program_id: Key,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write every milestone with its slot, transaction, score and reason, not only the sums of providers
    #[arg(long)]
    milestones: bool,
}

impl Cli {
    /// From the command line, the environment, a configuration file and what is built in, the first that says something.
    ///
    /// # Errors
    /// What is wrong with the file. What is wrong with the line ends the process.
    fn read() -> Result<Self, String> {
        let args: Vec<OsString> = std::env::args_os().collect();
        let mut command = config_file::applied(Self::command(), &args)?;
        let matches = command.get_matches_mut();
        Ok(Self::from_arg_matches(&matches)
            .unwrap_or_else(|error| error.format(&mut command).exit()))
    }
}

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(sentence) => return fail(&sentence, &[]),
    };
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
        Command::Run(config) => quern_indexer::run(*config, interrupted()).await,
        Command::Check(options) => check(&options).await,
        Command::Backup(options) => backup(&options).await,
        Command::Rebuild(options) => rebuild(&options).await,
        Command::Replay(options) => replay(&options).await,
        Command::Recheck(options) => recheck(&options).await,
        Command::Tally(options) => tally(&options).await,
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
                let urls = [
                    Some(config.url.clone()),
                    config.ws_url.clone(),
                    config.yellowstone_url.clone(),
                ];
                urls.into_iter().flatten().collect()
            }
            Self::Tally(options) => vec![options.url.clone()],
            Self::Check(_)
            | Self::Backup(_)
            | Self::Rebuild(_)
            | Self::Replay(_)
            | Self::Recheck(_)
            | Self::Reference(_) => Vec::new(),
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

/// Says what was found; it is an error if the tables differ.
fn compare(checked: &Checked) -> Result<(), IndexerError> {
    let (stored, rebuilt) = (hex::encode(checked.stored), hex::encode(checked.rebuilt));
    println!("{} events; tables {stored}", checked.events);
    match checked.is_equal() {
        true => Ok(()),
        false => Err(IndexerError::RebuildDiffers {
            events: checked.events,
            stored,
            rebuilt,
        }),
    }
}

async fn check(options: &Stored) -> Result<(), IndexerError> {
    let store = Store::open_as(&options.store, Role::Replica).await?;
    let checked = store.check().await?;
    store.close().await;
    if checked.gaps > 0 {
        println!("{} accounts miss changes", checked.gaps);
    }
    if checked.dead_letters > 0 {
        println!("{} events are not understood", checked.dead_letters);
    }
    let mut faults = checked.faults.clone();
    faults.extend(checked.loss.map(|loss| loss.to_string()));
    match faults.is_empty() {
        true => compare(&checked),
        false => Err(IndexerError::NotSound(faults.join("; "))),
    }
}

async fn backup(options: &Backup) -> Result<(), IndexerError> {
    let store = Store::open_as(&options.stored.store, Role::Replica).await?;
    let checked = store.backup(&options.to).await?;
    store.close().await;
    let to = options.to.display();
    match checked {
        Some(checked) => {
            compare(&checked)?;
            println!("the copy {to} is sound");
        }
        None => println!("the dump {to} can be read; pg_restore makes a database of it"),
    }
    Ok(())
}

async fn rebuild(options: &Rebuild) -> Result<(), IndexerError> {
    if options.check {
        let store = Store::open_as(&options.stored.store, Role::Replica).await?;
        let checked = store.check().await?;
        store.close().await;
        return compare(&checked);
    }
    let store = Store::open_existing(&options.stored.store).await?;
    let rebuilt = store.rebuild().await?;
    store.close().await;
    let (before, after) = (hex::encode(rebuilt.before), hex::encode(rebuilt.after));
    let change = if before == after {
        "as before"
    } else {
        "they were others"
    };
    println!(
        "{} events, {} of them revived; tables {after}, {change}",
        rebuilt.events, rebuilt.revived
    );
    if let Some(loss) = rebuilt.loss {
        println!("{loss}; the next run fetches them again");
    }
    Ok(())
}

async fn replay(options: &Stored) -> Result<(), IndexerError> {
    let store = Store::open_existing(&options.store).await?;
    let replayed = store.replay().await?;
    store.close().await;
    println!("{} events revived", replayed.revived);
    if replayed.unread > 0 {
        println!(
            "{} transactions without an event are read again by the next run",
            replayed.unread
        );
    }
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

async fn tally(options: &TallyArgs) -> Result<(), IndexerError> {
    let store = Store::open_as(&options.stored.store, Role::Replica).await?;
    let chain = match options.offline {
        true => None,
        false => {
            let config = Config {
                program_id: options.program_id,
                ..Config::local(&options.url, &options.stored.store)
            };
            let node = quern_indexer::node(&config)?;
            Some(Chain {
                accounts: Arc::clone(&node) as _,
                source: node,
            })
        }
    };
    let to = BufWriter::new(std::io::stdout());
    let mut out = tally::output(options.format, options.milestones, to);
    let which = (options.program_id, options.campaign);
    let difference = tally::tally(&store, which, chain.as_ref(), &mut *out).await?;
    store.close().await;
    match difference {
        None => Ok(()),
        Some(difference) => Err(IndexerError::CampaignDiffers {
            campaign: options.campaign,
            difference: difference.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use clap::error::ErrorKind;

    /// The example file names settings that exist, with values that they take, and all of them.
    #[test]
    fn the_example_of_a_configuration_file_is_understood() {
        let example = include_str!("../../packaging/indexer.toml");
        let whole: String = example
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => setting,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n");
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("as-it-is.toml", example), ("whole.toml", &whole)] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let words: Vec<OsString> = [
                "quern-indexer".into(),
                "run".into(),
                "--config".into(),
                path.into(),
            ]
            .into();
            let command = config_file::applied(Cli::command(), &words).unwrap();
            let matches = command.try_get_matches_from(words).unwrap();
            let cli = Cli::from_arg_matches(&matches).unwrap();
            assert!(matches!(cli.command, Command::Run(_)));
        }
        let run = Cli::command();
        let run = run.find_subcommand("run").unwrap();
        for arg in run.get_arguments().filter(|arg| arg.get_env().is_some()) {
            let name = arg.get_long().unwrap();
            let is_there = whole
                .lines()
                .any(|line| line.starts_with(&format!("{name} = ")));
            assert!(
                is_there || name == "config",
                "packaging/indexer.toml does not name {name}"
            );
        }
    }

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

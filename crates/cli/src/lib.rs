//! The `quern` command: everything that clients, providers, creators and operators do with Quern, by Solana's conventions.
//!
//! One file a command in `commands`; `context` is what they share (cluster, wallet, sending), `amount` and `span` read
//! what people type, `output` shows results as a table or as JSON. Errors are one sentence on standard error, or one object
//! under `--output json`; `error` has the exit codes.

mod amount;
mod commands;
mod compute;
mod context;
mod data;
#[cfg(test)]
mod documented;
mod error;
mod files;
mod folder;
mod formats;
mod funds;
mod indexer;
mod limits;
mod named;
mod output;
mod progress;
mod signer;
#[cfg(test)]
mod snapshot;
mod span;
mod texts;
mod when;
mod written;

use {
    clap::{
        CommandFactory, Parser, Subcommand,
        builder::Resettable,
        error::{ContextKind, ErrorKind},
    },
    commands::{
        campaign, claim, deploy, embed, emission, gateway, job, keygen, leaderboard, mint, model,
        protocol, provider, purse, tensor, watch,
    },
    context::Globals,
    error::Result,
    quern_client::Pubkey,
    quern_process::{logs, redact},
    std::{
        error::Error as _, ffi::OsString, io::IsTerminal, process::ExitCode, str::FromStr,
        time::Duration,
    },
};

/// Escrow, proofs and rewards for decentralised AI compute on Solana.
#[derive(Parser)]
#[command(
    name = "quern",
    version,
    max_term_width = 110,
    after_help = "Examples:
  quern quickstart                                  OpenAI's protocol on a network here, at once
  quern localnet                                    a network here, with everything set up
  quern job create --model Digits --input images.qten --publish-dir out --price 0.5 --watch
  quern job result JOB --out labels.csv             what was computed
  quern embed --model minilm a.txt --out a.npy      vectors of sentences, refereed
  quern gateway --model minilm                      OpenAI's protocol, over refereed jobs
  quern provider run --publish-dir out              work for others
  quern watch --client WALLET                       check results, convict wrong ones
  quern claim --dry-run                             what you have earned

Cluster and wallet come from the Solana configuration (`solana config get`) unless --url and --keypair name others.
~/.config/quern/deployments.yml says which program each cluster uses, one `URL_OR_MONIKER: ADDRESS` a line."
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a Solana network on this machine with Quern on it, until Ctrl-C
    #[cfg(feature = "localnet")]
    Localnet(commands::localnet::Args),
    /// Start a local network, a provider, an indexer and a gateway, and print what OpenAI's clients need; until Ctrl-C
    #[cfg(feature = "localnet")]
    Quickstart(commands::localnet::quickstart::Args),
    /// Make a keypair file
    Keygen(keygen::Args),
    /// Deploy or upgrade the on-chain program
    Deploy(deploy::Args),
    /// The protocol's settings
    #[command(
        subcommand,
        after_help = "Example:
  quern protocol show --url devnet"
    )]
    Protocol(protocol::Command),
    /// Mints that jobs can be paid in
    #[command(
        subcommand,
        after_help = "Example:
  quern mint list --output json"
    )]
    Mint(mint::Command),
    /// Token rewards
    #[command(
        subcommand,
        after_help = "Example:
  quern emission show"
    )]
    Emission(emission::Command),
    /// Pots for work that a sponsor wants
    #[command(
        subcommand,
        after_help = "Examples:
  quern campaign create --pot 1000 --end 30d
  quern campaign list"
    )]
    Campaign(campaign::Command),
    /// Models, agents and data sets that earn royalties
    #[command(
        subcommand,
        after_help = "Example:
  quern model list --creator WALLET"
    )]
    Model(model::Command),
    /// Your money in Quern: one purse for every mint
    #[command(
        subcommand,
        after_help = "Example:
  quern purse deposit --amount 12.5"
    )]
    Purse(purse::Command),
    /// Offer compute
    #[command(
        subcommand,
        after_help = "Examples:
  quern provider register --name 'Basement GPUs'
  quern provider run --publish-dir out --public-url https://example.com/quern"
    )]
    Provider(provider::Command),
    /// Buy compute
    #[command(
        subcommand,
        after_help = "Examples:
  quern job create --model Digits --input images.qten --publish-dir out --price 0.5
  quern job show JOB
  quern job result JOB"
    )]
    Job(job::Command),
    /// Embed the texts of a file: one refereed job, checked here, saved as an array
    Embed(Box<embed::Args>),
    /// Serve OpenAI's protocol here, over refereed jobs: only checked answers leave
    Gateway(Box<gateway::Args>),
    /// Check what providers submit, and convict what is wrong
    Watch(Box<watch::Args>),
    /// Take what you have earned: rewards and campaigns into your purses, free tokens out of them
    Claim(claim::Args),
    /// Inputs and results in the formats of other tools
    #[command(
        subcommand,
        after_help = "Examples:
  quern tensor convert images.npy input.qten
  quern tensor show input.qten"
    )]
    Tensor(tensor::Command),
    /// Who has done most, from an indexer
    Leaderboard(leaderboard::Args),
    /// Print this command line as a page
    #[command(hide = true)]
    Reference(commands::reference::Args),
}

/// Runs this process's command line and says how it ended.
pub fn main() -> ExitCode {
    run(&std::env::args_os().collect::<Vec<_>>())
}

/// Runs a command line, its first word the command's own name, and says how it ended.
pub fn run(words: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return refused(explained(typed(error, words)), words),
    };
    // Where it cannot be read there is nothing to hide either, and the command itself says so.
    let rpc_url = cli.globals.rpc_url().unwrap_or_default();
    start_logging(&cli.globals, &rpc_url);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = error::Error::Other(format!("cannot start: {error}"));
            return fail(&error, &cli.globals, &rpc_url);
        }
    };
    let result = runtime.block_on(dispatch(&cli.globals, cli.command));
    // Work that cannot be interrupted must not keep a stopped command alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, &cli.globals, &rpc_url),
    }
}

/// Says what is wrong with a command line, or shows the help that it asked for.
fn refused(error: clap::Error, words: &[OsString]) -> ExitCode {
    let is_json = words.iter().any(|word| word == "--output=json")
        || words.windows(2).any(|pair| pair == ["--output", "json"]);
    if !is_json || !error.use_stderr() {
        error.exit();
    }
    let text = error.to_string();
    let sentence = text.trim_start_matches("error: ").lines().next();
    let json = error::json_of("usage", 2, &output::one_line(sentence.unwrap_or_default()));
    eprintln!("{}", output::ascii(&json.to_string()));
    ExitCode::from(2)
}

/// The same error without the environment: a usage line would show the options that variables fill as if they were needed.
fn typed(error: clap::Error, words: &[OsString]) -> clap::Error {
    match bare(Cli::command()).try_get_matches_from(words) {
        Err(other) if other.kind() == error.kind() => other,
        // A variable's own value is wrong.
        _ => error,
    }
}

/// A command line that reads no variables.
fn bare(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| arg.env(Resettable::Reset))
        .mut_subcommands(bare)
}

/// The library of addresses says only "String is the wrong size"; this says what was expected.
fn explained(error: clap::Error) -> clap::Error {
    let is_address = error
        .source()
        .is_some_and(|source| source.is::<<Pubkey as FromStr>::Err>());
    if !is_address {
        return error;
    }
    let named = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    clap::Error::raw(
        ErrorKind::ValueValidation,
        format!(
            "invalid value '{}' for '{}': it must be a base58 address, which has 32 to 44 letters and digits\n\nFor more information, try '--help'.\n",
            output::one_line(&named(ContextKind::InvalidValue)),
            named(ContextKind::InvalidArg),
        ),
    )
}

/// Says what went wrong on standard error: a sentence, or an object on one line.
fn fail(error: &error::Error, globals: &Globals, rpc_url: &str) -> ExitCode {
    let hint = globals.forgotten_env();
    let hint = hint.filter(|_| error.may_be_elsewhere());
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    let sentence = format!("{error}{hint}");
    let sentence = output::one_line(&redact::redacted(&sentence, rpc_url));
    let is_json = globals.output == output::Format::Json;
    let object = is_json.then(|| error.json(&sentence));
    let fields = object
        .as_ref()
        .and_then(|object| object.as_object().cloned());
    if logs::error(&sentence, fields) {
        return ExitCode::from(error.exit_code());
    }
    if is_json {
        eprintln!("{}", output::ascii(&error.json(&sentence).to_string()));
        return ExitCode::from(error.exit_code());
    }
    let (red, plain) = if std::io::stderr().is_terminal() {
        ("\x1b[1;31m", "\x1b[0m")
    } else {
        ("", "")
    };
    eprintln!("{red}error{plain}: {sentence}");
    ExitCode::from(error.exit_code())
}

async fn dispatch(globals: &Globals, command: Command) -> Result<()> {
    match &command {
        Command::Keygen(_)
        | Command::Leaderboard(_)
        | Command::Tensor(_)
        | Command::Reference(_) => {}
        Command::Model(command) if !command.is_online() => {}
        // The deployer looks after the address itself.
        Command::Deploy(_) => quern_client::set_program_id(globals.program()?.address())?,
        // It starts a network of its own, whatever the configuration names.
        #[cfg(feature = "localnet")]
        Command::Localnet(_) | Command::Quickstart(_) => {
            quern_client::set_program_id(globals.program()?.address())?;
        }
        _ => quern_client::set_program_id(globals.deployment()?)?,
    }
    match command {
        #[cfg(feature = "localnet")]
        Command::Localnet(args) => commands::localnet::run(globals, args).await,
        #[cfg(feature = "localnet")]
        Command::Quickstart(args) => commands::localnet::quickstart::run(globals, args).await,
        Command::Keygen(args) => keygen::run(globals.output, &args),
        Command::Deploy(args) => deploy::run(globals, args).await,
        Command::Protocol(command) => protocol::run(&globals.context()?, command).await,
        Command::Mint(command) => mint::run(&globals.context()?, command).await,
        Command::Emission(command) => emission::run(&globals.context()?, command).await,
        Command::Campaign(command) => campaign::run(&globals.context()?, command).await,
        Command::Model(command) => model::run(globals, command).await,
        Command::Purse(command) => purse::run(&globals.context()?, command).await,
        Command::Provider(command) => provider::run(&globals.context()?, command).await,
        Command::Job(command) => job::run(&globals.context()?, command).await,
        Command::Embed(args) => embed::run(&globals.context()?, *args).await,
        Command::Gateway(args) => gateway::run(&globals.context()?, *args).await,
        Command::Watch(args) => watch::run(&globals.context()?, *args).await,
        Command::Claim(args) => claim::run(&globals.context()?, args).await,
        Command::Tensor(command) => tensor::run(globals.output, &command),
        Command::Leaderboard(args) => leaderboard::run(globals, args).await,
        Command::Reference(args) => commands::reference::run(Cli::command(), &args),
    }
}

fn start_logging(globals: &Globals, rpc_url: &str) {
    let usual = match globals.verbose {
        true => {
            "quern=debug,quern_data=debug,quern_provider=debug,quern_watcher=debug,quern_client=debug,info"
        }
        false => "quern=info,quern_provider=info,quern_watcher=info,warn",
    };
    logs::start(globals.logs.log_format, usual, &[rpc_url]);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    #[cfg(feature = "localnet")]
    use std::collections::BTreeSet;

    /// A new command needs a new file; one that is gone leaves none behind.
    #[test]
    #[cfg(feature = "localnet")]
    fn help_is_what_was_accepted() {
        fn walk(command: &clap::Command, path: &str, names: &mut BTreeSet<String>) {
            let name = format!("help{path}");
            let mut shown = command.clone().term_width(110);
            let help = shown.render_long_help().to_string();
            let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
            crate::snapshot::check(&name, &lines.join("\n"));
            names.insert(format!("{name}.snap"));
            let subcommands = command.get_subcommands();
            for sub in subcommands.filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
                walk(sub, &format!("{path}-{}", sub.get_name()), names);
            }
        }
        let mut command = super::Cli::command();
        command.build();
        let mut names = BTreeSet::new();
        walk(&command, "", &mut names);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots");
        let files = std::fs::read_dir(folder).expect("the accepted texts");
        let files = files.map(|file| file.expect("a file").file_name());
        let files = files.map(|name| name.to_string_lossy().into_owned());
        let kept: BTreeSet<String> = files.filter(|name| name.starts_with("help")).collect();
        assert_eq!(kept, names);
    }

    /// Longer lines are wrapped, and what is copied from them breaks. Prose may be.
    #[test]
    fn examples_fit_the_screen() {
        fn check(command: &clap::Command, path: &str, long: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let examples = help.lines().filter(|line| line.starts_with(' '));
            let lines = examples.filter(|line| line.chars().count() > 97);
            long.extend(lines.map(|line| format!("{path}: {line}")));
            let subcommands = command.get_subcommands();
            subcommands.for_each(|sub| check(sub, &path, long));
        }
        let mut long = Vec::new();
        check(&super::Cli::command(), "", &mut long);
        assert_eq!(long, Vec::<String>::new());
    }

    /// An option of one command takes the value of an option of all with its name, which then means nothing.
    #[test]
    fn no_command_shadows_an_option_of_all() {
        fn check(command: &clap::Command, of_all: &[&str], shadows: &mut Vec<String>) {
            for sub in command.get_subcommands() {
                let ids = sub.get_arguments().map(|arg| arg.get_id().as_str());
                let own = ids.filter(|id| of_all.contains(id));
                shadows.extend(own.map(|id| format!("{}: {id}", sub.get_name())));
                check(sub, of_all, shadows);
            }
        }
        let command = super::Cli::command();
        let of_all = command.get_arguments().filter(|arg| arg.is_global_set());
        let of_all: Vec<&str> = of_all.map(|arg| arg.get_id().as_str()).collect();
        assert!(of_all.contains(&"commitment"), "{of_all:?}");
        let mut shadows = Vec::new();
        check(&command, &of_all, &mut shadows);
        assert_eq!(shadows, Vec::<String>::new());
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.get_name() != "help" && !command.is_hide_set() {
                let help = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(help.contains("Example"), "`{path}` has no example");
                assert!(
                    help.contains(path.trim()),
                    "the example of `{path}` shows another command: {help}"
                );
                assert!(
                    command.get_about().is_some(),
                    "`{path}` says nothing about itself"
                );
            }
            command.get_subcommands().for_each(|sub| check(sub, &path));
        }
        let command = super::Cli::command();
        command.clone().debug_assert();
        check(&command, "");
    }
}

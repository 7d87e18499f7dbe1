//! A configuration file: settings that stand below the command line and the environment, and above what is built in.
//!
//! It is TOML, `option = value`, with the long names of options. A value is what one would type behind the option; a list is
//! an option that may be repeated. So the file has no settings of its own: what an option takes, refuses and means is said
//! once, and one file serves all subcommands.

use {
    clap::{Arg, ArgAction, Command, builder::Resettable},
    std::{
        ffi::OsString,
        fs,
        path::{Path, PathBuf},
    },
    toml_edit::{DocumentMut, Item, Value},
};

/// Where the file is named.
#[derive(clap::Args, Clone, Debug)]
pub struct ConfigFile {
    /// Take settings from this TOML file that neither the command line nor the environment says
    #[arg(long, global = true, env = "QUERN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Largest file: settings are a few lines.
const MAX_BYTES: u64 = 1 << 20;

/// The command with the settings of the file that these arguments or the environment name; as it was without a file.
///
/// # Errors
/// What is wrong with the file and where, in a sentence.
pub fn applied(command: Command, args: &[OsString]) -> Result<Command, String> {
    // Only the file's name counts here; what else is wrong is said when the whole line is parsed.
    let named = command.clone().ignore_errors(true);
    let matches = named.try_get_matches_from(args);
    let path = matches.ok().and_then(|matches| {
        let path = matches.try_get_one::<PathBuf>("config");
        path.ok().flatten().cloned()
    });
    match path {
        Some(path) => with_file(command, &path),
        None => Ok(command),
    }
}

fn with_file(mut command: Command, path: &Path) -> Result<Command, String> {
    let wrong = |why: String| format!("the configuration file {}: {why}", path.display());
    let document = read(path).map_err(wrong)?;
    for (name, item) in document.iter() {
        let values = values(name, item).map_err(wrong)?;
        let is_it = |arg: &Arg| arg.get_long() == Some(name) && may_be_set(arg);
        let arg = every(&command).find(|arg| is_it(arg));
        let arg = arg.ok_or_else(|| wrong(unknown(name, &command)))?;
        check(arg, &values).map_err(wrong)?;
        command = with_default(command, name, &values);
    }
    Ok(command)
}

fn read(path: &Path) -> Result<DocumentMut, String> {
    let cannot = |error: std::io::Error| format!("it cannot be read: {error}");
    let bytes = fs::metadata(path).map_err(cannot)?.len();
    if bytes > MAX_BYTES {
        return Err(format!(
            "it has {bytes} bytes; at most {MAX_BYTES} are read"
        ));
    }
    let text = fs::read_to_string(path).map_err(cannot)?;
    text.parse().map_err(|error: toml_edit::TomlError| {
        // Its own text quotes the line, which can hold a password.
        let at = error.span().map_or(0, |span| span.start);
        let line = text
            .get(..at)
            .map_or(0, |before| before.matches('\n').count())
            + 1;
        format!("line {line} is no TOML: {}", error.message())
    })
}

/// What one would type behind the option.
fn values(name: &str, item: &Item) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Float(number) => Some(number.value().to_string()),
        _ => None,
    };
    let all = match item {
        Item::Value(Value::Array(list)) => list.iter().map(one).collect(),
        Item::Value(value) => one(value).map(|value| vec![value]),
        _ => None,
    };
    all.filter(|values: &Vec<String>| !values.is_empty())
        .ok_or_else(|| format!("`{name}` takes a text, a number or a list of them"))
}

/// All options of a command and of its subcommands.
fn every(command: &Command) -> impl Iterator<Item = &Arg> {
    let below = command.get_subcommands().flat_map(Command::get_arguments);
    command.get_arguments().chain(below)
}

/// Options that say how a service runs. What an errand is about (files to write, switches) is typed with it.
fn may_be_set(arg: &Arg) -> bool {
    arg.get_env().is_some()
        && arg.get_id() != "config"
        && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn unknown(name: &str, command: &Command) -> String {
    let mut all: Vec<&str> = every(command)
        .filter(|arg| may_be_set(arg))
        .filter_map(Arg::get_long)
        .collect();
    all.sort_unstable();
    all.dedup();
    format!("there is no setting `{name}`; there are {}", all.join(", "))
}

/// Whether the option takes these values, by itself.
fn check(arg: &Arg, values: &[String]) -> Result<(), String> {
    let name = arg.get_long().unwrap_or_default();
    let alone = arg.clone().env(Resettable::Reset).required(false);
    let typed = values.iter().map(|value| format!("--{name}={value}"));
    let words = std::iter::once("file".to_owned()).chain(typed);
    let parsed = Command::new("file").arg(alone).try_get_matches_from(words);
    parsed.map(drop).map_err(|error| {
        let why = error.to_string();
        let why = why.lines().next().unwrap_or_default();
        why.trim_start_matches("error: ").to_owned()
    })
}

/// Every option of this name has these values where nothing else says any.
fn with_default(command: Command, name: &str, values: &[String]) -> Command {
    // For the whole life of the process, which has one file.
    let values: Vec<&'static str> = values
        .iter()
        .map(|value| &*Box::leak(value.clone().into_boxed_str()))
        .collect();
    let set = |arg: Arg| {
        if arg.get_long() != Some(name) {
            return arg;
        }
        // A node's URL and a store's name can hold a key: help does not show them.
        let is_hidden = arg.is_hide_env_values_set();
        arg.default_values(values.clone())
            .hide_default_value(is_hidden)
    };
    let command = command.mut_args(set);
    let subcommands: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    subcommands
        .into_iter()
        .fold(command, |command, subcommand| {
            command.mut_subcommand(subcommand, |subcommand| subcommand.mut_args(set))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        clap::{FromArgMatches, Parser, Subcommand},
        std::num::NonZeroU32,
    };

    #[derive(Parser, Debug)]
    struct Cli {
        #[command(flatten)]
        file: ConfigFile,
        #[command(subcommand)]
        command: Sub,
    }

    #[derive(Subcommand, Debug)]
    enum Sub {
        Run(Settings),
        Check(Store),
        Copy {
            #[command(flatten)]
            store: Store,
            to: PathBuf,
        },
    }

    #[derive(clap::Args, Debug)]
    struct Store {
        // A variable that every system has, so that no test changes its process's environment.
        #[arg(
            long,
            env = "QUERN_TEST_STORE",
            hide_env_values = true,
            default_value = "built-in"
        )]
        store: String,
    }

    #[derive(clap::Args, Debug)]
    struct Settings {
        #[command(flatten)]
        store: Store,
        #[arg(long, env = "QUERN_TEST_FETCHES", default_value = "8")]
        fetches: NonZeroU32,
        #[arg(long, env = "CARGO_PKG_NAME", default_value = "built-in")]
        named: String,
        #[arg(long = "mint-name", env = "QUERN_TEST_NAMES", value_delimiter = ',')]
        mint_names: Vec<String>,
        #[arg(long, env = "QUERN_TEST_URL")]
        url: Option<String>,
        #[arg(long)]
        now: bool,
    }

    fn parsed(file: &str, words: &[&str]) -> Result<Cli, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, file).unwrap();
        let words: Vec<OsString> = ["quern-test".into(), "--config".into(), path.into()]
            .into_iter()
            .chain(words.iter().map(OsString::from))
            .collect();
        let command = applied(<Cli as clap::CommandFactory>::command(), &words)?;
        let matches = command.try_get_matches_from(words);
        let matches = matches.map_err(|error| error.to_string())?;
        Ok(Cli::from_arg_matches(&matches).unwrap())
    }

    fn run(file: &str, words: &[&str]) -> Settings {
        match parsed(file, words).unwrap().command {
            Sub::Run(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_line_is_before_the_environment_before_the_file_before_what_is_built_in() {
        let file = "store = 'file'\nfetches = 3\nnamed = 'file'\nmint-name = ['a=b', 'c=d']\nurl = 'http://x'\n";
        let settings = run(file, &["run"]);
        assert_eq!(
            (&*settings.store.store, settings.fetches.get()),
            ("file", 3)
        );
        assert_eq!(settings.mint_names, ["a=b", "c=d"]);
        assert_eq!(settings.url.as_deref(), Some("http://x"));
        // Cargo sets this variable for tests.
        assert_eq!(settings.named, "quern-process");
        let settings = run(
            file,
            &[
                "run",
                "--store",
                "line",
                "--named",
                "line",
                "--mint-name",
                "e=f",
            ],
        );
        assert_eq!((&*settings.store.store, &*settings.named), ("line", "line"));
        assert_eq!(settings.mint_names, ["e=f"]);
        let settings = run("", &["run"]);
        assert_eq!(
            (&*settings.store.store, settings.fetches.get()),
            ("built-in", 8)
        );
        assert_eq!((settings.url, settings.now), (None, false));
    }

    #[test]
    fn every_subcommand_takes_what_it_knows() {
        let file = "store = 'file'\nfetches = 3\n";
        match parsed(file, &["check"]).unwrap().command {
            Sub::Check(store) => assert_eq!(store.store, "file"),
            other => panic!("{other:?}"),
        }
        match parsed(file, &["copy", "to"]).unwrap().command {
            Sub::Copy { store, to } => assert_eq!((&*store.store, to), ("file", "to".into())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_nothing_secret_is_shown() {
        let says = |file: &str| parsed(file, &["run"]).unwrap_err();
        assert!(says("fetches = 0").contains("invalid value '0' for '--fetches"));
        assert!(says("fetch = 1").contains("no setting `fetch`; there are fetches, mint-name"));
        assert!(says("now = 'x'").contains("no setting `now`"));
        assert!(says("config = 'x'").contains("no setting `config`"));
        assert!(says("fetches = true").contains("`fetches` takes a text"));
        assert!(says("[store]\na = 1").contains("`store` takes a text"));
        assert!(says("store = ['a', 'b']").contains("cannot be used multiple times"));
        let secret = says("fetches = 1\nstore = 'postgres://me:SECRET@x\n");
        assert!(
            secret.contains("line 2") && !secret.contains("SECRET"),
            "{secret}"
        );
        let help = parsed("store = 'postgres://me:SECRET@x'", &["run", "--help"]).unwrap_err();
        assert!(
            help.contains("--fetches") && !help.contains("SECRET"),
            "{help}"
        );
        let missing: Vec<OsString> = ["quern-test", "--config", "/none", "run"]
            .map(OsString::from)
            .to_vec();
        let refused = applied(<Cli as clap::CommandFactory>::command(), &missing).unwrap_err();
        assert!(refused.contains("/none: it cannot be read"), "{refused}");
    }

    /// The file is found wherever it is named, and a line that is wrong is refused by the whole parser.
    #[test]
    fn the_file_is_named_before_or_behind_the_subcommand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "fetches = 5").unwrap();
        let path = path.to_str().unwrap();
        for words in [
            vec!["quern-test", "run", "--config", path],
            vec!["quern-test", "--config", path, "run"],
        ] {
            let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
            let command = applied(<Cli as clap::CommandFactory>::command(), &words).unwrap();
            let matches = command.try_get_matches_from(words).unwrap();
            match Cli::from_arg_matches(&matches).unwrap().command {
                Sub::Run(settings) => assert_eq!(settings.fetches.get(), 5),
                other => panic!("{other:?}"),
            }
        }
        assert!(parsed("fetches = 5", &["walk"]).is_err());
        assert!(parsed("fetches = 5", &[]).is_err());
    }
}

//! What documents, services and help texts tell people to type is parsed here: none names an option that does not exist.

use {
    crate::Cli,
    clap::{CommandFactory, Parser, error::ErrorKind},
    quern_testkit::documented::{calls, documented},
};

/// Why a call is not understood, if it should be. A mention in a sentence leaves out what it is not about.
fn fault(words: &[String], is_whole: bool) -> Option<String> {
    let error = Cli::try_parse_from(words).err()?;
    let is_part = matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            // `quern job list --model` names an option without its value.
            | ErrorKind::InvalidValue
    );
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    (!is_help && (is_whole || !is_part)).then(|| error.to_string())
}

#[test]
fn what_documents_tell_people_to_type_is_understood() {
    let mut faults = Vec::new();
    for one in documented("quern") {
        if let Some(fault) = fault(&one.words, one.is_whole) {
            faults.push(format!("{}: {}\n  {fault}", one.place, one.words.join(" ")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The examples below each command's help, up to the remark behind them.
#[test]
fn what_help_shows_is_understood() {
    fn walk(command: &clap::Command, lines: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string);
        // A line that ends with a backslash goes on, indented, on the next one.
        let help = help.unwrap_or_default();
        let parts: Vec<&str> = help.split("\\\n").collect();
        let joined = match parts.split_first() {
            Some((first, rest)) => rest.iter().fold((*first).to_owned(), |line, part| {
                format!("{} {}", line.trim_end(), part.trim_start())
            }),
            None => String::new(),
        };
        let examples = joined.lines().filter(|line| line.starts_with("  quern "));
        lines.extend(examples.map(str::to_owned));
        let subcommands = command.get_subcommands();
        subcommands.for_each(|inner| walk(inner, lines));
    }
    let mut lines = Vec::new();
    walk(&Cli::command(), &mut lines);
    assert!(lines.len() > 30, "{lines:#?}");
    for line in lines {
        let example = line.trim_start().split("   ").next().unwrap_or_default();
        for words in calls(example, "quern") {
            let fault = fault(&words, true);
            assert!(fault.is_none(), "{line}: {}", fault.unwrap_or_default());
        }
    }
}

/// What operators wait for in a log is written somewhere, in these words.
#[test]
fn alerts_name_what_logs_say() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/OPERATING.md")).expect("the page");
    let table = page
        .split("<!-- alerts: begin -->")
        .nth(1)
        .and_then(|rest| rest.split("<!-- alerts: end -->").next())
        .expect("the table");
    let mut sources = String::new();
    let crates = [
        "crates/client",
        "crates/provider",
        "crates/watcher",
        "indexer",
    ];
    for folder in crates {
        read(&root.join(folder).join("src"), &mut sources);
    }
    let signals = table.lines().filter_map(|line| line.split('|').nth(1));
    let said = signals.filter_map(|cell| cell.split('`').nth(1));
    let said: Vec<&str> = said.filter(|text| text.matches(' ').count() > 2).collect();
    assert!(said.len() > 10, "{said:#?}");
    for text in said {
        assert!(sources.contains(text), "no log says `{text}`");
    }
}

fn read(folder: &std::path::Path, into: &mut String) {
    for item in std::fs::read_dir(folder).expect("a folder") {
        let path = item.expect("an item").path();
        match path.is_dir() {
            true => read(&path, into),
            false => into.push_str(&std::fs::read_to_string(&path).unwrap_or_default()),
        }
    }
}

/// A test that takes everything proves nothing.
#[test]
fn an_option_that_does_not_exist_is_found() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for line in ["quern job --colour", "quern jobs", "quern watch --stat x"] {
        assert!(fault(&words(line), false).is_some(), "{line}");
    }
    assert!(fault(&words("quern job show"), false).is_none());
    assert!(fault(&words("quern job show"), true).is_some());
    Cli::command().debug_assert();
}

//! The commands that documents, services and examples tell people to type, so that each command can parse its own: a flag
//! that is gone, renamed or misspelt is found by a test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What stands for a value that the reader fills in.
const ADDRESS: &str = "11111111111111111111111111111111";

/// A command line in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    /// The file, from the repository's root, and the line.
    pub place: String,
    /// The command and its arguments, with values for what the reader fills in.
    pub words: Vec<String>,
    /// Whether all of it stands there: a mention in a sentence may leave out what it is not about.
    pub is_whole: bool,
}

/// Every line that calls `command` in the guides, the examples, the services and the image.
pub fn documented(command: &str) -> Vec<Documented> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for top in ["README.md", "CONTRIBUTING.md", "SECURITY.md"] {
        files.push(root.join(top));
    }
    for folder in ["docs", "packaging", "models", "examples", "clients"] {
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let found = match file.extension().and_then(|end| end.to_str()) {
            Some("md") => in_page(&text),
            Some("service") => in_service(&text),
            Some("yaml") => in_compose(&text),
            _ => in_comments(&text),
        };
        for (line, text, is_whole) in found {
            for words in calls(&text, command) {
                let is_whole = is_whole && !text.contains(['…', '[', '|']);
                let place = format!("{name}:{line}");
                all.push(Documented {
                    place,
                    words,
                    is_whole,
                });
            }
        }
    }
    all
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for item in fs::read_dir(folder).into_iter().flatten() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_read = name == "Containerfile"
            || [".md", ".service", "compose.yaml"]
                .iter()
                .any(|end| name.ends_with(end));
        match path.is_dir() {
            true if name != "node_modules" => collect(&path, files),
            false if is_read => files.push(path),
            _ => {}
        }
    }
}

/// Code blocks whole, and what stands between backticks in sentences and tables; decisions and reference pages with them.
fn in_page(text: &str) -> Vec<(usize, String, bool)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            let block: Vec<(usize, &str)> = lines
                .by_ref()
                .take_while(|(_, line)| !line.trim_start().starts_with("```"))
                .collect();
            // The output of a command, or the help of one, is not typed.
            if kind == "sh" {
                found.extend(joined(&block).map(|(at, line)| (at + 1, line, true)));
            }
            continue;
        }
        let spans = line.split('`').skip(1).step_by(2);
        found.extend(spans.map(|span| (at + 1, span.to_owned(), false)));
    }
    found
}

/// What a unit starts, with folders in the place of its specifiers.
fn in_service(text: &str) -> Vec<(usize, String, bool)> {
    let lines: Vec<(usize, &str)> = text.lines().enumerate().collect();
    let starts = joined(&lines).filter_map(|(at, line)| {
        let (_, command) = line.split_once("ExecStart=")?;
        let command = command.replace("%S", "/var/lib").replace("%d", "/run/keys");
        Some((at + 1, command.replace("/usr/bin/", ""), true))
    });
    starts.collect()
}

/// What the services of a compose file run.
fn in_compose(text: &str) -> Vec<(usize, String, bool)> {
    let lines = text.lines().enumerate();
    let commands = lines.filter_map(|(at, line)| {
        let command = line.trim_start().strip_prefix("command: ")?;
        Some((at + 1, command.to_owned(), true))
    });
    commands.collect()
}

/// The examples in an image's comments.
fn in_comments(text: &str) -> Vec<(usize, String, bool)> {
    let bare = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
    let lines: Vec<(usize, &str)> = bare.enumerate().collect();
    joined(&lines)
        .filter(|(_, line)| line.starts_with("podman run "))
        .filter_map(|(at, line)| {
            // The program, the image's name, the arguments.
            let (_, run) = line.split_once("--entrypoint ")?;
            let mut words = run.splitn(3, ' ');
            let (program, _, rest) = (words.next()?, words.next()?, words.next()?);
            Some((at + 1, format!("{program} {rest}"), true))
        })
        .collect()
}

/// Lines with what a backslash at the end continues.
fn joined(lines: &[(usize, &str)]) -> impl Iterator<Item = (usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (at, line) in lines {
        let (text, more) = match line.trim_end().strip_suffix('\\') {
            Some(text) => (text, true),
            None => (*line, false),
        };
        match all.last_mut().filter(|_| goes_on) {
            Some((_, known)) => *known = format!("{} {}", known.trim_end(), text.trim_start()),
            None => all.push((*at, text.to_owned())),
        }
        goes_on = more;
    }
    all.into_iter()
}

/// The words of each call of `command` in a line of shell, with values for what the reader fills in.
pub fn calls(line: &str, command: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or(line);
    let parts = line.split(['|', ';', '&']);
    let words = parts.map(words);
    let calls = words.filter_map(|words| {
        // Variables of one command stand in front of it.
        let is_setting = |word: &&String| word.contains('=') && !word.starts_with('-');
        let skipped = words.iter().take_while(is_setting).count();
        let call = words.get(skipped..)?;
        (call.first()? == command).then(|| call.iter().filter_map(|word| filled(word)).collect())
    });
    calls.collect()
}

/// Splits as a shell does where there are neither escapes nor nested quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A word as somebody would type it; an ellipsis is nothing.
fn filled(word: &str) -> Option<String> {
    if matches!(word, "…" | "..." | "[…]" | ">" | "<") {
        return None;
    }
    let word = word.trim_start_matches('[').trim_end_matches(']');
    if let Some((name, value)) = word.split_once('=').filter(|(name, _)| is_blank(name)) {
        let value = filled(value)?;
        return Some(format!("{}={value}", filled(name)?));
    }
    if let Some(variable) = word
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
    {
        return filled(variable);
    }
    Some(match word.trim_start_matches('$') {
        "URI" | "URL" | "PROVIDER_PUBLIC_URL" | "QUERN_URL" => "https://example.com/x".to_owned(),
        "WATCHER_MIN_BOND" => format!("{ADDRESS}=1"),
        "ATOMS" | "BYTES" | "TOKENS" | "PORT" | "PROVIDER_MAX_BOND" | "GATEWAY_CAP_DAY" => {
            "1".to_owned()
        }
        "TIME" => "1d".to_owned(),
        "COMMAND" => "job".to_owned(),
        blank if is_blank(blank) => ADDRESS.to_owned(),
        _ => word.replace("$PWD", "/home/me"),
    })
}

/// A word in capitals stands for what the reader fills in.
fn is_blank(word: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    word.len() > 1
        && word.chars().all(is_capital)
        && word.starts_with(|c: char| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_shell_is_split_into_calls() {
        let line =
            "A=1 quern job show JOB --note 'two words' && quern watch --min-bond MINT=ATOMS # all";
        assert_eq!(
            calls(line, "quern"),
            [
                vec!["quern", "job", "show", ADDRESS, "--note", "two words"],
                vec!["quern", "watch", "--min-bond", &format!("{ADDRESS}=1")],
            ]
        );
        assert!(calls("cargo install quern", "quern").is_empty());
    }

    #[test]
    fn pages_give_blocks_whole_and_mentions_in_part() {
        let page = "See `quern job`.\n```sh\nquern a \\\n    --b\n```\n```text\nquern c\n```\n";
        let wanted = [
            (1, "quern job".to_owned(), false),
            (3, "quern a --b".to_owned(), true),
        ];
        assert_eq!(in_page(page), wanted);
    }

    #[test]
    fn a_service_gives_what_it_starts() {
        let unit =
            "[Service]\nExecStart=/usr/bin/quern -k %d/k \\\n    watch --state %S/w\nRestart=no\n";
        let wanted = "quern -k /run/keys/k watch --state /var/lib/w".to_owned();
        assert_eq!(in_service(unit), [(2, wanted, true)]);
    }

    #[test]
    fn a_compose_file_gives_what_its_services_run() {
        let file = "services:\n  a:\n    command: quern-indexer run --role standby\n    image: x\n";
        let wanted = "quern-indexer run --role standby".to_owned();
        assert_eq!(in_compose(file), [(3, wanted, true)]);
    }

    /// A reader that finds nothing proves nothing.
    #[test]
    fn every_kind_of_document_is_read() {
        let all = documented("quern");
        for kind in ["README.md:", "docs/", "packaging/systemd/"] {
            let found = all
                .iter()
                .any(|one| one.place.starts_with(kind) && one.is_whole);
            assert!(found, "nothing in {kind}");
        }
        let indexer = documented("quern-indexer");
        for kind in ["README.md:", "packaging/systemd/", "packaging/container/"] {
            let found = indexer.iter().any(|one| one.place.starts_with(kind));
            assert!(found, "nothing in {kind}");
        }
    }
}

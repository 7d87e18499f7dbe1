//! Logs on standard error, so that they never mix with results: lines for people, or one JSON object a line for machines.
//!
//! Every line of JSON has `time`, `level` and `message`; what else an event carries stands beside them under its own name.
//! What people are told in passing, an error at the end and a panic take the same form.

use {
    crate::redact::{plain, without_keys},
    serde_json::{Map, Value, json},
    std::{
        io::{self, IsTerminal, Write},
        sync::{Arc, OnceLock},
    },
    tracing_subscriber::{
        EnvFilter,
        fmt::{
            format::Writer,
            time::{FormatTime, SystemTime},
        },
    },
};

/// Parts of libraries whose debug lines quote whole addresses: a node's can hold a key, so these lines are never written.
const TELL_URLS: [&str; 3] = [
    "reqwest",
    "solana_rpc_client::http_sender",
    "tungstenite::handshake::client",
];

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    #[value(alias = "human")]
    Text,
    /// One JSON object a line, with `time`, `level` and `message`
    Json,
}

/// The log's options of a command line.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct LogOptions {
    /// Form of the log lines on standard error
    #[arg(
        long,
        global = true,
        env = "QUERN_LOG_FORMAT",
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Log options"
    )]
    pub log_format: LogFormat,
}

/// How this process writes, once [`start`] has said so.
static STYLE: OnceLock<Style> = OnceLock::new();

#[derive(Clone, Debug, Default)]
struct Style {
    format: LogFormat,
    /// URLs of nodes, whose paths may be keys.
    nodes: Arc<[String]>,
}

/// Starts the log of this process. `usual` says what is written where `RUST_LOG` says nothing; `nodes` are the URLs of the
/// nodes that the process talks to.
pub fn start(format: LogFormat, usual: &str, nodes: &[&str]) {
    let style = Style {
        format,
        nodes: nodes.iter().map(|url| (*url).to_owned()).collect(),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let filter = TELL_URLS
        .iter()
        .filter_map(|part| format!("{part}=info").parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let stderr = {
        let style = style.clone();
        move || Stderr(style.clone())
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    // Only a second start could fail, and there is none.
    let _ = match format {
        LogFormat::Text => log
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
        LogFormat::Json => {
            std::panic::set_hook(Box::new(|panic| {
                error(&panic.to_string(), None);
            }));
            log.json().flatten_event(true).try_init()
        }
    };
    let _ = STYLE.set(style);
}

/// Tells people something that is no result, whatever the log's level.
pub fn say(text: &str) {
    match style().format {
        LogFormat::Text => eprintln!("{text}"),
        LogFormat::Json => put(&Stderr(style()).object("INFO", text, Map::new())),
    }
}

/// Says what ended the process, if its log is JSON; `details` become fields of the line. Says whether it is.
pub fn error(text: &str, details: Option<Map<String, Value>>) -> bool {
    let style = style();
    let is_json = style.format == LogFormat::Json;
    if is_json {
        put(&Stderr(style).object("ERROR", text, details.unwrap_or_default()));
    }
    is_json
}

fn style() -> Style {
    STYLE.get().cloned().unwrap_or_default()
}

fn put(line: &str) {
    // A reader that went away is no error.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Standard error for logs, each event redacted as a whole.
struct Stderr(Style);

impl Stderr {
    fn shown(&self, text: &str) -> String {
        // Colours and line breaks are the log's own; it writes those of strangers as numbers by itself.
        plain(&without_keys(text, &self.0.nodes))
    }

    /// An event as the library writes it, in this project's form. Strings are redacted one by one: what is cut from a whole
    /// line could take a quotation mark along.
    fn line(&self, text: &str) -> String {
        match serde_json::from_str(text) {
            Ok(Value::Object(mut fields)) => {
                if let Some(time) = fields.remove("timestamp") {
                    fields.insert("time".to_owned(), time);
                }
                // Where a library that uses another kind of log was compiled.
                fields.retain(|name, _| !name.starts_with("log."));
                // An event may be fields alone.
                fields
                    .entry("message")
                    .or_insert_with(|| Value::String(String::new()));
                self.clean(Value::Object(fields)).to_string()
            }
            _ => self.object("ERROR", text.trim_end(), Map::new()),
        }
    }

    fn object(&self, level: &str, text: &str, mut fields: Map<String, Value>) -> String {
        let mut time = String::new();
        // Writing into a string does not fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        for (name, value) in [("time", time.as_str()), ("level", level), ("message", text)] {
            fields.insert(name.to_owned(), json!(value));
        }
        self.clean(Value::Object(fields)).to_string()
    }

    fn clean(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.shown(&text)),
            Value::Array(list) => list.into_iter().map(|one| self.clean(one)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, one)| (name, self.clean(one)))
                .collect(),
            other => other,
        }
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = match self.0.format {
            LogFormat::Text => self.shown(&text),
            LogFormat::Json => self.line(&text) + "\n",
        };
        io::stderr().lock().write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn stderr() -> Stderr {
        Stderr(Style {
            format: LogFormat::Json,
            nodes: ["https://rpc.example.com/v2/SECRET".to_owned()].into(),
        })
    }

    fn read(line: &str) -> Value {
        serde_json::from_str(line).unwrap()
    }

    /// A URL that ends at an escaped quotation mark takes nothing of the line along.
    #[test]
    fn a_line_stays_json_whatever_is_cut_from_it() {
        let event = json!({
            "timestamp": "2026-01-01T00:00:00Z",
            "level": "WARN",
            "message": "asked \"https://rpc.example.com/v2/SECRET?api-key=SECRET\" in vain",
            "error": {"url": ["Url(\"https://me:SECRET@b.example.com/\")"]},
            "name": "a\u{202e}b",
            "log.file": "/home/me/.cargo/registry/src/x.rs",
            "slot": 7,
        });
        let read = read(&stderr().line(&format!("{event}\n")));
        assert_eq!(read["time"], "2026-01-01T00:00:00Z");
        assert_eq!(read["message"], "asked \"https://rpc.example.com\" in vain");
        assert_eq!(read["error"]["url"][0], "Url(\"https://b.example.com/\")");
        assert_eq!(
            (&read["name"], &read["slot"]),
            (&json!("a\\u{202e}b"), &json!(7))
        );
        let text = read.to_string();
        assert!(
            !text.contains("SECRET") && !text.contains("timestamp"),
            "{text}"
        );
        assert!(!text.contains("/home/me"), "{text}");
    }

    #[test]
    fn every_line_has_time_level_and_message() {
        let bare = read(&stderr().line(r#"{"timestamp":"2026","level":"INFO","slot":1}"#));
        assert_eq!(bare["message"], "");
        let odd = read(&stderr().line("no JSON at https://rpc.example.com/v2/SECRET\n"));
        assert_eq!(odd["message"], "no JSON at https://rpc.example.com");
        let fields = Map::from_iter([("error".to_owned(), json!({"kind": "usage"}))]);
        let last = read(&stderr().object("ERROR", "a\nb", fields));
        assert_eq!(
            (&last["message"], &last["error"]["kind"]),
            (&json!("a\nb"), &json!("usage"))
        );
        for line in [odd, last] {
            assert_eq!(line["level"], "ERROR");
            assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        }
    }
}

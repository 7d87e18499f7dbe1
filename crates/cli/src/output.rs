//! Results as a table for people or as JSON for programs. Anybody can write the texts on the chain: characters in them that
//! would hide or move others are written as numbers ([`one_line`] for people, `\u….` in JSON).

use {
    crate::{amount, span, when},
    clap::ValueEnum,
    comfy_table::{ContentArrangement, Table, TableComponent, presets},
    quern_client::{Pubkey, text},
    serde::Serialize,
    serde_json::{Map, Value},
    std::io::Write,
};

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// One thing with named fields, in order; and what programs get beside them.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(&'static str, Value)>, Vec<(String, Value)>);

impl Fields {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// With one more field, shown by its `Display`.
    #[must_use]
    pub fn text(self, name: &'static str, value: impl ToString) -> Self {
        self.with(name, value.to_string())
    }

    /// With an amount: in tokens, and for programs also in atoms, as a text because it may be larger than their numbers.
    #[must_use]
    pub fn tokens(self, name: &'static str, atoms: u64, decimals: u8) -> Self {
        self.text(name, amount::show(atoms, decimals))
            .raw(format!("{name}_atoms"), atoms.to_string())
    }

    /// With lamports: in SOL, and for programs also as they are.
    #[must_use]
    pub fn sol(self, name: &'static str, lamports: u64) -> Self {
        self.text(name, amount::show(lamports, SOL_DECIMALS))
            .raw(format!("{name}_lamports"), lamports)
    }

    /// With a share: in percent, and for programs also in basis points.
    #[must_use]
    pub fn share(self, name: &'static str, bps: impl Into<u32>) -> Self {
        let bps = bps.into();
        self.text(name, amount::show_bps(bps))
            .raw(format!("{name}_bps"), bps)
    }

    /// With a time: in words, and for programs also in seconds.
    #[must_use]
    pub fn time(self, name: &'static str, secs: u32) -> Self {
        self.text(name, span::show(secs))
            .raw(format!("{name}_secs"), secs)
    }

    /// With a moment: as a date in UTC, and for programs also as a Unix second.
    #[must_use]
    pub fn moment(self, name: &'static str, at: i64) -> Self {
        self.text(name, when::show(at))
            .raw(format!("{name}_unix"), at)
    }

    /// With a size: in MiB, and for programs also in bytes.
    #[must_use]
    pub fn bytes(self, name: &'static str, bytes: u64) -> Self {
        self.text(name, mebibytes(bytes))
            .raw(format!("{name}_bytes"), bytes)
    }

    /// With a value that only programs get.
    fn raw(mut self, name: String, value: impl Into<Value>) -> Self {
        self.1.push((name, value.into()));
        self
    }

    /// With one more field, if there is a value.
    #[must_use]
    pub fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// With other fields behind them.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self.1.extend(other.1);
        self
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// As an object for programs.
    pub fn json(&self) -> Value {
        let shown = self.0.iter();
        let shown = shown.map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Object(shown.chain(self.1.iter().cloned()).collect::<Map<_, _>>())
    }

    /// Writes it for programs on one line, where more lines follow; for people as ever.
    pub fn print_line(&self, format: Format) {
        match format {
            Format::Json => write(&ascii(&self.json().to_string())),
            Format::Table => self.print(format),
        }
    }

    /// Writes it.
    pub fn print(&self, format: Format) {
        match format {
            Format::Json => write(&pretty(&self.json())),
            Format::Table => write(&self.table()),
        }
    }

    /// As a table for people: one field a line.
    pub fn table(&self) -> String {
        let mut table = empty_table();
        for (name, value) in &self.0 {
            table.add_row([name.replace('_', " "), cell(value)]);
        }
        trimmed(&table)
    }
}

/// With one decimal, rounded up; small ones in bytes.
fn mebibytes(bytes: u64) -> String {
    if bytes < 100 << 10 {
        return format!("{bytes} bytes");
    }
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// Digits of a SOL behind the point.
pub const SOL_DECIMALS: u8 = 9;

/// How wide a table of several things may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// As wide as a usual screen: addresses are shortened, long texts broken.
    Screen,
    /// As wide as it gets, with whole addresses.
    Full,
}

/// Columns of a usual screen.
const SCREEN_COLUMNS: u16 = 100;

/// Writes several things with the same fields; `nothing` is said where there are none.
pub fn print_list(format: Format, width: Width, list: &[Fields], nothing: &str) {
    match format {
        Format::Json => write(&pretty(&Value::Array(
            list.iter().map(Fields::json).collect(),
        ))),
        Format::Table => write(&list_text(list, width, nothing)),
    }
}

/// Several things with the same fields as a table for people; `nothing` where there are none.
pub fn list_text(list: &[Fields], width: Width, nothing: &str) -> String {
    let Some(first) = list.first() else {
        return nothing.to_owned();
    };
    let mut table = empty_table();
    if width == Width::Screen {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(SCREEN_COLUMNS);
    }
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_header(first.0.iter().map(|(name, _)| name.replace('_', " ")));
    for item in list {
        table.add_row(item.0.iter().map(|(_, value)| match width {
            Width::Screen => shortened(cell(value)),
            Width::Full => cell(value),
        }));
    }
    trimmed(&table)
}

/// Fails where a list is wider than a screen: every command that prints one calls this with the longest values that there are.
#[cfg(test)]
pub fn assert_fits(list: &[Fields]) {
    let text = list_text(list, Width::Screen, "");
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(usize::from(SCREEN_COLUMNS)), "{text}");
    assert!(list.iter().all(|fields| !fields.is_empty()));
}

/// An address by its first and last letters; any other text as it is.
pub fn shortened(text: String) -> String {
    const KEPT: usize = 4;
    let is_address = text.len() >= 32 && text.parse::<Pubkey>().is_ok();
    match (
        text.get(..KEPT),
        text.get(text.len().saturating_sub(KEPT)..),
    ) {
        (Some(first), Some(last)) if is_address => format!("{first}…{last}"),
        _ => text,
    }
}

/// Writes a line between tables.
pub fn print_text(text: &str) {
    write(&one_line(text));
}

/// Writes what an API answered.
pub fn print_json(value: &impl Serialize) {
    write(&pretty(value));
}

fn empty_table() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A table without the spaces that fill its last column.
fn trimmed(table: &Table) -> String {
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn pretty(value: &impl Serialize) -> String {
    ascii(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// JSON whose texts show themselves on a terminal, too: other characters stand in texts only, where `\u….` means the same.
pub fn ascii(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => shown.push(c),
            c if text::is_plain(c) => shown.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    shown
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text),
        Value::Null => "-".to_owned(),
        other => one_line(&other.to_string()),
    }
}

/// A text on one line in which no character hides or moves another: everything that the chain, the network or a file says
/// passes here before a person sees it.
pub fn one_line(text: &str) -> String {
    text::escaped(text)
}

/// Says that there was nothing to do, which is no failure.
pub fn print_nothing(format: Format, fields: Fields, why: &str) {
    match format {
        Format::Json => fields
            .text("done", "nothing")
            .text("why", why)
            .print(format),
        Format::Table => print_text(why),
    }
}

/// Writes bytes to standard output as they are, for another program to read.
pub fn write_bytes(bytes: &[u8]) {
    let _ = std::io::stdout().lock().write_all(bytes);
}

/// Writes to standard output; a reader that went away is no error.
fn write(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_texts_cannot_move_the_cursor() {
        assert_eq!(one_line("a\u{1b}[2J\nb"), "a\\u{1b}[2J b");
        assert_eq!(cell(&Value::from("x\ty")), "x y");
        let name = "gpj.\u{202e}exe\u{1b}[2J\u{e0041}";
        let fields = Fields::new().text("name", name);
        assert!(fields.table().chars().all(text::is_plain));
        let json = pretty(&fields.json());
        assert!(
            json.chars().all(|c| c == '\n' || text::is_plain(c)),
            "{json}"
        );
        let read: Value = serde_json::from_str(&json).expect("it is still JSON");
        assert_eq!(read["name"], name);
    }

    #[test]
    fn a_list_fits_the_screen_with_its_addresses_shortened() {
        let address = Pubkey::from([1; 32]).to_string();
        let mut wide = Fields::new();
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            wide = wide
                .text(name, &address)
                .text("text", "some words that go on");
        }
        let list = [wide];
        let screen = list_text(&list, Width::Screen, "");
        let longest = |text: &str| text.lines().map(|line| line.chars().count()).max();
        assert!(longest(&screen) <= Some(100), "{screen}");
        assert!(!screen.contains(&address));
        assert!(list_text(&list, Width::Full, "").contains(&address));
        assert_eq!(shortened(address), "4vJ9…kLKi");
        // Only addresses: no hash, and nobody's name.
        let hash = "07".repeat(32);
        assert_eq!(shortened(hash.clone()), hash);
        let name = "a name of more than thirty-two letters";
        assert_eq!(shortened(name.to_owned()), name);
    }

    /// A new list is tried with its longest values, too.
    #[test]
    fn every_list_is_tried() {
        fn walk(folder: &std::path::Path, untried: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).expect("the commands") {
                let path = entry.expect("a file").path();
                if path.is_dir() {
                    walk(&path, untried);
                    continue;
                }
                let source = std::fs::read_to_string(&path).expect("a source file");
                let prints = ["print_list(", "list_text("].map(|call| source.contains(call));
                if prints.contains(&true) && !source.contains("assert_fits(") {
                    untried.push(path.display().to_string());
                }
            }
        }
        let commands = concat!(env!("CARGO_MANIFEST_DIR"), "/src/commands");
        let mut untried = Vec::new();
        walk(commands.as_ref(), &mut untried);
        assert_eq!(untried, Vec::<String>::new());
    }

    #[test]
    fn sizes_are_rounded_up() {
        let shown = [0, 1_000, 1 << 20, 3 << 19, u64::MAX].map(mebibytes);
        assert_eq!(shown[..4], ["0 bytes", "1000 bytes", "1.0 MiB", "1.5 MiB"]);
    }

    #[test]
    fn json_keeps_types() {
        let fields = Fields::new()
            .with("n", 5)
            .text("address", "abc")
            .maybe("none", None::<&str>);
        assert_eq!(
            fields.json(),
            serde_json::json!({ "n": 5, "address": "abc" })
        );
    }

    /// Beside everything that is written for people stands what a program counts with.
    #[test]
    fn amounts_shares_and_times_have_their_raw_values_beside_them() {
        let fields = Fields::new()
            .tokens("free", u64::MAX, 6)
            .share("fee", 250u16)
            .time("work_time", 3_600);
        assert_eq!(
            fields.json(),
            serde_json::json!({
                "free": "18446744073709.551615", "free_atoms": "18446744073709551615",
                "fee": "2.5 %", "fee_bps": 250, "work_time": "1h", "work_time_secs": 3600,
            })
        );
        assert_eq!(fields.table().lines().count(), 3);
    }
}

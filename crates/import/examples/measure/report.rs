//! The tables of what was measured.

use std::{fmt::Write, fs, path::PathBuf};

const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->";

/// Collects tables and lines, and prints each as soon as it is there.
pub struct Report {
    text: String,
    /// A table of single lines is open.
    is_listing: bool,
}

impl Report {
    pub const fn new() -> Self {
        Self {
            text: String::new(),
            is_listing: false,
        }
    }

    fn say(&mut self, line: &str) {
        println!("{line}");
        let _ = writeln!(self.text, "{line}");
    }

    /// What it runs on.
    pub fn machine(&mut self, peer: Option<&str>) {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = quern_proof::kernel::product::name();
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or("unknown", |(_, value)| value.trim())
        };
        let flags: Vec<&str> = field("flags").split(' ').collect();
        let known = ["avx2", "avx_vnni", "avx512_vnni", "amx_int8", "sha_ni"];
        let has: Vec<&str> = known
            .into_iter()
            .filter(|flag| flags.contains(flag))
            .collect();
        self.say(&format!(
            "Machine: {}, {cores} cores, {}; shared, so times are noisy. Kernel of the products: {kernel}. Beside it: {}.",
            field("model name"),
            has.join(", "),
            peer.unwrap_or("nothing, because onnxruntime is not installed"),
        ));
    }

    pub fn table(&mut self, title: &str, columns: &[&str]) {
        self.is_listing = false;
        self.say(&format!("\n{title}\n"));
        self.say(&format!("| {} |", columns.join(" | ")));
        let right = " ---: |".repeat(columns.len() - 1);
        self.say(&format!("| --- |{right}"));
    }

    pub fn row(&mut self, cells: &[String]) {
        self.say(&format!("| {} |", cells.join(" | ")));
    }

    /// One figure.
    pub fn line(&mut self, what: &str, figure: impl Into<String>) {
        if !self.is_listing {
            self.table("Figures:", &["what", "measured"]);
            self.is_listing = true;
        }
        self.row(&[what.to_owned(), figure.into()]);
    }

    /// Puts the tables in the place of the last ones.
    pub fn write(&self) {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/BENCHMARKS.md");
        let old = fs::read_to_string(&file).unwrap();
        let parts = old.split_once(BEGIN).and_then(|(head, rest)| {
            let (_, tail) = rest.split_once(END)?;
            Some((head, tail))
        });
        let Some((head, tail)) = parts else {
            panic!(
                "{} has no marks for measured figures; restore it from git",
                file.display()
            );
        };
        fs::write(&file, format!("{head}{BEGIN}{}{END}{tail}", self.text)).unwrap();
        eprintln!("wrote docs/BENCHMARKS.md");
    }
}

/// How many times as long.
pub fn times(ratio: f64) -> String {
    match ratio {
        10.0.. => format!("{ratio:.1} x"),
        _ => format!("{ratio:.2} x"),
    }
}

/// A share.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A ratio with its goal.
pub fn goal(ratio: f64, least: f64) -> String {
    let mark = if ratio >= least { "✓" } else { "✗" };
    format!("{ratio:.2} {mark}")
}

//! The table of what was measured.

use std::{fmt::Write as _, fs, path::Path, thread, time::Duration};

const BEGIN: &str = "<!-- gateway: begin -->\n";
const END: &str = "<!-- gateway: end -->";

/// One run.
pub struct Measured {
    pub model: String,
    pub sequence: usize,
    /// From asking for one sentence to its checked vector.
    pub singles: Vec<Duration>,
    pub rows: usize,
    pub batch: Duration,
    /// How long the gateway checked of that.
    pub checking: Duration,
    pub jobs: usize,
    /// Fees of the wallet for a job of 1,000 sentences.
    pub lamports: u64,
    /// Sentences a second, called directly on one thread.
    pub direct: f64,
}

impl Measured {
    pub fn table(&self) -> String {
        let mut singles = self.singles.clone();
        singles.sort();
        let at = |share: f64| {
            let place = (singles.len() as f64 * share).ceil() as usize;
            let found = singles.get(place.saturating_sub(1));
            found.map_or(0, Duration::as_millis)
        };
        let rate = self.rows as f64 / self.batch.as_secs_f64();
        let share = 100.0 * self.checking.as_secs_f64() / self.batch.as_secs_f64();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut text = String::new();
        let mut row = |what: &str, value: String| {
            let _ = writeln!(text, "| {what} | {value} |");
        };
        row("what", "measured".to_owned());
        row("---", "---:".to_owned());
        row("model", format!("{}, {} tokens", self.model, self.sequence));
        let many = singles.len();
        row(
            &format!("one sentence, p50 of {many}"),
            format!("{} ms", at(0.5)),
        );
        row(
            &format!("one sentence, p99 of {many}"),
            format!("{} ms", at(0.99)),
        );
        row(
            &format!(
                "sentences a second in a batch of {} ({} jobs)",
                self.rows, self.jobs
            ),
            format!("{rate:.1}"),
        );
        row(
            "share of that time in which the gateway checked",
            format!("{share:.0} %"),
        );
        row(
            "lamports that the client pays for 1,000 sentences",
            self.lamports.to_string(),
        );
        row(
            "the same model called directly, one thread, sentences a second",
            format!("{:.1}", self.direct),
        );
        row(
            "cores, which network, provider and gateway share",
            cores.to_string(),
        );
        text
    }
}

/// Puts the table between its marks.
pub fn write(page: &Path, table: &str) {
    let text = fs::read_to_string(page).unwrap();
    let begin = text.find(BEGIN).map(|at| at + BEGIN.len());
    let end = text.find(END);
    let (Some(begin), Some(end)) = (begin, end) else {
        panic!(
            "{} has no marks `gateway`; restore it from git",
            page.display()
        );
    };
    let written = format!("{}{table}{}", &text[..begin], &text[end..]);
    fs::write(page, written).unwrap();
}

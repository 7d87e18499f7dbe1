//! What the process takes.

use std::{fmt::Display, fs, path::Path, time::Duration};

/// A line of the table.
pub fn line(what: impl Display, measured: impl Display) {
    println!("| {what} | {measured} |");
}

/// How many in a second.
pub fn rate(count: u64, time: Duration) -> String {
    format!("{:.0}/s", count as f64 / time.as_secs_f64())
}

/// Forgets the most memory that was held so far, where the system can.
pub fn forget_peak() {
    // What cannot be forgotten shows as more memory, never as less.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory held since, in MB.
pub fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().split(' ').next()?.parse::<u64>().ok());
    kib.map_or("unknown".to_owned(), |kib| format!("{} MB", kib / 1_024))
}

/// Bytes of a file.
pub fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

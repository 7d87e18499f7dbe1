//! What the process takes.

use {
    sqlx::{ConnectOptions, sqlite::SqliteConnectOptions},
    std::{
        fmt::Display,
        fs,
        ops::AddAssign,
        path::Path,
        time::{Duration, Instant},
    },
};

/// A line of the table.
pub fn line(what: impl Display, measured: impl Display) {
    println!("| {what} | {measured} |");
}

/// Time that passed, and time that the process worked on all cores: on a busy machine the first is longer.
#[derive(Clone, Copy, Default)]
pub struct Spent {
    pub wall: Duration,
    pub work: Duration,
}

/// A clock of both.
pub struct Clock(Instant, Duration);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now(), worked())
    }

    pub fn spent(&self) -> Spent {
        Spent {
            wall: self.0.elapsed(),
            work: worked().saturating_sub(self.1),
        }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.work += other.work;
    }
}

/// What all threads of the process worked so far; nothing where the system does not tell.
fn worked() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let nanos = tasks.flatten().filter_map(|task| {
        let told = fs::read_to_string(task.path().join("schedstat")).ok()?;
        told.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// How many in a second, and in a second of work.
pub fn rate(count: u64, spent: Spent) -> String {
    let each = |time: Duration| count as f64 / time.as_secs_f64();
    format!(
        "{:.0}/s, {:.0} in a second of work",
        each(spent.wall),
        each(spent.work)
    )
}

/// How busy the machine is: the system's averages of the last 1, 5 and 15 minutes.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(", ")
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

/// Bytes of a database, those included that its log still holds.
pub async fn bytes_of(path: &Path) -> u64 {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut database = options.connect().await.unwrap();
    let sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    let bytes: i64 = sqlx::query_scalar(sql)
        .fetch_one(&mut database)
        .await
        .unwrap();
    bytes.unsigned_abs()
}

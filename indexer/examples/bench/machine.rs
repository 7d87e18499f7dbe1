//! What the process takes.

use {
    sqlx::{ConnectOptions, sqlite::SqliteConnectOptions},
    std::{
        env,
        fmt::Display,
        fs,
        ops::AddAssign,
        path::Path,
        process::Command,
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

/// What the process worked so far, those of its threads included that ended; nothing where the system does not tell.
fn worked() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything: user and system time are the 12th and 13th field, in ticks of 10 ms.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// Has a process of its own measure something: what the history here takes is none of the indexer's memory.
pub fn alone(options: [&str; 3], paths: &[&Path]) {
    let mut command = Command::new(env::current_exe().unwrap());
    let status = command.args(options).args(paths).status();
    assert!(status.unwrap().success());
}

/// Bytes that the process gave to the system to write so far.
pub fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let bytes = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
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

/// The most memory that the process held so far, in MB.
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

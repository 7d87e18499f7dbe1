//! Events into the store.

use {
    crate::{
        machine::{bytes_of, forget_peak, line, peak, rate},
        past::{Past, batch},
        support::{Forgery, open, program, reply},
    },
    quern_indexer::{
        follow::Follower,
        health::Health,
        project::Event,
        source::{FileSource, Source},
        store::{Cursor, Store},
    },
    serde::de::IgnoredAny,
    sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions},
    std::{
        fs::File,
        io::{BufRead, BufReader, BufWriter, Write},
        path::Path,
        sync::Arc,
        time::{Duration, Instant},
    },
    tempfile::TempDir,
};

/// Events of a batch: of a backfill, and of a program that is used much.
const BULK_EVENTS: usize = 2_048;
const LIVE_EVENTS: usize = 64;
/// Rows of one statement of the floor.
const FLOOR_ROWS: usize = 256;
/// Transactions decoded at a time, as `--fetches` has it.
const FETCHES: usize = 8;

/// Measures every way in which events come.
pub async fn measure(jobs: u64, providers: u64) {
    let folder = TempDir::new().unwrap();
    let recording = folder.path().join("recording.jsonl");
    let events = record(&recording, jobs, providers);
    line("recorded events", events);
    let lines = read_lines(&recording);
    line("floor: serde_json reads the lines", rate(events, lines));

    let path = folder.path().join("followed");
    forget_peak();
    let (opened, walked) = follow(&recording, &path).await;
    line("recording opened", rate(events, opened));
    line("recording into SQLite, whole walk", rate(events, walked));
    line("memory of both, at most", peak());
    line("bytes an event", bytes_of(&path) / events);

    for (what, size) in [("bulk", BULK_EVENTS), ("live", LIVE_EVENTS)] {
        let store = open(&folder.path().join(what)).await;
        let time = write(&store, jobs, providers, size).await;
        store.close().await;
        let what = format!("decoded events into SQLite, {what}: {size} a batch");
        line(what, rate(events, time));
    }
    let time = floor(&folder.path().join("floor"), jobs, providers).await;
    line("floor: SQLite, ids and bytes only", rate(events, time));
}

fn record(path: &Path, jobs: u64, providers: u64) -> u64 {
    let mut past = Past::new(jobs, providers);
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut count = 0;
    loop {
        let events = past.next(BULK_EVENTS);
        for event in &events {
            writeln!(file, "{}", reply(event, Forgery::None)).unwrap();
            count += 1;
        }
        if events.is_empty() {
            file.flush().unwrap();
            return count;
        }
    }
}

fn read_lines(path: &Path) -> Duration {
    let begun = Instant::now();
    for line in BufReader::new(File::open(path).unwrap()).lines() {
        serde_json::from_str::<IgnoredAny>(&line.unwrap()).unwrap();
    }
    begun.elapsed()
}

/// How long a recording takes to open, and to walk.
async fn follow(recording: &Path, path: &Path) -> (Duration, Duration) {
    let begun = Instant::now();
    let source: Arc<dyn Source> = Arc::new(FileSource::open(recording, &program()).unwrap());
    let opened = begun.elapsed();
    let follower = Follower {
        source,
        store: Arc::new(open(path).await),
        program: program(),
        fetches: FETCHES,
        health: Health::default(),
    };
    let begun = Instant::now();
    follower.walk().await.unwrap();
    let walked = begun.elapsed();
    follower.store.close().await;
    (opened, walked)
}

/// How long these events take, each batch with a cursor as if a walk ended with it.
async fn write(store: &Store, jobs: u64, providers: u64, size: usize) -> Duration {
    let mut past = Past::new(jobs, providers);
    let mut time = Duration::ZERO;
    loop {
        let mut events = past.next(size);
        if events.is_empty() {
            return time;
        }
        while !events.is_empty() {
            let rest = events.split_off(size.min(events.len()));
            let (slot, chain_time) = end_of(&events);
            let mut batch = batch(std::mem::replace(&mut events, rest));
            // A backfill moves the cursor once, at its end.
            batch.cursor = (size < BULK_EVENTS).then_some(Cursor {
                slot,
                chain_time,
                origin: None,
            });
            let begun = Instant::now();
            store.write(&batch).await.unwrap();
            time += begun.elapsed();
        }
    }
}

/// Slot and time of the last of these events.
pub fn end_of(events: &[Event]) -> (u64, i64) {
    let slots = events.iter().map(|event| event.slot);
    let times = events.iter().map(|event| event.body.at());
    (slots.max().unwrap_or(0), times.max().unwrap_or(0))
}

/// The least that SQLite can do: the record alone, one row after the other, without an index.
async fn floor(path: &Path, jobs: u64, providers: u64) -> Duration {
    let options = SqliteConnectOptions::new().filename(path);
    let options = options
        .create_if_missing(true)
        .pragma("journal_mode", "wal");
    let mut database = options.connect().await.unwrap();
    let table = "CREATE TABLE event (signature BLOB, data BLOB)";
    sqlx::query(table).execute(&mut database).await.unwrap();
    let mut past = Past::new(jobs, providers);
    let mut time = Duration::ZERO;
    loop {
        let events = past.next(BULK_EVENTS);
        if events.is_empty() {
            return time;
        }
        let begun = Instant::now();
        append(&mut database, &events).await;
        time += begun.elapsed();
    }
}

async fn append(database: &mut SqliteConnection, events: &[Event]) {
    sqlx::query("BEGIN").execute(&mut *database).await.unwrap();
    for some in events.chunks(FLOOR_ROWS) {
        let rows = vec!["(?, ?)"; some.len()].join(", ");
        let sql = format!("INSERT INTO event VALUES {rows}");
        let mut query = sqlx::query(&sql);
        for event in some {
            query = query.bind(&event.id.signature.0[..]);
            query = query.bind(event.body.encode());
        }
        query.execute(&mut *database).await.unwrap();
    }
    sqlx::query("COMMIT").execute(&mut *database).await.unwrap();
}

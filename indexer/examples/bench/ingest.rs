//! Events into the store.

use {
    crate::{
        machine::{Clock, Spent, bytes_of, forget_peak, line, peak, rate},
        past::{END, Past, batch},
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
    },
    tempfile::TempDir,
};

/// Events of a batch: of a backfill, and of a second of a program that is used much.
const BULK_EVENTS: usize = 2_048;
const LIVE_EVENTS: usize = 64;
/// Seconds of that.
const LIVE_SECS: i64 = 300;
const HOUR_SECS: i64 = 3_600;
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
    line("bytes an event", bytes_of(&path).await / events);

    let store = open(&folder.path().join("written")).await;
    let mut past = Past::new(jobs, providers);
    let time = backfill(&store, &mut past).await;
    let what = format!("decoded events into SQLite, bulk: {BULK_EVENTS} a batch");
    line(what, rate(events, time));
    let (count, time) = live(&store, &mut past).await;
    let what = format!("decoded events into SQLite, live: {LIVE_EVENTS} a second, cursor and all");
    line(what, rate(count, time));
    store.close().await;
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

fn read_lines(path: &Path) -> Spent {
    let begun = Clock::start();
    for line in BufReader::new(File::open(path).unwrap()).lines() {
        serde_json::from_str::<IgnoredAny>(&line.unwrap()).unwrap();
    }
    begun.spent()
}

/// How long a recording takes to open, and to walk.
async fn follow(recording: &Path, path: &Path) -> (Spent, Spent) {
    let begun = Clock::start();
    let source: Arc<dyn Source> = Arc::new(FileSource::open(recording, &program()).unwrap());
    let opened = begun.spent();
    let follower = Follower {
        source,
        store: Arc::new(open(path).await),
        program: program(),
        fetches: FETCHES,
        health: Health::default(),
    };
    let begun = Clock::start();
    follower.walk().await.unwrap();
    let walked = begun.spent();
    follower.store.close().await;
    (opened, walked)
}

/// How long the past takes; its last batch moves the cursor.
async fn backfill(store: &Store, past: &mut Past) -> Spent {
    let mut time = Spent::default();
    let mut slot = 0;
    loop {
        let events = past.next(BULK_EVENTS);
        let is_over = events.is_empty();
        slot = end_of(&events).0.max(slot);
        let mut batch = batch(events);
        batch.cursor = is_over.then_some(cursor(slot, END));
        let begun = Clock::start();
        store.write(&batch).await.unwrap();
        time += begun.spent();
        if is_over {
            return time;
        }
    }
}

/// How many events of the seconds after the past were written, one second a batch, and how long that took. In their midst the
/// hour changes.
async fn live(store: &Store, past: &mut Past) -> (u64, Spent) {
    let to_the_hour = HOUR_SECS - END % HOUR_SECS;
    let (mut count, mut time) = (0, Spent::default());
    for second in to_the_hour - LIVE_SECS / 2..to_the_hour + LIVE_SECS / 2 {
        let events = past.now(second, LIVE_EVENTS);
        count += events.len() as u64;
        let slot = end_of(&events).0;
        let mut batch = batch(events);
        batch.cursor = Some(cursor(slot, END + second));
        let begun = Clock::start();
        store.write(&batch).await.unwrap();
        time += begun.spent();
    }
    (count, time)
}

fn cursor(slot: u64, chain_time: i64) -> Cursor {
    Cursor {
        slot,
        chain_time,
        origin: None,
    }
}

/// Slot and time of the last of these events.
pub fn end_of(events: &[Event]) -> (u64, i64) {
    let slots = events.iter().map(|event| event.slot);
    let times = events.iter().map(|event| event.body.at());
    (slots.max().unwrap_or(0), times.max().unwrap_or(0))
}

/// The least that SQLite can do: the record alone, one row after the other, without an index.
async fn floor(path: &Path, jobs: u64, providers: u64) -> Spent {
    let options = SqliteConnectOptions::new().filename(path);
    let options = options
        .create_if_missing(true)
        .pragma("journal_mode", "wal");
    let mut database = options.connect().await.unwrap();
    let table = "CREATE TABLE event (signature BLOB, data BLOB)";
    sqlx::query(table).execute(&mut database).await.unwrap();
    let mut past = Past::new(jobs, providers);
    let mut time = Spent::default();
    loop {
        let events = past.next(BULK_EVENTS);
        if events.is_empty() {
            return time;
        }
        let begun = Clock::start();
        append(&mut database, &events).await;
        time += begun.spent();
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

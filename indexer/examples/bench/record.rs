//! The recording, and the floors beside it.

use {
    crate::{
        machine::{Clock, Spent},
        past::Past,
        support::{Forgery, reply},
    },
    quern_indexer::project::Event,
    serde::de::IgnoredAny,
    sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions},
    std::{
        fs::File,
        io::{BufRead, BufReader, BufWriter, Write},
        path::Path,
        thread,
    },
};

/// Events told at a time.
const PIECE_EVENTS: usize = 8_192;
/// Rows of one statement of the floor.
const FLOOR_ROWS: usize = 256;
/// Events of one transaction of the floor.
const FLOOR_EVENTS: usize = 2_048;

/// Writes a recording of the history's next events; says how many.
pub fn write(path: &Path, past: &mut Past, events: u64) -> u64 {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut count = 0;
    loop {
        let piece = past.next(PIECE_EVENTS, events);
        if piece.is_empty() {
            file.flush().unwrap();
            return count;
        }
        count += piece.len() as u64;
        let (one, other) = piece.split_at(piece.len() / 2);
        thread::scope(|scope| {
            let other = scope.spawn(|| lines(other));
            file.write_all(lines(one).as_bytes()).unwrap();
            file.write_all(other.join().unwrap().as_bytes()).unwrap();
        });
    }
}

fn lines(events: &[Event]) -> String {
    let lines = events.iter();
    lines
        .map(|event| format!("{}\n", reply(event, Forgery::None)))
        .collect()
}

/// The least that reading can take: `serde_json` goes through the lines and keeps nothing.
pub fn read(path: &Path) -> Spent {
    let begun = Clock::start();
    let mut file = BufReader::new(File::open(path).unwrap());
    let mut line = String::new();
    while file.read_line(&mut line).unwrap() > 0 {
        serde_json::from_str::<IgnoredAny>(&line).unwrap();
        line.clear();
    }
    begun.spent()
}

/// The least that SQLite can do: the record alone, one row after the other, without an index.
pub async fn append(path: &Path, past: &mut Past, events: u64) -> Spent {
    let options = SqliteConnectOptions::new().filename(path);
    let options = options
        .create_if_missing(true)
        .pragma("journal_mode", "wal");
    let mut database = options.connect().await.unwrap();
    let table = "CREATE TABLE event (signature BLOB, data BLOB)";
    sqlx::query(table).execute(&mut database).await.unwrap();
    let mut time = Spent::default();
    loop {
        let events = past.next(FLOOR_EVENTS, events);
        if events.is_empty() {
            return time;
        }
        let begun = Clock::start();
        append_some(&mut database, &events).await;
        time += begun.spent();
    }
}

async fn append_some(database: &mut SqliteConnection, events: &[Event]) {
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

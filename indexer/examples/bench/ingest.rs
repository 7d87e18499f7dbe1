//! Events into the store.

use {
    crate::{
        machine::{Clock, Spent, alone, bytes_of, line, load, peak, rate, written},
        past::{END, Past, batch},
        record,
        support::{open, program},
    },
    quern_indexer::{
        follow::Follower,
        health::Health,
        project::Event,
        source::{FileSource, Source},
        store::{Cursor, Store},
    },
    std::{fs, path::Path, sync::Arc},
};

/// Events of a batch that catches up.
pub const BULK_EVENTS: usize = 8_192;
/// Events of a second of a program that is used much, and of one of the goal's rate.
pub const LIVE_EVENTS: [(usize, i64); 2] = [(64, 1), (10_000, 10)];
const HOUR_SECS: i64 = 3_600;
/// Transactions decoded at a time, as `--fetches` has it.
const FETCHES: usize = 8;

/// How much of what.
pub struct Scale {
    pub events: u64,
    pub milestones: u64,
    pub providers: u64,
    pub live_secs: i64,
}

/// Measures every way in which events come, all into one store; leaves the recording beside it.
pub async fn measure(folder: &Path, scale: &Scale) {
    let recording = folder.join("recording.jsonl");
    let mut past = Past::new(scale.providers);
    let events = record::write(&recording, &mut past, scale.events);
    line("recorded events, one a transaction", events);
    line("load of the machine before", load());
    line("providers", scale.providers);
    let read = record::read(&recording);
    line("floor: serde_json reads the lines", rate(events, read));
    let floor = folder.join("floor");
    let appended = record::append(&floor, &mut Past::new(scale.providers), scale.events).await;
    line("floor: SQLite, ids and bytes only", rate(events, appended));
    line("floor: bytes an event", bytes_of(&floor).await / events);
    fs::remove_file(floor).unwrap();

    let path = folder.join("store");
    alone(
        ["--events", &events.to_string(), "--walk"],
        &[&recording, &path],
    );
    fs::remove_file(recording).unwrap();

    let store = open(&path).await;
    for (hour, (events, share)) in (1..).zip(LIVE_EVENTS) {
        let before = written();
        let secs = scale.live_secs / share;
        let (count, time) = live(&store, &mut past, hour, secs, events).await;
        let what = format!("live: {events} events a second, cursor and all");
        line(what, rate(count, time));
        line(
            "bytes given to write an event",
            (written() - before) / count,
        );
    }
    let (count, time) = catch_up(&store, &mut past, scale.milestones).await;
    let what = format!("catching up: {BULK_EVENTS} decoded events a batch, windows kept");
    line(what, rate(count, time));
    store.close().await;
    line("settled milestones", past.settled);
}

/// Walks a recording into a new store and says what that took.
pub async fn walk(recording: &Path, path: &Path, events: u64) {
    let begun = Clock::start();
    let source: Arc<dyn Source> = Arc::new(FileSource::open(recording, &program()).unwrap());
    line("recording opened", rate(events, begun.spent()));
    line("memory of it", peak());
    let follower = Follower {
        source,
        store: Arc::new(open(path).await),
        program: program(),
        fetches: FETCHES,
        health: Health::default(),
    };
    let before = written();
    let begun = Clock::start();
    follower.walk().await.unwrap();
    let walked = rate(events, begun.spent());
    follower.store.close().await;
    line("recording into SQLite, the whole walk", walked);
    line("memory of both, at most", peak());
    line("bytes an event", bytes_of(path).await / events);
    line(
        "bytes given to write an event",
        (written() - before) / events,
    );
}

/// How many events of the seconds around the end of an hour after the past were written, and how long that took: batches as a
/// walk makes them, the last one of each second with the cursor.
pub async fn live(
    store: &Store,
    past: &mut Past,
    hour: i64,
    secs: i64,
    each: usize,
) -> (u64, Spent) {
    let change = hour * HOUR_SECS - END % HOUR_SECS;
    let (mut count, mut time) = (0, Spent::default());
    for second in change - secs / 2..change + secs / 2 {
        let events = past.now(second, each);
        count += events.len() as u64;
        let end = cursor(end_of(&events), END + second);
        let mut batches: Vec<_> = events
            .chunks(BULK_EVENTS)
            .map(|events| batch(events.to_vec()))
            .collect();
        batches.last_mut().unwrap().cursor = Some(end);
        let begun = Clock::start();
        let mut writing = store.begin().await.unwrap();
        for batch in &batches {
            writing = writing.add(batch).await.unwrap();
        }
        writing.finish().await.unwrap();
        time += begun.spent();
    }
    (count, time)
}

/// How many events were written until that many milestones were settled, and how long that took.
pub async fn catch_up(store: &Store, past: &mut Past, milestones: u64) -> (u64, Spent) {
    let from = past.settled;
    write_all(store, || past.settle(BULK_EVENTS, from, milestones)).await
}

/// Writes events until there are none, as a walk does; how many, and how long that took.
pub async fn write_all(store: &Store, mut next: impl FnMut() -> Vec<Event>) -> (u64, Spent) {
    let (mut count, mut time) = (0, Spent::default());
    let mut writing = store.begin().await.unwrap();
    loop {
        let events = next();
        let is_over = events.is_empty();
        count += events.len() as u64;
        let batch = batch(events);
        let begun = Clock::start();
        writing = writing.add(&batch).await.unwrap();
        if is_over {
            writing.finish().await.unwrap();
            time += begun.spent();
            return (count, time);
        }
        if writing.is_full() {
            writing.finish().await.unwrap();
            writing = store.begin().await.unwrap();
        }
        time += begun.spent();
    }
}

fn cursor(slot: u64, chain_time: i64) -> Cursor {
    Cursor {
        slot,
        chain_time,
        origin: None,
    }
}

/// Slot of the last of these events.
fn end_of(events: &[Event]) -> u64 {
    events.iter().map(|event| event.slot).max().unwrap_or(0)
}

//! Events into the store.

use {
    crate::{
        machine::{Clock, Spent, bytes_of, forget_peak, line, load, peak, rate},
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
const BULK_EVENTS: usize = 2_048;
/// Events of a second of a program that is used much.
const LIVE_EVENTS: usize = 64;
/// Seconds of that.
const LIVE_SECS: i64 = 300;
const HOUR_SECS: i64 = 3_600;
/// Transactions decoded at a time, as `--fetches` has it.
const FETCHES: usize = 8;

/// How much of what.
pub struct Scale {
    pub events: u64,
    pub milestones: u64,
    pub providers: u64,
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
    forget_peak();
    let (opened, walked) = follow(&recording, &path).await;
    fs::remove_file(recording).unwrap();
    line("recording opened", rate(events, opened));
    line(
        "recording into SQLite, the whole walk",
        rate(events, walked),
    );
    line("memory of both, at most", peak());
    line("bytes an event", bytes_of(&path).await / events);

    let store = open(&path).await;
    let (count, time) = live(&store, &mut past).await;
    let what = format!("live: {LIVE_EVENTS} events a second, cursor and all");
    line(what, rate(count, time));
    let (count, time) = catch_up(&store, &mut past, scale.milestones).await;
    let what = format!("catching up: {BULK_EVENTS} decoded events a batch, windows kept");
    line(what, rate(count, time));
    store.close().await;
    line("settled milestones", past.settled);
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

/// How many events of the seconds after the past were written, one second a batch, and how long that took. In their midst the
/// hour changes.
async fn live(store: &Store, past: &mut Past) -> (u64, Spent) {
    let to_the_hour = HOUR_SECS - END % HOUR_SECS;
    let (mut count, mut time) = (0, Spent::default());
    for second in to_the_hour - LIVE_SECS / 2..to_the_hour + LIVE_SECS / 2 {
        let events = past.now(second, LIVE_EVENTS);
        count += events.len() as u64;
        let slot = end_of(&events);
        let mut batch = batch(events);
        batch.cursor = Some(cursor(slot, END + second));
        let begun = Clock::start();
        store.write(&batch).await.unwrap();
        time += begun.spent();
    }
    (count, time)
}

/// How many events were written until that many milestones were settled, and how long that took.
async fn catch_up(store: &Store, past: &mut Past, milestones: u64) -> (u64, Spent) {
    let from = past.settled;
    let (mut count, mut time) = (0, Spent::default());
    loop {
        let events = past.settle(BULK_EVENTS, from, milestones);
        if events.is_empty() {
            return (count, time);
        }
        count += events.len() as u64;
        let batch = batch(events);
        let begun = Clock::start();
        store.write(&batch).await.unwrap();
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

//! The same events into PostgreSQL, with a server of the measurement's own that keeps what it was told.

use {
    crate::{
        boards,
        ingest::{BULK_EVENTS, LIVE_EVENTS, Scale, catch_up, live, write_all},
        machine::{Spent, line},
        past::Past,
        server::{Database, IS_SAFE, has_commands},
    },
    quern_indexer::store::Store,
    std::{path::Path, sync::atomic::Ordering},
};

/// Which share of the history it gets: a server beside the measurement on two cores takes its time.
const SHARE: u64 = 4;

/// Measures what [`crate::ingest`] measures; the server's work is not this process's, so time alone is told.
pub async fn measure(folder: &Path, scale: &Scale, requests: usize) {
    if !has_commands() {
        line("PostgreSQL", "not installed, not measured");
        return;
    }
    IS_SAFE.store(true, Ordering::SeqCst);
    let database = Database::of("bench").await;
    let store = Store::open(&database.url()).await.unwrap();
    let mut past = Past::new(scale.providers);
    let events = scale.events / SHARE;
    let (count, time) = write_all(&store, || past.next(BULK_EVENTS, events)).await;
    let what = format!("PostgreSQL, {count} decoded events, {BULK_EVENTS} a batch");
    line(what, each_second(count, time));
    line(
        "PostgreSQL, bytes an event",
        bytes_of(&database).await / count,
    );
    for ((events, share), hour) in LIVE_EVENTS.into_iter().zip(1..) {
        let secs = scale.live_secs / share;
        let (count, time) = live(&store, &mut past, hour, secs, events).await;
        let what = format!("PostgreSQL, live: {events} events a second, cursor and all");
        line(what, each_second(count, time));
    }
    let (count, time) = catch_up(&store, &mut past, scale.milestones / SHARE).await;
    let what = "PostgreSQL, catching up, windows kept";
    line(what, each_second(count, time));
    line("PostgreSQL, settled milestones", past.settled);
    store.close().await;
    boards::measure("PostgreSQL, ", &database.url(), folder, requests).await;
}

fn each_second(count: u64, time: Spent) -> String {
    format!("{:.0}/s", count as f64 / time.wall.as_secs_f64())
}

async fn bytes_of(database: &Database) -> u64 {
    let mut aside = database.connect().await;
    let sql = "SELECT pg_database_size(current_database())";
    let bytes: i64 = sqlx::query_scalar(sql).fetch_one(&mut aside).await.unwrap();
    bytes.unsigned_abs()
}

//! Leaderboards over HTTP.

use {
    crate::{
        ingest::end_of,
        machine::{Clock, Spent, bytes_of, forget_peak, line, peak, rate},
        past::{Past, batch},
        support::{Forgery, open, reply},
    },
    quern_api::{BoardsRequest, Window},
    quern_indexer::{
        Config, Indexer,
        store::{Batch, Cursor},
    },
    std::{
        path::Path,
        time::{Duration, Instant},
    },
    tempfile::TempDir,
};

const BATCH_EVENTS: usize = 2_048;

/// Measures every window's first page.
pub async fn measure(milestones: u64, providers: u64, requests: usize) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("db");
    forget_peak();
    let (events, spent) = fill(&path, milestones, providers).await;
    let what =
        format!("{milestones} jobs of {providers} providers: events stored, telling them included");
    line(what, rate(events, spent));
    line("bytes an event", bytes_of(&path).await / events);
    line("memory, at most", peak());

    // Served as always; the recording has one old transaction.
    let recording = folder.path().join("recording.jsonl");
    let first = Past::new(0, 0).next(1);
    std::fs::write(&recording, reply(&first[0], Forgery::None).to_string()).unwrap();
    let store = format!("sqlite:{}", path.display());
    let mut config = Config::local("http://unused.invalid", store);
    config.recording = Some(recording);
    let indexer = Indexer::start(config).await.unwrap();
    for window in Window::ALL {
        let url = format!("{}{}?window={window}", indexer.url(), BoardsRequest::PATH);
        line(format!("leaderboard {window}"), times(&url, requests).await);
    }
    indexer.stop().await.unwrap();
}

async fn fill(path: &Path, jobs: u64, providers: u64) -> (u64, Spent) {
    let begun = Clock::start();
    let store = open(path).await;
    let mut past = Past::new(jobs, providers);
    let (mut count, mut end) = (0, (0, 0));
    loop {
        let events = past.next(BATCH_EVENTS);
        if events.is_empty() {
            break;
        }
        count += events.len() as u64;
        end = end_of(&events).max(end);
        store.write(&batch(events)).await.unwrap();
    }
    let cursor = Some(Cursor {
        slot: end.0,
        chain_time: end.1,
        origin: None,
    });
    store
        .write(&Batch {
            cursor,
            ..Batch::default()
        })
        .await
        .unwrap();
    // The database's thread ends with the store, and what it worked is forgotten then.
    let spent = begun.spent();
    store.close().await;
    (count, spent)
}

/// Median and 99th percentile, and what client and server worked.
async fn times(url: &str, requests: usize) -> String {
    let http = reqwest::Client::new();
    let mut times = Vec::with_capacity(requests);
    let work = Clock::start();
    for _ in 0..requests {
        let begun = Instant::now();
        let reply = http.get(url).send().await.unwrap();
        let reply = reply.error_for_status().unwrap();
        let text = reply.text().await.unwrap();
        times.push(begun.elapsed());
        assert!(text.contains("\"rank\":1"), "{url}: {text}");
    }
    times.sort_unstable();
    let at = |percent: usize| millis(times[(times.len() - 1) * percent / 100]);
    let work = millis(work.spent().work / u32::try_from(requests).unwrap());
    format!("p50 {}, p99 {}; {work} of work each", at(50), at(99))
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

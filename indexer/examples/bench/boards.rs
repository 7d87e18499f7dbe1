//! Leaderboards over HTTP.

use {
    crate::{
        machine::{Clock, line},
        past::Past,
        support::{Forgery, reply},
    },
    quern_api::{Assurance, Boards, BoardsRequest, Ranked, Window},
    quern_indexer::{Config, Indexer},
    std::{
        path::Path,
        time::{Duration, Instant},
    },
};

/// What providers are ranked by.
/// Clients that ask at once, where requests in a second are counted.
const CLIENTS: usize = 4;

/// Measures first pages: those of every window, and of each metric, assurance level and mint in it.
pub async fn measure(engine: &str, store: &str, folder: &Path, requests: usize) {
    // Served as always; the recording has one old transaction.
    let recording = folder.join("first.jsonl");
    let first = Past::new(0).next(1, 1);
    std::fs::write(&recording, reply(&first[0], Forgery::None).to_string()).unwrap();
    let mut config = Config::local("http://unused.invalid", store);
    config.recording = Some(recording);
    let indexer = Indexer::start(config).await.unwrap();
    let base = format!("{}{}", indexer.url(), BoardsRequest::PATH);
    for window in Window::ALL {
        let page = format!("{base}?window={window}");
        let all = times(std::slice::from_ref(&page), requests).await;
        line(
            format!("{engine}leaderboards {window}, all of a metric"),
            all,
        );
        let one = of_each_kind(&page).await;
        let what = format!("{engine}leaderboard {window}, each of {} kinds", one.len());
        line(what, times(&one, requests).await);
    }
    let page = format!("{base}?window={}", Window::ALL[0]);
    let what = format!("{engine}the first of these, asked by {CLIENTS} at once");
    line(what, many(&page, requests).await);
    indexer.stop().await.unwrap();
}

/// One request for each metric, assurance level and mint that has rows.
async fn of_each_kind(page: &str) -> Vec<String> {
    let mut kinds = Vec::new();
    for metric in Ranked::Providers.metrics() {
        for level in Assurance::ALL {
            let url = format!("{page}&metric={metric}&assurance={level}");
            let boards: Boards = reqwest::get(&url).await.unwrap().json().await.unwrap();
            for board in boards.boards {
                let mint = board.mint.map(|mint| format!("&mint={mint}"));
                kinds.push(format!("{url}{}", mint.unwrap_or_default()));
            }
        }
    }
    assert!(!kinds.is_empty(), "{page} has no rows");
    kinds
}

/// Median and 99th percentile of requests for these pages in turn, and what client and server worked.
async fn times(pages: &[String], requests: usize) -> String {
    let http = reqwest::Client::new();
    let mut times = Vec::with_capacity(requests);
    let work = Clock::start();
    for page in pages.iter().cycle().take(requests) {
        let begun = Instant::now();
        ask(&http, page).await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| millis(times[(times.len() - 1) * percent / 100]);
    let work = millis(work.spent().work / u32::try_from(requests).unwrap());
    format!("p50 {}, p99 {}; {work} of work each", at(50), at(99))
}

async fn ask(http: &reqwest::Client, page: &str) {
    let reply = http.get(page).send().await.unwrap();
    let reply = reply.error_for_status().unwrap();
    let text = reply.text().await.unwrap();
    assert!(text.contains("\"rank\":1"), "{page}: {text}");
}

/// Requests in a second.
async fn many(page: &str, requests: usize) -> String {
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(|_| async {
        let http = reqwest::Client::new();
        for _ in 0..requests {
            ask(&http, page).await;
        }
    });
    futures::future::join_all(clients).await;
    let each = (CLIENTS * requests) as f64 / begun.elapsed().as_secs_f64();
    format!("{each:.0} requests/s")
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

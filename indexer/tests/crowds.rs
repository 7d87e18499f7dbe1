//! Many requests and many streams: limits hold, streams resume without holes, and nobody is kept out for long.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    futures::{StreamExt, stream},
    serde_json::Value,
    std::{collections::BTreeMap, num::NonZeroU32, time::Duration},
    support::{History, served::Asked},
};

/// Requests of the flood, and how many of them are open at a time.
const REQUESTS: usize = 10_000;
const AT_A_TIME: usize = 250;
/// Ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_is_answered_or_refused_and_ends() {
    let asked = Asked::with(History::lived(5, 10), |config| {
        config.max_requests_per_second = NonZeroU32::new(200).unwrap();
        config.max_connections_per_address = 512;
    })
    .await;
    let paths = [
        "/v1/jobs",
        "/v1/leaderboards/providers",
        "/v1/status",
        "/nowhere",
        "/v1/jobs?limit=0",
    ];
    let begun = std::time::Instant::now();
    let replies = stream::iter(0..REQUESTS).map(|number| {
        let url = format!("{}{}", asked.indexer.url(), paths[number % paths.len()]);
        let request = asked.http.get(url).send();
        async move {
            let reply = request.await.ok()?;
            let status = reply.status().as_u16();
            if matches!(status, 429 | 503) {
                assert!(reply.headers().contains_key("retry-after"), "{status}");
            }
            reply.bytes().await.ok()?;
            Some(status)
        }
    });
    let replies: Vec<Option<u16>> = replies.buffer_unordered(AT_A_TIME).collect().await;
    let took = begun.elapsed();
    let mut counts = BTreeMap::<Option<u16>, usize>::new();
    for reply in replies {
        *counts.entry(reply).or_default() += 1;
    }
    let known = [200, 400, 404, 429, 503].map(Some);
    assert!(
        counts.keys().all(|status| known.contains(status)),
        "{counts:?}"
    );
    // What was let through is what the address had in advance and what its rate adds to it; all places may be taken by then.
    let passed: usize = [200, 400, 404, 503]
        .iter()
        .filter_map(|status| counts.get(&Some(*status)))
        .sum();
    let most = 200.0 * (4.0 + took.as_secs_f64() + 1.0);
    assert!(
        passed >= 800 && (passed as f64) < most,
        "{counts:?} in {took:?}"
    );
    // And afterwards everything is as before.
    let served = tokio::time::timeout(LIMIT, async {
        while asked.get("/v1/status").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    served.await.unwrap();
    asked.indexer.stop().await.unwrap();
}

/// A stream, read event by event.
struct Reader {
    reply: reqwest::Response,
    text: String,
}

impl Reader {
    async fn open(asked: &Asked, after: Option<&str>) -> Self {
        let mut request = asked.http.get(format!("{}/v1/stream", asked.indexer.url()));
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        Self {
            reply,
            text: String::new(),
        }
    }

    /// The fields of the next event; none if the stream ends.
    async fn next(&mut self) -> Option<BTreeMap<String, String>> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let fields = block.lines().filter_map(|line| line.split_once(": "));
                let fields: BTreeMap<_, _> = fields
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                self.text = rest.to_owned();
                if fields.contains_key("data") {
                    return Some(fields);
                }
                continue;
            }
            let chunk = tokio::time::timeout(LIMIT, self.reply.chunk());
            let chunk = chunk.await.unwrap().ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_resumes_behind_its_last_event_without_holes() {
    let history = History::lived(9, 40);
    let count = history.events.len();
    let asked = Asked::of(history).await;
    // Everything, page by page.
    let (mut all, mut after) = (Vec::<Value>::new(), String::new());
    loop {
        let page = asked.json(&format!("/v1/events?limit=50{after}")).await;
        all.extend(page["events"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        after = format!("&after={next}");
    }
    assert_eq!(all.len(), count);
    // The same from a stream that breaks off again and again.
    let mut last = all[0]["id"].as_str().unwrap().to_owned();
    let mut streamed = vec![all[0].clone()];
    while streamed.len() < count {
        let mut reader = Reader::open(&asked, Some(&last)).await;
        for _ in 0..70.min(count - streamed.len()) {
            let event = reader.next().await.unwrap();
            let data: Value = serde_json::from_str(&event["data"]).unwrap();
            assert_eq!(data["id"], event["id"]);
            assert_eq!(data["event"], event["event"]);
            last.clone_from(&event["id"]);
            streamed.push(data);
        }
    }
    assert_eq!(streamed, all);
    // An unknown last event is refused: nobody can say what came behind it.
    let unknown = [("last-event-id", "1.0.0")];
    assert_eq!(asked.get_with("/v1/stream", &unknown).await.status, 400);
    // The end of the service ends a stream with a word.
    let mut reader = Reader::open(&asked, None).await;
    let stopping = tokio::spawn(asked.indexer.stop());
    let end = reader.next().await.unwrap();
    assert_eq!(end["event"], "end");
    assert!(end["data"].contains("stops"), "{end:?}");
    stopping.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_a_number_and_a_place_is_free_when_one_ends() {
    let asked = Asked::with(History::lived(9, 4), |config| {
        config.max_connections_per_address = 512;
    })
    .await;
    let mut open = Vec::new();
    // The oldest one is behind and reads nothing for now.
    let first = &asked.json("/v1/events?limit=1").await["events"][0]["id"];
    open.push(Reader::open(&asked, first.as_str()).await);
    for _ in 1..64 {
        open.push(Reader::open(&asked, None).await);
    }
    let refused = asked.get("/v1/stream").await;
    assert_eq!(refused.status, 503);
    assert!(
        refused.text.contains("streams are open"),
        "{}",
        refused.text
    );
    // Others are served meanwhile, and have their part of the streams.
    assert_eq!(asked.get("/v1/jobs").await.status, 200);
    let other = reqwest::Client::builder()
        .local_address(std::net::IpAddr::from([127, 0, 0, 2]))
        .build()
        .unwrap();
    let url = format!("{}/v1/stream", asked.indexer.url());
    let theirs = other.get(&url).send().await.unwrap();
    assert_eq!(theirs.status().as_u16(), 200);
    let mut oldest = open.remove(0);
    let end = loop {
        let next = oldest.next().await.unwrap();
        if next["event"] == "end" {
            break next;
        }
    };
    assert!(end["data"].contains("others want one"), "{end:?}");
    assert_eq!(asked.get("/v1/stream").await.status, 503);
    let metrics = asked.get("/metrics").await.text;
    assert!(metrics.contains("quern_indexer_streams 64"), "{metrics}");
    open.pop();
    let served = tokio::time::timeout(LIMIT, async {
        while asked.get("/v1/stream").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    served.await.unwrap();
    drop((open, theirs));
    asked.indexer.stop().await.unwrap();
}

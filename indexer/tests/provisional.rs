//! What is confirmed and not final: shown apart, replaced at each look, and in no table.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_indexer::{Config, Indexer},
    serde_json::{Value, json},
    std::time::Duration,
    support::{
        History,
        node::{Node, entries, start},
        process::until,
    },
    tempfile::TempDir,
};

async fn asked(indexer: &Indexer, path: &str) -> Value {
    let reply = reqwest::get(format!("{}{path}", indexer.url())).await;
    let text = reply.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Names of what is provisional, and the slot of the look.
async fn provisional(indexer: &Indexer) -> (Vec<String>, Value) {
    let page = asked(indexer, "/v1/provisional").await;
    assert_eq!(page["finality"], "confirmed", "{page}");
    (ids(&page), page["confirmed_slot"].clone())
}

fn ids(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap().iter();
    events
        .map(|event| event["signature"].as_str().unwrap().to_owned())
        .collect()
}

async fn until_it_shows(indexer: &Indexer, wanted: &[String]) {
    let what = format!("{} events are provisional", wanted.len());
    until(&what, async || {
        let (found, slot) = provisional(indexer).await;
        (slot != Value::Null && found == wanted).then_some(())
    })
    .await;
}

#[expect(
    clippy::too_many_lines,
    reason = "one story, from the first look to a fork and its end"
)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_final_stands_apart_and_a_fork_drops_it() {
    let history = History::lived(3, 15);
    let events = &history.events;
    let (middle, last) = (events[events.len() / 2].slot, events.last().unwrap().slot);
    let above = |floor: u64, ceiling: u64| -> Vec<String> {
        let within = events
            .iter()
            .filter(|event| event.slot > floor && event.slot <= ceiling);
        within.map(|event| event.id.signature.to_string()).collect()
    };
    let (node, url) = start(Node {
        transactions: entries(&history),
        finalized: middle,
        events: Some(events.clone()),
        ..Node::default()
    })
    .await;
    let folder = TempDir::new().unwrap();
    let store = format!("sqlite:{}", folder.path().join("db").display());
    let mut config = Config::local(url, store);
    (config.poll_millis, config.provisional_millis) = (20, 20);
    let indexer = Indexer::start(config.clone()).await.unwrap();
    assert!(indexer.wait_for_slot(middle, Duration::from_secs(30)).await);
    until_it_shows(&indexer, &above(middle, last)).await;
    let (_, slot) = provisional(&indexer).await;
    assert_eq!(slot, json!(last));
    // Nowhere else.
    let status = asked(&indexer, "/v1/status").await;
    let final_ones = events.iter().filter(|event| event.slot <= middle).count();
    assert_eq!(status["events"], json!(final_ones));
    assert_eq!(
        (&status["as_of_slot"], &status["finality"]),
        (&json!(middle), &json!("finalized"))
    );

    // A stream tells the whole of it, at once and again when a fork drops the end.
    let url = format!("{}/v1/stream?commitment=confirmed", indexer.url());
    let mut stream = reqwest::get(url).await.unwrap();
    let mut told = String::new();
    let mut next = async || {
        loop {
            if let Some((one, rest)) = told.split_once("\n\n") {
                let (one, rest) = (one.to_owned(), rest.to_owned());
                told = rest;
                if let Some(data) = one.strip_prefix("event: provisional\ndata: ") {
                    return ids(&serde_json::from_str(data).unwrap());
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(30), stream.chunk()).await;
            told += std::str::from_utf8(&chunk.unwrap().unwrap().unwrap()).unwrap();
        }
    };
    assert_eq!(next().await, above(middle, last));
    let kept = events[events.len() - 4].slot;
    node.lock()
        .unwrap()
        .transactions
        .retain(|known| known.1 <= kept);
    until_it_shows(&indexer, &above(middle, kept)).await;
    assert_eq!(next().await, above(middle, kept));

    // A node that does not answer shows nothing.
    node.lock().unwrap().refusal = Some((503, json!("busy")));
    until("nothing is shown", async || {
        let (found, slot) = provisional(&indexer).await;
        (found.is_empty() && slot == Value::Null).then_some(())
    })
    .await;
    node.lock().unwrap().refusal = None;

    // Failures of strangers may take all of the node's page: then it is not said that there is nothing.
    assert_eq!(asked(&indexer, "/v1/provisional").await["is_cut"], false);
    let failures = (0..1_000_u64).map(|n| {
        let mut signature = [0xfa; 64];
        signature[..8].copy_from_slice(&n.to_be_bytes());
        (
            bs58::encode(signature).into_string(),
            last,
            true,
            Value::Null,
        )
    });
    node.lock().unwrap().transactions.extend(failures);
    until("it is said that there may be more", async || {
        let page = asked(&indexer, "/v1/provisional").await;
        (page["is_cut"] == true && ids(&page).is_empty()).then_some(())
    })
    .await;
    node.lock().unwrap().transactions.retain(|known| !known.2);

    // What becomes final moves over.
    node.lock().unwrap().finalized = kept;
    assert!(indexer.wait_for_slot(kept, Duration::from_secs(60)).await);
    until_it_shows(&indexer, &[]).await;
    let status = asked(&indexer, "/v1/status").await;
    let final_ones = events.iter().filter(|event| event.slot <= kept).count();
    assert_eq!(status["events"], json!(final_ones));
    indexer.stop().await.unwrap();

    // Who does not ask for it has none.
    config.provisional_millis = 0;
    let indexer = Indexer::start(config).await.unwrap();
    assert!(indexer.wait_for_slot(kept, Duration::from_secs(30)).await);
    assert_eq!(provisional(&indexer).await, (Vec::new(), Value::Null));
    indexer.stop().await.unwrap();
}

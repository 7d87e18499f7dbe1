//! The RPC source against a node that speaks JSON-RPC over a real socket: pages, finality, answers that come late.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    bytemuck::Zeroable,
    quern_client::{
        accounts::QuernAccount,
        quern::{
            self,
            state::{LAYOUT_VERSION, Protocol},
        },
    },
    quern_indexer::{Config, Indexer},
    serde_json::{Value, json},
    std::time::{Duration, Instant},
    support::{
        History, counts,
        node::{Node, entries, start},
    },
    tempfile::TempDir,
};

#[tokio::test(flavor = "multi_thread")]
async fn pages_finality_and_late_answers() {
    let history = History::lived(3, 15);
    let mut transactions = entries(&history);
    let last_slot = history.events.last().unwrap().slot;
    // Two and a half pages of failed transactions before the program's real life.
    let noise = (0..2_500_u64).map(|n| {
        let mut bytes = [1; 64];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        (
            bs58::encode(bytes).into_string(),
            500 + n / 10,
            true,
            Value::Null,
        )
    });
    transactions.splice(0..0, noise);
    let total = transactions.len() as u64;
    let middle = history.events[history.events.len() / 2].slot;
    let (node, url) = start(Node {
        transactions,
        finalized: middle,
        ..Node::default()
    })
    .await;

    let folder = TempDir::new().unwrap();
    let mut config = Config::local(
        url,
        format!("sqlite:{}", folder.path().join("db").display()),
    );
    config.poll_millis = 20;
    let indexer = Indexer::start(config.clone()).await.unwrap();
    assert!(indexer.wait_for_slot(middle, Duration::from_secs(30)).await);
    // Nothing that is not final yet was taken.
    let finished = history
        .events
        .iter()
        .filter(|event| event.slot <= middle)
        .count() as u64;
    let mut snapshot = indexer.store().read().await.unwrap();
    let (events, cursor) = (
        snapshot.counts().await.unwrap().events,
        snapshot.cursor().unwrap(),
    );
    assert_eq!((events, cursor.slot), (finished, middle));
    assert_eq!(cursor.origin.unwrap().slot, 500);
    drop(snapshot);

    node.lock().unwrap().finalized = last_slot;
    assert!(
        indexer
            .wait_for_slot(last_slot, Duration::from_secs(30))
            .await
    );
    let counts = counts(&indexer.store()).await;
    assert_eq!(
        (counts.events, counts.transactions, counts.gaps),
        (history.events.len() as u64, total, 0)
    );
    // Nothing was fetched twice, apart from the answers that came late.
    let fetches = node
        .lock()
        .unwrap()
        .calls
        .iter()
        .filter(|call| *call == "getTransaction")
        .count();
    assert_eq!(fetches, history.events.len() + history.events.len() / 5);
    indexer.stop().await.unwrap();

    // A node that lost its history is not believed.
    {
        let mut node = node.lock().unwrap();
        node.finalized = last_slot + 10;
        node.pruned = true;
    }
    let indexer = Indexer::start(config).await.unwrap();
    let status = loop {
        let text = reqwest::get(format!("{}/v1/status", indexer.url()))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let status: Value = serde_json::from_str(&text).unwrap();
        if !status["error"].is_null() {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(
        status["error"].as_str().unwrap().contains("lags or prunes"),
        "{status}"
    );
    assert_eq!(
        (&status["cursor_slot"], &status["lag_slots"]),
        (&last_slot.into(), &10.into())
    );
    indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_the_address_are_told_to_nobody() {
    const SECRETS: [&str; 4] = ["NAMEKEY", "PASSKEY", "PATHKEY", "QUERYKEY"];
    let refusal = |status, body| Node {
        refusal: Some((status, body)),
        ..Node::default()
    };
    // Refused by status; by an error that quotes the key; answered with what is no reply.
    let quoting = json!({ "code": -32_401, "message": "QUERYKEY and PATHKEY are not welcome" });
    let cases = [
        (Some(refusal(403, Value::Null)), "403"),
        (
            Some(refusal(200, json!({ "error": quoting }))),
            "not welcome",
        ),
        (Some(refusal(200, json!(["QUERYKEY"]))), "not a JSON object"),
        (None, "error sending request"),
    ];
    for (node, word) in cases {
        let host = match node {
            Some(node) => start(node).await.1.replace("http://", ""),
            None => "127.0.0.1:1".to_owned(),
        };
        let folder = TempDir::new().unwrap();
        let mut config = Config::local(
            format!("http://NAMEKEY:PASSKEY@{host}/PATHKEY?api-key=QUERYKEY"),
            format!("sqlite:{}", folder.path().join("db").display()),
        );
        config.ws_url = Some(format!("ws://{host}/PATHKEY?api-key=QUERYKEY"));
        let indexer = Indexer::start(config).await.unwrap();
        let get = async |path: &str| {
            let reply = reqwest::get(format!("{}{path}", indexer.url())).await;
            reply.unwrap().text().await.unwrap()
        };
        let limit = Instant::now() + Duration::from_secs(60);
        let status = loop {
            let text = get("/v1/status").await;
            let status: Value = serde_json::from_str(&text).unwrap();
            if !status["error"].is_null() {
                break text;
            }
            assert!(Instant::now() < limit, "no error was told: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let ready = get("/health/ready").await;
        for text in [status, ready] {
            assert!(text.contains(&format!("http://{host}: ")), "{text}");
            assert!(text.contains(word), "{text}");
            assert!(
                !SECRETS.iter().any(|secret| text.contains(secret)),
                "{text}"
            );
        }
        indexer.stop().await.unwrap();
    }
}

fn discriminator<T: QuernAccount>() -> &'static [u8] {
    T::DISCRIMINATOR
}

/// A node of another cluster than the one that the protocol names would serve another history.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_ends_the_indexer() {
    let mut protocol = Protocol::zeroed();
    protocol.version = LAYOUT_VERSION;
    protocol.cluster = [7; 32];
    let data = [discriminator::<Protocol>(), bytemuck::bytes_of(&protocol)].concat();
    let (_, url) = start(Node {
        protocol: Some((quern::ID.to_string(), bs58::encode(data).into_string())),
        ..Node::default()
    })
    .await;
    let folder = TempDir::new().unwrap();
    let store = format!("sqlite:{}", folder.path().join("db").display());
    let mut indexer = Indexer::start(Config::local(url, store)).await.unwrap();
    let ended = indexer.ended().await.unwrap_err();
    let expected = quern_client::Hash::new_from_array([7; 32]).to_string();
    assert!(ended.to_string().contains(&expected), "{ended}");
}

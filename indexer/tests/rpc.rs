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
    quern_indexer::{
        Config, Indexer,
        project::{Event, EventId},
        store::{Batch, DeadLetter},
    },
    serde_json::{Value, json},
    sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions},
    std::time::{Duration, Instant},
    support::{
        History, counts,
        node::{Node, entries, start},
        open,
        process::until,
    },
    tempfile::TempDir,
};

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
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

/// An indexer on this node.
async fn indexer(url: String, folder: &TempDir) -> Indexer {
    let store = format!("sqlite:{}", folder.path().join("db").display());
    let mut config = Config::local(url, store);
    config.poll_millis = 20;
    Indexer::start(config).await.unwrap()
}

/// A page of the indexer, once it is as wanted.
async fn page(
    indexer: &Indexer,
    path: &str,
    what: &str,
    wanted: impl Fn(u16, &Value) -> bool,
) -> Value {
    until(what, async || {
        let reply = reqwest::get(format!("{}{path}", indexer.url()))
            .await
            .unwrap();
        let (status, body) = (reply.status().as_u16(), reply.json().await.unwrap());
        wanted(status, &body).then_some(body)
    })
    .await
}

async fn ready(indexer: &Indexer) {
    page(indexer, "/health/ready", "it is ready", |status, _| {
        status == 200
    })
    .await;
}

/// Waits until it says that it is not ready, with a word of the reason.
async fn not_ready(indexer: &Indexer, reason: &str) {
    let is_told =
        |status, body: &Value| status == 503 && body["detail"].as_str().unwrap().contains(reason);
    page(indexer, "/health/ready", reason, is_told).await;
}

async fn same_tables(indexer: &Indexer, history: &History) {
    let folder = TempDir::new().unwrap();
    let clean = open(&folder.path().join("clean")).await;
    let batch = Batch {
        events: history.events.clone(),
        ..Batch::default()
    };
    clean.write(&batch).await.unwrap();
    assert_eq!(
        indexer.store().digest().await.unwrap(),
        clean.digest().await.unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_length_are_read_to_the_end() {
    let history = History::lived(2, 5);
    let folder = TempDir::new().unwrap();
    let (_, url) = start(Node {
        cap: 1,
        ..Node::of(&history)
    })
    .await;
    let indexer = indexer(url, &folder).await;
    ready(&indexer).await;
    same_tables(&indexer, &history).await;
    indexer.stop().await.unwrap();
}

/// Networks are begun anew, and addresses are given to others.
#[tokio::test(flavor = "multi_thread")]
async fn another_network_behind_the_same_address_is_refused_until_the_right_one_is_back() {
    let (history, other) = (History::lived(2, 5), History::lived(77, 30));
    let folder = TempDir::new().unwrap();
    let (node, url) = start(Node::of(&history)).await;
    let indexer = indexer(url, &folder).await;
    ready(&indexer).await;
    let before = counts(&indexer.store()).await;
    const OTHER: &str = "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY";
    // Further than the old one, and behind it: the genesis is what is told in both cases.
    for finalized in [other.slot + 1_000, 5] {
        *node.lock().unwrap() = Node {
            genesis: OTHER.to_owned(),
            finalized,
            ..Node::of(&other)
        };
        not_ready(&indexer, "genesis hash").await;
        let now = counts(&indexer.store()).await;
        assert_eq!(
            (now.events, now.transactions),
            (before.events, before.transactions)
        );
        *node.lock().unwrap() = Node::of(&history);
        ready(&indexer).await;
    }
    // Replaced between the listing and the writing.
    *node.lock().unwrap() = Node {
        genesis_after_listing: Some(OTHER.to_owned()),
        finalized: other.slot + 1_000,
        ..Node::of(&other)
    };
    not_ready(&indexer, "genesis hash").await;
    *node.lock().unwrap() = Node::of(&history);
    ready(&indexer).await;
    same_tables(&indexer, &history).await;
    indexer.stop().await.unwrap();
}

/// A node that does not know the cursor of the second page passes the first one off as the whole history.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_listing_that_was_cut_short_is_told_and_mended() {
    let history = History::lived(2, 5);
    let folder = TempDir::new().unwrap();
    let (node, url) = start(Node {
        cap: 3,
        forgets_cursors: true,
        ..Node::of(&history)
    })
    .await;
    let indexer = indexer(url, &folder).await;
    not_ready(&indexer, "first event is missing").await;
    let is_told = |_, body: &Value| body["as_of_slot"].is_u64() && body["whole_history"] == false;
    for path in ["/v1/totals", "/v1/leaderboards/providers", "/v1/status"] {
        page(&indexer, path, "a page says that it is not whole", is_told).await;
    }
    node.lock().unwrap().forgets_cursors = false;
    ready(&indexer).await;
    let status = page(&indexer, "/v1/status", "it is whole", |_, body| {
        body["whole_history"] == true
    })
    .await;
    assert_eq!(status["gaps"], 0);
    same_tables(&indexer, &history).await;
    indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_the_middle_is_walked_back_to() {
    let history = History::lived(2, 5);
    let folder = TempDir::new().unwrap();
    let mut holed = Node::of(&history);
    let taken = |event: &quern_indexer::project::Event| event.body.name() == "JobTaken";
    let hidden: Vec<String> = history
        .events
        .iter()
        .filter(|event| taken(event))
        .map(|event| event.id.signature.to_string())
        .collect();
    holed
        .transactions
        .retain(|known| !hidden.contains(&known.0));
    // Far behind the end, where no later walk looks again.
    holed.finalized = history.slot + 1_000;
    let (node, url) = start(holed).await;
    let indexer = indexer(url, &folder).await;
    not_ready(&indexer, "accounts miss changes").await;
    node.lock().unwrap().transactions = entries(&history);
    ready(&indexer).await;
    same_tables(&indexer, &history).await;
    indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_deleted_are_fetched_again() {
    let history = History::lived(2, 5);
    let folder = TempDir::new().unwrap();
    let (_, url) = start(Node::of(&history)).await;
    let first = indexer(url.clone(), &folder).await;
    ready(&first).await;
    first.stop().await.unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("db"));
    let mut store = options.connect().await.unwrap();
    let deleted = sqlx::query("DELETE FROM event WHERE name IN ('JobTaken', 'ResultSubmitted')");
    assert!(deleted.execute(&mut store).await.unwrap().rows_affected() > 5);
    store.close().await.unwrap();
    let second = indexer(url, &folder).await;
    ready(&second).await;
    same_tables(&second, &history).await;
    let counts = counts(&second.store()).await;
    assert_eq!(counts.events, history.events.len() as u64);
    second.stop().await.unwrap();
}

/// A store of an older version, which did not understand some events, is whole again without anybody's doing.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_an_older_version_are_revived_at_start() {
    let history = History::lived(2, 5);
    let folder = TempDir::new().unwrap();
    let (_, url) = start(Node::of(&history)).await;
    let (dead, living): (Vec<Event>, Vec<Event>) = history
        .events
        .iter()
        .cloned()
        .partition(|event| event.body.name() == "JobTaken");
    assert!(dead.len() > 2);
    let letters = dead.iter().map(|event| DeadLetter {
        id: event.id,
        slot: event.slot,
        reason: "an older version did not know it".to_owned(),
        data: event.body.encode(),
    });
    let batch = history.understood(living, letters.collect());
    let older = open(&folder.path().join("db")).await;
    older.write(&batch).await.unwrap();
    older.close().await;
    drop(older);
    let indexer = indexer(url, &folder).await;
    ready(&indexer).await;
    same_tables(&indexer, &history).await;
    let counts = counts(&indexer.store()).await;
    assert_eq!(counts.events, history.events.len() as u64);
    assert_eq!(counts.dead_letters, 0);
    indexer.stop().await.unwrap();
}

/// Nothing else shows it: no account misses a change. Another walk would not help.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_of_which_something_is_not_understood_is_not_whole() {
    let history = History::lived(2, 5);
    let folder = TempDir::new().unwrap();
    let (node, url) = start(Node::of(&history)).await;
    let last = history.events.last().unwrap();
    let mut id = last.id;
    id.inner += 1;
    let letter = DeadLetter {
        id,
        slot: last.slot,
        reason: "the bytes are of a version to come".to_owned(),
        data: vec![1, 2, 3],
    };
    let batch = history.understood(history.events.clone(), vec![letter]);
    let older = open(&folder.path().join("db")).await;
    older.write(&batch).await.unwrap();
    older.close().await;
    let indexer = indexer(url, &folder).await;
    not_ready(&indexer, "1 events are not understood").await;
    let status = page(&indexer, "/v1/status", "it is not whole", |_, body| {
        body["whole_history"] == false && body["as_of_slot"] == last.slot
    })
    .await;
    assert_eq!(
        (&status["gaps"], &status["dead_letters"]),
        (&json!(0), &json!(1))
    );
    let table = reqwest::Client::new()
        .get(format!("{}/v1/leaderboards/providers", indexer.url()))
        .header("accept", "text/csv");
    let table = table.send().await.unwrap();
    assert_eq!(table.headers()["quern-whole-history"], "false");
    assert_eq!(
        table.headers()["quern-as-of-slot"],
        last.slot.to_string().as_str()
    );
    let listings = |node: &Node| {
        let calls = node.calls.iter();
        calls.filter(|call| *call == "getTransaction").count()
    };
    assert_eq!(listings(&node.lock().unwrap()), 0);
    indexer.stop().await.unwrap();
}

/// What an older version took for a call that owed an event stands in no event's place, so nothing can be revived of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_without_an_event_is_read_again_after_a_replay() {
    let history = History::lived(2, 5);
    let folder = TempDir::new().unwrap();
    let (_, url) = start(Node::of(&history)).await;
    let last = history.events.last().unwrap();
    let letter = DeadLetter {
        id: EventId::whole(last.id.signature),
        slot: last.slot,
        reason: "the program was called and succeeded, but told no event".to_owned(),
        data: Vec::new(),
    };
    let batch = history.understood(history.events.clone(), vec![letter]);
    let older = open(&folder.path().join("db")).await;
    older.write(&batch).await.unwrap();
    assert!(!older.read().await.unwrap().wholeness().is_whole());
    let replayed = older.replay().await.unwrap();
    assert_eq!(
        (replayed.revived, replayed.unread, replayed.left.len()),
        (0, 1, 0)
    );
    older.close().await;
    let indexer = indexer(url, &folder).await;
    ready(&indexer).await;
    same_tables(&indexer, &history).await;
    let counts = counts(&indexer.store()).await;
    assert_eq!(
        (counts.events, counts.dead_letters),
        (history.events.len() as u64, 0)
    );
    indexer.stop().await.unwrap();
}

/// What a node says is shown without what a terminal would obey, and without loose ends.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_a_node_are_shown_in_one_clean_sentence() {
    let history = History::new(1);
    let (node, url) = start(Node::of(&history)).await;
    let folder = TempDir::new().unwrap();
    let indexer = indexer(url, &folder).await;
    let refusal =
        json!({ "error": { "code": -32_005, "message": "Node is \u{202e}behind\u{1b}[2J" } });
    for (refusal, words) in [
        (
            refusal,
            "Node is \\u{202e}behind\\u{1b}[2J; the cursor stays",
        ),
        (json!("<html>"), "not JSON-RPC"),
    ] {
        node.lock().unwrap().refusal = Some((200, refusal));
        let status = page(&indexer, "/v1/status", words, |_, body| {
            body["error"]
                .as_str()
                .is_some_and(|text| text.contains(words))
        })
        .await;
        let text = status["error"].as_str().unwrap();
        assert!(
            !text.contains("; ;") && !text.contains('\u{202e}'),
            "{text}"
        );
    }
    indexer.stop().await.unwrap();
}

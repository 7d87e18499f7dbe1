//! Following a source that misbehaves in every way that nodes do: after recovery the tables equal a clean run's (X3, X4,
//! X10).
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    async_trait::async_trait,
    quern_indexer::{
        IndexerError, Result,
        follow::Follower,
        health::Health,
        project::Event,
        source::{FileSource, Item, Items, Range, Source, Tip},
        store::{Batch, Store},
    },
    quern_testkit::rng::Rng,
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::{
        path::Path,
        sync::{Arc, Mutex},
        time::Duration,
    },
    support::{Forgery, History, counts, open, program, recording, reply},
    tempfile::TempDir,
    tokio::sync::Notify,
};

/// A node that shows ever more of a history, and fails whenever the dice say so.
struct Unreliable {
    events: Vec<Event>,
    state: Mutex<(Rng, usize)>,
    /// One call in this many fails; 0: none.
    fails_one_in: u64,
    /// How many more transactions it returns before it hangs; none for no end.
    answers: Mutex<Option<u64>>,
    /// Told when it hangs.
    hangs: Notify,
}

impl Unreliable {
    fn new(events: &[Event], seed: u64, fails_one_in: u64) -> Self {
        Self {
            events: events.to_vec(),
            state: Mutex::new((Rng::new(seed), 0)),
            fails_one_in,
            answers: Mutex::new(None),
            hangs: Notify::new(),
        }
    }

    /// Hangs once its answers are used up, after it told so.
    async fn answer(&self) {
        let is_used_up = {
            let mut answers = self.answers.lock().unwrap();
            *answers = answers.map(|left| left.saturating_sub(1));
            *answers == Some(0)
        };
        if is_used_up {
            self.hangs.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn shown(&self) -> usize {
        self.state.lock().unwrap().1
    }

    fn fails(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        if self.fails_one_in > 0 && state.0.below(self.fails_one_in) == 0 {
            return Err(IndexerError::Rpc {
                method: "any",
                reason: "it was told to fail".to_owned(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Source for Unreliable {
    async fn genesis(&self) -> Result<Option<String>> {
        Ok(Some("test".to_owned()))
    }

    async fn tip(&self) -> Result<Tip> {
        self.fails()?;
        let mut state = self.state.lock().unwrap();
        let step = state.0.below(40) as usize;
        state.1 = (state.1 + step).min(self.events.len());
        let last = self.events[..state.1].last();
        Ok(Tip {
            slot: last.map_or(1, |event| event.slot),
            time: None,
        })
    }

    async fn walk(&self, range: &Range) -> Result<Items> {
        self.fails()?;
        let floor = range.floor.unwrap_or(0);
        let within = self
            .events
            .iter()
            .filter(|event| event.slot >= floor && event.slot <= range.tip.slot);
        let items = within.map(|event| Item {
            signature: event.id.signature,
            slot: event.slot,
            failed: false,
        });
        Ok(Arc::new(items.collect()))
    }

    async fn transaction(&self, item: &Item) -> Result<EncodedConfirmedTransactionWithStatusMeta> {
        self.fails()?;
        self.answer().await;
        let pause = self.state.lock().unwrap().0.below(300);
        tokio::time::sleep(Duration::from_micros(pause)).await;
        let event = self
            .events
            .iter()
            .find(|event| event.id.signature == item.signature)
            .unwrap();
        Ok(serde_json::from_value(reply(event, Forgery::None)).unwrap())
    }

    async fn wake(&self) {}
}

fn follower(source: Arc<dyn Source>, store: Arc<Store>) -> Follower {
    Follower {
        source,
        store,
        program: program(),
        fetches: 4,
        health: Health::default(),
    }
}

async fn clean_digest(events: &[Event]) -> [u8; 32] {
    let folder = TempDir::new().unwrap();
    let store = open(&folder.path().join("clean")).await;
    store
        .write(&Batch {
            events: events.to_vec(),
            ..Batch::default()
        })
        .await
        .unwrap();
    store.digest().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_deaths_lose_nothing_and_double_nothing() {
    for seed in 0..3 {
        let history = History::lived(seed, 20);
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("db");
        let source = Arc::new(Unreliable::new(&history.events, seed, 30));
        let mut dice = Rng::new(seed ^ 0xfeed);
        let (mut failed, mut killed) = (0, 0);
        for round in 1.. {
            assert!(round < 200, "no progress");
            // A new store each time: what a restarted process sees.
            let store = Arc::new(open(&path).await);
            let follower = follower(Arc::clone(&source) as _, Arc::clone(&store));
            let before = store
                .cursor()
                .await
                .unwrap()
                .map_or(0, |cursor| cursor.slot);
            for _ in 0..4 {
                // It dies after ever more answers, and not after a time: no machine is too fast for that.
                *source.answers.lock().unwrap() = Some(1 + dice.below(round * 12));
                tokio::select! {
                    () = source.hangs.notified() => killed += 1,
                    walked = follower.walk() => failed += u64::from(walked.is_err()),
                }
            }
            let after = store
                .cursor()
                .await
                .unwrap()
                .map_or(0, |cursor| cursor.slot);
            assert!(after >= before);
            // Everything up to the cursor is there.
            let counts = counts(&store).await;
            let finished = history
                .events
                .iter()
                .filter(|event| event.slot <= after)
                .count() as u64;
            assert!(
                counts.events >= finished,
                "{} of {finished} at {after}",
                counts.events
            );
            store.close().await;
            if source.shown() == history.events.len()
                && after >= history.events.last().unwrap().slot
            {
                break;
            }
        }
        assert!(
            failed > 0 && killed > 0,
            "seed {seed}: {failed} failed, {killed} killed"
        );
        let store = open(&path).await;
        assert_eq!(counts(&store).await.gaps, 0);
        assert_eq!(
            store.digest().await.unwrap(),
            clean_digest(&history.events).await,
            "seed {seed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_fetch_holds_the_cursor() {
    let history = History::lived(1, 10);
    let folder = TempDir::new().unwrap();
    let store = Arc::new(open(&folder.path().join("db")).await);
    let source = Arc::new(Unreliable::new(&history.events, 1, 0));
    while source.shown() < history.events.len() {
        source.tip().await.unwrap();
    }
    let broken = Arc::new(Unreliable {
        fails_one_in: 3,
        ..Unreliable::new(&history.events, 5, 0)
    });
    broken.state.lock().unwrap().1 = history.events.len();
    let broken_follower = follower(broken, Arc::clone(&store));
    // Dozens of fetches, each failing one time in three: it cannot end well.
    assert!(broken_follower.walk().await.is_err());
    assert_eq!(store.cursor().await.unwrap(), None);
    let follower = follower(source, Arc::clone(&store));
    follower.walk().await.unwrap();
    assert_eq!(
        store.cursor().await.unwrap().unwrap().slot,
        history.events.last().unwrap().slot
    );
    assert_eq!(
        store.digest().await.unwrap(),
        clean_digest(&history.events).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_behind_the_cursor_is_refused() {
    let history = History::lived(1, 10);
    let folder = TempDir::new().unwrap();
    let store = Arc::new(open(&folder.path().join("db")).await);
    let ahead = Arc::new(Unreliable::new(&history.events, 1, 0));
    ahead.state.lock().unwrap().1 = history.events.len();
    follower(ahead, Arc::clone(&store)).walk().await.unwrap();
    let behind = Arc::new(Unreliable::new(&history.events[..3], 1, 0));
    let result = follower(behind, Arc::clone(&store)).walk().await;
    assert!(matches!(result, Err(IndexerError::NodeBehind { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_may_hold_whole_replies_of_a_node() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("recording");
    let history = History::lived(1, 3);
    let lines = history.events.iter().map(|event| {
        let reply = reply(event, Forgery::None);
        format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{reply}}}\n")
    });
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    let source = Arc::new(FileSource::open(&path, &program()).unwrap());
    let store = Arc::new(open(&folder.path().join("db")).await);
    follower(source, Arc::clone(&store)).walk().await.unwrap();
    assert_eq!(
        store.digest().await.unwrap(),
        clean_digest(&history.events).await
    );
}

#[test]
fn a_recording_says_which_line_is_wrong() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("recording");
    let history = History::new(1);
    let refused = |third: &str, reason: &str| {
        let lines = recording(&history.events[..2]) + third + "\n";
        std::fs::write(&path, lines).unwrap();
        let error = FileSource::open(&path, &program())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("line 3") && error.contains(reason),
            "{error}"
        );
    };
    refused("{\"slot\": 1}", "missing field");
    refused("what is this", "expected value");
    // What can never be read is told at once, and not tried for ever.
    let mut bare = reply(&history.events[2], Forgery::None);
    bare["meta"] = serde_json::Value::Null;
    refused(&bare.to_string(), "without its metadata");
    // The answers of a node as they come.
    refused(
        r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
        "did not have the transaction",
    );
    refused(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32004,"message":"Block not available"}}"#,
        "Block not available",
    );
    let error = FileSource::open(Path::new("/no/such/file"), &program())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("/no/such/file"), "{error}");
}
